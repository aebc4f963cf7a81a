"""A whole text table in memory: its columns with types, and its text with missing cells filled in."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from isthmus.core.errors import BrokenFileError, InvalidDataError, IsthmusWarning
from isthmus.data.sources.arrow_columns import reading
from isthmus.data.sources.cells import Record, quoted, records, split, unquoted
from isthmus.data.sources.layout import TextOptions, decoded, find_layout, opened
from isthmus.data.sources.places import Place
from isthmus.data.sources.text import parsing
from isthmus.data.sources.text_columns import bad_number, first_decimal_comma, inferred, of_kind
from isthmus.data.sources.text_errors import bad_cell, refuse_cells, rows_of


class TextTable:
    """A text table that is written as it was read, to the byte, except for the cells that are filled.

    Parameters
    ----------
    file : Path or RemoteFile
        The file.
    options : TextOptions
        What the user says about its layout.

    Raises
    ------
    BrokenFileError, InvalidDataError
        If the file is not a table of text.
    """

    def __init__(self, file: Place, options: TextOptions) -> None:
        self.file, self.options = file, options
        self.layout = find_layout(file, options)
        if self.layout.note:
            warnings.warn(self.layout.note, IsthmusWarning, stacklevel=2)
        with reading(file), opened(file) as stream:
            content = stream.read()
        self.mark, self.codec, self.text = decoded(file, content, self.layout.encoding)
        self.cells = self._cells()
        self.n_rows: int = self.cells.num_rows
        self._truths: dict[str, dict[bool, str]] = {}

    @property
    def names(self) -> list[str]:
        """The names of all columns."""
        return self.layout.columns

    @property
    def default_names(self) -> list[str]:
        """The names of the columns that are read if none are chosen."""
        return self.names[self.layout.index :]

    def _cells(self) -> Any:
        """Return the text of all cells as an Arrow table."""
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        layout = self.layout
        with reading(self.file):
            try:
                return arrow_csv.read_csv(
                    io.BytesIO(self._rows_of_text().encode()),
                    arrow_csv.ReadOptions(
                        column_names=list(layout.names),
                        skip_rows=layout.skipped,
                        block_size=max(1 << 20, 4 * layout.row_size),
                    ),
                    parsing(layout),
                    arrow_csv.ConvertOptions(column_types=dict.fromkeys(layout.names, pa.string())),
                )
            except pa.ArrowInvalid:
                refuse_cells(self.file, (), layout, self.options)
                raise

    def _rows_of_text(self) -> str:
        """Return the text without the empty lines at its end, which are no missing cells of a table of one column."""
        rows = self.text.rstrip("\r\n")
        end = self.text[len(rows) :]
        if not self.layout.one_column or not end:
            return self.text
        if len(f"{end}.".splitlines()) > 2:
            warnings.warn(f"{self.file}: empty lines at the end are not read as rows", IsthmusWarning, stacklevel=2)
        return rows + "\n"

    def typed(self, names: Sequence[str], kinds: Mapping[str, str] | None = None) -> Any:
        """Return columns as an Arrow table of the types that their cells have, null where a cell is missing.

        Parameters
        ----------
        names : sequence of str
            The columns.
        kinds : mapping or None
            The kinds that columns must have: "real", "integer", "boolean" or "category".

        Raises
        ------
        InvalidDataError
            If a cell is not of the kind of its column.
        """
        import pyarrow as pa

        columns, decimal = {}, self.layout.decimal
        for name in names:
            column, kind = self.cells[name], (kinds or {}).get(name)
            if kind is None:
                columns[name] = inferred(column, self.options, decimal)
                continue
            try:
                columns[name] = of_kind(column, kind, self.options, decimal)
            except pa.ArrowInvalid:
                self.refuse_bad_numbers([name], most=0)
                raise
        return pa.table(columns)

    def refuse_bad_numbers(self, names: Sequence[str], most: float | None = None) -> None:
        """Raise InvalidDataError for the first cell that is no number in a column where nearly all cells are.

        Parameters
        ----------
        names : sequence of str
            The columns.
        most : float or None
            The share of cells from which they are numbers; None is a choice by the cells.
        """
        for name in names:
            place = bad_number(self.cells[name], self.options, self.layout.decimal, most)
            if place is None and self.layout.decimal == ".":
                place = first_decimal_comma(self.cells[name], self.options)
            if place is None:
                continue
            row = next(row for row in rows_of(self.file, self.layout) if row.number == place)
            where, cell = f"row {row.number:,} (line {row.line:,})", row.cells[self.layout.names.index(name)]
            raise bad_cell(self.file, name, cell, where, self.layout)

    def filled(self, columns: Mapping[str, Mapping[int, Any]], delimiter: str | None = None) -> bytes:
        """Return the file with values in missing cells; every other byte stays.

        Parameters
        ----------
        columns : mapping
            By name, the rows and their values.
        delimiter : str or None
            Another character between cells, or None to keep that of the file.
        """
        fills: dict[int, dict[int, str]] = {}
        for name, values in columns.items():
            place = self.layout.names.index(name)
            for row, value in values.items():
                fills.setdefault(row, {})[place] = self._spelled(name, value)
        mark = self.layout.delimiter if delimiter is None else delimiter
        text = "".join(self._pieces(fills, mark))
        try:
            return self.mark + text.encode(self.codec)
        except UnicodeEncodeError as error:
            raise InvalidDataError(
                f"{self.file}: {error.object[error.start : error.end]!r} cannot be written as {self.layout.encoding}; "
                "save the table as UTF-8"
            ) from error

    def _pieces(self, fills: Mapping[int, Mapping[int, str]], mark: str) -> Iterator[str]:
        """Yield the text with filled cells, in pieces."""
        own, done = self.layout.delimiter, 0
        if mark != own:
            done = self.layout.start
            yield self._with_mark(self.text[:done], mark)
        for row, record in enumerate(self._records()):
            if row in fills or mark != own:
                yield self.text[done : record.start]
                cells = split(self.text[record.start : record.stop], own)
                for place, value in fills.get(row, {}).items():
                    self._check_hole(cells[place], row, place)
                    cells[place] = quoted(value, mark, always=cells[place].startswith('"'))
                yield mark.join(cells if mark == own else (_requoted(cell, mark) for cell in cells))
                done = record.stop
        yield self.text[done:]

    def _with_mark(self, head: str, mark: str) -> str:
        """Return the lines above the first row with another delimiter between the names."""
        if not self.layout.named:
            return "" if head.lower().startswith("sep=") else head
        header = list(records(head, self.layout.delimiter))[-1]
        cells = split(head[header.start : header.stop], self.layout.delimiter)
        above = "" if head.lower().startswith("sep=") else head[: header.start]
        return above + mark.join(_requoted(cell, mark) for cell in cells) + head[header.stop :]

    def _records(self) -> Iterator[Record]:
        """Yield the rows, without comments."""
        delimiter, width = self.layout.delimiter, len(self.layout.names)
        for record in records(self.text, delimiter, self.layout.start, empty=self.layout.one_column):
            row = self.text[record.start : record.stop]
            if not row.startswith("#") or len(split(row, delimiter)) == width:
                yield record

    def _check_hole(self, cell: str, row: int, place: int) -> None:
        # The reader and this writer divide the text by different code: where they differ, nothing is written.
        if unquoted(cell) != self.cells.column(place)[row].as_py():
            raise BrokenFileError(f"{self.file}: the quotes in row {row:,} are not clear; write the table anew")

    def _spelled(self, name: str, value: Any) -> str:
        """Return the text of a value, as the cells of its column are written."""
        if isinstance(value, bool):
            return self._truth(name, value)
        if isinstance(value, float):
            return repr(value).removesuffix(".0").replace(".", self.layout.decimal)
        return str(value)

    def _truth(self, name: str, truth: bool) -> str:
        """Return how a column of truth values spells one of them."""
        if name not in self._truths:
            counts = Counter(cell.strip() for cell in self.cells[name].to_pylist())
            common = [cell for cell, _ in counts.most_common() if cell.lower() in ("true", "false")]
            self._truths[name] = {
                value: next((cell for cell in common if (cell.lower() == "true") == value), _like(common, value))
                for value in (True, False)
            }
        return self._truths[name][truth]


def _like(spellings: Sequence[str], truth: bool) -> str:
    """Return "true" or "false" in capitals like those of a spelling of the other."""
    word, other = str(truth), next(iter(spellings), "false")
    return word if other.istitle() else word.upper() if other.isupper() else word.lower()


def _requoted(cell: str, mark: str) -> str:
    return cell if cell.startswith('"') else quoted(cell, mark)
