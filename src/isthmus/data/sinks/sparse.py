"""Rows that are mostly zeros to Parquet files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from isthmus.data.sinks import arrow
from isthmus.data.sinks.arrow import ParquetSink, dictionary_columns
from isthmus.data.sparse_table import UNIT, VALUE, SparseRows, joined, schema_for, sparse_rows, to_arrow, unit_type


class SparseParquetSink(ParquetSink):
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

    _bytes = 0

    def _rows_schema(self) -> Any:
        return schema_for(self.names, self.dtype)

    def _open(self) -> None:
        from pyarrow import parquet

        # Most cells belong to few units, so a dictionary stores their indices in few bits. Floats compress better with
        # their bytes split by significance.
        self.writer = parquet.ParquetWriter(
            self.file,
            self.schema,
            compression="zstd",
            use_dictionary=[f"{UNIT}.list.element", *dictionary_columns(self.kept)],
            use_byte_stream_split=[f"{VALUE}.list.element"],
        )

    def _columns(self) -> Sequence[str]:
        return UNIT, VALUE

    def _put(self, rows: NDArray[Any], kept: Any) -> None:
        if not len(rows):
            return
        piece = sparse_rows(rows, unit_type(len(self.names)))
        self._gather(piece, kept)
        self._bytes += sum(part.nbytes for part in piece) + (0 if kept is None else kept.nbytes)
        if self._bytes >= arrow.GROUP_BYTES:
            self._flush()

    def _arrow_columns(self, pieces: Sequence[SparseRows]) -> Any:
        return to_arrow(joined(pieces), self._rows_schema()).columns

    def _write_group(self, table: Any) -> None:
        self._bytes = 0
        self.writer.write_table(table, row_group_size=len(table))
