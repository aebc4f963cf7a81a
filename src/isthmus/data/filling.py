"""Values put into cells of a frame's columns, in the columns' own types; every other cell keeps its bits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.data.frames import library_of

Cells = Mapping[Any, tuple[NDArray[np.intp], list[Any]]]  # by column: rows and their values


def put(table: Any, cells: Cells) -> Any:
    """Return a frame with values in cells.

    Parameters
    ----------
    table : DataFrame or pyarrow.Table
        A frame of pandas, polars or pyarrow.
    cells : mapping of name to (rows, values)
        Booleans, integers, floats or categories. In a column of integers, floats are rounded and kept within the range
        of its type; a category that the column's type lacks is added to it; a column whose type allows no value gets
        the type of the values.
    """
    return _PUTS[library_of(table)](table, cells)


def _integers(values: list[Any], low: int, high: int) -> list[int]:
    return [min(max(round(value), low), high) for value in values]


def _floats(values: list[Any], largest: float) -> list[float]:
    return [min(max(float(value), -largest), largest) for value in values]


def _booleans(values: list[Any]) -> list[bool]:
    return [bool(value > 0.5) for value in values]


def _decimals(values: list[Any], scale: int, precision: int = 60) -> list[Decimal]:
    """Return numbers as decimals with `scale` places, and with `precision` digits at most."""
    with localcontext() as context:
        context.prec = 400
        step = Decimal(1).scaleb(-scale)
        largest = Decimal(1).scaleb(precision - scale) - step
        return [min(max(Decimal(repr(float(value))).quantize(step), -largest), largest) for value in values]


def within(values: list[Any], dtype: np.dtype[Any]) -> list[Any]:
    """Return numbers as values of a NumPy type, rounded to integers and within its range where it needs that."""
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return _integers(values, int(limits.min), int(limits.max))
    if dtype.kind == "f":
        return _floats(values, float(np.finfo(dtype).max))
    return _booleans(values) if dtype.kind == "b" else values


# pandas --------------------------------------------------------------------------------------------------------------


def _put_pandas(table: Any, cells: Cells) -> Any:
    import pandas as pd

    new = table.copy()
    for name, (rows, values) in cells.items():
        column = _pandas_filled(table[name].array, rows, values)
        new[name] = pd.Series(column, index=table.index, dtype=column.dtype)
    return new


def _pandas_filled(column: Any, rows: NDArray[np.intp], values: list[Any]) -> Any:
    import pandas as pd

    dtype = column.dtype
    if isinstance(dtype, pd.SparseDtype):
        dense = np.asarray(column).copy()
        dense[rows] = within(values, dense.dtype)
        return pd.arrays.SparseArray(dense, dtype=dtype)
    if isinstance(dtype, pd.ArrowDtype):
        import pyarrow as pa

        cells = column.__arrow_array__()
        cells = cells if isinstance(cells, pa.ChunkedArray) else pa.chunked_array([cells])
        return pd.arrays.ArrowExtensionArray(_arrow_filled(cells, cells.type, rows, values))
    own = getattr(dtype, "numpy_dtype", dtype)  # of pandas's wrapper of NumPy's types, and of its nullable types
    if isinstance(own, np.dtype) and own.kind == "O":
        column = column.copy()
        # One by one, since a list would be taken for an array.
        for row, value in zip(rows, _like_objects(column, values), strict=True):
            column[row] = value
        return column
    if isinstance(dtype, pd.CategoricalDtype):
        unknown = [value for value in dict.fromkeys(values) if value not in dtype.categories]
        column = column.add_categories(unknown) if unknown else column
    values = within(values, own) if isinstance(own, np.dtype) else values
    column = column.copy()
    column[rows] = pd.array(values, dtype=column.dtype)
    return column


def _like_objects(column: Any, values: list[Any]) -> list[Any]:
    """Return values of the type of a column's objects: decimals with as many places as they have at most."""
    decimals = [value for value in column if isinstance(value, Decimal) and value.is_finite()]
    if not decimals or not all(isinstance(value, float | int) for value in values):
        return values
    places = max(0, -min(int(value.as_tuple().exponent) for value in decimals))
    return _decimals(values, places)


# polars --------------------------------------------------------------------------------------------------------------


def _put_polars(table: Any, cells: Cells) -> Any:
    import polars as pl

    columns = []
    for name, (rows, values) in cells.items():
        column = table[name]
        if column.dtype == pl.Null:
            column = column.cast(pl.Series(values).dtype)
        if column.dtype == pl.Enum:
            known = column.dtype.categories.to_list()
            column = column.cast(pl.Enum([*known, *(v for v in dict.fromkeys(values) if v not in known)]))
        both = pl.concat([column, pl.Series(name, _polars_fitting(values, column.dtype), dtype=column.dtype)])
        columns.append(both.gather(_places(len(column), rows)))
    return table.with_columns(columns)


def _polars_fitting(values: list[Any], dtype: Any) -> list[Any]:
    import polars as pl

    if dtype.is_integer():
        width, signed = int("".join(filter(str.isdigit, str(dtype)))), str(dtype).startswith("Int")
        low, high = (-(1 << width - 1), (1 << width - 1) - 1) if signed else (0, (1 << width) - 1)
        return _integers(values, low, high)
    if dtype.is_float():
        return _floats(values, float(np.finfo(f"float{str(dtype).removeprefix('Float')}").max))
    if dtype.is_decimal():
        return _decimals(values, dtype.scale, dtype.precision or 38)
    return _booleans(values) if dtype == pl.Boolean else values


# pyarrow -------------------------------------------------------------------------------------------------------------


def _put_arrow(table: Any, cells: Cells) -> Any:
    for name, (rows, values) in cells.items():
        place = table.schema.get_field_index(name)
        column = _arrow_filled(table.column(place), table.schema.field(place).type, rows, values)
        table = table.set_column(place, table.schema.field(place).with_type(column.type), column)
    return table


def _arrow_filled(cells: Any, kind: Any, rows: NDArray[np.intp], values: list[Any]) -> Any:
    import pyarrow as pa

    if pa.types.is_string_view(kind):  # pyarrow does not take rows of it
        return _arrow_filled(cells.cast(pa.large_string()), pa.large_string(), rows, values).cast(kind)
    if pa.types.is_null(kind):
        kind = pa.array(values).type
        cells = cells.cast(kind)
    chunks = [*cells.chunks, pa.array(_arrow_fitting(values, kind), type=kind)]
    both = pa.chunked_array(chunks, type=kind).unify_dictionaries()
    return both.take(pa.array(_places(len(cells), rows)))


def _arrow_fitting(values: list[Any], kind: Any) -> list[Any]:
    from pyarrow import types

    if types.is_decimal(kind):
        return _decimals(values, kind.scale, kind.precision)
    if types.is_boolean(kind):
        return _booleans(values)
    if types.is_integer(kind) or types.is_floating(kind):
        return within(values, np.dtype(kind.to_pandas_dtype()))
    return values


def _places(n_rows: int, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return where each cell is taken from, if the values for `rows` follow the column."""
    places = np.arange(n_rows)
    places[rows] = n_rows + np.arange(len(rows))
    return places


_PUTS: dict[Any, Callable[[Any, Cells], Any]] = {
    "pandas": _put_pandas,
    "polars": _put_polars,
    "pyarrow": _put_arrow,
}
