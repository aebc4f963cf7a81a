"""Frames whose columns of lists of numbers, such as embeddings, become one column for each position."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError
from isthmus.data.frames import labels_of, library_of
from isthmus.data.sources.list_columns import element_names, element_type, list_width, rows_of_lists


def spread_lists(table: Any) -> Any:
    """Return a frame with one column for each position of its lists, as tables in files are read.

    A column ``scores`` of lists of two numbers becomes ``scores_0`` and ``scores_1``. A frame without such columns is
    returned as it is; lists of anything else than numbers stay too.

    Raises
    ------
    InvalidDataError
        Where lists have several lengths, or a name of the new columns is taken.
    """
    names = labels_of(table)
    found = {place: rows for place, name in enumerate(names) if (rows := _rows(table, place, name)) is not None}
    if not found:
        return table
    columns: list[tuple[Any, Any]] = []
    for place, name in enumerate(names):
        if place not in found:
            columns.append((name, _column(table, place)))
            continue
        rows = np.asfortranarray(found[place])
        columns += zip(element_names(str(name), rows.shape[1]), rows.T, strict=True)
    taken = [name for name, _ in columns]
    if len(set(taken)) < len(taken):
        twice = next(name for place, name in enumerate(taken) if name in taken[:place])
        raise InvalidDataError(f"a list's column would be {twice!r}, which the frame has; rename one of them")
    return _frame(table, dict(columns))


def _column(table: Any, place: int) -> Any:
    library = library_of(table)
    if library == "pandas":
        return table.iloc[:, place]
    return table.to_series(place) if library == "polars" else table.column(place)


def _rows(table: Any, place: int, name: Any) -> NDArray[Any] | None:
    """Return a column of lists of numbers as rows; None for any other column."""
    import pyarrow as pa

    column = _column(table, place)
    try:
        cells = _lists(column)
    except (pa.ArrowException, TypeError, ValueError):
        return None
    if cells is None or element_type(cells.type) is None:
        return None
    width = list_width(iter([pa.record_batch([cells], names=["lists"])]))
    return rows_of_lists(cells, width, f"column {name!r}") if width else None


def _lists(column: Any) -> Any:
    """Return a column that may hold lists as an Arrow array; None for any other."""
    import pyarrow as pa

    if isinstance(column, pa.ChunkedArray):
        return column.combine_chunks() if pa.types.is_nested(column.type) else None
    if type(column).__module__.startswith("polars"):
        return column.to_arrow() if column.dtype.is_nested() else None
    if hasattr(column.dtype, "pyarrow_dtype"):
        return _lists(pa.chunked_array(column.array.__arrow_array__()))
    if column.dtype != object:
        return None
    first = next((value for value in column if value is not None), None)
    listed = isinstance(first, list | tuple | np.ndarray)
    return pa.array([None if value is None else list(value) for value in column]) if listed else None


def _frame(table: Any, columns: dict[Any, Any]) -> Any:
    library = library_of(table)
    if library == "pandas":
        import pandas as pd

        return pd.DataFrame(columns, index=table.index)
    if library == "polars":
        import polars as pl

        return pl.DataFrame(columns)
    import pyarrow as pa

    return pa.table(columns)
