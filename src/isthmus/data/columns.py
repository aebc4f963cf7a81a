"""The columns of a table as numbers: what kind each is, its cells as a matrix, and filled cells in its own type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Each level is a column of its own to the Gaussian that filling starts from; rarer ones tell nothing and fill nothing.
MAX_LEVELS = 50


@dataclass(frozen=True)
class ColumnOfTable:
    """What was learned of one column.

    Parameters
    ----------
    name : str
        Its name.
    kind : str
        ``"real"``, ``"integer"``, ``"boolean"`` or ``"category"``.
    low, high : float
        The least and the greatest observed number; NaN where nothing was observed.
    levels : tuple
        The categories, at most 50 of them, the most frequent; their place is their code.
    """

    name: str
    kind: str
    low: float = np.nan
    high: float = np.nan
    levels: tuple[Any, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing was observed of it."""
        return not self.levels if self.kind == "category" else bool(np.isnan(self.low))

    def settled(self, numbers: Floats) -> Floats:
        """Return filled numbers as the column may hold them: whole and in range unless they are real."""
        if self.kind in ("real", "category") or self.empty:
            return numbers
        low, high = (0.0, 1.0) if self.kind == "boolean" else (self.low, self.high)
        return np.clip(np.rint(numbers), low, high)


class Frames(Protocol):
    """One library's tables."""

    def names(self, table: Any) -> list[str]:
        """Return the columns' names."""
        ...

    def kind(self, table: Any, name: str) -> str | None:
        """Return a column's kind; None where it holds neither numbers nor categories."""
        ...

    def type_name(self, table: Any, name: str) -> str:
        """Return the library's word for a column's type."""
        ...

    def numbers(self, table: Any, name: str) -> Floats:
        """Return a column of numbers or booleans, NaN where a cell is missing."""
        ...

    def labels(self, table: Any, name: str) -> NDArray[Any]:
        """Return a column of categories as objects, None where a cell is missing."""
        ...

    def select(self, table: Any, names: Sequence[str]) -> Any:
        """Return a table of these columns."""
        ...

    def put(self, table: Any, cells: Mapping[str, tuple[NDArray[np.intp], list[Any]]]) -> Any:
        """Return a table with values at rows of columns, everything else as it was, to the bit."""
        ...


class _Pandas:
    def names(self, table: Any) -> list[str]:
        return list(table.columns)

    def type_name(self, table: Any, name: str) -> str:
        return str(table[name].dtype)

    def kind(self, table: Any, name: str) -> str | None:
        import pandas as pd

        dtype, types = table[name].dtype, pd.api.types
        if isinstance(dtype, pd.CategoricalDtype) or types.is_string_dtype(dtype) or types.is_object_dtype(dtype):
            return "category"
        if types.is_bool_dtype(dtype):
            return "boolean"
        if types.is_integer_dtype(dtype):
            return "integer"
        return "real" if types.is_float_dtype(dtype) else None

    def numbers(self, table: Any, name: str) -> Floats:
        return np.asarray(table[name].to_numpy(dtype=np.float64, na_value=np.nan))

    def labels(self, table: Any, name: str) -> NDArray[Any]:
        column = table[name]
        labels = column.astype(object).to_numpy(copy=True)
        labels[column.isna().to_numpy()] = None
        return np.asarray(labels, object)

    def select(self, table: Any, names: Sequence[str]) -> Any:
        return table[list(names)]

    def put(self, table: Any, cells: Mapping[str, tuple[NDArray[np.intp], list[Any]]]) -> Any:
        import pandas as pd

        new = table.copy()
        for name, (rows, values) in cells.items():
            column = table[name].array.copy()
            column[rows] = pd.array(values, dtype=column.dtype)
            new[name] = pd.Series(column, index=table.index, dtype=column.dtype)
        return new


class _Polars:
    def names(self, table: Any) -> list[str]:
        return list(table.columns)

    def type_name(self, table: Any, name: str) -> str:
        return str(table[name].dtype)

    def kind(self, table: Any, name: str) -> str | None:
        import polars as pl

        dtype = table[name].dtype
        if dtype == pl.Boolean:
            return "boolean"
        if dtype.is_integer():
            return "integer"
        if dtype.is_float():
            return "real"
        return "category" if dtype in (pl.String, pl.Categorical, pl.Enum) else None

    def numbers(self, table: Any, name: str) -> Floats:
        import polars as pl

        return np.asarray(table[name].cast(pl.Float64).fill_null(float("nan")).to_numpy(), np.float64)

    def labels(self, table: Any, name: str) -> NDArray[Any]:
        return np.array([*table[name].to_list(), None], object)[:-1]

    def select(self, table: Any, names: Sequence[str]) -> Any:
        return table.select(list(names))

    def put(self, table: Any, cells: Mapping[str, tuple[NDArray[np.intp], list[Any]]]) -> Any:
        import polars as pl

        columns = []
        for name, (rows, values) in cells.items():
            column = table[name]
            place = np.arange(len(column))
            place[rows] = len(column) + np.arange(len(rows))
            both = pl.concat([column.rename(name), pl.Series(name, values, dtype=column.dtype)])
            columns.append(both.gather(place))
        return table.with_columns(columns)


class _Arrow:
    def names(self, table: Any) -> list[str]:
        return list(table.column_names)

    def type_name(self, table: Any, name: str) -> str:
        return str(table.schema.field(name).type)

    def kind(self, table: Any, name: str) -> str | None:
        import pyarrow as pa

        kind, types = table.schema.field(name).type, pa.types
        if types.is_boolean(kind):
            return "boolean"
        if types.is_integer(kind):
            return "integer"
        if types.is_floating(kind):
            return "real"
        value = kind.value_type if types.is_dictionary(kind) else kind
        text = types.is_string(value) or types.is_large_string(value) or types.is_string_view(value)
        return "category" if text or types.is_null(kind) else None

    def numbers(self, table: Any, name: str) -> Floats:
        import pyarrow as pa

        column = table[name]
        if pa.types.is_boolean(column.type):
            column = column.cast(pa.uint8())
        return np.asarray(column.cast(pa.float64(), safe=False).fill_null(float("nan")).to_numpy(), np.float64)

    def labels(self, table: Any, name: str) -> NDArray[Any]:
        return np.array([*table[name].to_pylist(), None], object)[:-1]

    def select(self, table: Any, names: Sequence[str]) -> Any:
        return table.select(list(names))

    def put(self, table: Any, cells: Mapping[str, tuple[NDArray[np.intp], list[Any]]]) -> Any:
        import pyarrow as pa

        for name, (rows, values) in cells.items():
            field = table.schema.field(name)
            place = np.arange(table.num_rows)
            place[rows] = table.num_rows + np.arange(len(rows))
            chunks = [*table[name].chunks, pa.array(values, type=field.type)]
            whole = pa.chunked_array(chunks, type=field.type).unify_dictionaries()
            table = table.set_column(table.schema.get_field_index(name), field, whole.take(pa.array(place)))
        return table


def frames_of(table: object) -> Frames | None:
    """Return what reads a table of pandas, polars or pyarrow; None for anything else."""
    library = type(table).__module__.partition(".")[0]
    return FRAMES[library] if library in FRAMES and type(table).__name__ in ("DataFrame", "Table") else None


def describe(table: Any, missing: Any = np.nan) -> tuple[ColumnOfTable, ...]:
    """Return what a table's columns are; cells equal to `missing` are missing.

    Raises
    ------
    InvalidDataError
        Where a column holds neither numbers nor categories, or a number is infinite.
    """
    frames = frames_of(table)
    assert frames is not None
    columns = []
    for name in frames.names(table):
        kind = frames.kind(table, name)
        if kind is None:
            raise InvalidDataError(
                f"column {name!r} is of type {frames.type_name(table, name)}, which cannot be filled; drop it, or turn "
                "it into numbers or text"
            )
        if kind == "category":
            columns.append(ColumnOfTable(name, kind, levels=_levels(frames.labels(table, name), missing)))
        else:
            numbers = frames.numbers(table, name)
            columns.append(described(name, kind, np.where(_is_hole(numbers, missing), np.nan, numbers)))
    return tuple(columns)


def described(name: str, kind: str, numbers: Floats) -> ColumnOfTable:
    """Return what a column of numbers is."""
    observed = numbers[~np.isnan(numbers)]
    if np.isinf(observed).any():
        row = int(np.flatnonzero(np.isinf(numbers))[0])
        raise InvalidDataError(f"column {name!r} is infinite in row {row}; a missing cell is NaN or null")
    if not len(observed):
        return ColumnOfTable(name, kind)
    return ColumnOfTable(name, kind, float(observed.min()), float(observed.max()))


def _is_hole(numbers: Floats, missing: Any) -> Mask:
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
    """Return a table's cells as numbers (n, C), a category as its code, and which cells are missing (n, C).

    A cell that is not missing may be NaN: a category that was not learned.

    Raises
    ------
    InvalidDataError
        Where a column is of another kind than was learned.
    """
    frames = frames_of(table)
    assert frames is not None
    values, holes = [], []
    for column in columns:
        kind = frames.kind(table, column.name)
        if (kind == "category") != (column.kind == "category") or kind is None:
            raise InvalidDataError(
                f"column {column.name!r} is of type {frames.type_name(table, column.name)}, but was learned as "
                f"{column.kind}; give the type it had"
            )
        if kind == "category":
            codes = {label: float(code) for code, label in enumerate(column.levels)}
            labels = frames.labels(table, column.name)
            hole = np.array([label is None or label == missing for label in labels], bool)
            numbers = np.array([codes.get(label, np.nan) for label in labels], np.float64)
        else:
            numbers = frames.numbers(table, column.name)
            hole = _is_hole(numbers, missing)
        values.append(np.where(hole, np.nan, numbers))
        holes.append(hole)
    return np.column_stack(values), np.column_stack(holes)


def with_cells(table: Any, columns: Sequence[ColumnOfTable], filled: Floats, holes: Mask) -> Any:
    """Return a table whose holes hold filled numbers, as its own types hold them; other cells stay, to the bit."""
    frames = frames_of(table)
    assert frames is not None
    cells = {}
    for place, column in enumerate(columns):
        rows = np.flatnonzero(holes[:, place] & ~np.isnan(filled[:, place]))
        if len(rows):
            numbers = column.settled(filled[rows, place])
            cells[column.name] = rows, _values(column, numbers)
    return frames.put(table, cells)


def _values(column: ColumnOfTable, numbers: Floats) -> list[Any]:
    if column.kind == "category":
        return [column.levels[int(code)] for code in numbers]
    if column.kind == "boolean":
        return [bool(number) for number in numbers]
    return [int(number) for number in numbers] if column.kind == "integer" else numbers.tolist()


FRAMES: dict[str, Frames] = {"pandas": _Pandas(), "polars": _Polars(), "pyarrow": _Arrow()}
