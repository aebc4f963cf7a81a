"""Applying a function to a large picture in overlapping tiles, without seams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError, InvalidParameterError


def in_tiles(
    function: Callable[[NDArray[Any]], Any], picture: Any, *, tile: int = 512, overlap: int = 64, multiple: int = 1
) -> NDArray[Any]:
    """Apply a function to a picture of any size, tile by tile.

    The `overlap` pixels at each inner side of a tile's result are discarded. If no pixel of the function's result
    depends on pixels further away than `overlap`, the result is therefore the same as for the whole padded picture.

    Parameters
    ----------
    function : callable
        From an array (height, width) or (height, width, n_channels) to an array of the same shape. All calls have one
        shape: squares of `tile`, or the padded picture's side where it is shorter.
    picture : array-like of shape (height, width) or (height, width, n_channels)
        At least one pixel.
    tile : int, default=512
        Side of a tile in pixels; > 2 * `overlap`.
    overlap : int, default=64
        Pixels of context at each inner side of a tile, >= the radius of the function's receptive field.
    multiple : int, default=1
        Sides and corners of tiles are multiples of this number, for a network with strides the product of them. The
        picture is padded by reflection, and the result cropped. `tile` and `overlap` must be multiples of it.

    Returns
    -------
    numpy.ndarray
        Of the picture's shape and the type of `function`'s results.

    Raises
    ------
    InvalidParameterError
        If `tile`, `overlap` and `multiple` contradict one another.
    InvalidDataError
        If the picture has another number of dimensions or no pixels, or the function changes the shape.
    """
    if multiple < 1 or overlap < 0 or tile <= 2 * overlap or tile % multiple or overlap % multiple:
        raise InvalidParameterError(
            f"tile={tile}, overlap={overlap} and multiple={multiple} contradict one another: tile must be > 2 * "
            "overlap, and both multiples of multiple"
        )
    whole = _padded(picture, multiple)
    result: NDArray[Any] | None = None
    for top, first_row, last_row in _spans(whole.shape[0], tile, overlap):
        for left, first, last in _spans(whole.shape[1], tile, overlap):
            piece = whole[top : top + tile, left : left + tile]
            mapped = np.asarray(function(piece))
            if mapped.shape != piece.shape:
                raise InvalidDataError(
                    f"the function returned shape {mapped.shape} for a tile of shape {piece.shape}; keep the shape"
                )
            result = np.empty(whole.shape, mapped.dtype) if result is None else result
            result[first_row:last_row, first:last] = mapped[
                first_row - top : last_row - top, first - left : last - left
            ]
    assert result is not None
    height, width = np.shape(picture)[:2]
    return result[:height, :width]


def _spans(length: int, tile: int, overlap: int) -> list[tuple[int, int, int]]:
    if length <= tile:
        return [(0, 0, length)]
    # The last tile ends with the picture.
    begins = [*range(0, length - tile, tile - 2 * overlap), length - tile]
    cuts = [0, *(begin + overlap for begin in begins[1:]), length]
    return list(zip(begins, cuts, cuts[1:], strict=False))


def _padded(picture: Any, multiple: int) -> NDArray[Any]:
    """Pad a picture by reflection, below and to the right, so that height and width are multiples of a number."""
    values = np.asarray(picture)
    if values.ndim not in (2, 3) or not values.size:
        raise InvalidDataError(
            f"picture has shape {values.shape}; it must be (height, width) or (height, width, n_channels), not empty"
        )
    missing = [-side % multiple for side in values.shape[:2]]
    if not any(missing):
        return values
    return np.pad(values, [(0, missing[0]), (0, missing[1]), *[(0, 0)] * (values.ndim - 2)], mode="reflect")
