"""Frames of pandas, polars and pyarrow in memory: their columns as numbers or categories, with missing cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError
from isthmus.data.frame_columns import FrameColumn, arrow_codes, categories_column, factorized, objects_column
from isthmus.data.sources.arrow_columns import describe_type

Library = Literal["pandas", "polars", "pyarrow"]


class NotNumbersError(InvalidDataError, TypeError):
    """An array of Python objects holds something else than numbers."""


def library_of(table: object) -> Library | None:
    """Return the library of a frame in memory, without importing it; None for anything else."""
    for kind in type(table).__mro__:
        library, name = kind.__module__.partition(".")[0], kind.__name__
        if (name, library) in (("DataFrame", "pandas"), ("DataFrame", "polars"), ("Table", "pyarrow")):
            return library  # type: ignore[return-value]
    return None


def eager(table: Any) -> Any:
    """Return a lazy frame of polars collected, a record batch as a table, a frame of narwhals as its own library's."""
    library, name = type(table).__module__.partition(".")[0], type(table).__name__
    if library == "narwhals" and hasattr(table, "to_native"):
        return eager(table.to_native())
    if library == "polars" and name == "LazyFrame":
        return table.collect()
    if library == "pyarrow" and name == "RecordBatch":
        import pyarrow as pa

        return pa.Table.from_batches([table])
    return table


def dense(table: Any) -> Any:
    """Return a pandas frame with its sparse columns dense: pyarrow and polars do not take them."""
    sparse = {place: dtype.subtype for place, dtype in enumerate(table.dtypes) if hasattr(dtype, "fill_value")}
    return table.astype({table.columns[place]: kind for place, kind in sparse.items()}) if sparse else table


def to_arrow(table: Any) -> Any:
    """Return a frame as a table of pyarrow."""
    library = library_of(table)
    if library == "pandas":
        import pyarrow as pa

        return pa.Table.from_pandas(dense(table), preserve_index=False)
    return table.to_arrow() if library == "polars" else table


def labels_of(table: Any) -> list[Any]:
    """Return the names of a frame's columns."""
    return list(table.column_names if library_of(table) == "pyarrow" else table.columns)


def each_column(table: Any, names: Sequence[Any] | None = None) -> Iterator[FrameColumn]:
    """Yield the columns of a frame, or those of these names, in that order.

    Raises
    ------
    InvalidDataError
        Where an object is a number that no float holds.
    """
    library = library_of(table)
    if names is not None:
        places = {name: place for place, name in enumerate(labels_of(table))}
        wanted = [places[name] for name in names]
    else:
        wanted = list(range(table.shape[1]))
    labels = labels_of(table)
    for place in wanted:
        name = labels[place]
        if library == "pandas":
            yield _pandas_column(name, table.iloc[:, place])
        elif library == "polars":
            yield _polars_column(name, table[name])
        else:
            yield _arrow_column(name, table.column(place), table.schema.field(place).type)


def refused(column: FrameColumn, remedy: str) -> InvalidDataError:
    """Return the error for a column that holds something else than what is needed."""
    return InvalidDataError(f"column {column.name!r} holds {column.what}; {remedy}")


def matrix_of(table: Any) -> NDArray[Any]:
    """Return a frame of numbers and booleans as one array (n, C).

    Its type is the smallest that holds all columns, uint8 for booleans. Missing cells are NaN, and then integers become
    float64. A pandas frame of one NumPy type is not copied.

    Raises
    ------
    InvalidDataError
        Where a column holds something else; the message names it, its type and the remedy.
    """
    whole = _without_copy(table)
    if whole is not None:
        return whole
    columns = []
    for column in each_column(table):
        if column.kind in (None, "category"):
            raise refused(
                column, "only numbers and booleans can be used: convert the column to numbers, or drop it first"
            )
        columns.append(column)
    types = {np.dtype(np.float64) if column.kind == "empty" else column.values.dtype for column in columns}
    dtype: np.dtype[Any] = np.result_type(*types) if types else np.dtype(np.float64)
    if dtype.kind in "iu" and any(column.missing.any() for column in columns):
        dtype = np.dtype(np.float64)
    out = np.empty((table.shape[0], len(columns)), dtype)
    for place, column in enumerate(columns):
        out[:, place] = column.values
        if dtype.kind == "f":
            out[column.missing, place] = np.nan
    return out


def objects_matrix(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return an array of Python objects (n, C) as numbers, NaN where a cell is missing.

    Raises
    ------
    InvalidDataError
        Where a column holds something else than numbers and booleans, or mixes them.
    """
    out = np.empty(values.shape, np.float64)
    for place in range(values.shape[1]):
        column = objects_column(place, values[:, place])
        if column.kind in (None, "category"):
            # What Python says, which scikit-learn's checks of estimators expect.
            reason = "" if column.kind else " (float() argument must be a string or a real number)"
            raise NotNumbersError(
                f"column {place} holds {column.what}{reason}; convert the column to numbers, or drop it first"
            )
        out[:, place] = np.where(column.missing, np.nan, column.values)
    return out


def _without_copy(table: Any) -> NDArray[Any] | None:
    if library_of(table) != "pandas":
        return None
    types = set(table.dtypes)
    kind = next(iter(types)) if len(types) == 1 else None
    if not isinstance(kind, np.dtype) or kind.kind not in "biuf":
        return None
    whole: NDArray[Any] = table.to_numpy()
    return (
        whole.view(np.uint8)
        if kind.kind == "b" and whole.flags.c_contiguous
        else whole.astype(np.uint8 if kind.kind == "b" else kind, copy=False)
    )


# One column ----------------------------------------------------------------------------------------------------------


def _pandas_column(name: Any, series: Any) -> FrameColumn:
    import pandas as pd

    dtype = series.dtype
    if isinstance(dtype, pd.SparseDtype):
        series = pd.Series(np.asarray(series.array), index=series.index)
        column = _pandas_column(name, series)
        return column._replace(what=f"{column.what.rpartition(' (')[0]} ({dtype})")
    if isinstance(dtype, np.dtype):
        return _numpy_column(name, series.to_numpy())
    if isinstance(dtype, pd.ArrowDtype):
        import pyarrow as pa

        cells = series.array.__arrow_array__()
        cells = cells if isinstance(cells, pa.ChunkedArray) else pa.chunked_array([cells])
        return _arrow_column(name, cells, cells.type, str(dtype))
    missing = series.isna().to_numpy()
    if isinstance(dtype, pd.StringDtype):
        return categories_column(name, f"text ({dtype})", *factorized(series.astype(object).to_numpy(), missing))
    if isinstance(dtype, pd.CategoricalDtype):
        codes = np.where(missing, len(dtype.categories), series.cat.codes.to_numpy())
        return categories_column(name, f"categories ({dtype})", codes, list(dtype.categories.astype(object)))
    own = getattr(dtype, "numpy_dtype", None)
    if own is not None and own.kind in "biuf":
        # pandas's nullable types, whose integers are exact.
        values = series.array.to_numpy(dtype=own, na_value=own.type(0))
        column = _numpy_column(name, values, str(dtype))
        return column._replace(missing=missing | column.missing)
    if isinstance(dtype, pd.DatetimeTZDtype):
        values = series.dt.tz_convert(None).to_numpy()
        return FrameColumn(name, None, f"dates or times of type {dtype}", values, missing)
    what = "dates or times" if hasattr(dtype, "freq") else "values"
    return FrameColumn(name, None, f"{what} of type {dtype}", np.empty(0), missing)


def _numpy_column(name: Any, values: NDArray[Any], what: str | None = None) -> FrameColumn:
    kind = values.dtype.kind
    what = what or str(values.dtype)
    if kind == "O":
        return objects_column(name, values)
    if kind == "b":
        return FrameColumn(name, "boolean", f"booleans ({what})", values.view(np.uint8), np.zeros(len(values), bool))
    if kind in "iu":
        return FrameColumn(name, "integer", f"integers ({what})", values, np.zeros(len(values), bool))
    if kind == "f":
        values = values.astype(np.float64) if values.dtype.itemsize > 8 else values
        return FrameColumn(name, "real", f"numbers ({what})", values, np.isnan(values))
    words = {"M": "dates or times", "m": "durations", "c": "complex numbers", "U": "text", "S": "bytes"}
    missing = np.isnat(values) if kind in "mM" else np.zeros(len(values), bool)
    return FrameColumn(name, None, f"{words.get(kind, 'values')} ({what})", values, missing)


def _polars_column(name: str, series: Any) -> FrameColumn:
    import polars as pl

    if series.dtype in (pl.Int128, pl.UInt128):
        series = series.cast(pl.Float64)
    if series.dtype == pl.Object:
        return objects_column(name, np.array([*series.to_list(), None], object)[:-1])
    if series.dtype in (pl.Categorical, pl.Enum):
        return categories_column(name, f"categories ({series.dtype})", *arrow_codes(series.cast(pl.String).to_arrow()))
    cells = series.to_arrow()
    import pyarrow as pa

    return _arrow_column(name, pa.chunked_array([cells]), cells.type, str(series.dtype))


def _arrow_column(name: Any, cells: Any, kind: Any, own: str | None = None) -> FrameColumn:
    import pyarrow as pa
    from pyarrow import types

    missing = np.asarray(cells.is_null(nan_is_null=types.is_floating(kind)).to_numpy(), bool)
    what = f"{describe_type(kind).partition(' (')[0]} ({own or kind})"
    if types.is_null(kind):
        return FrameColumn(name, "empty", what, np.full(len(missing), np.nan), missing)
    if types.is_boolean(kind):
        return FrameColumn(name, "boolean", what, _plain(cells.cast(pa.uint8())), missing)
    if types.is_integer(kind):
        return FrameColumn(name, "integer", what, _plain(cells), missing)
    if types.is_floating(kind):
        return FrameColumn(name, "real", what, np.asarray(cells.to_numpy()), missing)
    if types.is_decimal(kind):
        return FrameColumn(name, "real", what, np.asarray(cells.cast(pa.float64(), safe=False).to_numpy()), missing)
    text = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    if text or types.is_dictionary(kind):
        return categories_column(name, what, *arrow_codes(cells))
    values = _times(cells, kind) if types.is_temporal(kind) and not types.is_interval(kind) else np.empty(0)
    return FrameColumn(name, None, what, values, missing)


def _times(cells: Any, kind: Any) -> NDArray[Any]:
    """Return dates and times as datetime64 in UTC, durations and times of day as timedelta64."""
    import pyarrow as pa

    bits = pa.int32() if kind.bit_width == 32 else pa.int64()
    ticks = _plain(cells.cast(bits)).astype(np.int64)
    instant = "datetime64" if pa.types.is_timestamp(kind) or pa.types.is_date(kind) else "timedelta64"
    unit = {"date32": "D", "date64": "ms"}.get(str(kind).partition("[")[0]) or kind.unit
    return ticks.view(f"{instant}[{unit}]")


def _plain(cells: Any) -> NDArray[Any]:
    """Return integers with 0 in missing cells."""
    return np.asarray((cells.fill_null(0) if cells.null_count else cells).to_numpy())
