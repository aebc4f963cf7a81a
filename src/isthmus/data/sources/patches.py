"""Patches of pictures as rows, and pictures put together from patches."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from numbers import Integral
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.data.sources.arrays import ArraySource, NumberedRows, made_up_schema
from isthmus.data.sources.base import Schema
from isthmus.data.sources.images import PictureFiles, looks, luminance

# Of decoded pictures in memory: 1,000 grey photographs of 640 x 400.
CACHE_BYTES = 256 << 20

Pair = tuple[int, int]


class PatchSource(NumberedRows):
    """Patches of pictures as rows, cut when they are asked for.

    Parameters
    ----------
    pictures : str, os.PathLike or sequence
        A folder or a ``.zip`` of pictures, one picture or a pattern such as ``"*.jpg"``, as for `ImageFolderSource`; a
        sequence of such paths; or a sequence of arrays of shape (height, width) or (height, width, 3). Sizes may
        differ.
    size : int or (int, int)
        Height and width of a patch, in pixels, each at least 1; one number stands for both.
    stride : int, (int, int) or None
        Pixels from one place to the next, down and across, each at least 1. None means `size`, so that patches are
        tiles, or 1 with `n_patches`.
    n_patches : int or None
        The number of rows, each from a place drawn uniformly, with replacement, from all places of all pictures. None
        cuts at every place: picture by picture, from the top left, line by line. Margins at the right and at the bottom
        that are narrower than a patch are left out.
    random_state : int
        Seed of the places drawn, at least 0. The place of a row depends only on the seed and the number of the row.
    grey : bool
        Convert colours to luminance (Rec. ITU-R BT.601). With False, either all pictures or none must have colours.
    center : bool
        Subtract the mean of each patch. Rows are then float32, or float64 if the pictures are.

    Attributes
    ----------
    names : list of str
        The names of the pictures; ``picture 0``, ``picture 1``, … for arrays.
    n_rows : int
        The number of patches.
    picture_dtype : dtype
        The type of the pictures.

    Notes
    -----
    Types are kept except with ``center=True``; all pictures must have the same. Sizes are read from the headers of the
    pictures. Up to 256 MB of the most recently used decoded pictures are kept in memory, and `take` decodes any other
    picture once.

    Raises
    ------
    InvalidParameterError
        If a size, stride, number or seed is not an integer in its range.
    InvalidDataError
        If there are no pictures; if one is smaller than a patch, or differs from the first in type or, with
        ``grey=False``, in having colours; or, when its patches are read, if one has NaN or infinity.
    MissingFileError, BrokenFileError
        If a file is missing or damaged; damage after the header is found when the patches are read.
    """

    def __init__(
        self,
        pictures: Any,
        size: int | Pair = 8,
        *,
        stride: int | Pair | None = None,
        n_patches: int | None = None,
        random_state: int = 0,
        grey: bool = True,
        center: bool = False,
    ) -> None:
        self.size = _pair("size", size)
        default = self.size if n_patches is None else (1, 1)
        self.stride = default if stride is None else _pair("stride", stride)
        if n_patches is not None:
            _check_integer("n_patches", n_patches, 1)
        _check_integer("random_state", random_state, 0)
        self.seed = int(random_state)
        self.grey, self.center = bool(grey), bool(center)
        self._pictures = _listed(pictures)
        self.names = [picture.name for picture in self._pictures]
        self._check_pictures()
        self._grids = np.array([_places(picture.shape, self.size, self.stride) for picture in self._pictures])
        self._ends = np.cumsum(self._grids.prod(axis=1))
        self._drawn = n_patches is not None
        self._kept: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._lock = Lock()
        first = self._pictures[0]
        shape = self.size if self.grey else (*self.size, *first.shape[2:])
        self.picture_dtype: np.dtype[Any] = first.dtype
        wide = first.dtype == np.float64
        self.dtype: np.dtype[Any] = np.dtype(np.float64 if wide else np.float32) if self.center else first.dtype
        self.schema: Schema = made_up_schema(int(np.prod(shape)), self.dtype, shape)
        self.n_rows: int | None = int(self._ends[-1]) if n_patches is None else int(n_patches)

    def _check_pictures(self) -> None:
        first = self._pictures[0]
        for picture in self._pictures:
            if picture.shape[0] < self.size[0] or picture.shape[1] < self.size[1]:
                raise InvalidDataError(
                    f"{picture.name} is {looks(picture.shape, picture.dtype)}, smaller than a patch of "
                    f"{self.size[1]}x{self.size[0]}; leave it out or cut smaller patches"
                )
            if picture.dtype != first.dtype or (not self.grey and len(picture.shape) != len(first.shape)):
                remedy = "convert all to one type" if picture.dtype != first.dtype else "set grey=True"
                raise InvalidDataError(
                    f"{picture.name} is {looks(picture.shape, picture.dtype)}, but {first.name} is "
                    f"{looks(first.shape, first.dtype)}; {remedy}"
                )

    def take(self, rows: NDArray[np.integer], out: NDArray[np.generic]) -> None:
        """Copy the patches numbered `rows`, in that order, into the first ``len(rows)`` rows of `out`."""
        if not len(rows):
            return
        numbers, tops, lefts = self.places(rows)
        order = np.argsort(numbers, kind="stable")
        used, starts = np.unique(numbers[order], return_index=True)
        for number, chosen in zip(used.tolist(), np.split(order, starts[1:]), strict=True):
            patches = _windows(self._decoded(number), self.size)[tops[chosen], lefts[chosen]]
            values = patches.reshape(len(chosen), -1)
            out[chosen] = centered(values, self.dtype)[0] if self.center else values

    def places(self, rows: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return, for each of the rows, the number of its picture and its first line and column in it."""
        self._check(rows)
        place = _draw(rows, self.seed, int(self._ends[-1])) if self._drawn else rows.astype(np.int64)
        numbers = np.searchsorted(self._ends, place, side="right")
        place = place - np.where(numbers > 0, self._ends[numbers - 1], 0)
        down, across = np.divmod(place, self._grids[numbers, 1])
        return numbers, down * self.stride[0], across * self.stride[1]

    def _decoded(self, number: int) -> NDArray[Any]:
        # A thread that reads ahead and the main thread may both read rows.
        with self._lock:
            if number in self._kept:
                self._kept.move_to_end(number)
                return self._kept[number]
            picture = self._kept[number] = self._read(number)
            total = sum(kept.nbytes for kept in self._kept.values())
            while total > CACHE_BYTES and len(self._kept) > 1:
                total -= self._kept.popitem(last=False)[1].nbytes
            return picture

    def _read(self, number: int) -> NDArray[Any]:
        known = self._pictures[number]
        picture = known.read()
        if picture.shape != known.shape or picture.dtype != known.dtype:
            raise InvalidDataError(
                f"{known.name} is {looks(picture.shape, picture.dtype)} and was "
                f"{looks(known.shape, known.dtype)} when the source was opened; open it again"
            )
        if picture.dtype.kind == "f" and not np.isfinite(picture).all():
            line, column = np.argwhere(~np.isfinite(picture))[0][:2]
            what = "NaN" if np.isnan(picture[line, column]).any() else "infinity"
            raise InvalidDataError(f"{known.name} holds {what} at line {line}, column {column}; repair or leave it out")
        return luminance(picture) if self.grey and picture.ndim == 3 else picture


def centered(rows: NDArray[Any], dtype: np.dtype[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return rows minus the mean of each row, and the means as a column."""
    means = rows.mean(axis=1, dtype=np.float64, keepdims=True).astype(dtype)
    return rows.astype(dtype) - means, means


def to_patches(picture: Any, size: int | Pair = 8, stride: int | Pair | None = None) -> NDArray[Any]:
    """Cut one picture into patches.

    Parameters
    ----------
    picture : array-like of shape (height, width) or (height, width, channels)
        The picture.
    size : int or (int, int)
        Height and width of a patch.
    stride : int, (int, int) or None
        Pixels from one patch to the next, down and across; None means `size`, so that patches are tiles.

    Returns
    -------
    patches : ndarray of shape (n_patches, height, width) or (n_patches, height, width, channels)
        A copy, from the top left, line by line. Incomplete patches at the right and at the bottom are left out.

    Raises
    ------
    InvalidDataError
        If the picture is smaller than a patch or does not have two or three dimensions.
    InvalidParameterError
        If a size or stride is not an integer >= 1.
    """
    pixels, size = np.asarray(picture), _pair("size", size)
    down, across = size if stride is None else _pair("stride", stride)
    if pixels.ndim not in (2, 3):
        raise InvalidDataError(f"a picture has 2 dimensions, or 3 with channels last; this one has {pixels.ndim}")
    if pixels.shape[0] < size[0] or pixels.shape[1] < size[1]:
        raise InvalidDataError(
            f"the picture, {pixels.shape[1]}x{pixels.shape[0]}, is smaller than a patch of {size[1]}x{size[0]}"
        )
    patches = _windows(pixels, size)[::down, ::across]
    return patches.reshape(-1, *patches.shape[2:])


def from_patches(
    patches: Any, picture_shape: Sequence[int], stride: int | Pair | None = None
) -> NDArray[np.floating[Any]]:
    """Put a picture together from its patches; each pixel is the mean over the patches that contain it.

    Parameters
    ----------
    patches : array-like of shape (n_patches, height, width), the same with channels, or (n_patches, n_features)
        In the order of `to_patches` and `PatchSource`. Flat rows are square patches.
    picture_shape : (int, int) or (int, int, int)
        Height and width of the picture, and its channels if it has any.
    stride : int, (int, int) or None
        Pixels from one patch to the next, as they were cut; None means the size of the patches.

    Returns
    -------
    picture : ndarray of shape `picture_shape`
        float32 for float32 patches, else float64. NaN where there is no patch: at the right and at the bottom, beyond
        the last stride.

    Raises
    ------
    InvalidDataError
        If the number of patches or their channels do not fit the picture.
    InvalidParameterError
        If the stride is not an integer >= 1.
    """
    shape = tuple(int(edge) for edge in picture_shape)
    pieces = _as_pictures(np.asarray(patches), shape)
    size = pieces.shape[1:3]
    down, across = size if stride is None else _pair("stride", stride)
    lines, columns = _places(shape, size, (down, across))
    if len(pieces) != lines * columns:
        raise InvalidDataError(
            f"a picture of {shape[1]}x{shape[0]} has {lines * columns} patches of {size[1]}x{size[0]} at stride "
            f"{(down, across)}, and {len(pieces)} are given"
        )
    pieces = pieces.reshape(lines, columns, *pieces.shape[1:])
    sums, counts = np.zeros(shape), np.zeros(shape[:2])
    for line in range(size[0]):
        for column in range(size[1]):
            there = (
                slice(line, line + (lines - 1) * down + 1, down),
                slice(column, column + (columns - 1) * across + 1, across),
            )
            sums[there] += pieces[:, :, line, column]
            counts[there] += 1
    counts[counts == 0] = np.nan
    picture = sums / (counts if len(shape) == 2 else counts[..., None])
    return picture.astype(pieces.dtype if pieces.dtype == np.float32 else np.float64)


def _as_pictures(patches: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    channels = shape[2:]
    if patches.ndim == 2:
        side = round((patches.shape[1] / int(np.prod(channels))) ** 0.5)
        if side < 1 or side * side * int(np.prod(channels)) != patches.shape[1]:
            raise InvalidDataError(
                f"rows of {patches.shape[1]} are not square patches of a picture of shape {shape}; reshape the "
                "patches first: patches.reshape(-1, height, width)"
            )
        return patches.reshape(-1, side, side, *channels)
    if patches.ndim != 1 + len(shape) or patches.shape[3:] != channels:
        raise InvalidDataError(f"patches of shape {patches.shape} do not fit a picture of shape {shape}")
    return patches


class _Picture(NamedTuple):
    """A picture that is read when its patches are."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[], NDArray[Any]]


def _listed(pictures: Any) -> list[_Picture]:
    if isinstance(pictures, str | os.PathLike):
        return _of_files(PictureFiles(pictures))
    if isinstance(pictures, np.ndarray) and pictures.ndim < 3:
        raise InvalidDataError(f"pictures must be a sequence, not one array of {pictures.ndim} dimensions; pass [X]")
    found: list[_Picture] = []
    for number, picture in enumerate(pictures):
        if isinstance(picture, str | os.PathLike):
            found += _of_files(PictureFiles(picture))
        else:
            found.append(_of_array(picture, f"picture {number}"))
    if not found:
        raise InvalidDataError("there are no pictures to cut patches from")
    return found


def _of_files(files: PictureFiles) -> list[_Picture]:
    return [_Picture(files.where(i), *files.look(i), partial(files.read, i)) for i in range(len(files))]


def _of_array(picture: Any, name: str) -> _Picture:
    array = picture if isinstance(picture, np.ndarray) else np.asarray(picture)
    if array.ndim not in (2, 3) or array.shape[2:] not in ((), (1,), (3,)):
        raise InvalidDataError(f"{name} has shape {array.shape}; pictures are (height, width) or (height, width, 3)")
    try:
        # As one column: as one row, a photograph would have hundreds of thousands of named columns.
        source = ArraySource(array.reshape(-1, 1))
    except InvalidDataError as error:
        raise InvalidDataError(f"{name}: {error}") from error
    shape = array.shape if array.shape[2:] == (3,) else array.shape[:2]
    return _Picture(name, shape, source.dtype, lambda: source.values.reshape(shape).astype(source.dtype, copy=False))


def _windows(picture: NDArray[Any], size: Pair) -> NDArray[Any]:
    """Return a view of all patches, (lines, columns, height, width) and the channels last."""
    windows = np.lib.stride_tricks.sliding_window_view(picture, size, axis=(0, 1))
    return np.moveaxis(windows, 2, -1) if picture.ndim == 3 else windows


def _places(shape: tuple[int, ...], size: Pair, stride: Pair) -> Pair:
    """Return the number of places for patches in a picture, down and across."""
    down, across = ((shape[axis] - size[axis]) // stride[axis] + 1 for axis in (0, 1))
    return max(down, 0), max(across, 0)


def _draw(rows: NDArray[np.integer], seed: int, below: int) -> NDArray[np.int64]:
    """Return a number below `below` for each row: SplitMix64 (Steele, Lea and Flood, 2014) of seed and row."""
    step = np.uint64(0x9E3779B97F4A7C15)
    start = _mixed_bits(np.array([seed % 2**64], np.uint64) + step)
    bits = _mixed_bits(start + (rows.astype(np.uint64) + np.uint64(1)) * step)
    # 53 bits, so that the probabilities of two places differ by at most 2**-53.
    share = (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return np.minimum((share * below).astype(np.int64), below - 1)


def _mixed_bits(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _check_integer(name: str, value: object, low: int) -> None:
    if not isinstance(value, Integral) or isinstance(value, bool) or int(value) < low:
        raise InvalidParameterError(f"{name}={value!r} must be an integer >= {low}")


def _pair(name: str, value: Any) -> Pair:
    pair = (value, value) if isinstance(value, Integral) else value
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise InvalidParameterError(f"{name}={value!r} must be an integer or a pair of integers")
    for edge in pair:
        _check_integer(name, edge, 1)
    return int(pair[0]), int(pair[1])
