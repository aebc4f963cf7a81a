"""Checks of the arguments of figures: finite two-dimensional arrays, image shapes, unit indices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError, InvalidParameterError

Array = NDArray[Any]
ArrayLike = Any  # an array, a list or a frame
Sets = Mapping[str, Array]  # arrays by name
_FAR = 5  # interquartile ranges beyond the quartiles
Shape = tuple[int, ...]  # of a picture: (height, width), or (height, width, channels) for more than one channel


def named_sets(values: ArrayLike | Mapping[str, ArrayLike], what: str) -> dict[str, ArrayLike]:
    """Return arrays by name; a single array gets the empty name."""
    if not isinstance(values, Mapping):
        return {"": values}
    if not values:
        raise InvalidDataError(f"{what} is an empty mapping; pass at least one array in it")
    return {str(name): each for name, each in values.items()}


def matrix_of(values: ArrayLike, what: str) -> Array:
    """Return a finite two-dimensional array with at least one row and one column."""
    if hasattr(values, "tocsr"):
        raise InvalidDataError(
            f"{what} are a sparse matrix; pass the columns to draw as an array, such as codes[:, [0, 1]].toarray()"
        )
    try:
        array = np.asarray(values)
        if array.dtype.kind in "OUST":
            array = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidDataError(f"{what} are not an array of numbers; convert or drop the other values") from error
    if array.dtype.kind not in "biuf":
        raise InvalidDataError(f"{what} have dtype {array.dtype}; convert them to real numbers")
    if array.ndim == 1 and len(array):
        raise InvalidDataError(
            f"{what} have one dimension, shape {array.shape}; reshape them to (rows, columns), "
            "or with .reshape(-1, 1) if they are one column"
        )
    if array.ndim != 2:
        raise InvalidDataError(f"{what} have shape {array.shape}; pass an array of shape (rows, columns)")
    if not array.size:
        raise InvalidDataError(f"{what} are empty, shape {array.shape}; pass at least one row and one column")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row, column = np.argwhere(~np.isfinite(array))[0]
        raise InvalidDataError(
            f"{what} contain {array[row, column]} at row {row}, column {column}; drop or impute such rows"
        )
    return array.astype(np.uint8) if array.dtype.kind == "b" else array


def rows_of(values: ArrayLike, image_shape: Sequence[int] | None, what: str) -> tuple[Array, Shape | None]:
    """Return rows as a two-dimensional array, and the image shape if they are pictures, else None."""
    try:
        ndim = np.ndim(values)
    except ValueError:  # rows of unequal length: matrix_of raises the better message
        ndim = 2
    if ndim in (3, 4):
        array = np.asarray(values)
        own = checked_shape(array.shape[1:])
        if image_shape is not None and own != checked_shape(image_shape):
            raise InvalidDataError(f"{what} are pictures of shape {own}, but image_shape={tuple(image_shape)}")
        return matrix_of(array.reshape(len(array), int(np.prod(own))), what), own
    matrix = matrix_of(values, what)
    if image_shape is None:
        return matrix, None
    shape = checked_shape(image_shape)
    check_size(matrix.shape[1], shape, what)
    return matrix, shape


def picture_rows(rows: ArrayLike, image_shape: Sequence[int] | None) -> tuple[Array, Shape]:
    """Return rows that are pictures as a two-dimensional array, and their shape."""
    matrix, shape = rows_of(rows, image_shape, "rows")
    if shape is None:
        raise InvalidParameterError(
            "image_shape=None, but rows are drawn as pictures; pass the (height, width) of a row"
        )
    return matrix, shape


def checked_shape(shape: Sequence[int]) -> Shape:
    """Return (height, width), or (height, width, channels) for more than one channel."""
    try:
        sizes = tuple(int(size) for size in shape)
    except (TypeError, ValueError):
        sizes = ()
    if len(sizes) not in (2, 3) or min(sizes) < 1 or (len(sizes) == 3 and sizes[2] not in (1, 3, 4)):
        raise InvalidParameterError(
            f"image_shape={shape!r} must be (height, width) or (height, width, channels) with 1, 3 or 4 channels"
        )
    return sizes[:2] if sizes[-1] == 1 and len(sizes) == 3 else sizes


def check_size(width: int, shape: Shape, what: str) -> None:
    """Raise InvalidParameterError unless `width` is the number of values of a picture of `shape`."""
    if width != int(np.prod(shape)):
        raise InvalidParameterError(
            f"image_shape={shape} has {int(np.prod(shape))} values, but {what} have {width} columns"
        )


def common_length(sets: Sets) -> int:
    """Return the number of rows that all sets of codes have."""
    lengths = {name: len(values) for name, values in sets.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise InvalidDataError(
            f"the sets of codes have different numbers of rows ({listed}); pass codes of the same rows"
        )
    return next(iter(lengths.values()))


def unit_indices(name: str, given: Any, width: int, *, pair: bool = False) -> list[int]:
    """Return the index or indices of existing units as a list; with `pair`, one or two different ones."""
    try:
        chosen = [int(unit) for unit in np.atleast_1d(np.asarray(given)) if unit == int(unit)]
    except (TypeError, ValueError):
        chosen = []
    complete = bool(chosen) and len(chosen) == np.size(given)
    if not complete or (pair and (np.ndim(given) != 1 or len(chosen) > 2 or len(set(chosen)) < len(chosen))):
        wanted = "one or two different unit indices" if pair else "a unit index or a list of unit indices"
        raise InvalidParameterError(f"{name}={given!r} must be {wanted}")
    for unit in chosen:
        if not 0 <= unit < width:
            raise InvalidParameterError(f"{name}={given!r}: unit {unit} does not exist; units are 0 to {width - 1}")
    return chosen


def plane_units(components: Sequence[int], width: int) -> list[int]:
    """Return the one or two units to draw; a code of one unit is always drawn."""
    return [0] if width == 1 else unit_indices("components", components, width, pair=True)


def unit_names(names: Sequence[str] | None, values: ArrayLike, width: int, noun: str = "code") -> list[str]:
    """Return the given names, else the column names of a frame if all are strings, else numbered names."""
    if names is None:
        names = getattr(values, "columns", None)
    if names is None or (len(names) == width and not all(isinstance(name, str) for name in names)):
        return [f"{noun} {k}" for k in range(width)]
    if len(names) != width:
        raise InvalidDataError(f"{len(names)} names for {width} columns; pass one per column")
    return [str(name) for name in names]


def numbers_of(values: ArrayLike, what: str) -> Array:
    """Return a finite one-dimensional array with at least one number."""
    if np.ndim(values) != 1:
        raise InvalidDataError(f"{what} have shape {np.shape(values)}; pass one number per unit")
    return matrix_of(np.asarray(values)[:, None], what)[:, 0].astype(np.float64)


def bulk(values: Array) -> tuple[float, float] | None:
    """Return the range of values without a few that lie far outside; None where nothing squeezes the others.

    Far outside is beyond a quartile by five interquartile ranges, as no normal values are. They are at most a tenth of
    the values, or two, and without them the range is at most half as long.
    """
    values = values[np.isfinite(values)].astype(np.float64)
    # Most codes of a sparse unit are 0.
    for some in (values, values[values != 0]):
        lower, upper = np.quantile(some, [0.25, 0.75]) if len(some) else (0.0, 0.0)
        if upper > lower:
            break
    else:
        return None
    reach = _FAR * (upper - lower)
    kept = values[(values >= lower - reach) & (values <= upper + reach)]
    if len(values) - len(kept) > max(0.1 * len(values), 2) or 2 * np.ptp(kept) > np.ptp(values):
        return None
    return float(kept.min()), float(kept.max())


def check_count(name: str, value: int) -> None:
    """Raise InvalidParameterError unless `value` is an integer >= 1."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise InvalidParameterError(f"{name}={value!r} must be an integer >= 1")
