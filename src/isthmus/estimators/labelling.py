"""Labels of rows: a column of their table, a file with one for each row, or an array."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.data.columns import frame_of
from isthmus.data.named_columns import NamedColumns, has_column, is_table
from isthmus.data.sources import TableSource, open_source
from isthmus.data.sources.opening import column_names
from isthmus.data.sources.places import is_location
from isthmus.estimators import inputs

Array = NDArray[Any]


def divided(rows: Any, labels: str, option: str = "--labels") -> tuple[Any, Array]:
    """Return the features and the labels: a column of the table, or else a file.

    Parameters
    ----------
    rows : DataFrame, path or Source
        The rows.
    labels : str
        The name of a column, or a path.
    option : str
        What the message calls it.
    """
    if is_named_table(rows) and has_column(rows, labels):
        table = NamedColumns(rows, {"labels": labels})
        return table.rows, values_of(table.values(labels))
    if not Path(labels).exists():
        raise InvalidParameterError(f"{option} {labels} is neither a column of the rows nor a file")
    return rows, labels_in(labels, option)


def labels_of(model: Any, X: Any, color: Any) -> tuple[Any, str | None, Any]:
    """Return the rows, the name of what the map is coloured by, and labels that are no column of the rows."""
    if color is None:
        return X, None, None
    if not isinstance(color, str):
        return X, None if (name := getattr(color, "name", None)) is None else str(name), color
    if color in (str(name) for name in getattr(model, "feature_names_in_", ())):
        return X, color, None
    rows, labels = divided(X, color, "color")
    if not (is_named_table(X) and has_column(X, color)):
        return rows, Path(color).name, labels
    # Of a table in files the model's columns are read, in its order.
    named = len(getattr(model, "feature_names_in_", ())) and is_location(X)
    return X if named else rows, color, labels


def is_named_table(rows: Any) -> bool:
    """Whether rows are a table whose columns have names."""
    return frame_of(rows) is not None or (is_table(rows) and _is_table_file(rows))


def _is_table_file(rows: Any) -> bool:
    return isinstance(rows, TableSource) or inputs.is_table(rows)


def labels_in(path: str, option: str = "--labels") -> Array:
    """Return the labels in a file: the only column of a table, or an array with one number for each row."""
    if _is_table_file(path) and len(names := column_names(path)) == 1:
        source: Any = open_source(path, kinds={})
        return values_of(kept.column(0) for _, kept, _ in source.frames_keeping(names))
    if Path(path).suffix.lower() == ".npy":
        found = np.load(path, allow_pickle=False)  # of any type, and with one axis
    else:
        found = np.concatenate([block.values for block in open_source(path).blocks()])
    if found.ndim != 1 and (found.ndim != 2 or found.shape[1] != 1):
        raise InvalidDataError(f"{option} {path} has the shape {found.shape}; it must have one label for each row")
    return np.asarray(found.reshape(-1))


def values_of(pieces: Iterable[Any]) -> Array:
    """Return a column as numbers where all cells are numbers, else as text, None where a cell is missing."""
    cells = [cell for piece in pieces for cell in piece.to_pylist()]
    texts = [None if cell is None or cell == "" else str(cell) for cell in cells]
    try:
        numbers = np.array([math.nan if text is None else float(text) for text in texts])
    except ValueError:
        return np.array(texts, object)
    return numbers.astype(np.int64) if np.isfinite(numbers).all() and (numbers % 1 == 0).all() else numbers
