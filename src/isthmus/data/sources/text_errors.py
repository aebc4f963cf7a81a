"""Errors of text tables: which cell is wrong, in which row and line, and what to do."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from isthmus.core.errors import BrokenFileError, InvalidDataError
from isthmus.data.sources.arrow_columns import Part, describe_type, is_numeric, listed
from isthmus.data.sources.cells import has_decimal, is_number, is_open, split, unquoted
from isthmus.data.sources.layout import TextLayout, TextOptions, not_utf8, opened
from isthmus.data.sources.quotes import refuse_open_quotes

_TRUTHS = frozenset(("true", "false"))
_NUMBERS_OF_TRUTHS = frozenset(("0", "1"))
# The delimiters that are not found, with their names as options.
SEPARATORS = {":": ":", "^": "^", "~": "~", "!": "!", " ": "space"}
_LOOKED_AT = 10_000  # rows
_SHOWN = 40
_CLOSING = re.compile(r'(?:[^"]|"")*+"')


class Row(NamedTuple):
    """One row of a file: its number, counted from 0, its line, counted from 1, and its cells."""

    number: int
    line: int
    cells: list[str]


def rows_of(file: Any, layout: TextLayout) -> Iterator[Row]:
    """Yield the rows of a file, without header and comments; slower than pyarrow, for messages.

    Raises
    ------
    BrokenFileError
        If a row has another number of cells than there are columns, or the text has another encoding.
    """
    number, width = 0, len(layout.names)
    for line, record in _records(file, layout):
        cells = [unquoted(cell) for cell in split(record, layout.delimiter)]
        if len(cells) != width and record.startswith("#"):
            continue
        if any("\udc80" <= letter <= "\udcff" for letter in record):
            raise not_utf8(file, record, line)
        if len(cells) != width:
            refuse_open_quotes(file, layout)
            raise BrokenFileError(
                f"{file} cannot be read: line {line:,} has {len(cells)} cells, but the table has {width} columns: "
                f"{_short(record)}; correct it, or pass the delimiter= of the file (--delimiter)"
            )
        yield Row(number, line, cells)
        number += 1


def _records(file: Any, layout: TextLayout) -> Iterator[tuple[int, str]]:
    """Yield the first line and the text of each row below the header."""
    utf8 = layout.encoding == "utf-8"
    with opened(file) as stream:
        text = io.TextIOWrapper(
            stream, "utf-8-sig" if utf8 else layout.encoding, "surrogateescape" if utf8 else "strict", newline=""
        )
        lines = enumerate(text, 1)
        for line, first in lines:
            if line <= layout.skipped:
                continue
            pieces, going_on = [first], is_open(first, layout.delimiter)
            while going_on and (more := next(lines, None)):
                pieces.append(more[1])
                closing = _CLOSING.match(more[1])
                going_on = closing is None or is_open("." + more[1][closing.end() :], layout.delimiter)
            record = "".join(pieces).rstrip("\r\n")
            if record or layout.one_column:
                yield line, record


def refuse_cells(file: Any, names: Sequence[str], layout: TextLayout, options: TextOptions) -> None:
    """Raise the error for the first row that is not as the layout says; return if there is none.

    Parameters
    ----------
    file : Path or RemoteFile
        The file.
    names : sequence of str
        The columns of numbers.
    layout : TextLayout
        Its layout.
    options : TextOptions
        The spellings of missing cells.
    """
    columns = {i: CellKinds(layout, options) for i, name in enumerate(layout.names) if name in names}
    blank = [i for i, name in enumerate(layout.names) if name in layout.blank]
    with suppress(OSError, EOFError, UnicodeError):
        for row in rows_of(file, layout):
            for place, kinds in columns.items():
                if not kinds.fits(row.cells[place]):
                    where = f"row {row.number:,} (line {row.line:,})"
                    raise bad_cell(file, layout.names[place], row.cells[place], where, layout)
            for place in blank:
                if row.cells[place]:
                    raise InvalidDataError(
                        f"{file}: line {row.line:,} has {_short(row.cells[place])} in the last column, which has no "
                        "name and no values above; give the column a name"
                    )


def refuse_date(file: Any, names: Sequence[str], layout: TextLayout, message: str) -> None:
    """Raise the error for the cell of a column of dates that pyarrow's message says is none; return if it says none."""
    found = re.search(r"CSV conversion error to (?:date|time)\S*: invalid value '(.*)'", message, re.DOTALL)
    places = [place for place, name in enumerate(layout.names) if name in names]
    for row in rows_of(file, layout) if found else ():
        for place in places:
            if found and row.cells[place] == found[1]:
                raise InvalidDataError(
                    f"{file}: column {layout.names[place]!r} holds {_short(found[1])} in row {row.number:,} (line "
                    f"{row.line:,}), which is not a date or time as those above; correct it, or leave the column out "
                    f"with drop=[{layout.names[place]!r}] (--drop)"
                )


class CellKinds:
    """The cells of a column of numbers or of truth values: which of them do not fit those above.

    Parameters
    ----------
    layout : TextLayout
        The decimal mark.
    options : TextOptions
        The spellings of missing cells.
    """

    def __init__(self, layout: TextLayout, options: TextOptions) -> None:
        self.missing = frozenset(options.missing_numbers)
        self.decimal = layout.decimal
        self.kind: str | None = None

    def fits(self, cell: str) -> bool:
        """Whether a cell is missing, or of the kind of the first one that is not."""
        if cell in self.missing:
            return True
        kind = "truth" if cell.strip().lower() in _TRUTHS else "number" if is_number(cell, self.decimal) else None
        if self.kind is None and cell not in _NUMBERS_OF_TRUTHS:
            self.kind = kind
        return kind is not None and (self.kind in (None, kind) or cell in _NUMBERS_OF_TRUTHS)


def bad_cell(file: object, name: str, cell: str, where: str, layout: TextLayout) -> InvalidDataError:
    """Return the error for a cell among numbers that is none."""
    mark = "," if layout.decimal == "." else "."
    remedies = []
    if has_decimal(cell, mark):
        remedies.append(f"if {mark!r} is the decimal mark, pass decimal={mark!r} (--decimal {mark})")
    if _has_thousands(cell, mark, layout.decimal):
        remedies.append(f"if {mark!r} divides thousands, take it out of the numbers")
    if remedies:
        remedy = "; ".join(remedies)
    else:
        remedy = f"if it is a missing cell, pass missing_values=[{cell!r}] (--missing-values {_argument(cell)})"
    return InvalidDataError(
        f"{file}: column {name!r} holds {_short(cell)} in {where}, which is not a number; {remedy}; else correct it, "
        f"or leave the column out with drop=[{name!r}] (--drop)"
    )


def _has_thousands(cell: str, mark: str, decimal: str) -> bool:
    """Whether a cell is a number whose thousands a mark divides."""
    groups = rf"[+-]?\d{{1,3}}(?:{re.escape(mark)}\d{{3}})+(?:{re.escape(decimal)}\d*)?"
    return re.fullmatch(groups, cell.strip()) is not None


def _argument(text: str) -> str:
    return text if re.fullmatch(r"[\w.:/-]+", text) else "'" + text.replace("'", "'\\''") + "'"


def _short(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def refuse_text(part: Part, names: Sequence[str], layout: TextLayout, options: TextOptions) -> None:
    """Raise InvalidDataError if pyarrow did not infer numbers from the first rows of a column."""
    wrong = [name for name in names if not is_numeric(part.fields[name])]
    if not wrong:
        return
    refuse_open_quotes(part.path, layout)
    first = _first_bad(part, wrong[0], layout, options)
    where = f"row {first.number:,} (line {first.line:,})" if first else ""
    such = f", such as {_short(first.cells[layout.names.index(wrong[0])])} in {where}" if first else ""
    hint = "" if first is None or not layout.one_column else _separator_hint(layout.names[0], first.cells[0])
    raise InvalidDataError(
        f"{part.path}: column {wrong[0]!r} holds {describe_type(part.fields[wrong[0]])}{such}, but only numbers and "
        f"booleans can be read; convert it, or leave it out with drop=[{listed(wrong)}]{hint}"
    )


def _separator_hint(name: str, cell: str) -> str:
    """Return what to say where the name and a cell of a table's only column have one mark equally often."""
    for mark, word in SEPARATORS.items():
        parts = len(cell.split(None if mark == " " else mark))
        if parts > 1 and (mark == " " or parts == len(name.split(mark))):
            said = "spaces separate" if mark == " " else f"{mark!r} separates"
            return f"; if {said} its cells, pass delimiter={word!r} (--delimiter {_argument(word)})"
    return ""


def refuse_bad_numbers(part: Part, names: Sequence[str], layout: TextLayout, options: TextOptions) -> None:
    """Raise InvalidDataError for a cell that is no number in a column of text where most cells are."""
    from pyarrow import types

    for name in names:
        if types.is_string(part.fields[name]):
            _first_bad(part, name, layout, options)


def _first_bad(part: Part, name: str, layout: TextLayout, options: TextOptions) -> Row | None:
    """Return the first row whose cell is no number; raise InvalidDataError if most of the first rows' cells are."""
    place, kinds = layout.names.index(name), CellKinds(layout, options)
    first, good, bad = None, 0, 0
    for row in rows_of(part.path, layout):
        cell = row.cells[place]
        if not kinds.fits(cell):
            first, bad = first or row, bad + 1
        elif cell not in kinds.missing:
            good += 1
        if first and row.number >= _LOOKED_AT:
            break
    if first and (bad < good or has_decimal(first.cells[place], "," if layout.decimal == "." else ".")):
        refuse_open_quotes(part.path, layout)
        where = f"row {first.number:,} (line {first.line:,})"
        raise bad_cell(part.path, name, first.cells[place], where, layout)
    return first
