"""The delimiter and the decimal mark of a text table, found in its first rows, and what to say in unclear cases."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from isthmus.data.sources.cells import has_decimal, is_number, records, split, unquoted

DELIMITERS = (",", "\t", ";", "|")
_ROWS = 500
_COMPARED_ROWS = 50
_FEW = 2  # rows, in which equal lengths show nothing
_QUOTED = re.compile(r'"(?:[^"]|"")*+"')
_PARTS = re.compile(r"[+-]?(\d*),(\d*)(?:[eE].*)?")
_POINTS = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+")


class Row(NamedTuple):
    """One of the first rows: where it starts and ends in the text, and its cells as they are written."""

    start: int
    end: int
    raw: list[str]

    @property
    def cells(self) -> list[str]:
        """The text of the cells, without quotes."""
        return [unquoted(cell) for cell in self.raw]


class Marks(NamedTuple):
    """A delimiter, and a note on it for the user; `decimal` is None where the numbers have to show it."""

    delimiter: str
    decimal: str | None = None
    note: str | None = None


def first_rows(text: str, delimiter: str, start: int, whole: bool, most: int = _ROWS) -> list[Row]:
    """Return the first rows of a table, without comments and the row that is cut off."""
    found: list[Row] = []
    for record in records(text, delimiter, start):
        if found and not whole and record.end >= len(text):
            break
        raw = split(text[record.start : record.stop], delimiter)
        if not (found and text[record.start] == "#" and len(raw) != len(found[0].raw)):
            found.append(Row(record.start, record.end, raw))
        if len(found) > most:
            break
    return found


def find_delimiter(
    text: str, start: int, whole: bool, name: str, decimal: str | None, missing: Collection[str]
) -> Marks:
    """Return the delimiter with which rows have the same number of cells, few with another one, and most of numbers.

    Parameters
    ----------
    text : str
        The first characters of the file.
    start : int
        Where the table starts.
    whole : bool
        Whether the text is the whole file.
    name : str
        The name of the file; tabs are preferred in ``.tsv``.
    decimal : str or None
        The decimal mark, if it is given.
    missing : collection of str
        The spellings of missing cells among numbers.
    """
    lone = None if decimal == "." else _decimals(text, start, whole, decimal, missing)
    if lone is not None and lone.decimal:
        return lone
    choices: Sequence[str] = ("\t", ",", ";", "|") if ".tsv" in name.lower() else DELIMITERS
    choices = sorted(choices, key=lambda mark: mark == decimal)
    scores = {}
    for mark in choices:
        rows = first_rows(text, mark, start, whole, _COMPARED_ROWS)
        if (score := _score(rows, mark)) is not None:
            scores[mark] = score
    if not scores:
        line = text[start:].split("\n", 1)[0]
        return Marks(next((mark for mark in choices if mark in line), choices[0]))
    best = max(scores, key=lambda mark: scores[mark])
    rivals = [mark for mark in scores if mark != best and scores[mark] >= scores[best]]
    if rivals:
        return Marks(
            best,
            None,
            f"{best!r} is taken for the delimiter, though {rivals[0]!r} divides the rows as well; pass --delimiter "
            "(delimiter=) to choose",
        )
    return lone or Marks(best)


def _score(rows: Sequence[Row], mark: str) -> tuple[float, float, float] | None:
    """Return how well a delimiter divides rows, or None: the shares of clear cells, numbers, and clear names."""
    width = len(rows[-1].raw) if rows else 0
    body = rows[1:] or rows
    if width < 2 or any(len(row.raw) != width for row in body):
        return None
    first = len(rows[0].raw)
    if first != width and (not 2 <= first == width - 1 or any(row.raw[-1] for row in body)):
        return None
    cells = [cell for row in body for cell in row.raw]
    numbers = [_is_number(unquoted(cell), mark) for cell in cells]
    clear = [number or _is_clear(cell) for number, cell in zip(numbers, cells, strict=True)]
    names = [_is_number(unquoted(cell), mark) or _is_clear(cell) for cell in rows[0].raw]
    return sum(clear) / len(cells), sum(numbers) / len(cells), sum(names) / len(names)


def _is_number(cell: str, mark: str) -> bool:
    return not cell or is_number(cell) or (mark != "," and is_number(cell, ","))


def _is_clear(cell: str) -> bool:
    """Whether a cell, as it is written, cannot be divided by any delimiter."""
    return _QUOTED.fullmatch(cell) is not None or not {*DELIMITERS, '"'} & set(cell)


def _decimals(text: str, start: int, whole: bool, decimal: str | None, missing: Collection[str]) -> Marks | None:
    """Return how to read lines each of which could be one number with a decimal comma, or None if they could not.

    Below a name without a comma they are such numbers. Without a name they are if digits show it (``-3,09`` and
    ``-0,5`` cannot be two integers, as programs write them); else they are two columns, as usual in CSV.
    """
    lines = [cell for row in first_rows(text, "\0", start, whole) for cell in row.cells]
    named = bool(lines) and lines[0] not in missing and not is_number(lines[0], ",")
    numbers = [line for line in lines[named:] if line.strip() not in missing]
    if not all(is_number(line, ",") for line in numbers) or not any("," in line for line in numbers):
        return None
    if named and "," in lines[0]:
        return None
    free = next((mark for mark in (";", "\t", "|") if not (named and mark in lines[0])), "\t")
    one = Marks(free, ",")
    parts = [(found[1], found[2]) for line in numbers if (found := _PARTS.fullmatch(line.strip()))]
    if decimal == "," or (named and [first for first, _ in parts] != [str(i + 1) for i in range(len(lines) - 1)]):
        return one
    one = one._replace(
        note="the lines are read as numbers with a decimal comma; pass --delimiter , (delimiter=',') if the comma "
        "divides two columns"
    )
    if named or len(parts) < len(lines) or _are_fractions(numbers, parts):
        return one
    if _may_be_fractions(numbers, parts):
        return Marks(
            ",",
            None,
            "the lines are read as two columns; pass --decimal , (decimal=',') if they are numbers with a decimal "
            "comma",
        )
    return None


def _are_fractions(numbers: Sequence[str], parts: Sequence[tuple[str, str]]) -> bool:
    """Whether numbers around a comma are parts of one number: zeros begin the second, and never the first.

    A comma at the end is one before a missing cell, as no program writes it after a number.
    """
    if any(not second or (len(first) > 1 and first.startswith("0")) for first, second in parts):
        return False
    zeros = any(len(second) > 1 and second.startswith("0") for _, second in parts)
    return zeros or any(line.strip().startswith(("-0,", "+0,")) for line in numbers)


def _may_be_fractions(numbers: Sequence[str], parts: Sequence[tuple[str, str]]) -> bool:
    """Whether pairs of integers are rather like numbers: only the first has a sign, or the second equal lengths."""
    if {*itertools.chain.from_iterable(parts)} <= {"0", "1"}:
        return False  # labels
    lengths = {len(second) for _, second in parts}
    if len(lengths) == 1:
        return lengths != {1} or len(parts) > _FEW or any(line.strip().startswith(("-", "+")) for line in numbers)
    # Programs write fractions without zeros at the end, or in one length.
    return not any(second.endswith("0") and len(second) > 1 for _, second in parts)


def find_decimal(rows: Sequence[Row], delimiter: str) -> tuple[str, str | None]:
    """Return the decimal mark of the numbers in these rows, and what to say where a mark may divide thousands."""
    if delimiter == "," and len(rows[0].raw) > 1:
        return ".", None
    cells = list(itertools.chain.from_iterable(row.cells for row in rows))
    commas = [cell.strip() for cell in cells if has_decimal(cell, ",")]
    if not commas or any(has_decimal(cell, ".") for cell in cells):
        return ".", _may_be_thousands(rows)
    if not all(_THOUSANDS.fullmatch(cell) for cell in commas):
        return ",", None
    return ",", _said_of_thousands("comma", commas[0])


def _may_be_thousands(rows: Sequence[Row]) -> str | None:
    """Return what to say of a column that has ``1.250`` and ``900``, as no program writes three decimals."""
    width = len(rows[0].raw)
    columns = zip(*(row.cells for row in rows if len(row.raw) == width), strict=True)
    for column in columns:
        numbers = [cell.strip() for cell in column if is_number(cell)]
        points = [cell for cell in numbers if "." in cell]
        plain = len(numbers) - len(points)
        if len(points) > _FEW and plain > _FEW and all(_POINTS.fullmatch(cell) for cell in points):
            return _said_of_thousands("point", points[0])
    return None


def _said_of_thousands(mark: str, number: str) -> str:
    return (
        f"the {mark} of numbers such as {number!r} is read as a decimal mark; if it divides thousands, write them "
        "without it"
    )
