"""Columns of a table that are kept for the result, read in the same pass as the rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from isthmus.data.sources.base import Block, Schema, Source


class KeptRows:
    """A queue of rows of kept columns between reading and writing.

    Parameters
    ----------
    schema : pyarrow.Schema
        The columns.
    """

    def __init__(self, schema: Any) -> None:
        self.schema = schema
        self._waiting: deque[Any] = deque()

    @classmethod
    def of(cls, table: Any) -> KeptRows:
        """Return a queue of all rows of an Arrow table."""
        rows = cls(table.schema)
        rows.put(table)
        return rows

    def put(self, rows: Any) -> None:
        """Append rows, an Arrow table or batch of `schema`."""
        if rows.num_rows:
            self._waiting.append(rows)

    def take(self, n_rows: int) -> Any:
        """Remove the first rows from the queue and return them as one Arrow table."""
        import pyarrow as pa

        columns: list[list[Any]] = [[] for _ in self.schema]
        while n_rows:
            first = self._waiting.popleft()
            if first.num_rows > n_rows:
                self._waiting.appendleft(first.slice(n_rows))
                first = first.slice(0, n_rows)
            n_rows -= first.num_rows
            for pieces, column in zip(columns, first.columns, strict=True):
                pieces.extend(column.chunks if isinstance(column, pa.ChunkedArray) else [column])
        whole = [pa.chunked_array(pieces, field.type) for pieces, field in zip(columns, self.schema, strict=True)]
        return pa.Table.from_arrays(whole, schema=self.schema)


@runtime_checkable
class KeepsColumns(Protocol):
    """A source that can yield columns of any type together with the rows."""

    def kept_schema(self, names: Sequence[str]) -> Any:
        """Return the Arrow schema of these columns; raise InvalidParameterError for an unknown name."""
        ...

    def blocks_keeping(self, names: Sequence[str]) -> Iterator[tuple[Block, Any]]:
        """Yield all rows in order, each block with an Arrow batch of these columns."""
        ...


@runtime_checkable
class KeepsText(KeepsColumns, Protocol):
    """A source that has only text, whose types it can find."""

    def typed_schema(self, names: Sequence[str], types: str) -> Any:
        """Return the schema of these columns after reading all of them; `blocks_keeping` yields them so afterwards."""
        ...


class KeepingSource:
    """A source that puts the kept columns of each block it yields into the queue `kept`.

    Parameters
    ----------
    source : Source
        A source with the methods of `KeepsColumns`.
    names : sequence of str
        The columns.

    Raises
    ------
    InvalidParameterError
        If the source has no column of a name.
    """

    random_access = False  # so that blocks are read once, in order

    def __init__(self, source: Any, names: Sequence[str]) -> None:
        self.source = source
        self.names = list(names)
        self.kept = KeptRows(source.kept_schema(self.names))
        self.schema: Schema = source.schema
        self.dtype: np.dtype[Any] = source.dtype
        self.n_rows: int | None = source.n_rows

    def find_types(self, types: str) -> None:
        """Find the types of columns of text, for a format that stores types: see `CsvSource.typed_schema`."""
        if isinstance(self.source, KeepsText):
            self.kept.schema = self.source.typed_schema(self.names, types)

    @property
    def fingerprint(self) -> str:
        """The hash of the rows."""
        return str(self.source.fingerprint)

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Block]:
        """Yield all rows in order; `start` and `stop` must not be set."""
        assert start == 0
        assert stop is None
        for block, kept in self.source.blocks_keeping(self.names):
            self.kept.put(kept)
            yield block

    def take(self, rows: NDArray[np.integer], out: NDArray[np.generic]) -> None:
        """Copy rows without their kept columns."""
        source: Source = self.source
        source.take(rows, out)
