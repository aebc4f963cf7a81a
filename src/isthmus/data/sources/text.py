"""Tables in text files: CSV and TSV, plain or compressed."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import IsthmusWarning
from isthmus.data.sources.arrow_columns import Part, is_bytes, is_numeric, numbers, reading, refuse_unknown
from isthmus.data.sources.base import Block
from isthmus.data.sources.decoding import Decoded
from isthmus.data.sources.layout import COMPRESSED, TextLayout, TextOptions, find_layout, opened
from isthmus.data.sources.places import FileList, Place, arrow_place, is_utf8
from isthmus.data.sources.quotes import refuse_open_quotes
from isthmus.data.sources.tables import TableSource
from isthmus.data.sources.text_columns import TypeFinder, common_types, numbers_of, typed, whole_numbers, without
from isthmus.data.sources.text_errors import SEPARATORS, refuse_bad_numbers, refuse_cells, refuse_date, refuse_text

_CSV_BLOCK = 8 << 20
_PADDING = 16  # bytes; the last eight of a gzip stream are its checksum and size


class CsvSource(TableSource):
    """A table in text, ``.csv`` or ``.tsv``, plain or compressed (``.gz``, ``.zst``); see `TableSource`.

    What is not given is found in the first rows of each file: the delimiter is a comma, a tab, a semicolon or a
    vertical bar; the decimal mark is a comma where the delimiter is not and numbers are written so; the text is UTF-8,
    or UTF-16 with a byte-order mark. The first row names the columns, unless its cells are numbers (then the columns
    are ``x0``, ``x1``, …) or it has labels that later rows have too. Numbers are names as well if they count the
    columns, are years, or are in order, and the rows below are not, or if they alone have quotes. A warning says what
    was chosen where this is not clear. Lines above the table that begin with ``#``, the line ``sep=;`` of Excel, and a
    delimiter at the end of all rows are not part of the table; a first column without a name, the index of pandas, is
    read only if `columns` asks for it. A warning also says which delimiter was chosen where two divide the rows equally
    well, and whether lines such as ``3,14`` are read as one number or two columns. An empty line between the rows of a
    table of one column is a missing cell. Rows are float64, since text does not state types; their number is unknown
    until they are read.

    Parameters
    ----------
    path, columns, drop, kinds
        As in `TableSource`.
    encoding, delimiter, decimal, header, missing_values
        As in `TextOptions`.
    """

    options: ClassVar[tuple[str, ...]] = (*TableSource.options, *TextOptions.__dataclass_fields__)

    def __init__(
        self,
        path: str | os.PathLike[str] | FileList,
        *,
        columns: Sequence[str] | None = None,
        drop: Sequence[str] | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
        decimal: str | None = None,
        header: bool | None = None,
        missing_values: Sequence[str] = (),
        kinds: Mapping[str, str] | None = None,
    ) -> None:
        self.text_options = TextOptions(encoding, delimiter, decimal, header, missing_values)
        self._layouts: dict[str, TextLayout] = {}  # by file
        self._names: list[str] = []
        self._types: dict[str, Any] = {}
        self._kept_types: dict[str, Any] = {}
        self._closed: set[str] = set()  # the files whose quotes are all closed
        super().__init__(path, columns=columns, drop=drop, kinds=kinds)

    def with_kinds(self, kinds: Mapping[str, str]) -> CsvSource:
        """Return the same columns of the same files, with text read as these kinds; see `TableSource`."""
        if kinds == self._kinds:
            return self
        with warnings.catch_warnings():  # they were said when the file was opened first
            warnings.simplefilter("ignore", IsthmusWarning)
            return CsvSource(self.path, columns=self._names, kinds=kinds, **vars(self.text_options))

    def _layout(self, file: Any) -> TextLayout:
        if str(file) not in self._layouts:
            first = next(iter(self._layouts.values()), None)
            found = self._layouts[str(file)] = find_layout(file, self.text_options, first)
            if found.no_rows or any("\n" in name for name in found.names):
                refuse_open_quotes(file, replace(found, skipped=0))  # one in the header makes a name of the rows
            if found.note:
                warnings.warn(found.note, IsthmusWarning, stacklevel=2)
        return self._layouts[str(file)]

    def _part(self, file: Any, again: Part | None) -> Part:
        layout = self._layout(file)
        self._named = layout.named
        # pyarrow infers types from the first block, so a later 1.5 would not fit a column that begins with integers.
        types = {name: again.fields[name] for name in self._names} if again else {}
        with self._reading(file):
            fragment = fragment_of(file, layout, self.text_options, types)
            fields = {field.name: field.type for field in fragment.physical_schema if field.name in layout.columns}
        return Part(file, fragment, fields)

    def _by_default(self, part: Part) -> list[str]:
        layout = self._layout(part.path)
        return layout.columns[layout.index :]

    def _refuse_non_numeric(self, part: Part, names: Sequence[str]) -> None:
        refuse_text(part, names, self._layout(part.path), self.text_options)

    def _check_types(self, part: Part, names: Sequence[str]) -> None:
        layout, kinds = self._layout(part.path), self._kinds
        # One column with such a mark in its name may be several, which the mark separates.
        several = layout.one_column and not SEPARATORS.keys().isdisjoint(layout.names[0].strip())
        if kinds is None or several:
            self._refuse_non_numeric(part, names)
            return
        # pyarrow takes text of another encoding for bytes.
        numbers = [name for name in names if kinds.get(name) in ("real", "integer", "boolean")]
        self._refuse_non_numeric(part, [*numbers, *(name for name in names if is_bytes(part.fields[name]))])
        texts = [name for name in names if kinds.get(name) != "category"]
        refuse_bad_numbers(part, texts, layout, self.text_options)

    def _opened_again(self, parts: Sequence[Part]) -> list[Part]:
        import pyarrow as pa

        self.integers = {name for name in self._names if all(pa.types.is_integer(part.fields[name]) for part in parts)}
        for name in self._names:
            kinds = common_types(parts, name, None if self._kinds is None else self._kinds.get(name))
            for part, kind in zip(parts, kinds, strict=True):
                part.fields[name] = kind
        self._types = {name: parts[0].fields[name] for name in self._names}
        return super()._opened_again(parts)

    @contextmanager
    def _reading(self, file: Any) -> Iterator[None]:
        """Raise errors of pyarrow as errors that say which cell is wrong."""
        import pyarrow as pa

        with reading(file):
            try:
                yield
            except pa.ArrowInvalid as error:
                refuse_open_quotes(file, self._layout(file))
                refuse_cells(file, self._of_type(is_numeric), self._layout(file), self.text_options)
                refuse_date(file, self._of_type(pa.types.is_temporal), self._layout(file), str(error))
                raise

    def _of_type(self, check: Callable[[Any], bool]) -> list[str]:
        """Return the columns of a type; all before the types are known."""
        return [name for name in self._names if name not in self._types or check(self._types[name])]

    def _batches(self, part: Part, schema: Any = None) -> Iterator[Any]:
        import pyarrow as pa

        # Read with the others, so that a value in a column that is taken for an empty one is refused.
        blank = self._layout(part.path).blank
        schema = pa.schema([(name, part.fields[name]) for name in self._names]) if schema is None else schema
        whole = pa.schema([*schema, *((name, pa.null()) for name in blank)])
        for batch in super()._batches(part, whole):
            yield batch.select(schema.names) if blank else batch
        layout = self._layout(part.path)
        # A cell that has swallowed lines is no number.
        checked = {*blank, *(field.name for field in schema if is_numeric(field.type))}
        if not checked.issuperset(layout.names) and str(part.path) not in self._closed:
            with reading(part.path):
                refuse_open_quotes(part.path, layout)
            self._closed.add(str(part.path))

    def integers_of(self, name: str) -> Iterator[NDArray[Any]]:
        """Yield the integers of a column as they are written; it was read as floats. A cell that is none ends them."""
        import pyarrow as pa

        for part in self._parts:
            for batch in self._batches(part, pa.schema([(name, pa.string())])):
                cells = whole_numbers(batch[name], self.text_options)
                if cells is None:
                    return
                yield cells

    def kept_schema(self, names: Sequence[str]) -> Any:
        """Return the Arrow schema of columns to copy: text as it is written, such as 007 or 1.10."""
        import pyarrow as pa

        refuse_unknown("keep", self.path, list(self._parts[0].fields), names)
        self._kept_types = dict.fromkeys(names, pa.string())
        return pa.schema(list(self._kept_types.items()))

    def typed_schema(self, names: Sequence[str], types: str) -> Any:
        """Return the types of columns to copy after reading all of them; `blocks_keeping` yields them so afterwards.

        Parameters
        ----------
        names : sequence of str
            The columns.
        types : str
            ``"exact"`` finds a type if all cells of a column are the spellings of its values; ``"numbers"`` takes any
            spelling of a number.
        """
        import pyarrow as pa

        text = self.kept_schema(names)
        finders = {name: TypeFinder(types == "numbers") for name in names}
        for batch in (batch for part in self._parts for batch in self._batches(part, text)):
            for name, finder in finders.items():
                finder.look(batch[name])
        self._kept_types = {name: finder.type for name, finder in finders.items()}
        return pa.schema(list(self._kept_types.items()))

    def blocks_keeping(self, names: Sequence[str]) -> Iterator[tuple[Block, Any]]:
        """Yield all rows in order, each block with other columns of the same rows, in one pass.

        The columns have the types that `kept_schema` or `typed_schema` returned last.
        """
        import pyarrow as pa

        if not set(names) <= set(self._kept_types):
            self.kept_schema(names)
        row = 0
        for part in self._parts:
            kinds = {name: part.fields[name] for name in self._names} | dict.fromkeys(names, pa.string())
            for batch in self._batches(part, pa.schema(list(kinds.items()))):
                kept = [typed(batch[name], self._kept_types[name]) for name in names]
                yield Block(self._values(part, batch.select(self._names)), row), pa.record_batch(kept, list(names))
                row += len(batch)

    def _typed(self, part: Part, batch: Any) -> Any:
        import pyarrow as pa

        kinds = {name: part.fields[name] for name in self._names}
        cells = [self._cells(part, batch[name], kind) for name, kind in kinds.items()]
        return pa.record_batch(cells, pa.schema(list(kinds.items())))

    def _cells(self, part: Part, column: Any, kind: Any) -> Any:
        """Return a column in its type; it is still text where it is kept as well."""
        import pyarrow as pa

        if pa.types.is_string(kind):
            return without(column, self.text_options.missing_texts)
        if not pa.types.is_string(column.type):
            return column
        if pa.types.is_temporal(kind):
            return without(column, self.text_options.missing_numbers).cast(kind)
        return numbers_of(column, self.text_options, self._layout(part.path).decimal).cast(kind)

    def _numbers(self, part: Part, column: Any) -> NDArray[Any]:
        import pyarrow as pa

        if not pa.types.is_string(column.type):
            return numbers(column)
        return numbers(numbers_of(column, self.text_options, self._layout(part.path).decimal))

    def _common_dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float64)

    def _has_nulls(self, part: Part) -> bool:
        return True  # unknown until the text is read

    def _count(self) -> list[int] | None:
        return None


def fragment_of(file: Place, layout: TextLayout, options: TextOptions, types: dict[str, Any]) -> Any:
    """Return the rows of a file as a pyarrow fragment that reads columns as these types, and infers the others."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv
    from pyarrow import dataset

    read = {
        "parse_options": parsing(layout),
        "read_options": arrow_csv.ReadOptions(
            column_names=list(layout.names),
            skip_rows=layout.skipped,
            block_size=max(_CSV_BLOCK, 4 * layout.row_size),
        ),
    }
    convert = {
        "null_values": options.missing_numbers,
        "decimal_point": layout.decimal,
        "column_types": types | {name: pa.null() for name in layout.blank},
    }
    if file.suffix.lower() == ".zst" or not is_utf8(file) or _needs_python(file, layout):
        return _TextFragment(file, layout, read, convert)
    form = dataset.CsvFileFormat(**read, convert_options=arrow_csv.ConvertOptions(**convert))
    return form.make_fragment(*arrow_place(file))


def _needs_python(file: Place, layout: TextLayout) -> bool:
    """Whether pyarrow cannot read a file by itself: its encoding, empty lines, or zeros after a gzip stream."""
    if layout.encoding != "utf-8" or layout.one_column:
        return True
    if file.suffix.lower() != ".gz":
        return False
    with file.open("rb") as raw:
        raw.seek(-min(_PADDING, file.stat().st_size), os.SEEK_END)
        return not any(raw.read(_PADDING))


def parsing(layout: TextLayout) -> Any:
    """Return how pyarrow divides the rows of a file."""
    from pyarrow import csv as arrow_csv

    return arrow_csv.ParseOptions(
        delimiter=layout.delimiter,
        newlines_in_values=True,
        ignore_empty_lines=not layout.one_column,
        invalid_row_handler=_skip_comments,
    )


def _skip_comments(row: Any) -> str:
    """Return what pyarrow does with a line that has another number of cells: comments are skipped."""
    return "skip" if row.text.startswith("#") else "error"


class _TextFragment:
    """Text that pyarrow's data sets do not decode or decompress, with the methods of a pyarrow fragment."""

    def __init__(self, file: Place, layout: TextLayout, read: dict[str, Any], convert: dict[str, Any]) -> None:
        import pyarrow as pa

        self.file = file
        self.layout = layout
        self.read = read
        self.convert = convert
        if layout.no_rows:  # pyarrow refuses a text that is empty
            self.physical_schema = pa.schema([(name, pa.null()) for name in layout.names])
            return
        with self._reader(None, None) as reader:
            self.physical_schema = reader.schema

    @contextmanager
    def _reader(self, columns: Sequence[str] | None, schema: Any) -> Iterator[Any]:
        from pyarrow import csv as arrow_csv

        declared = {field.name: field.type for field in schema or ()}
        given = self.convert | {"column_types": self.convert["column_types"] | declared}
        convert = arrow_csv.ConvertOptions(include_columns=columns, **given)
        with self._text(warn=columns is not None) as text:
            yield arrow_csv.open_csv(text, **self.read, convert_options=convert)

    @contextmanager
    def _text(self, *, warn: bool) -> Iterator[Any]:
        """Open the file as UTF-8, without Python where that is possible: pyarrow reads ahead in its own threads."""
        import pyarrow as pa

        layout, suffix = self.layout, self.file.suffix.lower()
        if isinstance(self.file, Path) and not _needs_python(self.file, layout):
            with pa.OSFile(os.fsencode(self.file)) as raw:
                yield pa.CompressedInputStream(raw, COMPRESSED[suffix]) if suffix in COMPRESSED else raw
            return
        with opened(self.file) as stream:
            text = Decoded(stream, layout, self.file if warn else None)
            try:
                yield pa.PythonFile(text, "r")
            finally:
                text.stop()

    def to_batches(self, *, columns: Sequence[str] | None = None, schema: Any = None, **sizes: int) -> Iterator[Any]:
        if self.layout.no_rows:
            return
        size = sizes.get("batch_size")
        with self._reader(columns, schema) as reader:
            for batch in reader:
                for start in range(0, len(batch), size or max(len(batch), 1)):
                    yield batch.slice(start, size)
