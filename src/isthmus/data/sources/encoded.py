"""Rows of tables whose columns are not all numbers: one number for each cell is kept, and encoded when it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError
from isthmus.data.encoding.columns import kind_of
from isthmus.data.encoding.table import TableEncoding, Unknown
from isthmus.data.frames import each_column, eager, library_of
from isthmus.data.list_frames import spread_lists
from isthmus.data.sources.arrays import ArraySource, block_rows, naming
from isthmus.data.sources.base import Block, Column, Schema, Source, name_of
from isthmus.data.sources.opening import open_source
from isthmus.data.sources.tables import TableSource
from isthmus.data.sources.text import CsvSource

Datetimes = Literal["elapsed", "calendar", "refuse"]


class EncodedSource:
    """The rows of a table as an encoding makes them.

    Parameters
    ----------
    codes : Source
        The rows with one number for each column of the table; see `TableEncoding.compact`.
    encoding : TableEncoding
        The encoding, which makes the W columns of the rows when they are read.
    """

    def __init__(self, codes: Source, encoding: TableEncoding) -> None:
        self.codes = codes
        self.encoding = encoding
        self.schema: Schema = encoding.schema
        self.dtype: np.dtype[Any] = encoding.dtype
        self.n_rows: int | None = codes.n_rows
        self.random_access: bool = codes.random_access
        if hasattr(codes, "path"):
            self.path = codes.path

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the codes and of the encoding."""
        return hashlib.blake2b(f"{self.codes.fingerprint} {self.encoding}".encode(), digest_size=16).hexdigest()

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Block]:
        """Yield rows `start` to `stop` in blocks of at most about 8 MB."""
        for block in self.codes.blocks(start, stop):
            yield from self._expanded(block)

    def _expanded(self, block: Block) -> Iterator[Block]:
        step = block_rows(self.schema.n_features * self.dtype.itemsize)
        for first in range(0, len(block.values), step):
            yield Block(self.encoding.expand(block.values[first : first + step]), block.start + first)

    def take(self, rows: NDArray[np.integer], out: NDArray[np.generic]) -> None:
        """Write the rows numbered `rows`, in that order, to the first ``len(rows)`` rows of `out`."""
        codes = np.empty((len(rows), self.encoding.n_columns), self.codes.dtype)
        self.codes.take(rows, codes)
        self.encoding.expand(codes, out)


class EncodedTable(EncodedSource):
    """The rows of a table in files, encoded block by block; other columns can be read with them."""

    def __init__(self, table: TableSource, encoding: TableEncoding) -> None:
        super().__init__(_TableCodes(table, encoding), encoding)
        self.table = table
        if isinstance(table, CsvSource):
            self.typed_schema = table.typed_schema

    def kept_schema(self, names: Sequence[str]) -> Any:
        """Return the Arrow schema of columns of any type, as `blocks_keeping` yields them."""
        return self.table.kept_schema(names)

    def blocks_keeping(self, names: Sequence[str]) -> Iterator[tuple[Block, Any]]:
        """Yield all rows in order, each block with an Arrow batch of other columns of the same rows, in one pass."""
        unknown = Unknown()
        for frame, kept, row in self.table.frames_keeping(names):
            codes = Block(self.encoding.compact(frame, unknown=unknown), row)
            for block in self._expanded(codes):
                yield block, kept.slice(block.start - row, len(block.values))
        unknown.say()


class _TableCodes:
    """The rows of a table in files with one number for each column."""

    random_access = False

    def __init__(self, table: TableSource, encoding: TableEncoding) -> None:
        self.table = table
        self.encoding = encoding
        self.path = table.path
        self.dtype: np.dtype[Any] = encoding.dtype
        self.schema = Schema(tuple(Column(str(column.name)) for column in encoding.columns), named=True)
        self.n_rows: int | None = table.n_rows
        self._loaded: ArraySource | None = None

    @property
    def fingerprint(self) -> str:
        return self.table.fingerprint

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Block]:
        unknown = Unknown()
        for frame, row in self.table.frames(start, stop):
            with naming(self.path):
                yield Block(self.encoding.compact(frame, unknown=unknown), row)
        unknown.say()

    def take(self, rows: NDArray[np.integer], out: NDArray[np.generic]) -> None:
        if self._loaded is None:
            blocks = [block.values for block in self.blocks()]
            self._loaded = ArraySource(np.concatenate([*blocks, np.empty((0, self.schema.n_features), self.dtype)]))
        self._loaded.take(rows, out)


def open_mixed(
    data: Any,
    *,
    datetimes: Datetimes = "elapsed",
    unskew: bool = False,
    encoding: TableEncoding | None = None,
    **options: Any,
) -> Source:
    """Return the rows of `data` as a source; those of a table whose columns are not all numbers are encoded.

    Parameters
    ----------
    data : Any
        What `open_source` takes. A frame is read once into one number for each cell; of a table in files, the first
        pass learns the encoding, and each later one encodes block by block.
    datetimes : {"elapsed", "calendar", "refuse"}
        How dates and times are encoded; see `TableEncoding`.
    unskew : bool
        Whether skewed numbers of a table of mixed columns are transformed.
    encoding : TableEncoding or None
        A known encoding, with which a table is encoded in any case.
    **options
        Of `open_source`.

    Returns
    -------
    Source
        An `EncodedSource`, whose `encoding` decodes rows; what `open_source` returns if the rows are numbers.

    Raises
    ------
    InvalidDataError
        If a column cannot be encoded, or holds something else than `encoding` has; see also `open_source`.
    """
    data = eager(data)
    if library_of(data) is not None and not options:
        data = spread_lists(data)
        if encoding is None and not is_mixed(data):
            return open_source(data)
        encoding = TableEncoding.learn(data, datetimes, unskew=unskew) if encoding is None else encoding
        return EncodedSource(ArraySource(encoding.compact(data)), encoding)
    kinds = {} if encoding is None else {str(column.name): column.kind for column in encoding.columns}
    source = data.with_kinds(kinds) if isinstance(data, CsvSource) else open_source(data, kinds=kinds, **options)
    if encoding is not None and isinstance(source, EncodedSource) and source.encoding == encoding:
        return source
    if not isinstance(source, TableSource) or (encoding is None and not source.is_mixed):
        if encoding is not None and not encoding.is_plain:
            raise InvalidDataError(
                f"{name_of(source)} is no table, but the model was fitted on one whose columns are not all numbers; "
                "give a table with its columns"
            )
        return source
    if encoding is None:
        with naming(source.path):
            integers = source.integers if isinstance(source, CsvSource) else ()
            frames = (frame for frame, _ in source.frames())
            encoding = TableEncoding.learn(frames, datetimes, integers=integers, unskew=unskew)
    return EncodedTable(source, encoding)


def is_mixed(frame: Any) -> bool:
    """Whether a frame has a column of text, categories, dates or times."""
    return any(kind_of(column) in ("category", "datetime", "duration") for column in each_column(frame))
