"""Where rows go: blocks of rows to Parquet, Feather, CSV and ``.npy`` files, written whole, or as CSV to stdout."""

from __future__ import annotations

import csv
import gzip
import io
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from isthmus.errors import InvalidDataError, InvalidParameterError, suggest
from isthmus.files import written_whole
from isthmus.sparse_table import UNIT, VALUE, SparseRows, joined, schema_for, sparse_rows, to_arrow, unit_type

STDOUT = "-"
# Parquet and Arrow keep records for each group of rows, so small blocks are gathered; blocks of 8 MB are read well.
_GROUP_BYTES = 8 << 20


@contextmanager
def open_sink(
    path: str | os.PathLike[str], names: Sequence[str], dtype: Any, *, sparse: bool = False
) -> Iterator[Sink]:
    """Give a sink to write blocks of rows to; the file stands when the ``with`` block ends without an error.

    Parameters
    ----------
    path : str or os.PathLike
        A file with a suffix of `SUFFIXES`, or ``"-"`` for CSV on stdout. An older file stays until the new one is
        complete.
    names : sequence of str
        One name per column; ``.npy`` has no place for them.
    dtype : dtype-like
        The rows' type, float32 or float64; rows of another type are converted.
    sparse : bool
        Whether rows are mostly zeros: formats of `SPARSE_SUFFIXES` then keep only what is not 0, see
        `SparseParquetSink`; the others write every cell.

    Yields
    ------
    sink : Sink
        Its ``write`` takes blocks of shape (n_rows, n_columns), any number of rows each.

    Raises
    ------
    InvalidParameterError
        If no format has the path's suffix.
    UnwritableError
        In one line, where the file cannot be written, a full disk included.
    """
    if os.fspath(path) == STDOUT:
        yield from _finished(CsvSink(sys.stdout.buffer, names, dtype))
        return
    kind = sink_kind(path, sparse=sparse)
    with written_whole(path) as file:
        yield from _finished(kind(file, names, dtype))


def sink_kind(path: str | os.PathLike[str], *, sparse: bool = False) -> Callable[..., Sink]:
    """Return what writes files like `path`: the row of `SUFFIXES` with its longest suffix, or its sparse form."""
    name = Path(path).name
    suffix = max((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), key=len, default=None)
    if suffix is None:
        found = Path(path).suffix or name
        raise InvalidParameterError(
            f"cannot write {os.fspath(path)}: it has none of the suffixes {', '.join(SUFFIXES)}"
            f"{suggest(found.lower(), SUFFIXES)}"
        )
    return SPARSE_SUFFIXES.get(suffix, SUFFIXES[suffix]) if sparse else SUFFIXES[suffix]


def _finished(sink: Sink) -> Iterator[Sink]:
    try:
        yield sink
        sink.finish()
    except BaseException:
        sink.abandon()
        raise


class Sink(ABC):
    """One file that is being written, of which only the writing of a block depends on the format.

    Parameters
    ----------
    file : binary file
        Open for writing, and closed by whoever opened it.
    names : sequence of str
        One per column.
    dtype : dtype-like
        The rows' type in the file.
    """

    def __init__(self, file: BinaryIO, names: Sequence[str], dtype: Any) -> None:
        self.file = file
        self.names = [str(name) for name in names]
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.n_rows = 0

    def write(self, rows: NDArray[Any]) -> None:
        """Write a block of rows (n_rows, n_columns) below those before it."""
        if rows.ndim != 2 or rows.shape[1] != len(self.names):
            raise InvalidDataError(f"rows of shape {rows.shape} do not fit the {len(self.names)} columns of the file")
        self._put(np.ascontiguousarray(rows, self.dtype))
        self.n_rows += len(rows)

    @abstractmethod
    def _put(self, rows: NDArray[Any]) -> None:
        """Write rows that fit."""

    def finish(self) -> None:
        """Write what comes after the last row."""
        self.file.flush()

    def abandon(self) -> None:  # noqa: B027, most formats hold nothing back
        """Let go of the file, which is of no use any more."""


class NpySink(Sink):
    """Rows to a ``.npy`` file, whose head is written anew when the number of rows is known."""

    def __init__(self, file: BinaryIO, names: Sequence[str], dtype: Any) -> None:
        super().__init__(file, names, dtype)
        self._head()

    def _put(self, rows: NDArray[Any]) -> None:
        self.file.write(rows.data)

    def finish(self) -> None:
        """Write the head with the number of rows."""
        self.file.seek(0)
        self._head()

    def _head(self) -> None:
        # NumPy pads the head so that the first axis can grow in place: it is as long for any number of rows.
        shape = (self.n_rows, len(self.names))
        np.lib.format.write_array_header_1_0(
            self.file, {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": shape}
        )


class CsvSink(Sink):
    """Rows to text: a head of names, then numbers in the fewest digits that give the same number back.

    Parameters
    ----------
    file, names, dtype
        See `Sink`.
    delimiter : str
        What stands between two cells.
    compressed : bool
        Whether the text is gzipped.
    """

    def __init__(
        self, file: BinaryIO, names: Sequence[str], dtype: Any, *, delimiter: str = ",", compressed: bool = False
    ) -> None:
        super().__init__(file, names, dtype)
        # mtime=0: the same rows make the same bytes.
        self.text: Any = gzip.GzipFile(fileobj=file, mode="wb", compresslevel=6, mtime=0) if compressed else file
        self.compressed = compressed
        self.delimiter = delimiter
        head = io.StringIO()
        csv.writer(head, delimiter=delimiter, lineterminator="\n").writerow(self.names)
        self.text.write(head.getvalue().encode())

    def _put(self, rows: NDArray[Any]) -> None:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        # Columns that share a name are legal in a file, but not in a table made from a dict.
        table = pa.Table.from_arrays(list(_columns(rows)), names=self.names)
        options = arrow_csv.WriteOptions(include_header=False, delimiter=self.delimiter)
        text = pa.BufferOutputStream()
        arrow_csv.write_csv(table, text, options)
        self.text.write(text.getvalue())

    def finish(self) -> None:
        """Write the end of the gzip stream, or what stdout still holds."""
        if self.compressed:
            self.text.close()
        super().finish()

    def abandon(self) -> None:
        """Close the gzip stream, so that it does not write to a closed file later."""
        if self.compressed:
            with suppress(OSError, ValueError):
                self.text.close()


class GatheringSink(Sink):
    """Rows to a format of Arrow's, in groups of about 8 MB."""

    def __init__(self, file: BinaryIO, names: Sequence[str], dtype: Any) -> None:
        import pyarrow as pa

        super().__init__(file, names, dtype)
        self.schema = pa.schema([(name, pa.from_numpy_dtype(self.dtype)) for name in self.names])
        self.group = max(1, _GROUP_BYTES // (len(self.names) * self.dtype.itemsize))
        self._waiting: list[NDArray[Any]] = []
        self._open()

    @abstractmethod
    def _open(self) -> None:
        """Make the writer."""

    @abstractmethod
    def _write_group(self, table: Any) -> None:
        """Write one group of rows."""

    @abstractmethod
    def _close(self) -> None:
        """Write the end of the file."""

    def _put(self, rows: NDArray[Any]) -> None:
        # A copy, since the caller may use the block's memory again.
        self._waiting.append(rows.copy())
        if sum(map(len, self._waiting)) >= self.group:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        rows, self._waiting = np.concatenate(self._waiting), []
        self._write_group(pa.Table.from_arrays(list(_columns(rows)), schema=self.schema))

    def finish(self) -> None:
        """Write the last group and the end of the file."""
        if self._waiting:
            self._flush()
        self._close()

    def abandon(self) -> None:
        """Close the writer, so that it does not write to a closed file later."""
        with suppress(Exception):
            self._close()


class ParquetSink(GatheringSink):
    """Rows to a Parquet file."""

    def _open(self) -> None:
        from pyarrow import parquet

        # Numbers that hardly repeat: a dictionary would be built for each group and thrown away.
        self.writer = parquet.ParquetWriter(self.file, self.schema, use_dictionary=False)

    def _write_group(self, table: Any) -> None:
        self.writer.write_table(table, row_group_size=self.group * 2)

    def _close(self) -> None:
        _close_parquet(self.writer)


def _close_parquet(writer: Any) -> None:
    try:
        writer.close()
    finally:
        # A writer that could not close tries again when it is collected, and then cannot tell anyone.
        writer.is_open = False


class SparseParquetSink(Sink):
    """Rows that are mostly zeros to a Parquet file that keeps only what is not 0; `open_source` gives the rows back.

    It has one row per row and two columns of lists: ``unit``, the numbers of the units that are not 0 in rising order
    (uint16, or uint32 for more than 65,536 units), and ``value``, theirs. The number of units and their names are in
    the schema's metadata.

    Examples
    --------
    With pandas, one line per active unit::

        pd.read_parquet("codes.parquet").explode(["unit", "value"]).dropna()

    With polars::

        pl.read_parquet("codes.parquet").with_row_index("row").explode("unit", "value").drop_nulls()

    As a scipy CSR matrix: ``isthmus.sources.SparseCodesSource("codes.parquet").csr()``.
    """

    def __init__(self, file: BinaryIO, names: Sequence[str], dtype: Any) -> None:
        from pyarrow import parquet

        super().__init__(file, names, dtype)
        self.schema = schema_for(self.names, self.dtype)
        self._waiting: list[SparseRows] = []
        self._bytes = 0
        # Few units make most of the list of numbers, so a dictionary packs them in few bits; bytes of the same rank
        # side by side are what can be compressed in floats.
        self.writer = parquet.ParquetWriter(
            file,
            self.schema,
            compression="zstd",
            use_dictionary=[f"{UNIT}.list.element"],
            use_byte_stream_split=[f"{VALUE}.list.element"],
        )

    def _put(self, rows: NDArray[Any]) -> None:
        if not len(rows):
            return
        piece = sparse_rows(rows, unit_type(len(self.names)))
        self._waiting.append(piece)
        self._bytes += sum(part.nbytes for part in piece)
        if self._bytes >= _GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        table = to_arrow(joined(self._waiting), self.schema)
        self._waiting, self._bytes = [], 0
        self.writer.write_table(table, row_group_size=len(table))

    def finish(self) -> None:
        """Write the last group and the end of the file."""
        if self._waiting:
            self._flush()
        _close_parquet(self.writer)

    def abandon(self) -> None:
        """Close the writer, so that it does not write to a closed file later."""
        with suppress(Exception):
            _close_parquet(self.writer)


class FeatherSink(GatheringSink):
    """Rows to a Feather file (version 2, the Arrow file format), not compressed, so that it can be memory-mapped."""

    def _open(self) -> None:
        import pyarrow as pa

        self.writer = pa.ipc.new_file(self.file, self.schema)

    def _write_group(self, table: Any) -> None:
        self.writer.write_table(table)

    def _close(self) -> None:
        self.writer.close()


def _columns(rows: NDArray[Any]) -> Iterator[Any]:
    import pyarrow as pa

    return (pa.array(np.ascontiguousarray(column)) for column in rows.T)


SUFFIXES: dict[str, Callable[..., Sink]] = {
    ".parquet": ParquetSink,
    ".pq": ParquetSink,
    ".feather": FeatherSink,
    ".arrow": FeatherSink,
    ".csv": CsvSink,
    ".csv.gz": partial(CsvSink, compressed=True),
    ".tsv": partial(CsvSink, delimiter="\t"),
    ".tsv.gz": partial(CsvSink, delimiter="\t", compressed=True),
    ".npy": NpySink,
}
SPARSE_SUFFIXES: dict[str, Callable[..., Sink]] = {
    ".parquet": SparseParquetSink,
    ".pq": SparseParquetSink,
}
