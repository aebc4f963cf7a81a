"""Whether the first row of a text table is its header, and what to say where that is not clear."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.core.errors import InvalidDataError
from isthmus.data.sources.cells import MISSING_NUMBERS, is_number
from isthmus.data.sources.number_names import are_names, in_steps, is_integer, number_of

_MARKS = frozenset((*MISSING_NUMBERS, "?", "-", "--", ".", "*"))  # of missing cells; none is a likely name
_DIVIDERS = frozenset(",;\t|")
_SHOWN = 4

Rows = Sequence[Sequence[str]]


def has_header(rows: Rows, decimal: str) -> tuple[bool, bool]:
    """Return whether the first row names the columns, and whether that is unsure."""
    first, rest = rows[0], rows[1:]
    numbers = [is_number(cell, decimal) or cell.strip().lower() == "nan" for cell in first]
    marks = [cell.strip() in _MARKS for cell in first]
    if all(numbers):
        return are_names(first, rest, decimal)
    words = [i for i, cell in enumerate(first) if not numbers[i] and not marks[i]]
    if not words:
        return _named_beside_index(first, rest, decimal), True
    if not any(numbers):
        return True, any(marks[i] and first[i] for i in range(len(first)))
    columns = {i: [row[i].strip() for row in rest if i < len(row) and row[i].strip() not in _MARKS] for i in words}
    if any(first[i].strip() in column for i, column in columns.items()):
        return False, True
    if not rest or any(column and all(is_number(cell, decimal) for cell in column) for column in columns.values()):
        return True, True
    places = [i for i in range(len(first)) if numbers[i]]
    cells = [first[i] for i in places]
    below = [[row[i] for i in places] for row in rest if len(row) == len(first)]
    return _are_steps(cells, decimal) or are_names(cells, below, decimal)[0], True


def has_quoted_names(rows: Rows) -> bool:
    """Whether the cells of the first row, given as they are written, are quoted above numbers without quotes.

    R writes names so; a cell with a comma may be a number that needs its quotes.
    """
    if not all(cell.startswith('"') for cell in rows[0]):
        return False
    for place, cell in enumerate(rows[0]):
        below = [row[place] for row in rows[1:] if place < len(row) and row[place].strip() not in MISSING_NUMBERS]
        numbers = below and all(is_number(other, ".") or is_number(other, ",") for other in below)
        if numbers and not _DIVIDERS & set(cell):
            return True
    return False


def _named_beside_index(first: Sequence[str], rest: Rows, decimal: str) -> bool:
    """Whether numbers are names, where cells at the start or the end of the first row are empty.

    pandas writes an empty cell above the index, and its index is often 0, 1, 2, ….
    """
    last = max((i for i, cell in enumerate(first) if cell), default=0)
    cells, below = first[1 : last + 1], [row[1 : last + 1] for row in rest]
    if first[0] == "" and cells and all(is_number(cell, decimal) for cell in cells):
        index = [row[0] for row in rest] == [str(i) for i in range(len(rest))]
        return index or are_names(cells, below, decimal)[0]
    cells, below = first[: last + 1], [row[: last + 1] for row in rest]
    return all(is_number(cell, decimal) for cell in cells) and are_names(cells, below, decimal)[0]


def _are_steps(cells: Sequence[str], decimal: str) -> bool:
    """Whether numbers among words are names too: integers in equal steps, such as 2019, 2020, 2021."""
    return len(cells) > 1 and all(map(is_integer, cells)) and in_steps([number_of(cell, decimal) for cell in cells])


def column_names(file: object, cells: Rows, width: int, *, header: bool) -> tuple[list[str], list[int]]:
    """Return a name for each column, and which columns between others have none.

    Names that begin with a null character are those of the last columns, where they have neither names nor values.

    Raises
    ------
    InvalidDataError
        If two columns have the same name, or none.
    """
    body = cells[1:] if header else cells
    names = list(cells[0]) if header else [f"x{i}" for i in range(width)]
    blank, least = width, 0 if header else 2
    while blank > 1 and not (header and names[blank - 1]) and len(body) >= least and _is_empty(body, blank - 1, width):
        blank -= 1
    names[blank:] = [f"\0{place}" for place in range(blank, width)]
    unnamed = [place for place in range(blank) if not names[place]]
    if len(unnamed) > 1:
        raise InvalidDataError(
            f"{file}: columns {unnamed[0] + 1} and {unnamed[1] + 1} have no name in the first line; name them, or pass "
            "header=False (--no-header) if it is a row"
        )
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise InvalidDataError(
            f"{file} has more than one column named {twice!r} in its first line; give each its own name, or pass "
            "header=False (--no-header) if the line is a row"
        )
    return names, unnamed


def _is_empty(rows: Rows, place: int, width: int) -> bool:
    return not any(row[place] for row in rows if len(row) == width)


def names_note(
    file: object, first: Sequence[str], *, header: bool, index: bool, unsure: bool, unnamed: Sequence[int]
) -> str | None:
    """Return a note on the first row for the user, or None if it is clear."""
    shown = ", ".join(map(repr, first[:_SHOWN])) + (", …" if len(first) > _SHOWN else "")
    if unsure and not header:
        return f"{file}: the first line ({shown}) is read as a row; pass --header (header=True) if it holds names"
    notes = []
    if unsure:
        notes.append(f"the first line ({shown}) is read as names; pass --no-header (header=False) if it is a row")
    if index:
        notes.append("the first column has no name in the header and is left out, as the labels of the rows")
    elif unnamed:
        notes.append(f"column {unnamed[0] + 1} has no name in the first line, which is read as names")
    return f"{file}: {'; '.join(notes)}" if notes else None
