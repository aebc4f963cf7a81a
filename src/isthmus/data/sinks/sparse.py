"""Rows that are mostly zeros to Parquet files."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, BinaryIO

from numpy.typing import NDArray

from isthmus.data.sinks import arrow
from isthmus.data.sinks.arrow import close_parquet, dictionary_columns
from isthmus.data.sinks.base import Sink
from isthmus.data.sparse_table import UNIT, VALUE, SparseRows, joined, schema_for, sparse_rows, to_arrow, unit_type


class SparseParquetSink(Sink):
    """Rows that are mostly zeros to a Parquet file of the cells that are not 0; `open_source` reads the rows back.

    Two columns of lists hold, for each row, ``unit``, the indices of the units that are not 0, in ascending order
    (uint16, or uint32 for more than 65,536 units), and ``value``, their values; kept columns come first. The number of
    units and their names are in the metadata of the schema.

    Examples
    --------
    With pandas, one line per active unit::

        pd.read_parquet("codes.parquet").explode(["unit", "value"]).dropna()

    With polars::

        pl.read_parquet("codes.parquet").with_row_index("row").explode("unit", "value").drop_nulls()

    As a scipy CSR matrix: ``isthmus.data.sources.SparseCodesSource("codes.parquet").csr()``.
    """

    def __init__(self, file: BinaryIO, names: Sequence[str], dtype: Any, kept: Any = None) -> None:
        from pyarrow import parquet

        super().__init__(file, names, dtype, kept)
        self.rows_schema = schema_for(self.names, self.dtype)
        self.schema = self.rows_schema
        for place, field in enumerate(kept or ()):
            self.schema = self.schema.insert(place, field)
        self._waiting: list[SparseRows] = []
        self._waiting_kept: list[Any] = []
        self._bytes = 0
        # Most cells belong to few units, so a dictionary stores their indices in few bits. Floats compress better with
        # their bytes split by significance.
        self.writer = parquet.ParquetWriter(
            file,
            self.schema,
            compression="zstd",
            use_dictionary=[f"{UNIT}.list.element", *dictionary_columns(kept)],
            use_byte_stream_split=[f"{VALUE}.list.element"],
        )

    def _columns(self) -> Sequence[str]:
        return UNIT, VALUE

    def _put(self, rows: NDArray[Any], kept: Any) -> None:
        if not len(rows):
            return
        piece = sparse_rows(rows, unit_type(len(self.names)))
        self._waiting.append(piece)
        self._bytes += sum(part.nbytes for part in piece)
        if kept is not None:
            self._waiting_kept.append(kept)
            self._bytes += kept.nbytes
        if self._bytes >= arrow.GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        table = to_arrow(joined(self._waiting), self.rows_schema)
        if self.kept is not None:
            columns = [*pa.concat_tables(self._waiting_kept).columns, *table.columns]
            table = pa.Table.from_arrays(columns, schema=self.schema)
        self._waiting, self._waiting_kept, self._bytes = [], [], 0
        self.writer.write_table(table, row_group_size=len(table))

    def finish(self) -> None:
        """Write the last group and the end of the file."""
        if self._waiting:
            self._flush()
        close_parquet(self.writer)

    def abandon(self) -> None:
        """Close the writer, so that it does not write to the closed file when it is collected."""
        with suppress(Exception):
            close_parquet(self.writer)
