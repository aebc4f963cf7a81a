"""Tables of mixed columns: an input for each column, and an output for each that is reconstructed.

Numbers are floats, NaN where they are missing. Text is text, "" where it is missing. Dates and durations are integers,
counted in the unit of the column from 1970-01-01 in UTC, and the smallest integer where they are missing, as NumPy's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from isthmus.core.errors import InvalidParameterError
from isthmus.data.encoding import TableEncoding
from isthmus.data.encoding.columns import EncodedColumn
from isthmus.data.encoding.dates import TICKS_OF_DAY
from isthmus.data.encoding.skew import steps_back
from isthmus.data.encoding.types import is_time_of_day, limits_of
from isthmus.export.onnx.graph import LABELS_DOMAIN, Graph

_MISSING_TIME = np.iinfo(np.int64).min
_TIMES = ("datetime", "duration")


def read(graph: Graph, encoding: TableEncoding, dtype: str, n_rows: str, columns: Sequence[int] | None = None) -> str:
    """Emit an input of shape (n, 1) for each column, or for some, and return the name of the encoded rows (n, W)."""
    _refuse_parts(encoding)
    graph.reserve(str(column.name) for column in encoding.columns)
    chosen = range(encoding.n_columns) if columns is None else columns
    encoded = [_encoded(graph, encoding.columns[place], dtype, n_rows) for place in chosen]
    return graph.node("Concat", *encoded, axis=1) if len(encoded) > 1 else encoded[0]


def write(graph: Graph, encoding: TableEncoding, rows: str, dtype: str, n_rows: str) -> None:
    """Emit an output of shape (n, 1) for each column of reconstructions, and of categories their probabilities."""
    _refuse_parts(encoding)
    for place, column in enumerate(encoding.columns):
        bounds = graph.sizes(encoding.starts[place]), graph.sizes(encoding.starts[place + 1])
        _restored(graph, column, graph.node("Slice", rows, *bounds, graph.sizes(1)), dtype, n_rows)


def described(encoding: TableEncoding) -> list[dict[str, Any]]:
    """Return what a file says of each column: its name, its kind, and what its input holds."""
    columns = []
    for column in encoding.columns:
        entry: dict[str, Any] = {"name": str(column.name), "kind": column.kind}
        if column.kind == "category":
            entry["levels"] = [_label(column, level) for level in column.levels]
        if column.kind == "datetime":
            entry["unit"] = f"{column.unit} since 1970-01-01 UTC"
        if column.kind == "duration":
            entry["unit"] = column.unit
        columns.append(entry)
    return columns


def has_numeric_labels(column: EncodedColumn) -> bool:
    """Whether the levels of a category are all numbers."""
    return all(isinstance(level, int | float) and not isinstance(level, bool) for level in column.levels)


def _label(column: EncodedColumn, level: Any) -> Any:
    return float(level) if has_numeric_labels(column) else str(level)


def _refuse_parts(encoding: TableEncoding) -> None:
    for column in encoding.columns:
        if column.parts:
            raise InvalidParameterError(
                f"column {column.name!r} is encoded by the calendar, which ONNX does not have; fit with "
                "datetimes='elapsed'"
            )


# Rows to numbers -----------------------------------------------------------------------------------------------------


def _encoded(graph: Graph, column: EncodedColumn, dtype: str, n_rows: str) -> str:
    name, shape = str(column.name), (n_rows, 1)
    if column.kind == "category":
        return _one_hot(graph, column, dtype, shape)
    if column.kind in _TIMES:
        return graph.cast(_days(graph, column, graph.input(name, "int64", shape)), dtype)
    own = "float32" if column.exact_in_float32 else "float64"
    value = graph.input(name, own, shape)
    if column.skew:
        value = _transformed(graph, column, value)
    return value if own == dtype else graph.cast(value, dtype)


def _one_hot(graph: Graph, column: EncodedColumn, dtype: str, shape: tuple[int | str, ...]) -> str:
    """Emit 1 at a cell's level and 0 elsewhere, NaN for a missing cell, and 0 at each level for an unknown label."""
    labels, name = [_label(column, level) for level in column.levels], str(column.name)
    kind = np.dtype(dtype)
    if has_numeric_labels(column):
        value = graph.input(name, "float64", shape)
        is_missing = graph.node("IsNaN", value)
        found = graph.node("Equal", value, graph.constant([labels], f"{name}.levels", np.float64))
    else:
        # LabelEncoder is in every runtime, the comparison of texts is not.
        keys, numbers = [*labels], [*map(float, range(len(labels)))]
        if "" not in labels:
            keys, numbers = [*keys, ""], [*numbers, -2.0]
        number = graph.node(
            "LabelEncoder",
            graph.input(name, "string", shape),
            domain=LABELS_DOMAIN,
            keys_strings=keys,
            values_floats=numbers,
            default_float=-1.0,
        )
        is_missing = graph.node("Equal", number, graph.number(-2.0))
        places = graph.constant([range(len(labels))], f"{name}.places")
        found = graph.node("Equal", number, places)
    return graph.node("Where", is_missing, graph.number(np.nan, kind), graph.cast(found, dtype))


def _days(graph: Graph, column: EncodedColumn, ticks: str) -> str:
    """Emit days since the column's first date, float64."""
    is_missing = graph.node("Equal", ticks, graph.constant(_MISSING_TIME, "missing_time", np.int64))
    ticks = graph.node("Sub", ticks, graph.constant(column._origin, f"{column.name}.origin", np.int64))
    days = graph.node("Div", graph.cast(ticks, "float64"), _double(graph, TICKS_OF_DAY[column.unit]))
    return graph.node("Where", is_missing, _double(graph, np.nan), days)


def _double(graph: Graph, value: float) -> str:
    return graph.number(value, np.float64)


def _transformed(graph: Graph, column: EncodedColumn, value: str) -> str:
    """Emit the power transformation of a skewed number, as `isthmus.data.encoding.skew.transformed`."""
    center, scale, power, zero, _, _ = steps_back(column.skew, column.low, column.high)
    standard = graph.node("Div", graph.node("Sub", value, _double(graph, center)), _double(graph, scale))
    # Both halves get numbers >= 0; a missing cell is NaN in both.
    above = _power(graph, graph.node("Max", standard, _double(graph, 0.0)), power)
    below = _power(graph, graph.node("Max", graph.node("Neg", standard), _double(graph, 0.0)), 2 - power)
    powered = graph.node("Where", graph.node("Less", standard, _double(graph, 0.0)), graph.node("Neg", below), above)
    found = graph.node("Mul", graph.node("Sub", powered, _double(graph, zero)), _double(graph, scale))
    return graph.node("Where", graph.node("IsNaN", value), _double(graph, np.nan), found)


def _power(graph: Graph, value: str, power: float) -> str:
    more = graph.node("Add", value, _double(graph, 1.0))
    if power == 0:
        return graph.node("Log", more)
    raised = graph.node("Sub", graph.node("Pow", more, _double(graph, power)), _double(graph, 1.0))
    return graph.node("Div", raised, _double(graph, power))


# Numbers to rows -----------------------------------------------------------------------------------------------------


def _restored(graph: Graph, column: EncodedColumn, rows: str, dtype: str, n_rows: str) -> None:
    name, shape = str(column.name), (n_rows, 1)
    if column.kind == "category":
        _restore_category(graph, column, rows, dtype, n_rows)
        return
    if column.kind in _TIMES:
        rows = rows if dtype == "float64" else graph.cast(rows, "float64")
        graph.output(_ticks(graph, column, rows), f"{name}{RESTORED}", "int64", shape)
        return
    own = "float32" if column.exact_in_float32 else "float64"
    value = rows if own == dtype else graph.cast(rows, own)
    if column.skew:
        value = _untransformed(graph, column, value)
    if column.kind == "boolean":
        value = graph.cast(graph.node("Greater", value, graph.number(0.5, own)), own)
    if column.kind == "integer":
        value = graph.node("Round", value)
        if limits := limits_of(column.dtype):
            value = graph.node("Clip", value, *(graph.number(float(limit), own) for limit in limits))
    graph.output(value, f"{name}{RESTORED}", own, shape)


# What follows a column's name in that of its outputs: those of `part="whole"` differ from the inputs.
RESTORED, PROBABILITIES = ":reconstruction", ":probabilities"


def _restore_category(graph: Graph, column: EncodedColumn, rows: str, dtype: str, n_rows: str) -> None:
    name = str(column.name)
    rows = rows if dtype == "float32" else graph.cast(rows, "float32")
    place = graph.node("ArgMax", rows, axis=1, keepdims=1)
    labels = [_label(column, level) for level in column.levels]
    numeric = has_numeric_labels(column)
    table = graph.constant(labels, f"{name}.labels", np.float64 if numeric else object)
    kind = "float64" if numeric else "string"
    graph.output(graph.node("Gather", table, place), f"{name}{RESTORED}", kind, (n_rows, 1))
    graph.output(rows, f"{name}{PROBABILITIES}", "float32", (n_rows, len(labels)))


def _ticks(graph: Graph, column: EncodedColumn, days: str) -> str:
    """Emit the nearest multiple of the column's step, counted from its first date, int64."""
    day = TICKS_OF_DAY[column.unit]
    if is_time_of_day(column.dtype):
        days = graph.node("Clip", days, _double(graph, 0.0), _double(graph, 1 - 1 / day))
    # Whole days and the rest apart, so that the product of days and nanoseconds loses no digits.
    whole = graph.node("Floor", days)
    rest = graph.node("Round", graph.node("Mul", graph.node("Sub", days, whole), _double(graph, day / column.step)))
    found = graph.node("Mul", graph.cast(whole, "int64"), _integer(graph, day))
    found = graph.node("Add", found, graph.node("Mul", graph.cast(rest, "int64"), _integer(graph, column.step)))
    return graph.node("Add", found, _integer(graph, column._origin))


def _integer(graph: Graph, value: int) -> str:
    return graph.constant(value, f"integer_{value}", np.int64)


def _untransformed(graph: Graph, column: EncodedColumn, value: str) -> str:
    """Emit the inverse of `_transformed`, as `isthmus.data.encoding.skew.untransformed`."""
    center, scale, power, zero, low, high = steps_back(column.skew, column.low, column.high)
    inside = graph.node("Clip", value, _double(graph, low), _double(graph, high))
    standard = graph.node("Add", graph.node("Div", inside, _double(graph, scale)), _double(graph, zero))
    above = _root(graph, graph.node("Max", standard, _double(graph, 0.0)), power)
    below = _root(graph, graph.node("Max", graph.node("Neg", standard), _double(graph, 0.0)), 2 - power)
    root = graph.node("Where", graph.node("Less", standard, _double(graph, 0.0)), graph.node("Neg", below), above)
    return graph.node("Add", graph.node("Mul", root, _double(graph, scale)), _double(graph, center))


def _root(graph: Graph, value: str, power: float) -> str:
    if power == 0:
        return graph.node("Sub", graph.node("Exp", value), _double(graph, 1.0))
    more = graph.node("Add", graph.node("Mul", value, _double(graph, power)), _double(graph, 1.0))
    return graph.node("Sub", graph.node("Pow", more, _double(graph, 1 / power)), _double(graph, 1.0))
