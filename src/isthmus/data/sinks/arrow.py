"""Rows to Parquet and Feather files."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from isthmus.data.sinks.base import Sink, arrow_columns

# Parquet and Arrow store metadata for each group of rows, so small blocks are gathered; 8 MB are read efficiently.
GROUP_BYTES = 8 << 20


def dictionary_columns(kept: Any) -> list[str]:
    """Return the kept columns that Parquet may store with a dictionary: those that are not nested."""
    import pyarrow as pa

    return [field.name for field in kept or () if not pa.types.is_nested(field.type)]


class GatheringSink(Sink):
    """Rows to a format of Arrow, gathered in groups of about 8 MB."""

    def __init__(self, file: BinaryIO, names: Sequence[str], dtype: Any, kept: Any = None) -> None:
        import pyarrow as pa

        super().__init__(file, names, dtype, kept)
        columns = self._rows_schema()
        self.schema = pa.schema([*(self._stored(field) for field in kept or ()), *columns], columns.metadata)
        self.group = max(1, GROUP_BYTES // (len(self.names or self.schema) * self.dtype.itemsize))
        self._waiting: list[Any] = []
        self._waiting_kept: list[Any] = []
        self._open()

    def _rows_schema(self) -> Any:
        """Return the schema of the rows without the kept columns."""
        import pyarrow as pa

        return pa.schema([pa.field(name, pa.from_numpy_dtype(self.dtype)) for name in self.names])

    @abstractmethod
    def _open(self) -> None:
        """Open the writer."""

    @abstractmethod
    def _write_group(self, table: Any) -> None:
        """Write one group of rows."""

    @abstractmethod
    def _close(self) -> None:
        """Write the end of the file."""

    def _stored(self, field: Any) -> Any:
        """Return a kept column in the type that the format stores."""
        return field

    def _put(self, rows: NDArray[Any], kept: Any) -> None:
        # A copy, since the caller may reuse the memory of the block.
        self._gather(rows.copy(), kept)
        if sum(map(len, self._waiting)) >= self.group:
            self._flush()

    def _gather(self, piece: Any, kept: Any) -> None:
        self._waiting.append(piece)
        if kept is not None:
            self._waiting_kept.append(kept)

    def _arrow_columns(self, pieces: Sequence[Any]) -> Iterable[Any]:
        """Return the Arrow columns of pieces of rows."""
        return arrow_columns(np.concatenate(pieces))

    def _flush(self) -> None:
        import pyarrow as pa

        columns, self._waiting = list(self._arrow_columns(self._waiting)), []
        if self.kept is not None:
            whole, self._waiting_kept = pa.concat_tables(self._waiting_kept), []
            columns = [*whole.cast(pa.schema(list(self.schema)[: len(self.kept)])).columns, *columns]
        self._write_group(pa.Table.from_arrays(columns, schema=self.schema))

    def finish(self) -> None:
        """Write the last group and the end of the file."""
        if self._waiting:
            self._flush()
        self._close()

    def abandon(self) -> None:
        """Close the writer, so that it does not write to the closed file when it is collected."""
        with suppress(Exception):
            self._close()


class ParquetSink(GatheringSink):
    """Rows to a Parquet file."""

    def _open(self) -> None:
        from pyarrow import parquet

        # Codes hardly repeat: a dictionary of them would be built for each group and discarded.
        self.writer = parquet.ParquetWriter(self.file, self.schema, use_dictionary=dictionary_columns(self.kept))

    def _write_group(self, table: Any) -> None:
        self.writer.write_table(table, row_group_size=self.group * 2)

    def _close(self) -> None:
        try:
            self.writer.close()
        finally:
            # A writer that could not close would try again when it is collected, where an error cannot be handled.
            self.writer.is_open = False


class FeatherSink(GatheringSink):
    """Rows to a Feather file (version 2, the Arrow file format), not compressed, so that it can be memory-mapped."""

    def _open(self) -> None:
        import pyarrow as pa

        self.writer = pa.ipc.new_file(self.file, self.schema)

    def _stored(self, field: Any) -> Any:
        import pyarrow as pa

        # A file has one dictionary per column, which is known only when all rows are.
        return field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field

    def _write_group(self, table: Any) -> None:
        self.writer.write_table(table)

    def _close(self) -> None:
        self.writer.close()
