"""Rows to text files: CSV and TSV, plain or compressed."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, BinaryIO, ClassVar

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError
from isthmus.data.sinks.base import Sink, arrow_columns


def _gzipped(file: BinaryIO) -> Any:
    # mtime=0, so that the same rows make the same bytes.
    return gzip.GzipFile(fileobj=file, mode="wb", compresslevel=6, mtime=0)


def _zstandard(file: BinaryIO) -> Any:
    import pyarrow as pa

    return pa.CompressedOutputStream(pa.PythonFile(_Uncloseable(file), "w"), "zstd")


class _Uncloseable:
    """A file whose `close` does nothing, since the compressed stream closes the file it writes to."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self.write, self.flush = file.write, file.flush

    def close(self) -> None:
        pass


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_dictionary(kind))


class CsvSink(Sink):
    """Rows to text: a header of names, then numbers in the fewest digits that are read as the same number.

    Attributes
    ----------
    delimiter : str
        The character between two cells.
    compress : callable or None
        Returns a compressed stream into a file.
    """

    delimiter: ClassVar[str] = ","
    compress: ClassVar[Callable[[BinaryIO], Any] | None] = None

    def __init__(self, file: BinaryIO, names: Sequence[str], dtype: Any, kept: Any = None) -> None:
        super().__init__(file, names, dtype, kept)
        compress = type(self).compress
        self.text: Any = file if compress is None else compress(file)
        header = io.StringIO()
        csv.writer(header, delimiter=self.delimiter, lineterminator="\n").writerow(
            [*(field.name for field in kept or ()), *self.names]
        )
        self.text.write(header.getvalue().encode())

    def _check_kept(self, field: Any) -> None:
        import pyarrow as pa

        try:
            # pyarrow would write bytes unchanged, whether they are text or not.
            if pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
                raise pa.ArrowNotImplementedError
            self._text(pa.table({field.name: pa.nulls(1, field.type)}))
        except pa.ArrowException as error:
            raise InvalidDataError(
                f"column {field.name!r} holds {field.type}, which is not text; write Parquet or Feather"
            ) from error

    def _put(self, rows: NDArray[Any], kept: Any) -> None:
        import pyarrow as pa

        # Not from a dict, since columns of a file may share a name.
        names = [*(field.name for field in self.kept or ()), *self.names]
        columns = [*(() if kept is None else kept.columns), *arrow_columns(rows)]
        self.text.write(self._text(pa.Table.from_arrays(columns, names=names)))

    def _text(self, table: Any) -> Any:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        if any(map(_is_text, table.schema.types)):
            return self._lines(table)
        text = pa.BufferOutputStream()
        arrow_csv.write_csv(table, text, arrow_csv.WriteOptions(include_header=False, delimiter=self.delimiter))
        return text.getvalue()

    def _lines(self, table: Any) -> Any:
        """Return rows in which only the text that needs quotes has them: pyarrow would quote all text."""
        import pyarrow as pa
        from pyarrow import compute

        cells = []
        for column in table.columns:
            text = column.cast(pa.string()).combine_chunks()
            if _is_text(column.type):
                special = compute.match_substring_regex(text, f'["\r\n{re.escape(self.delimiter)}]')
                double = compute.replace_substring(text, '"', '""')
                text = compute.if_else(special, compute.binary_join_element_wise('"', double, '"', ""), text)
            cells.append(compute.fill_null(text, ""))
        lines = compute.binary_join_element_wise(compute.binary_join_element_wise(*cells, self.delimiter), "", "\n")
        _, ends, text = lines.buffers()
        start, stop = np.frombuffer(ends, np.int32)[[lines.offset, lines.offset + len(lines)]].tolist()
        return text.slice(start, stop - start) if len(lines) else b""

    def finish(self) -> None:
        """Write the end of the compressed stream, or flush."""
        if self.text is not self.file:
            self.text.close()
        super().finish()

    def abandon(self) -> None:
        """Close the compressed stream, so that it does not write to the closed file when it is collected."""
        if self.text is not self.file:
            with suppress(Exception):
                self.text.close()


class GzipCsvSink(CsvSink):
    """Rows to CSV, compressed with gzip."""

    compress = _gzipped


class ZstdCsvSink(CsvSink):
    """Rows to CSV, compressed with zstd."""

    compress = _zstandard


class TsvSink(CsvSink):
    """Rows to text with tabs between cells."""

    delimiter = "\t"


class GzipTsvSink(TsvSink):
    """Rows to text with tabs between cells, compressed with gzip."""

    compress = _gzipped


class ZstdTsvSink(TsvSink):
    """Rows to text with tabs between cells, compressed with zstd."""

    compress = _zstandard
