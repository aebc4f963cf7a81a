"""Columns of a table that are no features of the model, read when points are coloured by them."""

from __future__ import annotations

from typing import Any

import numpy as np

from isthmus.core.errors import InvalidDataError
from isthmus.data.columns import frame_of
from isthmus.data.sources import TableSource, open_source
from isthmus.data.sources.opening import column_names
from isthmus.estimators.labelling import is_named_table, labels_in, values_of
from isthmus.explore.coloring import Values
from isthmus.explore.explored import Explored

_MOST = 100


def other_columns(explored: Explored, rows: Any) -> dict[str, Values]:
    """Return the columns of a table that the model was not fitted on, each as a function that reads it.

    Parameters
    ----------
    explored : Explored
        The rows that are shown.
    rows : DataFrame, path or Source
        The table; there are no further columns in anything else.
    """
    known = {*explored.names}
    frame = frame_of(rows)
    if frame is not None:
        names = [name for name in frame.columns if name not in known][:_MOST]
        return {name: _reader(explored, lambda n=name: values_of([frame.get_column(n).to_arrow()])) for name in names}
    if not is_named_table(rows):
        return {}
    source = rows if isinstance(rows, TableSource) else None
    if not explored.source.schema.named and explored.encoding is None and source is None:
        return {}
    table = source or open_source(rows, kinds={})
    names = [name for name in column_names(getattr(rows, "path", rows), **_layout(rows)) if name not in known][:_MOST]
    return {name: _reader(explored, lambda n=name: _column_of(table, n)) for name in names}


def _column_of(table: Any, name: str) -> Any:
    return values_of(kept.column(0) for _, kept, _ in table.frames_keeping([name]))


def _layout(rows: Any) -> dict[str, Any]:
    options = getattr(rows, "text_options", None)
    if options is None:
        return {}
    import dataclasses

    return {name: value for name, value in dataclasses.asdict(options).items() if value not in (None, ())}


def labels_file(explored: Explored, path: str) -> Values:
    """Return the labels in a file, one for each row.

    Raises
    ------
    InvalidDataError
        If the file has another number of labels.
    """
    found = labels_in(path, "--color-by")
    if len(found) != explored.n_all:
        raise InvalidDataError(f"--color-by {path} has {len(found)} labels, but there are {explored.n_all} rows")
    return _reader(explored, lambda: found)


def _reader(explored: Explored, read: Any) -> Values:
    def values() -> Any:
        found = np.asarray(read())
        if len(found) != explored.n_all:
            raise InvalidDataError(f"the column has {len(found)} cells, but there are {explored.n_all} rows")
        return found[explored.numbers]

    return values
