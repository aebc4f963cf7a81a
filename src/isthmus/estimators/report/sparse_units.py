"""The units of a sparse code for a report."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.data.sources.base import Source
from isthmus.data.weights import number_in_file
from isthmus.estimators.report.columns import ColumnReader
from isthmus.estimators.report.passes import Passed, taken
from isthmus.evaluation.code_report import activation_target, has_sparse_code
from isthmus.evaluation.plots.pictures import as_pictures
from isthmus.evaluation.report.facts import Image, SparseCode, Unit
from isthmus.evaluation.report.pictures import shrunk

Array = NDArray[Any]
_UNITS, _CHANGES = 48, 5


def units_wanted(model: Any, codes: Array) -> Array:
    """Return the units of a sparse code that are active most often in a sample of codes, in order."""
    if not has_sparse_code(model):
        return np.empty(0, int)
    frequency = (codes != 0).mean(axis=0)
    found: Array = np.argsort(-frequency, kind="stable")[:_UNITS]
    return found


def sparse_code(
    model: Any,
    source: Source,
    passed: Passed,
    units: Array,
    readers: tuple[ColumnReader, ...],
    image: Image,
) -> SparseCode | None:
    """Return what the report says of a sparse code; None of others."""
    if not has_sparse_code(model):
        return None
    statistics = passed.statistics
    atoms = model.components_
    found = []
    for place, unit in enumerate(units):
        rows = passed.strongest[place]
        rows = rows[rows >= 0]
        strongest = tuple(
            (number_in_file(source, int(row)), float(value))
            for row, value in zip(rows, passed.activations[place], strict=False)
        )
        frequency, mean = float(statistics.frequency[unit]), float(statistics.mean_activation[unit])
        largest = float(statistics.largest_activation[unit])
        one = Unit(int(unit), frequency, mean, largest, strongest=strongest)
        found.append(_with_parts(one, atoms[unit], source, rows, readers, image))
    return SparseCode(
        statistics.frequency, statistics.mean_activation, activation_target(model), statistics.l0, tuple(found)
    )


def _with_parts(
    unit: Unit,
    atom: Array,
    source: Source,
    rows: Array,
    readers: tuple[ColumnReader, ...],
    image: Image,
) -> Unit:
    """Return a unit with its atom and the rows that activate it most, as pictures or by column."""
    basic = (unit.number, unit.frequency, unit.mean, unit.largest)
    if image.shape is not None:
        largest = float(np.abs(atom).max()) or 1.0
        picture = shrunk(as_pictures((atom / largest)[None], (-1.0, 1.0), image.shape))[0]
        pictures = shrunk(as_pictures(taken(source, rows), image.shades, image.shape)) if len(rows) else None
        return Unit(*basic, (), picture, unit.strongest, pictures)
    names = [name for reader in readers for name in _names(reader)]
    order = np.argsort(-np.abs(atom), kind="stable")[:_CHANGES]
    changes = tuple((names[place] if len(names) == len(atom) else f"x{place}", float(atom[place])) for place in order)
    return Unit(*basic, changes, None, unit.strongest)


def _names(reader: ColumnReader) -> tuple[str, ...]:
    return (reader.name,) if reader.encoded is None else reader.encoded.names
