"""Whether a first row of numbers names the columns, as the numbers of columns, years or wavelengths do."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from isthmus.data.sources.cells import MISSING_NUMBERS, is_number

_YEARS = range(1800, 2201)
_SURE_STEPS = 4  # so many integers are in equal steps by chance in few rows
_SURE_ORDER = 5  # so many numbers are in order by chance in one row of 120


def are_names(first: Sequence[str], rows: Sequence[Sequence[str]], decimal: str) -> tuple[bool, bool]:
    """Return whether numbers in the first row name the columns, and whether that is unsure.

    Names are all different. They count the columns, are in equal steps, or at least in order, while the rows below are
    not; or they are of another kind than the cells below.

    Parameters
    ----------
    first : sequence of str
        The cells of the first row, each of them a number.
    rows : sequence of sequence of str
        The rows below, of at least as many cells.
    decimal : str
        The decimal mark.
    """
    width, numbers = len(first), [number_of(cell, decimal) for cell in first]
    if not rows or len(set(numbers)) < width or any(math.isnan(number) for number in numbers):
        return False, False
    columns = [_Column([row[i] for row in rows if i < len(row)], decimal) for i in range(width)]
    differ = all(column.differs(cell, decimal) for cell, column in zip(first, columns, strict=True))
    below = [[number_of(cell, decimal) for cell in row[:width]] for row in rows]
    start, whole = numbers[0], all(is_integer(cell) for cell in first)
    if whole and in_steps(numbers) and (width > 1 or start == 0):
        integers = all(column.integers for column in columns)
        if integers and width > 1 and all(map(in_steps, below)):
            return False, False
        if start in (0, 1) and numbers[-1] == start + width - 1:
            return (width > 2 or not integers) and (start == 0 or width > 3 or differ or not integers), True
        if width > 2 or (differ and are_years(numbers)):
            return width >= _SURE_STEPS or differ or are_years(numbers), True
    if width >= _SURE_ORDER and in_order(numbers) and 2 * sum(map(in_order, below)) < len(below):
        return differ, True
    if all(column.words for column in columns):
        return True, True
    other = width > 1 and whole and all(column.fractions for column in columns)
    return False, other or any(column.words for column in columns)


class _Column:
    """What the cells below a first cell are."""

    def __init__(self, cells: Sequence[str], decimal: str) -> None:
        known = [cell.strip() for cell in cells if cell.strip() not in MISSING_NUMBERS]
        numbers = [cell for cell in known if is_number(cell, decimal)]
        self.values = [number_of(cell, decimal) for cell in numbers]
        self.words = bool(known) and not numbers
        self.integers = all(map(is_integer, known))
        self.fractions = bool(numbers) and not any(map(is_integer, numbers))

    def differs(self, cell: str, decimal: str) -> bool:
        """Whether a number is of another kind than the cells of the column, or out of their range."""
        if self.words or (self.fractions and is_integer(cell)):
            return True
        return bool(self.values) and not min(self.values) <= number_of(cell, decimal) <= max(self.values)


def number_of(cell: str, decimal: str) -> float:
    """Return the value of a cell; NaN if it is no number."""
    return float(cell.strip().replace(decimal, ".")) if is_number(cell, decimal) else math.nan


def is_integer(cell: str) -> bool:
    """Whether a cell is an integer, as it is written."""
    return cell.strip().lstrip("+-").isdigit()


def in_steps(numbers: Sequence[float]) -> bool:
    """Whether numbers rise in equal steps."""
    steps = {after - before for before, after in itertools.pairwise(numbers)}
    return len(steps) <= 1 and all(step > 0 for step in steps)


def in_order(numbers: Sequence[float]) -> bool:
    """Whether each number is larger than the one before it."""
    return all(before < after for before, after in itertools.pairwise(numbers))


def are_years(numbers: Sequence[float]) -> bool:
    """Whether numbers are likely years."""
    return all(number in _YEARS for number in numbers)
