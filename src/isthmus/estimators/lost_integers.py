"""Columns of integers too large for float64 to tell them apart, among columns that make the rows floats."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import IsthmusWarning
from isthmus.data.encoding.types import limits_of, type_of
from isthmus.data.frames import each_column, labels_of
from isthmus.data.scaling.statistics import lost_column, rounding_of
from isthmus.data.sources import Source, TableSource
from isthmus.data.sources.encoded import EncodedSource, EncodedTable

_EXACT = 1 << 53  # float64 holds all integers up to it
_FIRST_ROWS = 1_000


def warn_of_frame(frame: Any) -> None:
    """Warn of the first column of a frame whose integers become equal, or nearly so, as floats."""
    for place, label in enumerate(labels_of(frame)):
        if limits_of(type_of(frame, place)) is None:
            continue
        column = next(each_column(frame, [label]))
        if _warned(label, [column.values[~column.missing]]):
            return


def warn_of_table(table: Source, rows: Source) -> None:
    """Warn of such a column of a table in files.

    Parameters
    ----------
    table : Source
        What was opened; a source without named columns of their own types is not looked at.
    rows : Source
        Its rows as they were read. A column is read again, exactly, only if they show that its numbers are large.
    """
    if rows.dtype.kind != "f":
        return
    if isinstance(table, EncodedTable):
        source, names = table.table, _large_columns(table)
    elif isinstance(table, TableSource):
        first = next(rows.blocks(0, _FIRST_ROWS)).values
        # Of values that differ too little, all are large.
        large = (np.abs(np.where(np.isnan(first), np.inf, first)) >= _EXACT).all(axis=0)
        source, names = table, [table.schema.names[place] for place in np.flatnonzero(large)]
    else:
        return
    for name in names:
        if _warned(name, source.integers_of(name)):
            return


def _large_columns(rows: EncodedSource) -> list[str]:
    numeric = (column for column in rows.encoding.columns if column.kind in ("integer", "real"))
    return [str(column.name) for column in numeric if min(abs(column.low), abs(column.high)) >= _EXACT]


def _warned(name: object, pieces: Iterable[NDArray[Any]]) -> bool:
    """Warn of a column of integers whose deviation is no more than what rounding to float64 may cause."""
    low, high, start, count, total, squares = 0, 0, None, 0, 0.0, 0.0
    for values in pieces:
        if not len(values):
            continue
        least, most = int(values.min()), int(values.max())
        low, high = (least, most) if start is None else (min(low, least), max(high, most))
        if high - low >= _EXACT or max(abs(low), abs(high)) < _EXACT:
            return False
        start = least if start is None else start
        differences = _differences(values, start)
        count += len(values)
        total += float(differences.sum())
        squares += float(np.square(differences).sum())
    largest = max(abs(low), abs(high))
    if low == high or squares / count - (total / count) ** 2 > rounding_of(largest, np.dtype(np.float64)) ** 2:
        return False
    warnings.warn(lost_column(repr(str(name)), largest), IsthmusWarning, stacklevel=2)
    return True


def _differences(values: NDArray[Any], start: int) -> NDArray[np.float64]:
    """Return by how much integers differ from one of them, exactly: the differences have fewer than 64 bits."""
    if values.dtype == object:
        return (values - start).astype(np.float64)
    return (values.astype(np.uint64) - np.uint64(start % (1 << 64))).view(np.int64).astype(np.float64)
