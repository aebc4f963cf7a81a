"""Whole pictures through a function of limited size: padding by reflection, tiles with overlap, no seams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError, InvalidParameterError


def padded(picture: Any, multiple: int) -> NDArray[Any]:
    """Return a picture whose height and width are multiples of a number, reflected below and to the right.

    Parameters
    ----------
    picture : array-like of shape (height, width) or (height, width, n_channels)
        At least one pixel. What is reflected is reflected again where the picture is smaller than what is missing.
    multiple : int
        At least 1.

    Returns
    -------
    numpy.ndarray
        With `picture` in its upper left corner; `picture` itself where nothing is missing.

    Raises
    ------
    InvalidDataError
        If it is no picture or has no pixels.
    """
    values = _checked(picture)
    missing = [-side % multiple for side in values.shape[:2]]
    if not any(missing):
        return values
    return np.pad(values, [(0, missing[0]), (0, missing[1]), *[(0, 0)] * (values.ndim - 2)], mode="reflect")


def in_tiles(
    function: Callable[[NDArray[Any]], Any],
    picture: Any,
    *,
    tile: int = 512,
    overlap: int = 64,
    multiple: int = 1,
) -> NDArray[Any]:
    """Map a picture of any size by a function of pictures of bounded size, tile by tile.

    Of each tile only what is at least `overlap` away from a neighbour is kept. A function in which no pixel is touched
    by another further away than `overlap` therefore gives what it would give of the padded picture as a whole.

    Parameters
    ----------
    function : callable
        Maps an array (height, width) or (height, width, n_channels) to an array of the same shape. It sees one shape
        throughout: squares of `tile`, or the padded picture's own side where that is shorter.
    picture : array-like of shape (height, width) or (height, width, n_channels)
        At least one pixel.
    tile : int, default=512
        Pixels on a tile's side; more than twice `overlap`.
    overlap : int, default=64
        Pixels of context on each inner side of a tile, at least the function's reach.
    multiple : int, default=1
        What sides and corners of tiles are multiples of: of a network with strides, the product of these. The picture
        is padded by reflection, as `padded` does, and the result cut back. `tile` and `overlap` are multiples of it.

    Returns
    -------
    numpy.ndarray
        Of the picture's shape and the type that `function` gives.

    Raises
    ------
    InvalidParameterError
        If `tile`, `overlap` and `multiple` do not go together.
    InvalidDataError
        If it is no picture, has no pixels, or the function returns another shape than it was given.
    """
    if multiple < 1 or overlap < 0 or tile <= 2 * overlap or tile % multiple or overlap % multiple:
        raise InvalidParameterError(
            f"tile={tile}, overlap={overlap}, multiple={multiple}: a tile is more than twice its overlap, and both are "
            "multiples of multiple"
        )
    whole = padded(picture, multiple)
    result: NDArray[Any] | None = None
    for top, first_row, last_row in _spans(whole.shape[0], tile, overlap):
        for left, first, last in _spans(whole.shape[1], tile, overlap):
            given = whole[top : top + tile, left : left + tile]
            made = np.asarray(function(given))
            if made.shape != given.shape:
                raise InvalidDataError(f"the function made {made.shape} of a tile of shape {given.shape}")
            result = np.empty(whole.shape, made.dtype) if result is None else result
            result[first_row:last_row, first:last] = made[first_row - top : last_row - top, first - left : last - left]
    assert result is not None
    height, width = np.shape(picture)[:2]
    return result[:height, :width]


def _spans(length: int, tile: int, overlap: int) -> list[tuple[int, int, int]]:
    if length <= tile:
        return [(0, 0, length)]
    # The last tile is moved back to end with the picture.
    begins = [*range(0, length - tile, tile - 2 * overlap), length - tile]
    cuts = [0, *(begin + overlap for begin in begins[1:]), length]
    return list(zip(begins, cuts, cuts[1:], strict=False))


def _checked(picture: Any) -> NDArray[Any]:
    values = np.asarray(picture)
    if values.ndim not in (2, 3) or not values.size:
        raise InvalidDataError(
            f"a picture has shape (height, width) or (height, width, n_channels), not {values.shape}; it needs a pixel"
        )
    return values
