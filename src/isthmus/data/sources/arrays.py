"""Rows held in one array: in memory, memory-mapped from a ``.npy`` file, or read from a ``.npz`` archive."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import (
    BrokenFileError,
    InvalidDataError,
    InvalidParameterError,
    IsthmusError,
    MissingFileError,
    suggest,
)
from isthmus.data.sources.base import Block, Column, ColumnKind, Schema

BLOCK_BYTES = 8 << 20
_SAMPLED_ROWS = 64
_NPZ_NAMES = ("X", "x", "data", "arr_0", "x_train", "X_train")


def block_rows(row_bytes: int) -> int:
    """Return how many rows make a block of about 8 MB."""
    return max(1, BLOCK_BYTES // max(1, row_bytes))


def existing(path: str | os.PathLike[str]) -> Path:
    """Return `path` as a Path, refusing one that leads nowhere."""
    found = Path(path)
    if not found.exists():
        raise MissingFileError(f"{found} does not exist; check the spelling and the working directory")
    return found


@lru_cache(maxsize=32)
def made_up_columns(width: int, kind: ColumnKind = "real") -> tuple[Column, ...]:
    """Return columns named ``x0``, ``x1``, …."""
    return tuple(Column(f"x{i}", kind) for i in range(width))


def rows_fingerprint(
    n_rows: int, width: int, dtype: np.dtype[Any], take: Callable[[NDArray[np.intp], NDArray[Any]], None]
) -> str:
    """Return a hash of shape, type and at most 64 evenly spaced rows, the first and last among them."""
    digest = hashlib.blake2b(f"{n_rows} {width} {dtype.newbyteorder('<').str}".encode(), digest_size=16)
    rows = np.unique(np.linspace(0, n_rows - 1, min(n_rows, _SAMPLED_ROWS)).astype(np.intp))
    sampled = np.empty((len(rows), width), dtype)
    take(rows, sampled)
    digest.update(sampled.tobytes())
    return digest.hexdigest()


def check_rows(rows: NDArray[np.integer], n_rows: int) -> None:
    """Refuse row numbers that the source does not have."""
    # Two reductions over numbers that are in cache anyway cost 0.3 ns a row; np.take's own check, mode="raise",
    # buffers the whole result.
    if len(rows) and (int(rows.max()) >= n_rows or int(rows.min()) < 0):
        wrong = int(rows.max()) if int(rows.max()) >= n_rows else int(rows.min())
        raise InvalidParameterError(f"row {wrong} was asked for, but the rows are 0 to {n_rows - 1}")


class ArraySource:
    """The rows of an array.

    Parameters
    ----------
    values : array-like of shape (n_rows, n_features), (n_rows, height, width) or (n_rows, height, width, channels)
        Numbers or booleans. The type is kept, save that booleans become uint8 (without a copy), numbers held as
        Python objects become float64, numbers wider than eight bytes become float64, and big-endian numbers become
        native as they are read. Masked cells become NaN. A frame's column names are kept.
    schema : Schema or None
        Replaces what the array tells of itself.

    Raises
    ------
    InvalidDataError
        If the array is not numeric or not of two to four dimensions.
    """

    random_access: bool = True

    def __init__(self, values: Any, *, schema: Schema | None = None) -> None:
        array, boolean = _numeric(values)
        array, image_shape = _as_rows(array)
        width = array.shape[1]
        if width == 0:
            raise InvalidDataError(f"Found array with 0 feature(s) (shape={array.shape}); at least one is required")
        if schema is None:
            schema = _schema(values, array, boolean, image_shape)
        elif schema.n_features != width:
            raise InvalidDataError(f"the rows have {width} features, but their schema names {schema.n_features}")
        self.values: NDArray[Any] = array
        self.schema: Schema = schema
        self.dtype: np.dtype[Any] = array.dtype.newbyteorder("=")
        self.n_rows: int | None = len(array)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of shape, type and at most 64 rows: the same in memory and in a file."""
        # Straight from the array: `take` may lay it out anew first.
        return rows_fingerprint(len(self.values), self.schema.n_features, self.dtype, self._take_any)

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Block]:
        """Yield rows `start` to `stop` in blocks of about 8 MB; they are views of the array and not to be written."""
        n_rows = len(self.values)
        stop = n_rows if stop is None else min(stop, n_rows)
        step = block_rows(self.schema.n_features * self.dtype.itemsize)
        for first in range(start, stop, step):
            values = self.values[first : min(first + step, stop)]
            yield Block(values.astype(self.dtype, copy=False), first)

    def take(self, rows: NDArray[np.integer], out: NDArray[np.generic]) -> None:
        """Copy the rows numbered `rows`, in that order, into the first ``len(rows)`` rows of `out`.

        The first call copies an array in memory that is not C-contiguous into one that is.
        """
        check_rows(rows, len(self.values))
        if self._plain is None:
            self._take_any(rows, out)
            return
        # 10 ns a row for four float32 columns, 1e7 rows in random order, and 1.3 where the array stays in cache: what
        # memory allows. Rows viewed as one complex128 or void item each are no faster with NumPy 2 (10 and 1.3), fancy
        # indexing takes 62.
        np.take(self._plain, rows, axis=0, out=out[: len(rows)], mode="clip")

    def _take_any(self, rows: NDArray[np.integer], out: NDArray[np.generic]) -> None:
        out[: len(rows)] = self.values[rows]

    @cached_property
    def _plain(self) -> NDArray[Any] | None:
        """The array as np.take wants it, since it copies any other whole at every call; None if that is on disk."""
        flags = self.values.flags
        if flags.c_contiguous and flags.aligned and self.values.dtype.isnative:
            return self.values
        return None if _on_disk(self.values) else np.require(self.values, self.dtype, ["C", "A"])


class NpySource(ArraySource):
    """The rows of a ``.npy`` file, memory-mapped: what is not asked for is not read.

    Parameters
    ----------
    path : str or os.PathLike
        The file, with an array as `ArraySource` takes it. Pickled objects are never loaded.

    Raises
    ------
    MissingFileError, BrokenFileError, InvalidDataError
        If the file is missing, truncated or not a ``.npy`` file, or holds something other than rows of numbers.
    """

    options: ClassVar[tuple[str, ...]] = ()

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = existing(path)
        with _reading(self.path):
            # np.asarray: slices of a memmap that keep its class cost microseconds each.
            values = np.asarray(np.lib.format.open_memmap(self.path, mode="r"))
        with naming(self.path):
            super().__init__(values)


class NpzSource(ArraySource):
    """The rows of one array of a ``.npz`` archive, read into memory.

    Parameters
    ----------
    path : str or os.PathLike
        The archive. Pickled objects are never loaded.
    key : str or None
        The array's name. None takes the only array, or the one named ``X``, ``x``, ``data``, ``arr_0``, ``x_train`` or
        ``X_train``, or the only one with two or more dimensions.

    Raises
    ------
    InvalidParameterError
        If no array has that name, or `key` is None and several arrays could be meant.
    MissingFileError, BrokenFileError, InvalidDataError
        If the file is missing, damaged, or holds something other than rows of numbers.
    """

    options: ClassVar[tuple[str, ...]] = ("key",)

    def __init__(self, path: str | os.PathLike[str], *, key: str | None = None) -> None:
        self.path = existing(path)
        # np.load also opens other formats by their first bytes; a zip it must be.
        if not zipfile.is_zipfile(self.path):
            raise BrokenFileError(f"{self.path} is not a .npz archive, or is truncated; write it again with np.savez")
        with _reading(self.path), np.load(self.path, allow_pickle=False) as archive:
            self.key = _npz_key(self.path, archive, key)
            values = archive[self.key]
        with naming(self.path):
            super().__init__(values)


def _numeric(data: Any) -> tuple[NDArray[Any], bool]:
    """Return `data` as an array of numbers of at most eight bytes each, and whether it was boolean."""
    if hasattr(data, "toarray"):
        raise InvalidDataError(f"sparse rows ({type(data).__name__}) are not read yet; pass X.toarray()")
    if isinstance(data, np.ma.MaskedArray) and data.mask.any():
        data = np.ma.filled(data.astype(data.dtype if data.dtype.kind == "f" else np.float64), np.nan)
    try:
        array = np.asarray(data)
    except ValueError as error:
        raise InvalidDataError(f"the rows do not make one array: {one_line(error)}") from error
    if array.dtype.kind == "O":
        array = _from_objects(array)
    kind = array.dtype.kind
    if kind == "b":
        return array.view(np.uint8), True
    if kind == "f" and array.dtype.itemsize > 8:
        return array.astype(np.float64), False
    if kind not in "iuf":
        what = {"c": "Complex data not supported", "V": "Structured arrays are not supported"}.get(kind)
        raise InvalidDataError(
            f"{what or 'values are not numbers'} (dtype {array.dtype}); convert them to real numbers"
        )
    return array, False


def _from_objects(array: NDArray[Any]) -> NDArray[Any]:
    # NumPy would read text as numbers, and drop imaginary parts with no more than a warning.
    for place, value in np.ndenumerate(array):
        if isinstance(value, str | bytes | complex | list | tuple | dict | np.ndarray | np.datetime64 | np.timedelta64):
            where = f" at {list(place)}" if place else ""
            raise InvalidDataError(
                f"values are not all numbers: {str(value)[:40]!r}{where}; convert or drop that column"
            )
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidDataError(f"values are not all numbers: {one_line(error)}") from error


def _as_rows(array: NDArray[Any]) -> tuple[NDArray[Any], tuple[int, ...] | None]:
    if array.ndim == 2:
        return array, None
    if array.ndim < 2:
        raise InvalidDataError(
            f"Expected 2D array, got {'1D array' if array.ndim else 'scalar array'} instead; reshape it with "
            "array.reshape(-1, 1) if it is one feature or array.reshape(1, -1) if it is one row"
        )
    if array.ndim > 4:
        raise InvalidDataError(f"Found array with dim {array.ndim}; rows have 2, grey pictures 3, colour pictures 4")
    shape = array.shape[1:]
    if len(shape) == 3 and shape[2] > 4 >= shape[0]:
        raise InvalidDataError(
            f"pictures of shape {shape} have their channels first; put them last with np.moveaxis(X, 1, -1)"
        )
    return array.reshape(len(array), int(np.prod(shape))), shape


def _schema(data: Any, array: NDArray[Any], boolean: bool, image_shape: tuple[int, ...] | None) -> Schema:
    kind: ColumnKind = "boolean" if boolean else "integer" if array.dtype.kind in "iu" else "real"
    # pandas and polars say `columns`, pyarrow says `column_names`.
    names = getattr(data, "column_names", getattr(data, "columns", None))
    named = names is not None and len(names) == array.shape[1] and all(isinstance(name, str) for name in names)
    if named and names is not None:
        return Schema(tuple(Column(str(name), kind) for name in names), named=True)
    return Schema(made_up_columns(array.shape[1], kind), image_shape=image_shape)


def _npz_key(path: Path, archive: Any, key: str | None) -> str:
    names: list[str] = list(archive.files)
    listed = ", ".join(repr(name) for name in names[:20])
    if not names:
        raise InvalidDataError(f"{path} holds no arrays")
    if key is not None:
        if key not in names:
            raise InvalidParameterError(f"{path} has no array {key!r}, only {listed}{suggest(key, names)}")
        return key
    if len(names) == 1:
        return names[0]
    likely = [name for name in _NPZ_NAMES if name in names]
    wide = likely or [name for name in names if archive[name].ndim >= 2]
    if likely or len(wide) == 1:
        return wide[0]
    raise InvalidParameterError(f"{path} holds several arrays, {listed}; say which with key={names[0]!r}")


def _on_disk(array: Any) -> bool:
    while array is not None:
        if isinstance(array, np.memmap):
            return True
        array = getattr(array, "base", None)
    return False


def one_line(error: BaseException) -> str:
    """Return an error's message without its line breaks."""
    return " ".join(str(error).split())


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the file's name before the message of what is wrong with the rows in it."""
    try:
        yield
    except InvalidDataError as error:
        raise InvalidDataError(f"{path}: {error}") from error


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except IsthmusError:
        raise
    except IsADirectoryError as error:
        raise BrokenFileError(f"{path} is a folder, not a file of arrays") from error
    # NumPy parses the head of an array as Python, so a damaged one may raise anything the tokenizer does.
    except Exception as error:
        if isinstance(error, MemoryError):
            raise
        if "object" in str(error).lower():
            raise InvalidDataError(f"{path} holds Python objects, which are never loaded; save numbers") from error
        raise BrokenFileError(f"{path} cannot be read as an array: {one_line(error)}; write it again") from error
