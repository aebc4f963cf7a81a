"""The columns of a table: their kinds, their cells as a matrix of numbers, and filled cells in their own types."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Integral, Real
from typing import Any, TypeAlias

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.data.filling import put
from isthmus.data.frame_columns import FrameColumn
from isthmus.data.frames import each_column, eager, labels_of, library_of, refused

Frame: TypeAlias = "nw.DataFrame[Any]"
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Each level is one column of the Gaussian that imputation starts from; rarer levels carry almost no information.
MAX_LEVELS = 50
_CANNOT_FILL = "it cannot be filled: drop it, or convert it to numbers or text"


@dataclass(frozen=True)
class ColumnOfTable:
    """What is known of one column.

    Parameters
    ----------
    name : str
        The column's name.
    kind : str
        ``"real"``, ``"integer"``, ``"boolean"`` or ``"category"``.
    low, high : float or int
        The smallest and largest observed number, exact for integers; NaN where nothing was observed.
    levels : tuple
        The categories, at most the 50 most frequent; a category's index is its code.
    """

    name: Any
    kind: str
    low: float = np.nan
    high: float = np.nan
    levels: tuple[Any, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether no cell was observed."""
        return not self.levels if self.kind == "category" else bool(np.isnan(self.low))

    def values(self, numbers: Floats) -> list[Any]:
        """Return filled numbers as values of the column: categories, booleans, or integers in the observed range."""
        if self.kind == "category":
            return [self.levels[int(code)] for code in numbers]
        if self.kind == "boolean":
            return [number > 0.5 for number in numbers.tolist()]
        if self.kind == "integer" and not self.empty:
            # In Python's integers: floats do not hold those beyond 2**53.
            low, high = int(self.low), int(self.high)
            return [min(max(round(number), low), high) for number in numbers.tolist()]
        found: list[Any] = numbers.tolist()
        return found


def frame_of(table: object) -> Frame | None:
    """Return a pandas, polars or pyarrow table as a narwhals frame, without a copy; None for anything else.

    Raises
    ------
    InvalidDataError
        If two columns have the same name.
    """
    table = eager(table)
    if library_of(table) is None:
        return None
    refuse_duplicates(table)
    return nw.from_native(table, eager_only=True)


def refuse_duplicates(table: Any) -> None:
    """Raise InvalidDataError if two columns of a frame have one name."""
    names = labels_of(table)
    if len(set(names)) < len(names):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise InvalidDataError(f"the table has more than one column named {twice!r}; give each column its own name")


def select(table: Any, names: Sequence[Any]) -> Any:
    """Return a table of these columns, of the library of `table`."""
    return table[list(names)] if library_of(table) == "pandas" else table.select(list(names))


def column_kind(table: Any, name: Any) -> str | None:
    """Return "real", "integer", "boolean" or "category"; None where a column has neither numbers nor categories."""
    return _kind(next(each_column(eager(table), [name])))


def _kind(column: FrameColumn) -> str | None:
    return "category" if column.kind == "empty" else column.kind


# Marks of missing cells ----------------------------------------------------------------------------------------------


def marks_of(missing: Any) -> tuple[Any, ...]:
    """Return the values that mark missing cells, in addition to NaN, None and NaT: plain numbers, booleans and text.

    Parameters
    ----------
    missing : object
        One value, or a list, tuple, set or array of values. NumPy's scalars count as Python's.

    Raises
    ------
    InvalidParameterError
        If a value is neither a number, a boolean, text, nor missing itself.
    """
    several = isinstance(missing, list | tuple | set | frozenset) or (
        isinstance(missing, np.ndarray) and missing.ndim == 1
    )
    values = [*missing] if several else [missing]
    return tuple(mark for value in values for mark in _mark(value))


def _mark(value: Any) -> list[Any]:
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        value = None if value.dtype.kind in "mM" and np.isnat(value) else value.item()
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return []
    if isinstance(value, bool | str):
        return [value]
    if isinstance(value, Integral):
        return [int(value)]
    if isinstance(value, Real | Decimal):
        return [] if math.isnan(value) else [float(value)]
    raise InvalidParameterError(
        f"missing_values={value!r} is of type {type(value).__name__}; it must be a number, a boolean, text, NaN or "
        "None, or a list of these"
    )


def marked(values: NDArray[Any], kind: str | None, marks: tuple[Any, ...]) -> Mask:
    """Return which cells of a column equal a mark of its own type: 0 is no mark of False, nor "0" of 0.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Numbers in their own type, so that integers are compared exactly; or categories.
    kind : str
        The kind of the column.
    marks : tuple
        What `marks_of` returns.
    """
    found: Mask = np.zeros(len(values), bool)
    for mark in marks:
        boolean, text = isinstance(mark, bool), isinstance(mark, str)
        if kind == "category":
            alike = [_alike(value, mark) for value in values]
            found |= np.array(alike, bool)
        elif text or boolean != (kind == "boolean"):
            continue
        elif values.dtype.kind == "f":
            with np.errstate(over="ignore"):
                found |= values == values.dtype.type(mark)
        elif mark == int(mark) and np.iinfo(values.dtype).min <= mark <= np.iinfo(values.dtype).max:
            found |= values == values.dtype.type(int(mark))
    return found


def _alike(value: Any, mark: Any) -> bool:
    same = isinstance(value, bool | np.bool_) == isinstance(mark, bool)
    return same and isinstance(value, str) == isinstance(mark, str) and bool(value == mark)


def refuse_unfit(marks: tuple[Any, ...], kinds: Sequence[str], what: str = "column of the table") -> None:
    """Raise InvalidParameterError for a mark that no column can have, such as text where all are numbers.

    Parameters
    ----------
    marks : tuple
        What `marks_of` returns.
    kinds : sequence of str
        What the columns hold: "real", "integer", "boolean" or "text", and "empty" where that is not known.
    what : str
        What the columns are called.
    """
    held = {{"boolean": "booleans", "text": "text"}.get(kind, "numbers") for kind in kinds}
    for mark in marks:
        word = "text" if isinstance(mark, str) else "a boolean" if isinstance(mark, bool) else "a number"
        if "empty" not in kinds and {"a boolean": "booleans", "a number": "numbers"}.get(word, word) not in held:
            raise InvalidParameterError(
                f"missing_values={mark!r} is {word}, but each {what} holds {' or '.join(sorted(held))}; give one of "
                "these"
            )


# Columns -------------------------------------------------------------------------------------------------------------


def describe(table: Any, missing: Any = np.nan) -> tuple[ColumnOfTable, ...]:
    """Return the description of each column of a table; cells equal to `missing`, or to one of its values, are missing.

    Raises
    ------
    InvalidParameterError
        If `missing` has a value that no column can have.
    InvalidDataError
        If a column has neither numbers nor categories, or a number is infinite.
    """
    table, marks, columns = eager(table), marks_of(missing), []
    kinds: list[str] = []
    refuse_duplicates(table)
    for column in each_column(table):
        kind = _kind(column)
        if kind is None:
            raise refused(column, _CANNOT_FILL)
        holes = column.missing | marked(column.values, column.kind, marks)
        if kind == "category":
            columns.append(ColumnOfTable(column.name, kind, levels=_levels(column.values[~holes])))
            kinds += _held(column)
        else:
            kinds.append(kind)
            _refuse_number_as_text(column, marks)
            columns.append(described(column.name, kind, column.values, holes))
    refuse_unfit(marks, kinds)
    return tuple(columns)


def _held(column: FrameColumn) -> list[str]:
    """Return what the categories of a column are."""
    labels = set(column.values[~column.missing].tolist())
    word = {str: "text", bool: "boolean", int: "integer", float: "real"}
    return list({word.get(type(label), "text") for label in labels}) or ["empty"]


def _refuse_number_as_text(column: FrameColumn, marks: tuple[Any, ...]) -> None:
    """Raise InvalidParameterError where the text of a mark is a number that a column of numbers has."""
    for mark in marks:
        try:
            number = float(mark) if isinstance(mark, str) else None
        except ValueError:
            continue
        if number is not None and marked(column.values, column.kind, (number,)).any():
            raise InvalidParameterError(
                f"missing_values={mark!r} is text, but column {column.name!r} holds the number {number:g}; give it "
                "without quotes"
            )


def described(name: Any, kind: str, values: NDArray[Any], holes: Mask) -> ColumnOfTable:
    """Return the description of a column of numbers and its missing cells."""
    observed = values[~holes]
    refuse_infinite(name, values, holes)
    if not len(observed):
        return ColumnOfTable(name, kind)
    plain = int if values.dtype.kind in "iu" else float
    return ColumnOfTable(name, kind, plain(observed.min()), plain(observed.max()))


def refuse_infinite(name: Any, values: NDArray[Any], holes: Mask) -> None:
    """Raise InvalidDataError for the first infinite cell of a column that is not missing."""
    if values.dtype.kind != "f":
        return
    rows = np.flatnonzero(np.isinf(values) & ~holes)
    if len(rows):
        raise InvalidDataError(
            f"column {name!r} is infinite in row {rows[0]}; a missing cell is NaN or null, or name the mark in "
            "missing_values"
        )


def _levels(labels: NDArray[Any]) -> tuple[Any, ...]:
    counts: dict[Any, int] = {}
    for label in labels:
        if label is not None and label == label:
            counts[label] = counts.get(label, 0) + 1
    frequent = sorted(counts, key=lambda label: (-counts[label], str(label)))[:MAX_LEVELS]
    return tuple(sorted(frequent, key=lambda label: (str(label), str(type(label)))))


def cells_of(table: Any, columns: Sequence[ColumnOfTable], missing: Any = np.nan) -> tuple[Floats, Mask]:
    """Return the cells of a table as numbers (n, C), a category as its code, and which are missing (n, C).

    A category that was not learned is NaN and not missing. A column in which nothing was or is observed may have any
    type.

    Raises
    ------
    InvalidDataError
        If a column has another kind than was learned, or a number is infinite.
    """
    table, marks = eager(table), marks_of(missing)
    values, holes = [], []
    for known, column in zip(columns, each_column(table, [column.name for column in columns]), strict=True):
        hole = column.missing | marked(column.values, column.kind, marks)
        kind = known.kind if hole.all() else _kind(column)
        if kind is None:
            raise refused(column, _CANNOT_FILL)
        if (kind == "category") != (known.kind == "category") and not known.empty:
            raise InvalidDataError(
                f"column {known.name!r} holds {column.what}, but was learned as {known.kind}; convert it to the type "
                "it had"
            )
        if hole.all() or known.empty:
            numbers = np.full(len(hole), np.nan)
        elif kind == "category":
            codes = {label: float(code) for code, label in enumerate(known.levels)}
            numbers = np.array([codes.get(label, np.nan) for label in column.values], np.float64)
        else:
            refuse_infinite(known.name, column.values, hole)
            numbers = column.values.astype(np.float64)
        values.append(np.where(hole, np.nan, numbers))
        holes.append(hole)
    return np.column_stack(values), np.column_stack(holes)


def with_cells(table: Any, columns: Sequence[ColumnOfTable], filled: Floats, holes: Mask) -> Any:
    """Return a table with filled numbers in its missing cells, in its own types; other cells keep their bits."""
    table, cells = eager(table), {}
    for place, column in enumerate(columns):
        rows = np.flatnonzero(holes[:, place] & ~np.isnan(filled[:, place]))
        if len(rows):
            cells[column.name] = rows, column.values(filled[rows, place])
    return put(table, cells)
