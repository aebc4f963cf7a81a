"""Whether the first row of a text table is its header, and what to say where that is not clear."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from isthmus.core.errors import InvalidDataError
from isthmus.data.sources.cells import MISSING_NUMBERS, is_number

_MARKS = frozenset((*MISSING_NUMBERS, "?", "-", "--", ".", "*"))  # of missing cells; none is a likely name
_SHOWN = 4

Rows = Sequence[Sequence[str]]


def has_header(rows: Rows, decimal: str) -> tuple[bool, bool]:
    """Return whether the first row names the columns, and whether that is unsure."""
    first, rest = rows[0], rows[1:]
    numbers = [is_number(cell, decimal) or cell.strip().lower() == "nan" for cell in first]
    marks = [cell.strip() in _MARKS for cell in first]
    if all(numbers):
        return (_counts_columns(first, rest), True) if _counts(first) and rest else (False, False)
    words = [i for i, cell in enumerate(first) if not numbers[i] and not marks[i]]
    if not words:
        # pandas writes a frame without names as an empty cell, for the index, and 0, 1, 2, ….
        named = first[0] == "" and len(first) > 1 and _counts(first[1:])
        return named, True
    if not any(numbers):
        return True, any(marks[i] and first[i] for i in range(len(first)))
    columns = {i: [row[i].strip() for row in rest if i < len(row) and row[i].strip() not in _MARKS] for i in words}
    if any(first[i].strip() in column for i, column in columns.items()):
        return False, True
    if not rest or any(column and all(is_number(cell, decimal) for cell in column) for column in columns.values()):
        return True, True
    return _are_years([first[i] for i in range(len(first)) if numbers[i]]), True


def _counts(cells: Sequence[str]) -> bool:
    return list(cells) == [str(i) for i in range(len(cells))]


def _counts_columns(first: Sequence[str], rest: Rows) -> bool:
    """Whether 0, 1, 2, … are the names that pandas writes for a frame that has none, and not the first row."""
    width = len(first)
    if list(rest[0]) == [str(i) for i in range(width, 2 * width)]:
        return False
    integers = all(cell.strip().lstrip("+-").isdigit() for row in rest for cell in row)
    return not integers or width > 2


def _are_years(cells: Sequence[str]) -> bool:
    """Whether numbers among words are names too: integers in equal steps, such as 2019, 2020, 2021."""
    if len(cells) < 2 or not all(cell.strip().isdigit() for cell in cells):
        return False
    numbers = [int(cell) for cell in cells]
    steps = {after - before for before, after in itertools.pairwise(numbers)}
    return len(steps) == 1 and steps != {0}


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
