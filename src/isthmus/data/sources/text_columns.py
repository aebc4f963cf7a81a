"""Columns of text as columns of numbers, truth values or dates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
    if decimal == ",":
        text = compute.replace_substring(compute.replace_substring(text, ".", "?"), ",", ".")
    for spelling, number in (("true", "1"), ("false", "0")):
        text = compute.if_else(compute.equal(compute.utf8_lower(text), spelling), number, text)
    return text.cast(pa.float64())


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


def typed(column: Any, kind: Any) -> Any:
    """Return a column of text in the type that `TypeFinder` found, null where a cell is empty."""
    from pyarrow import types

    return column if types.is_string(kind) else without(column, [""]).cast(kind)
