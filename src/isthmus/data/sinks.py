"""Where rows go: blocks of rows to Parquet, Feather, CSV and ``.npy`` files or URLs, written whole, or to stdout."""

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

from isthmus.core.errors import InvalidDataError, InvalidParameterError, suggest
from isthmus.core.files import atomic_write
from isthmus.data.sources.places import is_url, public_url, uploaded_whole
from isthmus.data.sparse_table import UNIT, VALUE, SparseRows, joined, schema_for, sparse_rows, to_arrow, unit_type

STDOUT = "-"
# Parquet and Arrow keep records for each group of rows, so small blocks are gathered; blocks of 8 MB are read well.
_GROUP_BYTES = 8 << 20


@contextmanager
def open_sink(
    path: str | os.PathLike[str], names: Sequence[str], dtype: Any, *, sparse: bool = False, kept: Any = None
) -> Iterator[Sink]:
    """Give a sink to write blocks of rows to; the file stands when the ``with`` block ends without an error.

    Parameters
    ----------
    path : str or os.PathLike
        A file with a suffix of `SUFFIXES`, a URL of one, or ``"-"`` for CSV on stdout. An older file stays until the
        new one is complete.
    names : sequence of str
        One name per column; ``.npy`` has no place for them.
    dtype : dtype-like
        The rows' type, float32 or float64; rows of another type are converted.
    sparse : bool
        Whether rows are mostly zeros: formats of `SPARSE_SUFFIXES` then keep only what is not 0, see
        `SparseParquetSink`; the others write every cell.
    kept : pyarrow.Schema or None
        Columns of any type that stand before the others; ``.npy`` takes only numbers.

    Yields
    ------
    sink : Sink
        Its ``write`` takes blocks of shape (n_rows, n_columns), any number of rows each, and the same rows of the kept
        columns as a `pyarrow.Table`.

    Raises
    ------
    InvalidParameterError
        If no format has the path's suffix, or a kept column has the name of another.
    InvalidDataError
        If the format has no room for a kept column's type.
    UnwritableError
        In one line, where the file cannot be written, a full disk included.
    """
    if os.fspath(path) == STDOUT:
        yield from _finished(CsvSink(sys.stdout.buffer, names, dtype, kept))
        return
    kind = sink_kind(path, sparse=sparse)
    with uploaded_whole(os.fspath(path)) if is_url(path) else atomic_write(path) as file:
        yield from _finished(kind(file, names, dtype, kept))


def sink_kind(path: str | os.PathLike[str], *, sparse: bool = False) -> Callable[..., Sink]:
    """Return what writes files like `path`: the row of `SUFFIXES` with its longest suffix, or its sparse form."""
    where = public_url(os.fspath(path)) if is_url(path) else os.fspath(path)
    name = Path(where).name
    suffix = max((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), key=len, default=None)
    if suffix is None:
        found = Path(where).suffix or name
        raise InvalidParameterError(
            f"cannot write {where}: it has none of the suffixes {', '.join(SUFFIXES)}{suggest(found.lower(), SUFFIXES)}"
        )
    return SPARSE_SUFFIXES.get(suffix, SUFFIXES[suffix]) if sparse else SUFFIXES[suffix]


def _finished(sink: Sink) -> Iterator[Sink]:
    try:
        yield sink
        sink.activate_output()
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
    kept : pyarrow.Schema or None
        Columns of any type before them.
    """

    def __init__(self, file: BinaryIO, names: Sequence[str], dtype: Any, kept: Any = None) -> None:
        self.file = file
        self.names = [str(name) for name in names]
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.kept = kept
        self.n_rows = 0
        for field in kept or ():
            if field.name in self._columns():
                raise InvalidParameterError(
                    f"keep: {field.name!r} is the name of a column of the result; rename the one that is to be kept"
                )
            self._check_kept(field)

    def _columns(self) -> Sequence[str]:
        """Return the names that the rows' columns have in the file."""
        return self.names

    def _check_kept(self, field: Any) -> None:  # noqa: B027, Parquet and Arrow have room for nearly anything
        """Refuse a kept column that the format has no room for."""

    def write(self, rows: NDArray[Any], kept: Any = None) -> None:
        """Write a block of rows (n_rows, n_columns), and the same rows of the kept columns, below those before it."""
        if rows.ndim != 2 or rows.shape[1] != len(self.names):
            raise InvalidDataError(f"rows of shape {rows.shape} do not fit the {len(self.names)} columns of the file")
        if (kept is None) != (self.kept is None) or (kept is not None and kept.num_rows != len(rows)):
            found = "none" if kept is None else f"{kept.num_rows}"
            raise InvalidDataError(f"{len(rows)} rows came with {found} of the kept columns")
        self._put(np.ascontiguousarray(rows, self.dtype), kept)
        self.n_rows += len(rows)

    @abstractmethod
    def _put(self, rows: NDArray[Any], kept: Any) -> None:
        """Write rows that fit."""

    def activate_output(self) -> None:
        """Write what comes after the last row."""
        self.file.flush()

    def abandon(self) -> None:  # noqa: B027, most formats hold nothing back
        """Let go of the file, which is of no use any more."""


class NpySink(Sink):
    """Rows to a ``.npy`` file, whose head is written anew when the number of rows is known.

    Kept columns are numbers or booleans, the array's first columns; its type is then the least that holds them too.
    """

    def __init__(self, file: BinaryIO, names: Sequence[str], dtype: Any, kept: Any = None) -> None:
        super().__init__(file, names, dtype, kept)
        self.dtype = np.result_type(self.dtype, *(_number_type(field.type) for field in kept or ()))
        self._head()

    def _check_kept(self, field: Any) -> None:
        import pyarrow as pa

        kind = field.type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
            raise InvalidDataError(
                f"keep: column {field.name!r} holds {kind}, and a .npy file holds only numbers; write Parquet, Feather "
                "or CSV"
            )

    def _put(self, rows: NDArray[Any], kept: Any) -> None:
        if kept is not None:
            rows = np.column_stack([*(self._numbers(kept, field.name) for field in self.kept), rows])
        self.file.write(np.ascontiguousarray(rows, self.dtype).data)

    def _numbers(self, kept: Any, name: str) -> NDArray[Any]:
        """Return a kept column in the array's type, NaN where a cell is missing, refusing numbers it would round."""
        import pyarrow as pa

        column = kept[name]
        if pa.types.is_boolean(column.type):
            column = column.cast(pa.uint8())
        exact = column.drop_null().to_numpy()
        values: NDArray[Any] = column.to_numpy().astype(self.dtype)
        largest = _WHOLE[self.dtype]
        if exact.dtype.kind in "iu" and (wrong := np.flatnonzero((exact > largest) | (exact < -largest))).size:
            raise InvalidDataError(
                f"keep: column {name!r} holds {exact[wrong[0]]}, which {self.dtype} would round; write Parquet"
            )
        return values

    def activate_output(self) -> None:
        """Write the head with the number of rows."""
        self.file.seek(0)
        self._head()

    def _head(self) -> None:
        # NumPy pads the head so that the first axis can grow in place: it is as long for any number of rows.
        shape = (self.n_rows, len(self.kept or ()) + len(self.names))
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
    compression : {"gzip", "zstd"} or None
        How the text is compressed.
    """

    def __init__(
        self,
        file: BinaryIO,
        names: Sequence[str],
        dtype: Any,
        kept: Any = None,
        *,
        delimiter: str = ",",
        compression: str | None = None,
    ) -> None:
        self.delimiter = delimiter
        super().__init__(file, names, dtype, kept)
        self.text: Any = file if compression is None else _COMPRESSED[compression](file)
        head = io.StringIO()
        csv.writer(head, delimiter=delimiter, lineterminator="\n").writerow(
            [*(field.name for field in kept or ()), *self.names]
        )
        self.text.write(head.getvalue().encode())

    def _check_kept(self, field: Any) -> None:
        import pyarrow as pa

        try:
            # Bytes would go out as they are, whether they are text or not.
            if pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
                raise pa.ArrowNotImplementedError
            self._text(pa.table({field.name: pa.nulls(1, field.type)}))
        except pa.ArrowException as error:
            raise InvalidDataError(
                f"keep: column {field.name!r} holds {field.type}, which is no text; write Parquet or Feather"
            ) from error

    def _put(self, rows: NDArray[Any], kept: Any) -> None:
        import pyarrow as pa

        # Columns that share a name are legal in a file, but not in a table made from a dict.
        names = [*(field.name for field in self.kept or ()), *self.names]
        columns = [*(() if kept is None else kept.columns), *_columns(rows)]
        self.text.write(self._text(pa.Table.from_arrays(columns, names=names)))

    def _text(self, table: Any) -> Any:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        text = pa.BufferOutputStream()
        arrow_csv.write_csv(table, text, arrow_csv.WriteOptions(include_header=False, delimiter=self.delimiter))
        return text.getvalue()

    def activate_output(self) -> None:
        """Write the end of the compressed stream, or what stdout still holds."""
        if self.text is not self.file:
            self.text.close()
        super().activate_output()

    def abandon(self) -> None:
        """Close the compressed stream, so that it does not write to a closed file later."""
        if self.text is not self.file:
            with suppress(Exception):
                self.text.close()


def _gzipped(file: BinaryIO) -> Any:
    # mtime=0: the same rows make the same bytes.
    return gzip.GzipFile(fileobj=file, mode="wb", compresslevel=6, mtime=0)


def _zstandard(file: BinaryIO) -> Any:
    import pyarrow as pa

    return pa.CompressedOutputStream(pa.PythonFile(_Lent(file), "w"), "zstd")


class _Lent:
    """A file that whoever writes to it cannot close."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self.write, self.flush = file.write, file.flush

    def close(self) -> None:
        pass


class GatheringSink(Sink):
    """Rows to a format of Arrow's, in groups of about 8 MB, each written while the next is gathered."""

    def __init__(self, file: BinaryIO, names: Sequence[str], dtype: Any, kept: Any = None) -> None:
        import pyarrow as pa

        super().__init__(file, names, dtype, kept)
        columns = [pa.field(name, pa.from_numpy_dtype(self.dtype)) for name in self.names]
        self.schema = pa.schema([*(self._stored(field) for field in kept or ()), *columns])
        self.group = max(1, _GROUP_BYTES // (len(self.names) * self.dtype.itemsize))
        self._waiting: list[NDArray[Any]] = []
        self._waiting_kept: list[Any] = []
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

    def _stored(self, field: Any) -> Any:
        """Return a kept column as the format holds it."""
        return field

    def _put(self, rows: NDArray[Any], kept: Any) -> None:
        # A copy, since the caller may use the block's memory again.
        self._waiting.append(rows.copy())
        if kept is not None:
            self._waiting_kept.append(kept)
        if sum(map(len, self._waiting)) >= self.group:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        rows, self._waiting = np.concatenate(self._waiting), []
        columns = list(_columns(rows))
        if self.kept is not None:
            whole, self._waiting_kept = pa.concat_tables(self._waiting_kept), []
            columns = [*whole.cast(pa.schema(list(self.schema)[: len(self.kept)])).columns, *columns]
        self._write_group(pa.Table.from_arrays(columns, schema=self.schema))

    def activate_output(self) -> None:
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
        self.writer = parquet.ParquetWriter(self.file, self.schema, use_dictionary=_repeating(self.kept))

    def _write_group(self, table: Any) -> None:
        self.writer.write_table(table, row_group_size=self.group * 2)

    def _close(self) -> None:
        _close_parquet(self.writer)


def _repeating(kept: Any) -> list[str]:
    """Return the kept columns, of text for the most part, for which a dictionary may be worth its while."""
    import pyarrow as pa

    return [field.name for field in kept or () if not pa.types.is_nested(field.type)]


def _close_parquet(writer: Any) -> None:
    try:
        writer.close()
    finally:
        # A writer that could not close tries again when it is collected, and then cannot tell anyone.
        writer.is_open = False


class SparseParquetSink(Sink):
    """Rows that are mostly zeros to a Parquet file that keeps only what is not 0; `open_source` gives the rows back.

    It has one row per row and two columns of lists: ``unit``, the numbers of the units that are not 0 in rising order
    (uint16, or uint32 for more than 65,536 units), and ``value``, theirs; kept columns come before them. The number of
    units and their names are in the schema's metadata.

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
        # Few units make most of the list of numbers, so a dictionary packs them in few bits; bytes of the same rank
        # side by side are what can be compressed in floats.
        self.writer = parquet.ParquetWriter(
            file,
            self.schema,
            compression="zstd",
            use_dictionary=[f"{UNIT}.list.element", *_repeating(kept)],
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
        if self._bytes >= _GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        table = to_arrow(joined(self._waiting), self.rows_schema)
        if self.kept is not None:
            columns = [*pa.concat_tables(self._waiting_kept).columns, *table.columns]
            table = pa.Table.from_arrays(columns, schema=self.schema)
        self._waiting, self._waiting_kept, self._bytes = [], [], 0
        self.writer.write_table(table, row_group_size=len(table))

    def activate_output(self) -> None:
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

    def _stored(self, field: Any) -> Any:
        import pyarrow as pa

        # One dictionary for the whole file is known only at its end.
        return field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field

    def _write_group(self, table: Any) -> None:
        self.writer.write_table(table)

    def _close(self) -> None:
        self.writer.close()


def _number_type(kind: Any) -> np.dtype[Any]:
    import pyarrow as pa

    dtype: np.dtype[Any] = np.dtype(np.uint8 if pa.types.is_boolean(kind) else kind.to_pandas_dtype())
    return dtype


def _columns(rows: NDArray[Any]) -> Iterator[Any]:
    import pyarrow as pa

    return (pa.array(np.ascontiguousarray(column)) for column in rows.T)


_COMPRESSED: dict[str, Callable[[BinaryIO], Any]] = {"gzip": _gzipped, "zstd": _zstandard}
# Up to these, every whole number is one of the type's.
_WHOLE = {np.dtype(np.float32): 2**24, np.dtype(np.float64): 2**53}
SUFFIXES: dict[str, Callable[..., Sink]] = {
    ".parquet": ParquetSink,
    ".pq": ParquetSink,
    ".feather": FeatherSink,
    ".arrow": FeatherSink,
    ".csv": CsvSink,
    ".csv.gz": partial(CsvSink, compression="gzip"),
    ".csv.zst": partial(CsvSink, compression="zstd"),
    ".tsv": partial(CsvSink, delimiter="\t"),
    ".tsv.gz": partial(CsvSink, delimiter="\t", compression="gzip"),
    ".tsv.zst": partial(CsvSink, delimiter="\t", compression="zstd"),
    ".npy": NpySink,
}
SPARSE_SUFFIXES: dict[str, Callable[..., Sink]] = {
    ".parquet": SparseParquetSink,
    ".pq": SparseParquetSink,
}
