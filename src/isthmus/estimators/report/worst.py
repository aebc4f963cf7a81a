"""The rows with the largest errors, as pictures or with the cells that differ most."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.data.sources.base import Block, Source
from isthmus.data.weights import number_in_file
from isthmus.estimators.inputs import mixed_encoding
from isthmus.estimators.report.columns import ColumnReader
from isthmus.estimators.report.passes import Passed, Principal, taken
from isthmus.estimators.scoring import by_column, comparable
from isthmus.estimators.streaming import float_of, inference_of
from isthmus.evaluation.plots.pictures import as_pictures
from isthmus.evaluation.report.facts import Cell, Image, Row

Array = NDArray[Any]
_ROWS, _TABLE_ROWS, _CELLS, _LEAST_SHARE = 12, 8, 6, 0.01


def worst_rows(
    model: Any,
    source: Source,
    passed: Passed,
    pca: Principal | None,
    readers: tuple[ColumnReader, ...],
    image: Image,
) -> tuple[Row, ...]:
    """Return the rows with the largest errors; as pictures where they are pictures."""
    errors = np.nan_to_num(passed.model.by_row, nan=-1.0)
    numbers = np.argsort(-errors, kind="stable")[: _TABLE_ROWS if image.shape is None else _ROWS]
    raw = taken(source, numbers)
    made = np.concatenate(
        [rebuilt for _, rebuilt in inference_of(model).reconstruct([Block(raw, 0)], float_of(source))]
    )
    scaled, own = comparable(model, raw, made)
    rows = model.scaler_.raw(made, np.float64, like=raw)
    projected = None if pca is None else _from_comparable(model, pca.rebuilt(scaled), raw)
    shares = by_column(model, np.square(scaled - own))
    encoding = mixed_encoding(model)
    filled = [place for place, column in enumerate(encoding.columns) if column.width] if encoding else slice(None)
    found = []
    for place, number in enumerate(numbers):
        pca_error = None if passed.pca is None else float(passed.pca.by_row[number])
        row = Row(number_in_file(source, int(number)), float(passed.model.by_row[number]), pca_error)
        if image.shape is not None:
            three = (raw[place], rows[place], *(() if projected is None else (projected[place],)))
            pictures = tuple(as_pictures(each[None], image.shades, image.shape)[0] for each in three)
            found.append(Row(row.number, row.error, pca_error, pictures=pictures))
        else:
            cells = _cells(readers, raw[place], rows[place], shares[place][filled])
            found.append(Row(row.number, row.error, pca_error, cells))
    return tuple(found)


def _from_comparable(model: Any, rows: Array, like: Array) -> Array:
    scaled = rows if model.error_scale_ is None else rows * model.error_scale_
    found: Array = model.scaler_.raw(scaled, np.float64, like=like)
    return found


def _cells(readers: tuple[ColumnReader, ...], raw: Array, made: Array, squares: Array) -> tuple[Cell, ...]:
    total = float(np.nansum(squares)) or 1.0
    order = np.argsort(-np.nan_to_num(squares), kind="stable")[:_CELLS]
    return tuple(
        Cell(
            readers[place].name,
            readers[place].text(raw),
            readers[place].text(made, decoded=True),
            float(np.nan_to_num(squares[place])) / total,
        )
        for place in order
        if squares[place] > _LEAST_SHARE * total
    )
