"""Tables in text files: CSV and TSV, plain or compressed."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from isthmus.core.errors import BrokenFileError, InvalidDataError
from isthmus.data.sources.arrays import one_line
from isthmus.data.sources.arrow_columns import Part, fields_of, reading, refuse_duplicates
from isthmus.data.sources.places import Place, arrow_place
from isthmus.data.sources.tables import TableSource

_CSV_BLOCK = 8 << 20
_LOOKED_AT = 10_000  # rows


class CsvSource(TableSource):
    """A table in text, ``.csv`` or ``.tsv``, plain, gzipped or compressed with zstd; see `TableSource`.

    The first row names the columns, unless all its cells are numbers: then the columns are ``x0``, ``x1``, …. A file
    whose first row has no comma may also be separated by semicolons or tabs. The text is UTF-8, with or without a
    byte-order mark. Rows are float64, since text does not state types; their number is unknown until they are read.
    """

    def _part(self, file: Any, again: Part | None) -> Part:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv
        from pyarrow import dataset

        layout = _csv_layout(file)
        refuse_duplicates(file, layout.names)
        self._named = not layout.headerless
        # pyarrow infers types from the first block, so a later 1.5 would not fit a column that begins with integers.
        types = {
            name: kind if pa.types.is_boolean(kind) else pa.float64()
            for name, kind in (again.fields.items() if again else ())
            if name in self._names
        }
        options = {
            "parse_options": arrow_csv.ParseOptions(delimiter=layout.delimiter, newlines_in_values=True),
            "read_options": arrow_csv.ReadOptions(
                column_names=layout.names if layout.headerless else None,
                block_size=max(_CSV_BLOCK, 4 * layout.row_bytes),
            ),
        }
        with reading(file):
            if file.suffix.lower() == ".zst":
                fragment: Any = _ZstText(file, options, types)
            else:
                convert = arrow_csv.ConvertOptions(column_types=types)
                form = dataset.CsvFileFormat(**options, convert_options=convert)
                fragment = form.make_fragment(*arrow_place(file))
            return Part(file, fragment, fields_of(file, fragment.physical_schema))

    def _kept_type(self, part: Part, name: str) -> Any:
        import pyarrow as pa
        from pyarrow import compute

        kind = part.fields[name]
        if not pa.types.is_null(kind) and (name in self._names or not pa.types.is_integer(kind)):
            return kind
        # A column that begins with empty cells may hold anything later, and 007 is a label, not a number.
        text = pa.schema([(name, pa.string())])
        with reading(part.path):
            batches = part.fragment.to_batches(schema=text, columns=[name], batch_size=_LOOKED_AT)
            head = next(iter(batches), text.empty_table())[name]
        padded = compute.any(compute.match_substring_regex(head, r"^[+-]?0[0-9]")).as_py()
        return pa.string() if padded or pa.types.is_null(kind) else kind

    def _common_dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float64)

    def _has_nulls(self, part: Part) -> bool:
        return True  # unknown until the text is read

    def _count(self) -> list[int] | None:
        return None


class _ZstText:
    """Text compressed with zstd, with the methods of a pyarrow fragment, which decompresses only gzip."""

    def __init__(self, file: Place, options: dict[str, Any], types: dict[str, Any]) -> None:
        self.file = file
        self.options = options
        self.types = types
        with self._reader(None, None) as reader:
            self.physical_schema = reader.schema

    @contextmanager
    def _reader(self, columns: Sequence[str] | None, schema: Any) -> Iterator[Any]:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        declared = {field.name: field.type for field in schema or ()}
        convert = arrow_csv.ConvertOptions(column_types=self.types | declared, include_columns=columns)
        with self.file.open("rb") as raw, pa.CompressedInputStream(raw, "zstd") as text:
            yield arrow_csv.open_csv(text, **self.options, convert_options=convert)

    def to_batches(self, *, columns: Sequence[str] | None = None, schema: Any = None, **sizes: int) -> Iterator[Any]:
        size = sizes.get("batch_size")
        with self._reader(columns, schema) as reader:
            for batch in reader:
                for start in range(0, len(batch), size or max(len(batch), 1)):
                    yield batch.slice(start, size)


class _CsvLayout(NamedTuple):
    names: list[str]
    delimiter: str
    headerless: bool
    row_bytes: int


def _csv_layout(file: Place) -> _CsvLayout:
    try:
        with _text(file) as stream:
            line = stream.readline()
        tabs = file.name.lower().endswith((".tsv", ".tsv.gz", ".tsv.zst"))
        delimiter = "\t" if tabs else next((mark for mark in ",;\t" if mark in line), ",")
        with _text(file) as stream:
            cells = next((row for row in csv.reader(stream, delimiter=delimiter) if row), None)
    except UnicodeDecodeError as error:
        raise BrokenFileError(f"{file} is not UTF-8 text ({one_line(error)}); save it as UTF-8") from error
    except (csv.Error, zlib.error, OSError, EOFError) as error:
        raise BrokenFileError(f"{file} cannot be read as CSV: {one_line(error)}") from error
    if cells is None:
        raise InvalidDataError(f"{file} is empty; a table needs a header and rows")
    headerless = all(_is_number(cell) for cell in cells)
    names = [f"x{i}" for i in range(len(cells))] if headerless else cells
    return _CsvLayout(names, delimiter, headerless, len(line))


@contextmanager
def _text(file: Place) -> Iterator[Any]:
    import pyarrow as pa

    with file.open("rb") as raw:
        stream: Any = raw
        if file.suffix.lower() == ".gz":
            stream = gzip.GzipFile(fileobj=raw)
        elif file.suffix.lower() == ".zst":
            stream = pa.CompressedInputStream(raw, "zstd")
        with io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
            yield text


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
