"""Rows of one array: in memory, memory-mapped from a ``.npy`` file, or read from a ``.npz`` archive."""

from __future__ import annotations

import hashlib
import os
import zipfile
from abc import ABC, abstractmethod
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
from isthmus.core.signatures import content_of
from isthmus.data.sources.base import Block, Column, ColumnKind, Schema

BLOCK_BYTES = 8 << 20
_SAMPLED_ROWS = 64
_NPZ_NAMES = ("X", "x", "data", "arr_0", "x_train", "X_train")


def block_rows(row_bytes: int) -> int:
    """Return the number of rows of a block of about 8 MB."""
    return max(1, BLOCK_BYTES // max(1, row_bytes))


def existing(path: str | os.PathLike[str]) -> Path:
    """Return `path` as a Path; raise MissingFileError if it does not exist."""
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
    """Return a hash of shape, type and at most 64 evenly spaced rows, including the first and last."""
    digest = hashlib.blake2b(f"{n_rows} {width} {dtype.newbyteorder('<').str}".encode(), digest_size=16)
    rows = np.unique(np.linspace(0, n_rows - 1, min(n_rows, _SAMPLED_ROWS)).astype(np.intp))
    sampled = np.empty((len(rows), width), dtype)
    take(rows, sampled)
    digest.update(sampled.tobytes())
    return digest.hexdigest()


def check_rows(rows: NDArray[np.integer], n_rows: int) -> None:
    """Raise InvalidParameterError for a row number that is out of range."""
    # 0.3 ns a row; the check of np.take, mode="raise", buffers the whole result.
    if len(rows) and (int(rows.max()) >= n_rows or int(rows.min()) < 0):
        wrong = int(rows.max()) if int(rows.max()) >= n_rows else int(rows.min())
        raise InvalidParameterError(f"row {wrong} is out of range; the rows are 0 to {n_rows - 1}")


def made_up_schema(width: int, dtype: np.dtype[Any], image_shape: tuple[int, ...] | None = None) -> Schema:
    """Return the schema of columns without names."""
    return Schema(made_up_columns(width, "integer" if dtype.kind in "iu" else "real"), image_shape=image_shape)


class NumberedRows(ABC):
    """The base class of sources whose number of rows is known, and whose rows are read by number."""

    schema: Schema
    dtype: np.dtype[Any]
    n_rows: int | None
    random_access: bool = True

    @property
    def _count(self) -> int:
        assert self.n_rows is not None
        return self.n_rows

    @cached_property
    def fingerprint(self) -> str:
        """A hash of shape, type and at most 64 evenly spaced rows: the same as for an array of them."""
        return rows_fingerprint(self._count, self.schema.n_features, self.dtype, self._take_any)

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Block]:
        """Yield rows `start` to `stop` in blocks of about 8 MB; do not write to them, they may be views."""
        stop = self._count if stop is None else min(stop, self._count)
        step = block_rows(self.schema.n_features * self.dtype.itemsize)
        for first in range(start, stop, step):
            yield Block(self._between(first, min(first + step, stop)), first)

    @abstractmethod
    def take(self, rows: NDArray[np.integer], out: NDArray[np.generic]) -> None:
        """Copy the rows numbered `rows`, in that order, into the first ``len(rows)`` rows of `out`."""

    def _check(self, rows: NDArray[np.integer]) -> None:
        check_rows(rows, self._count)

    def _take_any(self, rows: NDArray[np.integer], out: NDArray[np.generic]) -> None:
        self.take(rows, out)

    def _between(self, first: int, stop: int) -> NDArray[Any]:
        values = np.empty((stop - first, self.schema.n_features), self.dtype)
        self.take(np.arange(first, stop), values)
        return values


class ArraySource(NumberedRows):
    """The rows of an array.

    Parameters
    ----------
    values : array-like of shape (n_rows, n_features), (n_rows, height, width) or (n_rows, height, width, channels)
        Numbers or booleans. The type is kept, except that booleans become uint8 (without a copy), Python objects and
        numbers of more than eight bytes become float64, and big-endian numbers become native when they are read.
        Masked cells become NaN. The column names of a DataFrame are kept.
    schema : Schema or None
        The columns, instead of those of the array.

    Raises
    ------
    InvalidDataError
        If the array is not numeric or does not have two to four dimensions.
    """

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

    def take(self, rows: NDArray[np.integer], out: NDArray[np.generic]) -> None:
        """Copy the rows numbered `rows`, in that order, into the first ``len(rows)`` rows of `out`.

        The first call copies an array in memory that is not C-contiguous into one that is.
        """
        self._check(rows)
        if self._plain is None:
            self._take_any(rows, out)
            return
        # 10 ns a row for 1e7 rows of four float32 columns in random order, which is the limit of memory; fancy indexing
        # takes 62 ns.
        np.take(self._plain, rows, axis=0, out=out[: len(rows)], mode="clip")

    def _take_any(self, rows: NDArray[np.integer], out: NDArray[np.generic]) -> None:
        out[: len(rows)] = self.values[rows]  # without the copy that `take` may make

    def _between(self, first: int, stop: int) -> NDArray[Any]:
        # Sums over the rows of a block depend, in the last bit, on how it lies in memory, and weights follow from them.
        return np.require(self.values[first:stop], self.dtype, ["C"])

    @cached_property
    def _plain(self) -> NDArray[Any] | None:
        """The array in the layout that np.take does not copy at every call; None if the array is on disk."""
        flags = self.values.flags
        if flags.c_contiguous and flags.aligned and self.values.dtype.isnative:
            return self.values
        return None if _on_disk(self.values) else np.require(self.values, self.dtype, ["C", "A"])


class NpySource(ArraySource):
    """The rows of a ``.npy`` file, memory-mapped.

    Parameters
    ----------
    path : str or os.PathLike
        The file of an array that `ArraySource` takes. Pickled objects are never loaded.

    Raises
    ------
    MissingFileError, BrokenFileError, InvalidDataError
        If the file is missing, truncated or not a ``.npy`` file, or does not hold rows of numbers.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = existing(path)
        with _reading(self.path):
            # np.asarray, since slicing a np.memmap costs microseconds.
            mapped = np.lib.format.open_memmap(self.path, mode="r")
            # NumPy writes a byte for an empty memory-mapped array.
            refuse_more(self.path, mapped.offset + max(mapped.nbytes, 1), self.path.stat().st_size)
            values = np.asarray(mapped)
        with naming(self.path):
            super().__init__(values)


class NpzSource(ArraySource):
    """The rows of one array of a ``.npz`` archive, read into memory.

    Parameters
    ----------
    path : str or os.PathLike
        The archive. Pickled objects are never loaded.
    key : str or None
        The name of the array. None reads the only array, the array named ``X``, ``x``, ``data``, ``arr_0``,
        ``x_train`` or ``X_train``, or the only array of two or more dimensions.

    Raises
    ------
    InvalidParameterError
        If no array has that name, or `key` is None and several arrays fit.
    MissingFileError, BrokenFileError, InvalidDataError
        If the file is missing, damaged, or does not hold rows of numbers.
    """

    options: ClassVar[tuple[str, ...]] = ("key",)

    def __init__(self, path: str | os.PathLike[str], *, key: str | None = None) -> None:
        self.path = existing(path)
        # np.load also opens other formats, by their first bytes.
        if not zipfile.is_zipfile(self.path):
            if other := content_of(self.path):
                raise BrokenFileError(f"{self.path} is not a .npz archive but {other}")
            raise BrokenFileError(f"{self.path} is not a .npz archive, or is truncated; write it again with np.savez")
        with _reading(self.path), np.load(self.path, allow_pickle=False) as archive:
            self.key = chosen_array(self.path, archive, key)
            values = archive[self.key]
        with naming(self.path):
            super().__init__(values)


def refuse_more(file: Any, end: int, size: int) -> None:
    """Raise InvalidDataError if a ``.npy`` file goes on after its array: what follows would be left out."""
    if size > end:
        raise InvalidDataError(
            f"{file} has {size - end} bytes after its array, as a second numpy.save into the same file leaves them; "
            "save all rows as one array"
        )


def _numeric(data: Any) -> tuple[NDArray[Any], bool]:
    """Return `data` as an array of numbers of at most eight bytes each, and whether it was boolean."""
    if hasattr(data, "toarray"):
        raise InvalidDataError(f"sparse rows ({type(data).__name__}) are not supported; pass X.toarray()")
    if isinstance(data, np.ma.MaskedArray) and data.mask.any():
        data = np.ma.filled(data.astype(data.dtype if data.dtype.kind == "f" else np.float64), np.nan)
    try:
        array = np.asarray(data)
    except ValueError as error:
        raise InvalidDataError(f"the rows do not form one array: {one_line(error)}") from error
    if array.dtype.kind == "O":
        array = _from_objects(array)
    kind = array.dtype.kind
    if array.dtype.name == "bfloat16":
        return array.astype(np.float32), False
    if kind == "b":
        return array.view(np.uint8), True
    if kind == "f" and array.dtype.itemsize > 8:
        return array.astype(np.float64), False
    if kind not in "iuf":
        if array.dtype in (np.dtype("V1"), np.dtype("V2")):
            raise InvalidDataError(
                f"values of {array.dtype.itemsize} bytes without a type (dtype {array.dtype}), as NumPy saves bfloat16 "
                "and float8; convert the array with astype('float32') before saving it"
            )
        what = {"c": "Complex data not supported", "V": "Structured arrays are not supported"}.get(kind)
        raise InvalidDataError(
            f"{what or 'values are not numbers'} (dtype {array.dtype}); convert them to real numbers"
        )
    return array, False


def _from_objects(array: NDArray[Any]) -> NDArray[Any]:
    # NumPy would parse text as numbers, and drop imaginary parts with only a warning.
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
        raise InvalidDataError(
            f"Found array with dim {array.ndim}; rows have 2, grey pictures 3 and colour pictures 4 dimensions"
        )
    shape = array.shape[1:]
    if len(shape) == 3 and shape[2] > 4 >= shape[0]:
        raise InvalidDataError(
            f"pictures of shape {shape} have their channels first; put them last with np.moveaxis(X, 1, -1)"
        )
    return array.reshape(len(array), int(np.prod(shape))), shape


def _schema(data: Any, array: NDArray[Any], boolean: bool, image_shape: tuple[int, ...] | None) -> Schema:
    kind: ColumnKind = "boolean" if boolean else "integer" if array.dtype.kind in "iu" else "real"
    # `columns` in pandas and polars, `column_names` in pyarrow.
    names = getattr(data, "column_names", getattr(data, "columns", None))
    named = names is not None and len(names) == array.shape[1] and all(isinstance(name, str) for name in names)
    if named and names is not None:
        return Schema(tuple(Column(str(name), kind) for name in names), named=True)
    return Schema(made_up_columns(array.shape[1], kind), image_shape=image_shape)


def chosen_array(path: Path, archive: Any, key: str | None, what: str = "array") -> str:
    """Return the name of the array to read from an archive that has ``files``, the names, and arrays by name."""
    names: list[str] = list(archive.files)
    listed = ", ".join(repr(name) for name in names[:20])
    if not names:
        raise InvalidDataError(f"{path} holds no {what}s")
    if key is not None:
        if key not in names:
            raise InvalidParameterError(f"{path} has no {what} {key!r}, only {listed}{suggest(key, names)}")
        return key
    if len(names) == 1:
        return names[0]
    likely = [name for name in _NPZ_NAMES if name in names]
    wide = likely or [name for name in names if archive[name].ndim >= 2]
    if likely or len(wide) == 1:
        return wide[0]
    raise InvalidParameterError(f"{path} holds several {what}s, {listed}; choose one, such as key={names[0]!r}")


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
    """Put the name of the file before the message of an InvalidDataError that does not begin with it."""
    try:
        yield
    except InvalidDataError as error:
        if str(error).startswith(str(path)):
            raise
        raise InvalidDataError(f"{path}: {error}") from error


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except IsthmusError:
        raise
    except IsADirectoryError as error:
        raise BrokenFileError(f"{path} is a folder, not a file of arrays") from error
    # NumPy parses the header of an array as Python, so a damaged one may raise any error of the tokenizer.
    except Exception as error:
        if isinstance(error, MemoryError):
            raise
        if "object" in str(error).lower():
            raise InvalidDataError(f"{path} holds Python objects, which are never loaded; save numbers") from error
        if other := content_of(path):
            raise BrokenFileError(f"{path} is not an array but {other}") from error
        raise BrokenFileError(f"{path} cannot be read as an array: {one_line(error)}; write it again") from error
