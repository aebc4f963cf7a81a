"""Columns of text as columns of numbers, truth values or dates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError
from isthmus.data.sources.arrow_columns import Part, describe_type, is_numeric, numbers
from isthmus.data.sources.layout import TextOptions


def without(column: Any, spellings: Sequence[str]) -> Any:
    """Return a column of text, null where a cell has one of these spellings."""
    import pyarrow as pa
    from pyarrow import compute

    missing = compute.is_in(column, value_set=pa.array(list(spellings), column.type))
    return compute.if_else(missing, pa.scalar(None, column.type), column)


def numbers_of(column: Any, options: TextOptions, decimal: str) -> Any:
    """Return a column of text as float64, null where a cell is missing; true is 1 and false is 0.

    Raises
    ------
    pyarrow.ArrowInvalid
        If a cell is not a number.
    """
    import pyarrow as pa
    from pyarrow import compute

    text = compute.utf8_trim(without(column, options.missing_numbers), " \t")
    text = text if decimal == "." else _with_point(text)
    for spelling, number in (("true", "1"), ("false", "0")):
        text = compute.if_else(compute.equal(compute.utf8_lower(text), spelling), number, text)
    return text.cast(pa.float64())


def whole_numbers(column: Any, options: TextOptions) -> NDArray[Any] | None:
    """Return the cells of a column of text that are not missing as integers, exactly; None if one is none.

    Integers beyond 64 bits are objects of Python.
    """
    import pyarrow as pa
    from pyarrow import compute

    cells = compute.utf8_trim(without(column, options.missing_numbers).drop_null(), " \t")
    for kind in (pa.int64(), pa.uint64()):
        try:
            return numbers(compute.replace_substring_regex(cells, r"^\+", "").cast(kind))
        except pa.ArrowInvalid:
            continue
    return np.array([int(cell) for cell in cells.to_pylist()], object) if _all(cells, _LONG_INTEGER) else None


class TypeFinder:
    """Finds the type of a column of text, block by block: one of whose values each cell is the spelling.

    Parameters
    ----------
    numbers : bool
        Whether any spelling of a number will do, such as 1.10 or 007, since the result holds only numbers.
    """

    def __init__(self, numbers: bool = False) -> None:
        import pyarrow as pa

        self.numbers = numbers
        times = [pa.date32(), pa.timestamp("s"), pa.timestamp("us"), pa.timestamp("ns")]
        self.types = [pa.int64(), pa.float64(), pa.bool_(), *([] if numbers else times)]
        self.seen = False

    def look(self, column: Any) -> None:
        """Drop the types that a block's cells are not spellings of."""
        from pyarrow import compute

        cells = column.filter(compute.not_equal(column, ""))
        self.seen = self.seen or len(cells) > 0
        self.types = [kind for kind in self.types if self._fits(cells, kind)]

    def _fits(self, cells: Any, kind: Any) -> bool:
        import pyarrow as pa
        from pyarrow import compute

        try:
            again = cells.cast(kind).cast(pa.string())
        except pa.ArrowException:
            return False
        if self.numbers:
            return True
        other = cells.filter(compute.not_equal(again, cells)).to_pylist()
        return not other or (pa.types.is_floating(kind) and all(repr(float(cell)) == cell for cell in other))

    @property
    def type(self) -> Any:
        """The type: text, if no other has all these spellings."""
        import pyarrow as pa

        return self.types[0] if self.types and self.seen else pa.string()


def common_types(parts: Sequence[Part], name: str, kind: str | None = None) -> list[Any]:
    """Return the Arrow types in which a column of text files is read, from those that their first rows show.

    Parameters
    ----------
    parts : sequence of Part
        The files.
    name : str
        The column.
    kind : str or None
        What the column has to be, where that is known: ``"category"`` is text.

    Raises
    ------
    InvalidDataError
        If the column holds text or dates in one file, and something else in another.
    """
    import pyarrow as pa
    from pyarrow import types

    if kind == "category":
        return [pa.string()] * len(parts)
    given = [part.fields[name] for part in parts]
    shown = {one: part for one, part in zip(given, parts, strict=True) if not types.is_null(one)}
    if all(map(is_numeric, shown)):
        # pyarrow infers types from the first block, so a later 1.5 would not fit a column that begins with integers.
        whole = pa.timestamp("us") if kind == "datetime" and not shown else pa.float64()
        return [one if types.is_boolean(one) else whole for one in given]
    if all(types.is_timestamp(one) for one in shown) and len({one.tz for one in shown}) == 1:
        # Later rows may have fractions of a second.
        first = next(iter(shown))
        return [first if first.unit == "ns" else pa.timestamp("us", first.tz)] * len(parts)
    if len(shown) > 1:
        (first, part), (second, other) = list(shown.items())[:2]
        raise InvalidDataError(
            f"column {name!r} holds {describe_type(first)} in {part.path}, but {describe_type(second)} in "
            f"{other.path}; write it in one form, or leave it out with drop=[{name!r}]"
        )
    return [next(iter(shown))] * len(parts)


def typed(column: Any, kind: Any) -> Any:
    """Return a column of text in the type that `TypeFinder` found, null where a cell is empty."""
    from pyarrow import types

    return column if types.is_string(kind) else without(column, [""]).cast(kind)


_NUMBER = r"^[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|(?i:inf|infinity))$"
_LONG_INTEGER = r"^[+-]?[0-9]{1,300}$"  # float64 holds no longer ones
_LABEL = r"^[+-]?0[0-9]"  # a number would lose its zeros


def inferred(column: Any, options: TextOptions, decimal: str) -> Any:
    """Return a column of text in the type that all its cells have, null where a cell is missing.

    Integers, numbers, truth values, dates, or dates with times. A column of integers in which a cell has leading zeros,
    all cells have a plus sign, or one needs more than 64 bits has labels, and stays text, as do times without a date.
    """
    import pyarrow as pa
    from pyarrow import compute

    given = without(column, options.missing_numbers)
    cells = compute.utf8_trim(given.drop_null(), " \t")
    if not len(cells):
        return pa.nulls(len(column)) if len(column) else column
    point = cells if decimal == "." else _with_point(cells)
    if _all(point, _NUMBER):
        labels = _any(cells, _LABEL) or _all(cells, r"^\+[0-9]+$")
        kind = "real" if not _all(cells, r"^[+-]?[0-9]+$") else "integer"
        try:
            return without(column, options.missing_texts) if labels else of_kind(column, kind, options, decimal)
        except pa.ArrowInvalid:
            return without(column, options.missing_texts)
    if _all(cells, "^(?i:true|false)$"):
        return of_kind(column, "boolean", options, decimal)
    for dates in (pa.date32(), pa.timestamp("s"), pa.timestamp("us"), pa.timestamp("ns")):
        try:
            return given.cast(dates)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            continue
    return without(column, options.missing_texts)


def of_kind(column: Any, kind: str, options: TextOptions, decimal: str) -> Any:
    """Return a column of text as one of "real", "integer", "boolean" or "category", null where a cell is missing.

    Raises
    ------
    pyarrow.ArrowInvalid
        If a cell is not of this kind.
    """
    import pyarrow as pa
    from pyarrow import compute

    if kind == "category":
        return without(column, options.missing_texts)
    if kind == "boolean":
        truths = numbers_of(column, options, ".")
        if not _all(truths.cast(pa.string()).drop_null(), "^[01]$"):
            raise pa.ArrowInvalid("neither true nor false")
        return truths.cast(pa.bool_())
    if kind == "integer":
        text = compute.utf8_trim(without(column, options.missing_numbers), " \t")
        if _all(text.drop_null(), r"^[+-]?[0-9]+$"):
            return compute.replace_substring_regex(text, r"^\+", "").cast(pa.int64())
    return numbers_of(column, options, decimal)


def bad_number(column: Any, options: TextOptions, decimal: str, most: float | None = None) -> int | None:
    """Return the row of the first cell that is no number, in a column of text where nearly all cells are numbers.

    Nearly all are nine in ten, or most of them where only one word is between numbers that seldom repeat; `most` is
    another share.
    """
    import pyarrow as pa
    from pyarrow import compute

    cells = compute.utf8_trim(without(column, options.missing_numbers), " \t")
    point = cells if decimal == "." else _with_point(cells)
    good = compute.fill_null(compute.match_substring_regex(point, _NUMBER), True)
    bad, n_cells = cells.filter(compute.invert(good)), len(cells) - cells.null_count
    n_good = n_cells - len(bad)
    if not len(bad):
        return None
    if most is None:
        known = cells.filter(good).drop_null()
        one_word = len(bad.unique()) == 1 and n_good > len(bad) and 2 * len(known.unique()) > n_good
        if not one_word and n_good < 9 * len(bad):
            return None
    elif n_good < most * n_cells:
        return None
    return int(compute.index(good, pa.scalar(False)).as_py())


def first_decimal_comma(column: Any, options: TextOptions) -> int | None:
    """Return the row of the first number with a comma, in a column of numbers if it is a decimal mark."""
    import pyarrow as pa
    from pyarrow import compute

    cells = compute.utf8_trim(without(column, options.missing_numbers), " \t")
    commas = compute.match_substring(cells, ",")
    if not compute.any(commas).as_py() or not _all(_with_point(cells.drop_null()), _NUMBER):
        return None
    return int(compute.index(commas, pa.scalar(True)).as_py())


def _with_point(cells: Any) -> Any:
    from pyarrow import compute

    return compute.replace_substring(compute.replace_substring(cells, ".", "?"), ",", ".")


def _all(cells: Any, pattern: str) -> bool:
    from pyarrow import compute

    return bool(compute.all(compute.match_substring_regex(cells, pattern), min_count=0).as_py())


def _any(cells: Any, pattern: str) -> bool:
    from pyarrow import compute

    return bool(compute.any(compute.match_substring_regex(cells, pattern)).as_py())
