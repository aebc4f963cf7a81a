"""Encoded columns of pandas and polars as columns of pyarrow, without either library: for files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from isthmus.data.encoding.columns import EncodedColumn
from isthmus.data.encoding.types import Type, arrow_type

_POLARS: dict[str, Type] = {
    "Null": ("null",),
    "Boolean": ("bool_",),
    "String": ("large_string",),
    "Date": ("date32",),
    "Time": ("time64", "ns"),
    "Int128": ("float64",),
    "UInt128": ("float64",),
}


def as_arrow(column: EncodedColumn, library: str) -> EncodedColumn:
    """Return a column of a frame of a library as the column of pyarrow that holds the same cells."""
    if library == "pyarrow":
        return column
    kind = column.dtype
    if kind[0] == "arrow":
        return replace(column, dtype=kind[1])
    if kind[0] in ("category", "Categorical", "Enum"):
        ordered = kind[0] == "Enum" or (kind[0] == "category" and kind[1])
        return _dictionary(column, ordered=ordered)
    return replace(column, dtype=_pandas_type(column) if library == "pandas" else _polars_type(column))


def _dictionary(column: EncodedColumn, *, ordered: bool) -> EncodedColumn:
    import pyarrow as pa

    levels, categories = column.levels, column.categories or column.levels
    try:
        values = pa.array(list(categories), pa.string() if not categories else None)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # labels of several types
        levels, categories = tuple(map(str, levels)), tuple(map(str, categories))
        values = pa.array(list(categories))
    dtype = ("dictionary", ("int32",), arrow_type(values.type), ordered)
    return replace(column, levels=levels, categories=categories, dtype=dtype)


def _pandas_type(column: EncodedColumn) -> Type:
    import pyarrow as pa

    name, *arguments = column.dtype
    if name == "object":
        return _object_type(column)
    if name == "string":
        return ("string",)
    if name == "zoned":
        return ("timestamp", *arguments)
    if name == "nullable":
        return ("bool_",) if arguments[0] == "boolean" else (arguments[0].lower(),)
    return arrow_type(pa.from_numpy_dtype(np.dtype(arguments[0])))


def _polars_type(column: EncodedColumn) -> Type:
    name, *arguments = column.dtype
    if name == "Object":
        return _object_type(column)
    names = {"Datetime": "timestamp", "Duration": "duration", "Decimal": "decimal128"}
    return _POLARS.get(name) or (names.get(name, name.lower()), *arguments)


def _object_type(column: EncodedColumn) -> Type:
    """Return the type of a column of Python objects."""
    types: dict[str, Type] = {
        "category": ("string",),
        "boolean": ("bool_",),
        "integer": ("uint64",) if column.high > np.iinfo(np.int64).max else ("int64",),
        "real": ("float64",),
        "datetime": ("date32",) if column.unit == "D" else ("timestamp", "us", None),
        "duration": ("time64", "us") if column.dtype[1] == "time" else ("duration", "us"),
    }
    return types.get(column.kind, ("null",))
