"""The context that a variational autoencoder's decoder reads besides a code: conditions, and the sums of counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError, InvalidParameterError, suggest
from isthmus.data.encoding.types import type_of, zone_of
from isthmus.data.frames import each_column, eager, labels_of, library_of
from isthmus.estimators.fit.run import parameter_values
from isthmus.estimators.inputs import mixed_encoding, open_stream

Array = NDArray[Any]


def context_for(model: Any, given: Any, n_rows: int) -> Array:
    """Return the context (n_rows, C) of a model's decoder.

    Parameters
    ----------
    model : VariationalAutoencoder
        A fitted model.
    given : mapping, frame, array-like or Source
        A value or values for each column of conditions, a frame with these columns, or rows as `fit` saw them.
    n_rows : int
        The number of codes.
    """
    network = model.network_
    if not network.n_context:
        raise InvalidParameterError("conditions need a model that was fitted with conditions; leave them out")
    if isinstance(given, Mapping) or _is_part(model, given):
        return _of_columns(model, given, n_rows)
    source = open_stream(model, given)
    rows = np.concatenate([np.asarray(block.values) for block in source.blocks()])
    _check_count(len(rows), n_rows)
    scaled = np.nan_to_num(model.scaler_.scaled(rows, network.dtype))
    return np.asarray(network.context(scaled), np.float64)


def _is_part(model: Any, given: Any) -> bool:
    """Whether conditions are a frame without the columns that are no conditions."""
    frame = eager(given)
    names = getattr(model, "feature_names_in_", None)
    return library_of(frame) is not None and names is not None and not set(names) <= set(labels_of(frame))


def _of_columns(model: Any, given: Any, n_rows: int) -> Array:
    names = list(getattr(model, "feature_names_in_", ()))
    numbers = parameter_values(model).get("conditions") or ()
    context = np.broadcast_to(np.asarray(model.params_["context"], np.float64), (n_rows, model.network_.n_context))
    context, first = context.copy(), 0
    known = [names[number] if names else number for number in numbers]
    labels = list(given) if isinstance(given, Mapping) else labels_of(eager(given))
    for label in labels:
        if label not in known:
            raise InvalidParameterError(
                f"conditions: {label!r} is none of the model's, {', '.join(map(repr, known))}"
                f"{suggest(label, map(str, known))}"
            )
    for number, name in sorted(zip(numbers, known, strict=True)):
        cells = _cells_of(model, number, name, given, n_rows) if name in labels else None
        width = _width(model, number)
        if cells is not None:
            context[:, first : first + width] = cells
        first += width
    return context


def _width(model: Any, number: int) -> int:
    encoding = mixed_encoding(model)
    return 1 if encoding is None else encoding.columns[number].width


def _cells_of(model: Any, number: int, name: Any, given: Any, n_rows: int) -> Array:
    """Return the scaled cells (n_rows, width) of one column of conditions."""
    encoding = mixed_encoding(model)
    values = given[name]
    if isinstance(given, Mapping) and (isinstance(values, str) or np.ndim(values) == 0):
        values = [values] * n_rows
    _check_count(len(values), n_rows)
    if encoding is None:
        raw = np.asarray(values, np.float64)[:, None]
        place = number
    else:
        raw, place = _encoded(encoding.columns[number], values), encoding.starts[number]
    if model.scaler_.affine is None:
        return raw
    center, scale = (np.broadcast_to(one, model.network_.n_features) for one in model.scaler_.affine)
    scaled: Array = (raw - center[place : place + raw.shape[1]]) / scale[place : place + raw.shape[1]]
    return scaled


def _encoded(column: Any, values: Any) -> Array:
    """Return a column's values as encoded cells (n, width)."""
    import pandas as pd

    frame = pd.DataFrame({column.name: pd.Series(list(values))})
    zone = zone_of(type_of(frame, 0)) if column.kind == "datetime" else None
    numbers = column.numbers(next(iter(each_column(frame, [column.name]))), zone)
    if column.kind == "category" and (unknown := np.flatnonzero(np.asarray(numbers) < 0)).size:
        raise InvalidDataError(
            f"conditions: column {column.name!r} has no level {values[int(unknown[0])]!r}; it has "
            f"{', '.join(map(repr, list(column.levels)[:8]))}"
        )
    out = np.empty((len(frame), column.width))
    column.expand(np.asarray(numbers, np.float64), out)
    return out


def _check_count(found: int, n_rows: int) -> None:
    if found != n_rows:
        raise InvalidDataError(f"conditions have {found} rows, but there are {n_rows} codes")
