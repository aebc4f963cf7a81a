"""Columns of a table that travel along: read in the same pass as the rows, handed on beside what becomes of these."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from isthmus.data.sources.base import Block, Schema, Source


class KeptRows:
    """Rows of kept columns between their reading and their writing: what is put in comes out in order, in any portions.

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
        """Return all rows of an Arrow table, none of which is taken yet."""
        rows = cls(table.schema)
        rows.put(table)
        return rows

    def put(self, rows: Any) -> None:
        """Append rows, an Arrow table or batch of `schema`."""
        if rows.num_rows:
            self._waiting.append(rows)

    def take(self, n_rows: int) -> Any:
        """Return the first rows that are left as one Arrow table, and let go of them."""
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
    """A source that can hand on columns of any type beside the rows."""

    def kept_schema(self, names: Sequence[str]) -> Any:
        """Return the Arrow schema of these columns, refusing names that the source has not."""
        ...

    def blocks_keeping(self, names: Sequence[str]) -> Iterator[tuple[Block, Any]]:
        """Yield all rows in order, each block beside an Arrow batch of these columns."""
        ...


class KeepingSource:
    """A source whose blocks leave their kept columns in `kept` as they pass: memory is that of the blocks under way.

    Parameters
    ----------
    source : Source
        One of `KeepsColumns`.
    names : sequence of str
        The columns.

    Raises
    ------
    InvalidParameterError
        If the source has no column of a name.
    """

    random_access = False  # so that whoever reads it goes through its blocks once, in order

    def __init__(self, source: Any, names: Sequence[str]) -> None:
        self.source = source
        self.names = list(names)
        self.kept = KeptRows(source.kept_schema(self.names))
        self.schema: Schema = source.schema
        self.dtype: np.dtype[Any] = source.dtype
        self.n_rows: int | None = source.n_rows

    @property
    def fingerprint(self) -> str:
        """That of the rows."""
        return str(self.source.fingerprint)

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Block]:
        """Yield all rows in order; there is no part of them to ask for."""
        assert start == 0
        assert stop is None
        for block, kept in self.source.blocks_keeping(self.names):
            self.kept.put(kept)
            yield block

    def take(self, rows: NDArray[np.integer], out: NDArray[np.generic]) -> None:
        """Take rows without their kept columns."""
        source: Source = self.source
        source.take(rows, out)
