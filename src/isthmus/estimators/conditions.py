"""The context that a variational autoencoder's decoder reads besides a code: conditions, and the sums of counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError, InvalidParameterError, suggest
from isthmus.data.columns import refuse_duplicates
from isthmus.data.domains import Counts, refuse_outside
from isthmus.data.encoding.types import type_of, zone_of
from isthmus.data.frame_columns import FrameColumn, categories_column
from isthmus.data.frames import each_column, eager, labels_of, library_of, refused
from isthmus.estimators.fit.run import column_labels
from isthmus.estimators.inputs import cell_names, mixed_encoding, open_stream

Array = NDArray[Any]


def context_for(model: Any, given: Any, n_rows: int) -> Array:
    """Return the context (n_rows, C) of a model's decoder.

    Parameters
    ----------
    model : VariationalAutoencoder
        A fitted model.
    given : mapping, frame, array-like or Source
        A value or values for each column of conditions, a frame with these columns, or rows as `fit` saw them. A
        missing cell is the training rows' mean where the model was fitted with ``missing="mask"``, and else refused.
    n_rows : int
        The number of codes.
    """
    network = model.network_
    if not network.n_context:
        raise InvalidParameterError("conditions need a model that was fitted with conditions; leave them out")
    given = given if isinstance(given, Mapping) else _as_frame(given)
    if isinstance(given, Mapping) or _is_part(model, given):
        return _of_columns(model, given, n_rows)
    source = open_stream(model, given)
    rows = np.concatenate([np.asarray(block.values) for block in source.blocks()])
    _check_count(len(rows), n_rows)
    if network.counted is not None:
        refuse_outside(Counts(network.counted), rows, 0, cell_names(model))
    places = list(network.conditions)
    names: list[Any] = list(cell_names(model)) or list(range(network.n_features))
    scaled = model.scaler_.scaled(rows, network.dtype)
    _check_cells(model, rows[:, places], scaled[:, places], [names[place] for place in places])
    return np.asarray(network.context(np.nan_to_num(scaled)), np.float64)


def _as_frame(given: Any) -> Any:
    """Return a lazy frame collected and a named column as a frame of it; all else as it is."""
    if type(given).__name__ == "Series" and getattr(given, "name", None) is not None and hasattr(given, "to_frame"):
        return given.to_frame()
    return eager(given)


def _is_part(model: Any, frame: Any) -> bool:
    """Whether conditions are a frame without the columns that are no conditions."""
    names = column_labels(model)
    return library_of(frame) is not None and bool(names) and not set(names) <= set(labels_of(frame))


def _of_columns(model: Any, given: Any, n_rows: int) -> Array:
    names = column_labels(model)
    numbers = _columns(model)
    context = np.broadcast_to(np.asarray(model.params_["context"], np.float64), (n_rows, model.network_.n_context))
    context, first = context.copy(), 0
    known = [names[number] if names else number for number in numbers]
    if not isinstance(given, Mapping):
        refuse_duplicates(given)
    labels = list(given) if isinstance(given, Mapping) else labels_of(given)
    for label in labels:
        if label not in known:
            raise InvalidParameterError(
                f"conditions: {label!r} is none of the model's, {', '.join(map(repr, known))}"
                f"{suggest(label, [name for name in known if isinstance(name, str)])}"
            )
    for number, name in sorted(zip(numbers, known, strict=True)):
        width = _width(model, number)
        if name in labels:
            cells = _cells_of(model, number, name, given, n_rows)
            own = context[:, first : first + width]
            context[:, first : first + width] = np.where(np.isnan(cells), own, cells)
        first += width
    return context


def _columns(model: Any) -> list[int]:
    """Return the numbers of the columns that are conditions."""
    encoding, cells = mixed_encoding(model), list(model.network_.conditions)
    return sorted(set(cells if encoding is None else np.asarray(encoding.column_of)[cells].tolist()))


def _width(model: Any, number: int) -> int:
    encoding = mixed_encoding(model)
    return 1 if encoding is None else encoding.columns[number].width


def _cells_of(model: Any, number: int, name: Any, given: Any, n_rows: int) -> Array:
    """Return the scaled cells (n_rows, width) of one column of conditions, NaN where one is missing."""
    encoding = mixed_encoding(model)
    frame = _frame_of(name, given[name], n_rows) if isinstance(given, Mapping) else given
    _check_count(frame.shape[0], n_rows)
    column = next(each_column(frame, [name]))
    if encoding is None:
        if column.kind in (None, "category"):
            raise refused(column, "conditions of this model are numbers")
        raw, place = np.where(column.missing, np.nan, column.values.astype(np.float64))[:, None], number
    else:
        zone = zone_of(type_of(frame, labels_of(frame).index(name)))
        raw, place = _encoded(encoding.columns[number], column, zone), encoding.starts[number]
    scaled, own = raw, slice(place, place + raw.shape[1])
    if model.scaler_.affine is not None:
        center, scale = (np.broadcast_to(one, model.network_.n_features)[own] for one in model.scaler_.affine)
        with np.errstate(over="ignore"):
            scaled = (raw - center) / scale
    _check_cells(model, raw, scaled, [name] * raw.shape[1])
    return scaled


def _frame_of(name: Any, values: Any, n_rows: int) -> Any:
    """Return the values of a column, or the one value of all rows, as a frame of the library that they come from."""
    library = type(values).__module__.partition(".")[0]
    if library == "polars" and type(values).__name__ == "Series":
        return values.alias(str(name)).to_frame()
    if library == "pyarrow" and hasattr(values, "to_pylist"):
        import pyarrow as pa

        return pa.table({name: values})
    import pandas as pd

    if isinstance(values, str) or np.ndim(values) == 0:
        return pd.DataFrame({name: pd.Series([values] * n_rows)})
    if np.ndim(values) > 1:
        raise InvalidDataError(
            f"conditions: {name!r} has values of shape {np.shape(values)}; give one value, or one for each code (1D)"
        )
    column = pd.Series(list(values) if isinstance(values, tuple) else values).reset_index(drop=True)
    return pd.DataFrame({name: column})


def _encoded(column: Any, cells: FrameColumn, zone: str | None) -> Array:
    """Return a column's values as encoded cells (n, width)."""
    if column.kind == "category" and cells.kind in ("real", "integer", "boolean"):
        # The levels may be numbers; a value by itself shows no type of categories.
        labels, codes = np.unique(cells.values, return_inverse=True)
        codes = np.where(cells.missing, len(labels), codes)
        cells = categories_column(cells.name, cells.what, codes, labels.tolist())
    numbers = np.asarray(column.numbers(cells, zone), np.float64)
    if column.kind == "category" and (unknown := np.flatnonzero(numbers < 0)).size:
        raise InvalidDataError(
            f"conditions: column {column.name!r} has no level {cells.values[unknown[0]]!r}; it has "
            f"{', '.join(map(repr, list(column.levels)[:8]))}"
        )
    out = np.empty((len(numbers), column.width))
    column.expand(numbers, out)
    return out


def _check_cells(model: Any, raw: Array, scaled: Array, names: list[Any]) -> None:
    """Refuse infinite conditions, those too large for the network and, where the model has no mask, missing ones."""
    network = model.network_
    with np.errstate(invalid="ignore"):
        wrong = ~(np.abs(scaled) <= np.finfo(network.dtype).max)
    if network.indicator:
        wrong &= ~np.isnan(raw.astype(np.float64))
    if not wrong.any():
        return
    row, place = np.argwhere(wrong)[0]
    value, where = raw[row, place], f"conditions: row {row}, column {names[place]!r}"
    if np.isnan(value):
        raise InvalidDataError(f"{where} is missing; fill it, or leave the column out for the training rows' mean")
    raise InvalidDataError(f"{where} is {value:g}, which is too large; give a finite number in the units of the rows")


def _check_count(found: int, n_rows: int) -> None:
    if found != n_rows:
        raise InvalidDataError(f"conditions have {found} rows, but there are {n_rows} codes")
