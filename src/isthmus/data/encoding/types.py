"""Types of the columns of pandas, polars and pyarrow as tuples of text and numbers, and columns of these types.

A type is the name of its constructor and the arguments, such as ``("Datetime", "us", "UTC")``, so that a model file can
hold it. Only the names below are looked up in a library.
"""

from __future__ import annotations

import datetime
import decimal
import re
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import ModelFileError
from isthmus.data.frames import library_of

Type: TypeAlias = tuple[Any, ...]
Mask: TypeAlias = NDArray[np.bool_]

_ARROW = (
    r"null|bool_|u?int(8|16|32|64)|float(16|32|64)|(large_)?string|string_view|date(32|64)|time(32|64)|timestamp|duration|"
    r"decimal(32|64|128|256)|dictionary"
)
_POLARS = (
    r"Null|Boolean|U?Int(8|16|32|64|128)|Float(16|32|64)|String|Categorical|Enum|Date|Time|Datetime|Duration|Decimal|"
    r"Object"
)
_PANDAS = r"category|string|arrow|zoned|sparse|object|numpy|nullable"
_ARROW_NAMES = {"bool": "bool_", "halffloat": "float16", "float": "float32", "double": "float64"}


def type_of(table: Any, place: int) -> Type:
    """Return the type of a frame's column."""
    library = library_of(table)
    if library == "pandas":
        return _pandas_type(table.dtypes.iloc[place], table.iloc[:, place])
    if library == "polars":
        return _polars_type(table.dtypes[place])
    return arrow_type(table.schema.field(place).type)


def arrow_type(kind: Any) -> Type:
    """Return a type of pyarrow."""
    from pyarrow import types

    if types.is_dictionary(kind):
        return ("dictionary", arrow_type(kind.index_type), arrow_type(kind.value_type), bool(kind.ordered))
    name = re.split(r"[\[(]", str(kind))[0]
    if types.is_decimal(kind):
        return (name, kind.precision, kind.scale)
    if types.is_timestamp(kind):
        return (name, kind.unit, kind.tz)
    if types.is_time(kind) or types.is_duration(kind):
        return (name, kind.unit)
    return (_ARROW_NAMES.get(name, name),)


def _polars_type(kind: Any) -> Type:
    name = type(kind).__name__ if not isinstance(kind, type) else kind.__name__
    name = "String" if name == "Utf8" else name
    if name == "Datetime":
        return (name, kind.time_unit, kind.time_zone)
    if name == "Duration":
        return (name, kind.time_unit)
    return (name, kind.precision, kind.scale) if name == "Decimal" else (name,)


def _pandas_type(dtype: Any, series: Any) -> Type:
    import pandas as pd

    if isinstance(dtype, pd.CategoricalDtype):
        labels = dtype.categories
        return ("category", bool(dtype.ordered), _pandas_type(labels.dtype, labels))
    if isinstance(dtype, pd.StringDtype):
        return ("string", dtype.storage, "nan" if dtype.na_value is np.nan else "NA")
    if isinstance(dtype, pd.ArrowDtype):
        return ("arrow", arrow_type(dtype.pyarrow_dtype))
    if isinstance(dtype, pd.DatetimeTZDtype):
        return ("zoned", dtype.unit, str(dtype.tz))
    if isinstance(dtype, pd.SparseDtype):
        return ("sparse", str(dtype.subtype), np.asarray(dtype.fill_value).item())
    if isinstance(dtype, pd.IntervalDtype):
        return ("interval", str(dtype.subtype), dtype.closed)
    if isinstance(dtype, np.dtype):
        return ("object", _object_type(series)) if dtype.kind == "O" else ("numpy", str(dtype))
    return ("nullable", str(dtype))


def _object_type(cells: Any) -> str:
    """Return the name of the type of the first cell that is not missing."""
    import pandas as pd

    for cell in cells:
        if pd.api.types.is_scalar(cell) and not pd.isna(cell):
            return type(cell).__name__
    return ""


def merged(first: Type, second: Type) -> Type:
    """Return the type that holds the cells of two frames: the wider of two NumPy floats, otherwise the first."""
    if first[0] == second[0] == "numpy" and first != second:
        return ("numpy", str(np.result_type(first[1], second[1])))
    return first


def zone_of(kind: Type) -> str | None:
    """Return the time zone of a type."""
    if kind[0] in ("zoned", "timestamp", "Datetime"):
        return kind[2] or None
    return zone_of(kind[1]) if kind[0] == "arrow" else None


def is_time_of_day(kind: Type) -> bool:
    """Whether a type holds times of day."""
    if kind[0] == "arrow":
        return is_time_of_day(kind[1])
    return kind[0] in ("time32", "time64", "Time") or kind == ("object", "time")


def limits_of(kind: Type) -> tuple[int, int] | None:
    """Return the smallest and largest integer of a type; None where it is no integer type."""
    name = str(kind[1] if kind[0] in ("numpy", "nullable", "sparse") else kind[0]).lower()
    if kind[0] == "arrow":
        return limits_of(kind[1])
    found = re.fullmatch(r"(u?)int(8|16|32|64)", name)
    if not found:
        return None
    bounds = np.iinfo(f"{found[1]}int{found[2]}")
    return int(bounds.min), int(bounds.max)


# Columns of a type ---------------------------------------------------------------------------------------------------


def build(
    library: str,
    kind: Type,
    values: NDArray[Any],
    missing: Mask,
    levels: Sequence[Any] = (),
    categories: Sequence[Any] = (),
) -> Any:
    """Return cells as a column of a library and type.

    Parameters
    ----------
    library : {"pandas", "polars", "pyarrow"}
        The library.
    kind : tuple
        What `type_of` returned.
    values : ndarray of shape (n,)
        Numbers, booleans, datetime64 in UTC, timedelta64, or the places of labels in `levels`.
    missing : ndarray of bool of shape (n,)
        Which cells are missing. A type that has no missing cells becomes one that has.
    levels : sequence
        Labels, of a column of categories or text.
    categories : sequence
        All labels of a type that states them, in its order.
    """
    if levels:
        stated = bool(categories) and library != "polars" and (kind[0] != "arrow" or kind[1][0] == "dictionary")
        places = {label: place for place, label in enumerate(categories)}
        labels = np.array([places[label] if stated else label for label in levels], int if stated else object)
        values = labels[values]
    if library == "pandas":
        return _pandas_column(kind, values, missing, categories)
    if library == "polars":
        return _polars_column(kind, values, missing, categories)
    return _arrow_column(kind, values, missing, categories)


def _known(name: Any, names: str) -> str:
    if not re.fullmatch(names, str(name)):
        raise ModelFileError(f"the model's columns have the type {name!r}, which this isthmus does not know")
    return str(name)


def _arrow_kind(kind: Type) -> Any:
    import pyarrow as pa

    name, *arguments = kind
    made = [_arrow_kind(part) if isinstance(part, tuple) else part for part in arguments]
    return getattr(pa, _known(name, _ARROW))(*made)


def _arrow_column(kind: Type, values: NDArray[Any], missing: Mask, categories: Sequence[Any]) -> Any:
    import pyarrow as pa

    if missing.all():
        return pa.nulls(len(values), _arrow_kind(kind))
    if kind[0] == "dictionary":
        indices = pa.array(values.astype(np.int64), mask=missing).cast(_arrow_kind(kind[1]))
        labels = pa.array(list(categories)).cast(_arrow_kind(kind[2])) if categories else pa.array([], pa.string())
        return pa.DictionaryArray.from_arrays(indices, labels, ordered=kind[3])
    wanted = _arrow_kind(kind)
    if kind[0].startswith("decimal"):
        return pa.array(_decimals(values, missing, kind[2]), wanted)
    if values.dtype.kind in "mM":
        bits = pa.int32() if wanted.bit_width == 32 else pa.int64()
        return pa.array(values.view(np.int64), pa.int64(), mask=missing).cast(bits).cast(wanted)
    return pa.array(values, mask=missing).cast(wanted)


def _decimals(values: NDArray[Any], missing: Mask, scale: int) -> list[decimal.Decimal | None]:
    step = decimal.Decimal(1).scaleb(-scale)
    pairs = zip(values.tolist(), missing.tolist(), strict=True)
    return [None if hole else decimal.Decimal(repr(value)).quantize(step) for value, hole in pairs]


def _polars_column(kind: Type, values: NDArray[Any], missing: Mask, categories: Sequence[Any]) -> Any:
    import polars as pl
    import pyarrow as pa

    name, *arguments = kind
    _known(name, _POLARS)
    if name == "Object":
        return pl.Series(_objects(values, missing), dtype=pl.Object)
    if name == "Decimal":
        return pl.Series(_decimals(values, missing, arguments[1]), dtype=pl.Decimal(*arguments))
    wanted = pl.Enum(list(categories)) if name == "Enum" else getattr(pl, name)
    wanted = wanted(*arguments) if arguments else wanted
    if missing.all():
        return pl.Series([None] * len(values), dtype=wanted)
    if values.dtype.kind in "mM":
        # Times of day are nanoseconds, dates are days.
        ticks = values.astype("timedelta64[ns]") if name == "Time" else values
        series = pl.Series(pl.from_arrow(pa.array(ticks.view(np.int64), mask=missing)))
        return series.cast(pl.Int32).cast(wanted) if name == "Date" else series.cast(wanted)
    return pl.Series(pl.from_arrow(pa.array(values, mask=missing))).cast(wanted)


def _objects(values: NDArray[Any], missing: Mask) -> list[Any]:
    return [None if hole else value for value, hole in zip(values.tolist(), missing.tolist(), strict=True)]


def _pandas_column(kind: Type, values: NDArray[Any], missing: Mask, categories: Sequence[Any]) -> Any:
    import pandas as pd

    name, *arguments = kind
    _known(name, _PANDAS)
    if name == "category":
        labels = _pandas_labels(arguments[1], categories)
        return pd.Categorical.from_codes(np.where(missing, -1, values), labels, ordered=arguments[0])
    if name == "object":
        return pd.Series(_pandas_objects(arguments[0], values, missing), dtype=object)
    if name == "string":
        null = np.nan if arguments[1] == "nan" else pd.NA
        return pd.array(_objects(values, missing), dtype=pd.StringDtype(arguments[0], na_value=null))
    if name == "arrow":
        return pd.arrays.ArrowExtensionArray(_arrow_column(arguments[0], values, missing, categories))
    if name == "nullable":
        wanted = pd.api.types.pandas_dtype(arguments[0])
        return _masked(values.astype(wanted.numpy_dtype), missing)
    if name == "zoned":
        instants = pd.DatetimeIndex(
            np.where(missing, np.datetime64("NaT"), values.astype("M8[us]" if missing.all() else values.dtype))
        ).as_unit(arguments[0])
        return instants.tz_localize("UTC").tz_convert(arguments[1]).array
    dense = _numpy_column(arguments[0], values, missing)
    return pd.arrays.SparseArray(dense, fill_value=arguments[1]) if name == "sparse" else dense


def _masked(values: NDArray[Any], missing: Mask) -> Any:
    import pandas as pd

    if values.dtype.kind == "b":
        return pd.arrays.BooleanArray(values, missing)
    return (pd.arrays.FloatingArray if values.dtype.kind == "f" else pd.arrays.IntegerArray)(values, missing)


def _numpy_column(name: str, values: NDArray[Any], missing: Mask) -> NDArray[Any]:
    wanted = np.dtype(name)
    if wanted.kind in "mM":
        return np.where(missing, np.array("NaT", wanted), values.astype(wanted))
    if missing.any() and wanted.kind in "iu":
        wanted = np.dtype(np.float64)
    if missing.any() and wanted.kind == "b":
        return _pandas_objects("bool", values, missing)
    found = values.astype(wanted)
    if missing.any():
        found[missing] = np.nan
    return found


def _pandas_objects(name: str, values: NDArray[Any], missing: Mask) -> NDArray[Any]:
    """Return cells as Python objects, None where they are missing."""
    found: list[Any] = values.tolist()
    if name == "Decimal":
        found = [decimal.Decimal(repr(value)) for value in found]
    elif name == "int":
        found = [value if value != value else int(value) for value in found]
    elif name == "float":
        found = [float(value) for value in found]
    elif name == "time":
        found = [None if hole else (datetime.datetime.min + v).time() for v, hole in zip(found, missing, strict=True)]
    elif name in ("Timestamp", "Timedelta"):
        import pandas as pd

        found = [getattr(pd, name)(value) for value in values]
    cells = [None if hole else value for value, hole in zip(found, missing.tolist(), strict=True)]
    return np.array([*cells, None], object)[:-1]


def _pandas_labels(kind: Type, categories: Sequence[Any]) -> Any:
    """Return all labels of a type of categories as an index of their own type."""
    import pandas as pd

    if kind[0] == "interval":
        ends = [re.fullmatch(r"[\[(](.*), (.*)[\])]", label) for label in categories]
        left, right = ([np.array(end[side], kind[1]) for end in ends if end] for side in (1, 2))
        return pd.IntervalIndex.from_arrays(np.array(left, kind[1]), np.array(right, kind[1]), closed=kind[2])
    labels, known = list(categories), kind[1] if len(kind) > 1 else None
    if kind[0] == "object":
        restored = _OBJECTS.get(str(known))
        return pd.Index([restored(x) if restored and isinstance(x, str) else x for x in labels], dtype=object)
    if kind[0] == "numpy" and np.dtype(known).kind == "m":
        return pd.to_timedelta(labels).as_unit(np.datetime_data(str(known))[0])
    if kind[0] == "numpy":
        return pd.Index(np.array([*labels, None], object)[:-1].astype(known), dtype=known)
    if kind[0] == "string":
        return pd.Index(labels, dtype=pd.StringDtype(known, na_value=np.nan))
    if kind[0] == "zoned":
        return pd.to_datetime(labels, utc=True).tz_convert(kind[2]).as_unit(known)
    if kind[0] == "nullable":
        return pd.Index(pd.array(labels, dtype=known))
    return pd.Index(labels)


# What `plain_label` made text of, by the name of its type.
_OBJECTS: dict[str, Any] = {
    "date": datetime.date.fromisoformat,
    "datetime": datetime.datetime.fromisoformat,
    "time": datetime.time.fromisoformat,
    "Decimal": decimal.Decimal,
}


def plain_label(label: Any) -> Any:
    """Return a label as text, a number or a boolean, which a model file can hold."""
    if isinstance(label, np.generic) and label.dtype.kind not in "mM":
        label = label.item()
    if isinstance(label, str | bool | int | float):
        return label
    if type(label).__name__ == "Interval" and hasattr(label, "closed_left"):
        left, right = "[" if label.closed_left else "(", "]" if label.closed_right else ")"
        ends = (
            end.isoformat() if hasattr(end, "isoformat") else repr(end) for end in map(_item, (label.left, label.right))
        )
        return f"{left}{', '.join(ends)}{right}"
    return label.isoformat() if isinstance(label, datetime.date | datetime.time) else str(label)


def _item(end: Any) -> Any:
    return end.item() if isinstance(end, np.generic) else end
