"""Rows of several arrays, of a remote ``.npy`` file, and of a sequence of single rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import BrokenFileError, InvalidDataError
from isthmus.data.sources.arrays import (
    ArraySource,
    NumberedRows,
    block_rows,
    check_rows,
    made_up_schema,
    one_line,
    refuse_more,
)
from isthmus.data.sources.base import Block, Schema
from isthmus.data.sources.places import RemoteFile, reaching


class StackedSource:
    """The rows of several arrays, one after another.

    Parameters
    ----------
    parts : sequence of ArraySource
        Arrays of the same width and type.
    label : str
        The name for messages.

    Raises
    ------
    InvalidDataError
        If widths or types differ.
    """

    random_access: bool = True

    def __init__(self, parts: Sequence[ArraySource], label: str) -> None:
        first = parts[0]
        for number, part in enumerate(parts):
            if (part.schema.n_features, part.dtype) != (first.schema.n_features, first.dtype):
                raise InvalidDataError(
                    f"{label}: {_name(part, number)} has rows of {part.schema.n_features} {part.dtype}, but "
                    f"{_name(first, 0)} of {first.schema.n_features} {first.dtype}; give all files one width and type"
                )
        self.parts = list(parts)
        self.schema: Schema = first.schema
        self.dtype: np.dtype[Any] = first.dtype
        self._ends = np.cumsum([len(part.values) for part in parts])
        self.n_rows: int | None = int(self._ends[-1])

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the hashes of the parts."""
        return hashlib.blake2b("".join(part.fingerprint for part in self.parts).encode(), digest_size=16).hexdigest()

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Block]:
        """Yield rows `start` to `stop` in blocks of about 8 MB."""
        stop = int(self._ends[-1]) if stop is None else stop
        for part, end in zip(self.parts, self._ends, strict=True):
            first = int(end) - len(part.values)
            if first < stop and start < end:
                for block in part.blocks(max(start - first, 0), min(stop, int(end)) - first):
                    yield Block(block.values, block.start + first)

    def take(self, rows: NDArray[np.integer], out: NDArray[np.generic]) -> None:
        """Copy the rows numbered `rows`, in that order, into the first ``len(rows)`` rows of `out`."""
        check_rows(rows, int(self._ends[-1]))
        where = np.searchsorted(self._ends, rows, side="right")
        for number in np.unique(where):
            part, mine = self.parts[number], np.flatnonzero(where == number)
            found = np.empty((len(mine), out.shape[1]), self.dtype)
            part.take(rows[mine] - (self._ends[number] - len(part.values)), found)
            out[mine] = found


def _name(part: ArraySource, number: int) -> str:
    path = getattr(part, "path", None)
    return f"file {number + 1}" if path is None else str(path.name)


class RemoteNpySource(NumberedRows):
    """The rows of a ``.npy`` file on a remote file system, read in order.

    Parameters
    ----------
    file : RemoteFile
        The file of an array of two dimensions in C order.
    """

    random_access: bool = False

    def __init__(self, file: RemoteFile) -> None:
        self.file = file
        with reaching(file), file.open() as stream:
            try:
                version = np.lib.format.read_magic(stream)
                head: Any = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
                shape, fortran, dtype = head[version](stream)
            except (KeyError, ValueError, EOFError) as error:
                raise BrokenFileError(
                    f"{file} cannot be read as an array: {one_line(error)}; write it again"
                ) from error
            self._begin = stream.tell()
        if len(shape) != 2 or fortran or dtype.kind not in "iuf" or dtype.hasobject:
            raise InvalidDataError(f"{file} does not hold rows of numbers in C order: {shape} {dtype}")
        end = self._begin + int(np.prod(shape)) * dtype.itemsize
        if file.size < end:
            raise BrokenFileError(f"{file} is truncated: its header states {shape[0]} rows")
        refuse_more(file, end, file.size)
        self.schema = made_up_schema(shape[1], dtype)
        self.dtype: np.dtype[Any] = dtype.newbyteorder("=")
        self._stored = dtype
        self.n_rows: int | None = shape[0]

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Block]:
        """Yield rows `start` to `stop` in blocks of about 8 MB, with the file opened once."""
        stop = self._count if stop is None else min(stop, self._count)
        step = block_rows(self.schema.n_features * self.dtype.itemsize)
        with reaching(self.file), self.file.open() as stream:
            for first in range(start, stop, step):
                yield Block(self._read(stream, first, min(step, stop - first)), first)

    def take(self, rows: NDArray[np.integer], out: NDArray[np.generic]) -> None:
        """Copy the rows numbered `rows` into `out`, with one request per row."""
        with reaching(self.file), self.file.open() as stream:
            for place, row in enumerate(rows):
                out[place] = self._read(stream, int(row), 1)[0]

    def _read(self, stream: Any, first: int, count: int) -> NDArray[Any]:
        width = self.schema.n_features
        stream.seek(self._begin + first * width * self.dtype.itemsize)
        read = stream.read(count * width * self.dtype.itemsize)
        return np.frombuffer(read, self._stored).reshape(count, width).astype(self.dtype, copy=False)


class SequenceSource(NumberedRows):
    """The rows of a sequence that returns one row per index, such as a torch ``Dataset``.

    Parameters
    ----------
    items : object
        Has ``__len__`` and ``__getitem__``, which returns a row or a picture as an array or a tensor of numbers, or a
        tuple whose first item is one.

    Raises
    ------
    InvalidDataError
        If there are no items, or they are not arrays of numbers of one shape.
    """

    def __init__(self, items: Any) -> None:
        self.items = items
        self.n_rows: int | None = len(items)
        if not self.n_rows:
            raise InvalidDataError(f"{type(items).__name__} holds no items; a fit needs at least one")
        first = self._item(0)
        if first.dtype.kind not in "iufb":
            raise InvalidDataError(f"items of {type(items).__name__} are {first.dtype}, not numbers")
        self.shape = first.shape
        self.dtype: np.dtype[Any] = np.dtype(np.uint8) if first.dtype.kind == "b" else first.dtype
        self.schema = made_up_schema(max(1, first.size), self.dtype, first.shape if first.ndim > 1 else None)

    def take(self, rows: NDArray[np.integer], out: NDArray[np.generic]) -> None:
        """Copy the rows numbered `rows`, in that order, into the first ``len(rows)`` rows of `out`."""
        for place, row in enumerate(rows):
            item = self._item(int(row))
            if item.shape != self.shape:
                raise InvalidDataError(f"item {row} has shape {item.shape}, but item 0 has {self.shape}")
            out[place] = item.reshape(-1)

    def _item(self, number: int) -> NDArray[Any]:
        item = self.items[number]
        return np.asarray(item[0] if isinstance(item, tuple | list) and hasattr(item[0], "__array__") else item)
