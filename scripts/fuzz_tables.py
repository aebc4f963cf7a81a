"""Read and write random text tables and check that no cell changes; `fuzz.py --tables` runs it.

A table has columns of integers, numbers, truth values, words, labels with leading zeros and plus signs, version
numbers, dates and long digits, in a random delimiter, decimal mark, encoding, quoting and line ending. Three things
are compared byte for byte with what this file wrote, not with another reading of it: what `impute` writes where its
missing cells get fixed values, what ``--keep`` copies, and the numbers that `fit` reads. Where the layout is not given,
a table may also be refused in one line.
"""

from __future__ import annotations

import csv
import io
import random
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from isthmus.core.errors import IsthmusError
from isthmus.data.sinks.text import CsvSink
from isthmus.data.sources import open_source
from isthmus.data.sources.kept import KeepingSource
from isthmus.data.tables import TextTable, new_cells, open_table

SPELLINGS = ("NA", "NaN", "nan", "null", "N/A", "NULL", "n/a", "<NA>", "#N/A")
FILLS: dict[str, Any] = {"integer": 7, "real": 0.5, "truth": True, "text": "filled"}


class Kind(NamedTuple):
    """A kind of column: what its cells are, and how they are filled."""

    filled_as: str | None  # a key of `FILLS`, or None for columns that are only copied
    cell: Callable[[random.Random], str]


def _word(rng: random.Random) -> str:
    return "w" + "".join(rng.choice("aéß€ ,;|\t\"'#.\n0") for _ in range(rng.randint(0, 6)))


KINDS = {
    "integer": Kind("integer", lambda rng: str(rng.randint(-999, 10 ** rng.randint(1, 15)))),
    "real": Kind("real", lambda rng: f"{rng.uniform(-10, 10):.{rng.randint(1, 12)}f}"),
    "zeros": Kind("real", lambda rng: f"{rng.randint(1, 99)}.{rng.randint(0, 9)}0"),
    "power": Kind("real", lambda rng: f"{rng.uniform(1, 9):.2f}{rng.choice('eE')}{rng.choice(['', '-', '+'])}05"),
    "truth": Kind("truth", lambda rng: rng.choice(["True", "False"])),
    "capitals": Kind("truth", lambda rng: rng.choice(["TRUE", "FALSE"])),
    "word": Kind("text", _word),
    "country": Kind("text", lambda rng: rng.choice(["DE", "FR", "NA", "null"])),
    "zip code": Kind("text", lambda rng: f"0{rng.randint(0, 9999):04}"),
    "telephone": Kind("text", lambda rng: f"+49{rng.randint(10**6, 10**9)}"),
    "long digits": Kind("text", lambda rng: str(rng.randint(10**21, 10**22))),
    "release": Kind("text", lambda rng: f"1.{rng.randint(0, 20)}.{rng.randint(0, 9)}"),
    "date": Kind(None, lambda rng: f"20{rng.randint(10, 99)}-0{rng.randint(1, 9)}-1{rng.randint(0, 9)}"),
}


class Table(NamedTuple):
    """A random table: its bytes, the options that describe them, and its cells."""

    content: bytes
    options: dict[str, Any]
    names: list[str]
    kinds: list[str]
    cells: list[list[str]]  # by row, the text of each cell
    filled: bytes  # with its missing cells filled
    decimal: str


def random_table(rng: random.Random) -> Table:
    """Return a random table."""
    delimiter = rng.choice(",;\t|")
    decimal = "," if delimiter != "," and rng.random() < 0.3 else "."
    encoding = rng.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-be", "cp1252"])
    kinds = [rng.choice(sorted(KINDS)) for _ in range(rng.randint(1, 6))]
    header, end, quotes = rng.random() < 0.8, rng.choice(["\n", "\r\n", "\n", "\r"]), rng.choice([0.0, 1.0, 0.3])
    n_rows = rng.randint(1, 12)
    # One row alone does not show whether its last delimiter begins a cell.
    closed = rng.random() < 0.15 and len(kinds) > 1 and (header or n_rows > 1)
    names = [f"{rng.choice(['a', 'größe', 'x y', 'a' + delimiter])} {i}" for i in range(len(kinds))]
    before, after, cells = [], [], []
    if header:
        line = delimiter.join(_quoted(name, delimiter, quotes, rng) for name in names) + delimiter * closed
        before.append(line)
        after.append(line)
    for row in range(n_rows):
        texts, old, new = [], [], []
        for kind in kinds:
            text = "DE" if kind == "country" and row == 0 else KINDS[kind].cell(rng)
            if "." in text and KINDS[kind].filled_as == "real":
                text = text.replace(".", decimal)
            # The first row has a value of each column, or the column would be an empty one.
            hole = row > 0 and rng.random() < 0.25
            if hole:
                numbers = KINDS[kind].filled_as in ("integer", "real", "truth")
                text = rng.choice(["", "", *SPELLINGS]) if numbers else ""
            cell = _quoted(text, delimiter, quotes, rng, always=hole and len(kinds) == 1)
            texts.append(text)
            old.append(cell)
            new.append(_filled(kind, cell, delimiter, decimal) if hole else cell)
        cells.append(texts)
        before.append(delimiter.join(old) + delimiter * closed)
        after.append(delimiter.join(new) + delimiter * closed)
    last = end * rng.randint(0, 2)
    codec = "utf-16-le" if encoding == "utf-16" else encoding.removesuffix("-sig")
    mark = {"utf-16": b"\xff\xfe", "utf-16-be": b"\xfe\xff", "utf-8-sig": b"\xef\xbb\xbf"}.get(encoding, b"")
    options = {"delimiter": delimiter, "decimal": decimal, "header": header, "encoding": encoding.removesuffix("-be")}
    write = [mark + (end.join(lines) + last).encode(codec) for lines in (before, after)]
    if not header:
        names = [f"x{i}" for i in range(len(kinds))]
    return Table(write[0], options, names, kinds, cells, write[1], decimal)


def _quoted(text: str, delimiter: str, quotes: float, rng: random.Random, *, always: bool = False) -> str:
    if always or rng.random() < quotes or any(mark in text for mark in (delimiter, '"', "\n", "\r")):
        return '"' + text.replace('"', '""') + '"'
    return text


def _filled(kind: str, cell: str, delimiter: str, decimal: str) -> str:
    name = KINDS[kind].filled_as
    if name is None:
        return cell
    text = "TRUE" if kind == "capitals" else str(FILLS[name]).replace(".", decimal)
    return f'"{text}"' if cell.startswith('"') or delimiter in text else text


def failure_of(table: Table, path: Path, *, given: bool) -> str | None:
    """Return what is wrong with the reading and writing of a table, or None."""
    path.write_bytes(table.content)
    options = table.options if given else {name: table.options[name] for name in ("encoding", "header")}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _imputed(table, path, options) or _kept(table, path, options)
    except IsthmusError as error:
        message = str(error)
        if given or "\n" in message:
            return f"refused: {message}"
        return None
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _imputed(table: Table, path: Path, options: dict[str, Any]) -> str | None:
    whole = open_table(path, **options)
    assert isinstance(whole, TextTable)
    if whole.names != table.names:
        return f"names {whole.names}, not {table.names}"
    fillable = [name for name, kind in zip(table.names, table.kinds, strict=True) if KINDS[kind].filled_as]
    before = whole.typed(fillable)
    columns = {}
    for name in fillable:
        value = FILLS[KINDS[table.kinds[table.names.index(name)]].filled_as or ""]
        column = before[name]
        columns[name] = pa.array([value if cell is None else cell for cell in column.to_pylist()], column.type)
    found = whole.filled({name: new_cells(before[name], column) for name, column in columns.items()})
    return None if found == table.filled else f"impute wrote {found!r}, not {table.filled!r}"


def _kept(table: Table, path: Path, options: dict[str, Any]) -> str | None:
    numbers = [i for i, kind in enumerate(table.kinds) if KINDS[kind].filled_as in ("integer", "real", "truth")]
    if not numbers:
        return None
    source = KeepingSource(open_source(path, columns=[table.names[i] for i in numbers], **options), table.names)
    file = io.BytesIO()
    sink = CsvSink(file, [f"code {i}" for i in numbers], np.float64, source.kept.schema)
    for block in source.blocks():
        if failure := _other_numbers(table, block.values, block.start, numbers):
            return failure
        sink.write(np.zeros_like(block.values), source.kept.take(len(block.values)))
    sink.finish()
    rows = list(csv.reader(io.StringIO(file.getvalue().decode(), newline="")))
    found = [row[: len(table.names)] for row in rows[1:]]
    return None if found == table.cells else f"keep wrote {found}, not {table.cells}"


def _other_numbers(table: Table, values: np.ndarray, start: int, places: Sequence[int]) -> str | None:
    for row, cells in zip(values, table.cells[start:], strict=False):
        for found, place in zip(row, places, strict=True):
            text = cells[place].replace(table.decimal, ".")
            known = {"true": 1.0, "false": 0.0}.get(text.lower())
            expected = np.nan if text == "" or text in SPELLINGS else float(text) if known is None else known
            if found != expected and not (np.isnan(found) and np.isnan(expected)):
                return f"{cells[place]!r} was read as {found}"
    return None


def run(cases: int, seed: int, folder: Path) -> tuple[list[tuple[int, str]], int]:
    """Return the failures among `cases` random tables with their seeds, and how many cells were compared."""
    failures, compared = [], 0
    for number in range(seed, seed + cases):
        rng = random.Random(number)
        table = random_table(rng)
        # A column alone may have what looks like a delimiter in all its cells, such as decimal commas.
        given = number % 2 == 0 or len(table.names) == 1
        if failure := failure_of(table, folder / "rows.csv", given=given):
            failures.append((number, failure))
        compared += sum(map(len, table.cells))
    return failures, compared
