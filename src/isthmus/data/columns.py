"""The columns of a table: their kinds, their cells as a matrix of numbers, and filled cells in their own types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError
from isthmus.data.sources.arrow_columns import numbers

Frame: TypeAlias = "nw.DataFrame[Any]"
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Cells = Mapping[str, tuple[NDArray[np.intp], list[Any]]]  # by column: rows and their values

# Each level is one column of the Gaussian that imputation starts from; rarer levels carry almost no information.
MAX_LEVELS = 50


@dataclass(frozen=True)
class ColumnOfTable:
    """What is known of one column.

    Parameters
    ----------
    name : str
        The column's name.
    kind : str
        ``"real"``, ``"integer"``, ``"boolean"`` or ``"category"``.
    low, high : float
        The smallest and largest observed number; NaN where nothing was observed.
    levels : tuple
        The categories, at most the 50 most frequent; a category's index is its code.
    """

    name: str
    kind: str
    low: float = np.nan
    high: float = np.nan
    levels: tuple[Any, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether no cell was observed."""
        return not self.levels if self.kind == "category" else bool(np.isnan(self.low))

    def settled(self, numbers: Floats) -> Floats:
        """Return filled numbers as values of the column: integers in the observed range, unless the column is real."""
        if self.kind in ("real", "category") or self.empty:
            return numbers
        low, high = (0.0, 1.0) if self.kind == "boolean" else (self.low, self.high)
        return np.clip(np.rint(numbers), low, high)


def frame_of(table: object) -> Frame | None:
    """Return a pandas, polars or pyarrow table as a narwhals frame, without a copy; None for anything else.

    Raises
    ------
    InvalidDataError
        If two columns have the same name.
    """
    try:
        frame = nw.from_native(table, eager_only=True, pass_through=True)
    except nw.exceptions.DuplicateError as error:
        raise InvalidDataError(f"{' '.join(str(error).split())}; give each column its own name") from error
    return frame if isinstance(frame, nw.DataFrame) and frame.implementation in _PUTS else None


def select(table: Any, names: Sequence[str]) -> Any:
    """Return a table of these columns, of the library of `table`."""
    return _frame(table).select([nw.col(name) for name in names]).to_native()


def column_kind(frame: Frame, name: str) -> str | None:
    """Return "real", "integer", "boolean" or "category"; None where a column has neither numbers nor categories."""
    dtype = frame.schema[name]
    if dtype == nw.Boolean:
        return "boolean"
    if dtype.is_integer():
        return "integer"
    if dtype.is_float():
        return "real"
    if isinstance(dtype, nw.String | nw.Categorical | nw.Enum):
        return "category"
    # Columns of pandas may mix types of objects; an Arrow column without a value has the type null.
    if frame.implementation.is_pandas() and dtype == nw.Object:
        return "category"
    return "category" if str(_native_type(frame, name)) == "null" else None


def _native_type(frame: Frame, name: str) -> Any:
    column = frame.get_column(name).to_native()
    return column.type if frame.implementation.is_pyarrow() else column.dtype


def _numbers(frame: Frame, name: str) -> Floats:
    """Return a column of numbers or booleans, NaN where a cell is missing."""
    return np.asarray(numbers(frame.get_column(name).to_arrow()), np.float64)


def _labels(frame: Frame, name: str) -> NDArray[Any]:
    """Return a column of categories as objects, None where a cell is missing."""
    column = frame.get_column(name)
    labels = np.array([*column.to_list(), None], object)[:-1]
    labels[column.is_null().to_numpy()] = None
    return labels


def _put_pandas(table: Any, cells: Cells) -> Any:
    import pandas as pd

    new = table.copy()
    for name, (rows, values) in cells.items():
        column = table[name].array.copy()
        column[rows] = pd.array(values, dtype=column.dtype)
        new[name] = pd.Series(column, index=table.index, dtype=column.dtype)
    return new


def _put_polars(table: Any, cells: Cells) -> Any:
    import polars as pl

    columns = []
    for name, (rows, values) in cells.items():
        column = table[name]
        both = pl.concat([column, pl.Series(name, values, dtype=column.dtype)])
        columns.append(both.gather(_places(len(column), rows)))
    return table.with_columns(columns)


def _put_arrow(table: Any, cells: Cells) -> Any:
    import pyarrow as pa

    for name, (rows, values) in cells.items():
        field = table.schema.field(name)
        chunks = [*table[name].chunks, pa.array(values, type=field.type)]
        both = pa.chunked_array(chunks, type=field.type).unify_dictionaries()
        column = both.take(pa.array(_places(table.num_rows, rows)))
        table = table.set_column(table.schema.get_field_index(name), field, column)
    return table


def _places(n_rows: int, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return where each cell is taken from, if the values for `rows` follow the column."""
    places = np.arange(n_rows)
    places[rows] = n_rows + np.arange(len(rows))
    return places


# Each returns a table with values at rows of columns; every other cell keeps its bits. narwhals.Series.scatter does not
# take polars' and pyarrow's categories.
_PUTS: dict[nw.Implementation, Callable[[Any, Cells], Any]] = {
    nw.Implementation.PANDAS: _put_pandas,
    nw.Implementation.POLARS: _put_polars,
    nw.Implementation.PYARROW: _put_arrow,
}


def _frame(table: Any) -> Frame:
    frame = frame_of(table)
    assert frame is not None
    return frame


def describe(table: Any, missing: Any = np.nan) -> tuple[ColumnOfTable, ...]:
    """Return the description of each column of a table; cells equal to `missing` are missing.

    Raises
    ------
    InvalidDataError
        If a column has neither numbers nor categories, or a number is infinite.
    """
    frame = _frame(table)
    columns = []
    for name in frame.columns:
        kind = column_kind(frame, name)
        if kind is None:
            raise InvalidDataError(
                f"column {name!r} is of type {_native_type(frame, name)}, which cannot be filled; drop it, or convert "
                "it to numbers or text"
            )
        if kind == "category":
            columns.append(ColumnOfTable(name, kind, levels=_levels(_labels(frame, name), missing)))
        else:
            numbers = _numbers(frame, name)
            columns.append(described(name, kind, np.where(_is_missing(numbers, missing), np.nan, numbers)))
    return tuple(columns)


def described(name: str, kind: str, numbers: Floats) -> ColumnOfTable:
    """Return the description of a column of numbers, NaN where a cell is missing."""
    observed = numbers[~np.isnan(numbers)]
    if np.isinf(observed).any():
        row = int(np.flatnonzero(np.isinf(numbers))[0])
        raise InvalidDataError(f"column {name!r} is infinite in row {row}; a missing cell is NaN or null")
    if not len(observed):
        return ColumnOfTable(name, kind)
    return ColumnOfTable(name, kind, float(observed.min()), float(observed.max()))


def _is_missing(numbers: Floats, missing: Any) -> Mask:
    holes: Mask = np.isnan(numbers)
    return holes | (numbers == missing) if isinstance(missing, int | float) else holes


def _levels(labels: NDArray[Any], missing: Any) -> tuple[Any, ...]:
    counts: dict[Any, int] = {}
    for label in labels:
        if label is not None and label != missing:
            counts[label] = counts.get(label, 0) + 1
    frequent = sorted(counts, key=lambda label: (-counts[label], str(label)))[:MAX_LEVELS]
    return tuple(sorted(frequent, key=lambda label: (str(label), str(type(label)))))


def cells_of(table: Any, columns: Sequence[ColumnOfTable], missing: Any = np.nan) -> tuple[Floats, Mask]:
    """Return the cells of a table as numbers (n, C), a category as its code, and which are missing (n, C).

    A category that was not learned is NaN and not missing.

    Raises
    ------
    InvalidDataError
        If a column has another kind than was learned.
    """
    frame = _frame(table)
    values, holes = [], []
    for column in columns:
        kind = column_kind(frame, column.name)
        if (kind == "category") != (column.kind == "category") or kind is None:
            raise InvalidDataError(
                f"column {column.name!r} is of type {_native_type(frame, column.name)}, but was learned as "
                f"{column.kind}; convert it to the type it had"
            )
        if kind == "category":
            codes = {label: float(code) for code, label in enumerate(column.levels)}
            labels = _labels(frame, column.name)
            hole = np.array([label is None or label == missing for label in labels], bool)
            numbers = np.array([codes.get(label, np.nan) for label in labels], np.float64)
        else:
            numbers = _numbers(frame, column.name)
            hole = _is_missing(numbers, missing)
        values.append(np.where(hole, np.nan, numbers))
        holes.append(hole)
    return np.column_stack(values), np.column_stack(holes)


def with_cells(table: Any, columns: Sequence[ColumnOfTable], filled: Floats, holes: Mask) -> Any:
    """Return a table with filled numbers in its missing cells, in its own types; other cells keep their bits."""
    cells = {}
    for place, column in enumerate(columns):
        rows = np.flatnonzero(holes[:, place] & ~np.isnan(filled[:, place]))
        if len(rows):
            numbers = column.settled(filled[rows, place])
            cells[column.name] = rows, _values(column, numbers)
    return _PUTS[_frame(table).implementation](table, cells)


def _values(column: ColumnOfTable, numbers: Floats) -> list[Any]:
    if column.kind == "category":
        return [column.levels[int(code)] for code in numbers]
    kind: Any = {"boolean": bool, "integer": int}.get(column.kind, float)
    return [kind(number) for number in numbers]
