"""Cells of text tables: how a line is divided into cells, and which cells are numbers or missing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

# What pandas, R and pyarrow write for a missing number; among numbers none of them can be anything else.
MISSING_NUMBERS = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
    *("<NA>", "N/A", "NA", "NULL", "NaN", "n/a", "nan", "null"),
)
_NUMBER = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|(?i:inf|infinity))")
_NUMBER_WITH_COMMA = re.compile(_NUMBER.pattern.replace(r"\.", ","))
_OPEN = re.compile(r'"(?:[^"]|"")*+')
_PLAIN_LINE = re.compile(r'[^"\r\n]*+(\r\n|\r|\n|\Z)')


class Record(NamedTuple):
    """One row of a text table as it is written: a line, or several where a quoted cell has line breaks."""

    start: int  # its first character in the text
    stop: int  # the character after its last cell
    end: int  # the character after its line break


@lru_cache
def _cell(delimiter: str) -> re.Pattern[str]:
    mark = re.escape(delimiter)
    # Possessive, so that a quote that is never closed takes linear time. As pyarrow and Python's csv module read it:
    # only a quote at the start of a cell quotes, and what follows the closing quote belongs to the cell.
    return re.compile(rf'(?:"(?:[^"]|"")*+(?:"[^{mark}\r\n]*+|\Z)|[^{mark}\r\n]*+)({mark}|\r\n|\r|\n|\Z)')


def records(text: str, delimiter: str, start: int = 0, *, empty: bool = False) -> Iterator[Record]:
    """Yield the lines of a text, joined where a quoted cell goes on in the next line; empty lines only on request."""
    cell, size = _cell(delimiter), len(text)
    while start < size:
        found = _PLAIN_LINE.match(text, start)
        place = start
        while found is None or found[1] == delimiter:
            found = cell.match(text, place)
            assert found is not None
            place = found.end()
            if place == size and found[1] == delimiter:
                break
        stop = found.end() if found[1] == delimiter else found.start(1)
        if stop > start or empty:
            yield Record(start, stop, found.end())
        start = found.end()


def split(row: str, delimiter: str) -> list[str]:
    """Return the cells of a row as they are written, with their quotes."""
    if '"' not in row:
        return row.split(delimiter)
    cell, cells, place = _cell(delimiter), [], 0
    while True:
        found = cell.match(row, place)
        assert found is not None
        cells.append(row[place : found.start(1)])
        if found[1] != delimiter:
            return cells
        place = found.end()


def is_open(line: str, delimiter: str) -> bool:
    """Whether a quoted cell of a line, given with its line break, goes on in the next one."""
    return '"' in line and _OPEN.fullmatch(split(line, delimiter)[-1]) is not None


def unquoted(cell: str) -> str:
    """Return the text of a cell, without the quotes around it."""
    if not cell.startswith('"'):
        return cell
    # What follows the closing quote is text as it is.
    body = re.match(r'"((?:[^"]|"")*+)"?', cell)
    assert body is not None
    return body[1].replace('""', '"') + cell[body.end() :]


def quoted(text: str, delimiter: str, *, always: bool = False) -> str:
    """Return a cell that is read as this text, quoted where that is needed."""
    if always or '"' in text or "\n" in text or "\r" in text or delimiter in text:
        return '"' + text.replace('"', '""') + '"'
    return text


def is_number(text: str, decimal: str = ".") -> bool:
    """Whether a cell is a number; spaces around it do not count."""
    pattern = _NUMBER_WITH_COMMA if decimal == "," else _NUMBER
    return pattern.fullmatch(text.strip(" \t")) is not None


def has_decimal(text: str, decimal: str) -> bool:
    """Whether a cell is a number with this decimal mark in it."""
    return decimal in text and is_number(text, decimal)
