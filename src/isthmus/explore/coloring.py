"""What points can be coloured by: the reconstruction error, a unit of the code, a column of the table, given labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.explore.explored import Explored, text_of

Array = NDArray[Any]

SHADES = 200  # of numbers; the colour 255 is that of a missing cell
MISSING = 255
_MOST_CLASSES = 20
_MOST_UNITS = 256
_MOST_COLUMNS = 300
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Coloring:
    """The colour of each point.

    Attributes
    ----------
    colors : ndarray of uint8 of shape (n_rows,)
        The number of a class; or of a shade, 0 to 199, of a number; 255 where the cell is missing.
    labels : list of str or None
        The classes; None for numbers.
    rest : bool
        Whether the last class stands for all that are rare.
    low, high : float
        The numbers of the first and last shade.
    """

    colors: NDArray[np.uint8]
    labels: list[str] | None
    low: float = 0.0
    high: float = 0.0
    rest: bool = False


Values = Callable[[], Array]


def choices(explored: Explored, others: Mapping[str, Values]) -> dict[str, tuple[str, Values]]:
    """Return what points can be coloured by: for each key the name that a page shows, and the values of all rows.

    Parameters
    ----------
    explored : Explored
        The rows.
    others : mapping of str to callable
        Further columns: their names, and functions that return their values for the rows that are shown.
    """
    found: dict[str, tuple[str, Values]] = {}
    for number, (name, values) in enumerate(others.items()):
        found[f"other-{number}"] = (name, values)
    found["error"] = ("reconstruction error", lambda: explored.errors)
    if explored.image_shape is None:
        kinds = [column.kind for column in explored.encoding.columns] if explored.encoding else []
        for place, name in enumerate(explored.names[:_MOST_COLUMNS]):
            if kinds and kinds[place] in ("datetime", "duration"):
                name = f"{name} (days)"
            found[f"column-{place}"] = (name, lambda place=place: _column(explored, place))  # type: ignore[misc]
    for unit in range(min(explored.n_components, _MOST_UNITS)):
        found[f"unit-{unit}"] = (f"unit {unit}", lambda unit=unit: explored.codes[:, unit])  # type: ignore[misc]
    return found


def _column(explored: Explored, place: int) -> Array:
    """Return the cells of one column of the table, in one pass over the rows."""
    encoding = explored.encoding
    start = place if encoding is None else encoding.starts[place]
    stop = start + 1 if encoding is None else encoding.starts[place + 1]
    parts = []
    for first in range(0, explored.n_rows, _BLOCK):
        places = np.arange(first, min(first + _BLOCK, explored.n_rows))
        parts.append(explored.rows(places)[:, start:stop])
    cells = np.concatenate(parts)
    if encoding is None:
        return cells[:, 0]
    column = encoding.columns[place]
    if column.kind == "category":
        levels = np.array([*map(text_of, column.levels), None], object)
        seen = cells.max(axis=1, initial=0) > 0
        named: Array = levels[np.where(seen, cells.argmax(axis=1), len(levels) - 1)]
        return named
    numbers: Array = column.unskewed(cells[:, 0])
    return numbers


def coloring(values: Array) -> Coloring:
    """Return the colours of values: classes of text and of few integers, shades of other numbers."""
    values = np.asarray(values)
    if values.dtype.kind in "OUSb":
        return _classes(np.array([None if _is_missing(cell) else text_of(cell) for cell in values.tolist()], object))
    numbers = values.astype(np.float64)
    seen = np.isfinite(numbers)
    if seen.any() and (numbers[seen] % 1 == 0).all():
        found, places = np.unique(numbers[seen], return_inverse=True)
        if len(found) <= _MOST_CLASSES:
            colors = np.full(len(numbers), MISSING, np.uint8)
            colors[seen] = places
            return Coloring(colors, [f"{number:.0f}" for number in found])
    low, high = np.quantile(numbers[seen], (0.01, 0.99)) if seen.any() else (0.0, 1.0)
    if high <= low:
        low, high = (float(numbers[seen].min()), float(numbers[seen].max())) if seen.any() else (0.0, 1.0)
    span = high - low if high > low else 1.0
    shades = np.clip(np.nan_to_num((numbers - low) / span), 0, 1) * (SHADES - 1)
    return Coloring(np.where(seen, np.rint(shades), MISSING).astype(np.uint8), None, float(low), float(high))


def _is_missing(cell: Any) -> bool:
    return cell is None or cell == "" or (isinstance(cell, float) and np.isnan(cell))


def _classes(texts: Array) -> Coloring:
    known = [text for text in texts if text is not None]
    names, counts = np.unique(np.array(known, str), return_counts=True) if known else (np.empty(0, str), np.empty(0))
    if len(names) > _MOST_CLASSES:
        names = names[np.sort(np.argsort(-counts, kind="stable")[: _MOST_CLASSES - 1])]
    kept = sorted(names.tolist(), key=_natural)
    labels = kept if len(kept) == len(counts) else [*kept, "other"]
    places = {name: place for place, name in enumerate(kept)}
    colors = [MISSING if text is None else places.get(text, len(kept)) for text in texts]
    return Coloring(np.array(colors, np.uint8), labels, rest=labels is not kept)


def _natural(text: str) -> tuple[int, float, str]:
    try:
        return (0, float(text), text)
    except ValueError:
        return (1, 0.0, text)
