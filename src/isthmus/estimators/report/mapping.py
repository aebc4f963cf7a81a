"""The map of a report: which axes, columns, sliders and thumbnails it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.extmath import randomized_svd

from isthmus.core.errors import InvalidDataError
from isthmus.core.random import generator
from isthmus.data.sources.base import Block, Source
from isthmus.data.weights import SelectedRows
from isthmus.estimators.report.columns import MOST_LEVELS, ColumnReader
from isthmus.estimators.report.decoding import decoder_of
from isthmus.estimators.report.passes import Passed, Wanted, sampled, taken
from isthmus.estimators.streaming import inference_of
from isthmus.evaluation.plots.pictures import as_pictures
from isthmus.evaluation.report.facts import CodeMap, Grid, Image, MapColumn
from isthmus.evaluation.report.texts import t

Array = NDArray[Any]
MOST_POINTS = 100_000
_COLUMN_BYTES = 1_100_000  # of the values of all columns
_MOST_COLUMNS, _UNITS, _PICTURES, _SIDE = 30, 6, 8_000, 24
_CELLS = 1 << 25  # of the rows that thumbnails are made of
_EXACT = 256  # codes of more units have an approximate singular value decomposition


@dataclass(frozen=True)
class Axes:
    """The axes of a map.

    Attributes
    ----------
    names : tuple of str
        Their names.
    center : ndarray of shape (K,)
        What is subtracted from codes.
    basis : ndarray of shape (K, A)
        Their directions.
    units : tuple of int
        The units that are axes.
    plane : bool
        Whether the first two are the whole code.
    """

    names: tuple[str, ...]
    center: Array
    basis: Array
    units: tuple[int, ...]
    plane: bool


def axes_of(codes: Array, names: Sequence[str]) -> Axes:
    """Return the axes for a sample of codes (n, K): the units of one or two, else principal axes and a few units."""
    width = codes.shape[1]
    if width <= 2:
        return Axes(tuple(names), np.zeros(width), np.eye(width), tuple(range(width)), width == 2)
    center = codes.mean(axis=0)
    spread = codes.std(axis=0)
    units = np.sort(np.argsort(-spread, kind="stable")[:_UNITS])
    directions = _principal(codes - center)
    principal = np.zeros((2, width))
    principal[: len(directions[:2])] = directions[:2]
    # A direction's sign is free: the largest part is positive.
    principal *= np.where(np.take_along_axis(principal, np.abs(principal).argmax(axis=1)[:, None], 1) < 0, -1, 1)
    basis = np.concatenate([principal, np.eye(width)[units]]).T
    axes = (t("principal axis {number}", number=number) for number in (1, 2))
    titles = (*axes, *(names[unit] for unit in units))
    return Axes(titles, center, basis, tuple(int(unit) for unit in units), False)


def _principal(centered: Array) -> Array:
    """Return the two directions in which rows vary most, (2, K)."""
    if min(centered.shape) <= _EXACT:
        found: Array = np.linalg.svd(centered, full_matrices=False)[2][:2]
        return found
    return np.asarray(randomized_svd(centered, 2, random_state=0)[2])


def columns_of(
    readers: tuple[ColumnReader, ...], n_points: int, color: str | None, *, pictures: bool
) -> list[ColumnReader]:
    """Return the columns that the map shows: the first ones that have room, and the one that it starts with."""
    if pictures:
        return []
    usable = [reader for reader in readers if reader.kind != "empty" and len(reader.levels) <= MOST_LEVELS]
    first = [reader for reader in usable if reader.name == color]
    found: list[ColumnReader] = []
    room = _COLUMN_BYTES
    for reader in [*first, *(reader for reader in usable if reader.name != color)][:_MOST_COLUMNS]:
        room -= n_points * (1 if reader.levels else 2)
        if room < 0 and found:
            break
        found.append(reader)
    return sorted(found, key=readers.index)


def wanted_of(source: Source, axes: Axes, columns: list[ColumnReader], units: Array, seed: int) -> Wanted:
    """Return what the second pass keeps for the map."""
    rows = sampled(int(source.n_rows or 0), MOST_POINTS, seed)

    def cells(values: Array) -> Array:
        parts = [reader.values(values) for reader in columns]
        return np.stack(parts, axis=1) if parts else np.empty((len(values), 0))

    return Wanted(rows, axes.basis, axes.center, units, cells)


def map_of(
    model: Any,
    source: Source,
    axes: Axes,
    wanted: Wanted,
    passed: Passed,
    columns: list[ColumnReader],
    readers: tuple[ColumnReader, ...],
    image: Image,
    labels: MapColumn | None,
    color: str | None,
    seed: int,
) -> CodeMap | None:
    """Return the map; None for fewer than two rows."""
    count = len(wanted.rows)
    if count < 2:
        return None
    places = passed.axes + (0 if axes.basis.shape[0] > 2 else axes.center @ axes.basis)
    if axes.basis.shape[0] > 2:
        places = places + np.array([0.0, 0.0, *axes.center[list(axes.units)]])
    errors = np.nan_to_num(passed.model.by_row[wanted.rows])
    shades = [MapColumn(t("error of the row"), errors, feature=False)]
    shades += [] if labels is None else [labels]
    shades += [reader.map_column(passed.cells[:, place]) for place, reader in enumerate(columns)]
    names = [column.name for column in shades]
    chosen = names.index(color) if color in names else 1 if labels is not None else 0
    shown_axes = list(zip(axes.names, places.T, strict=True))
    if len(shown_axes) == 1:
        shown_axes.append((t("error of the row"), errors))
    units = () if axes.plane else tuple(
        (unit, *_ends(places[:, -len(axes.units) + place]), float(np.asarray(model.mean_code_)[unit]))
        for place, unit in enumerate(axes.units)
    )  # fmt: skip
    pictures, pictured = (None, None) if image.shape is None else _thumbnails(source, wanted.rows, image, seed)
    decoder = decoder_of(model, readers, pictures=image.shape is not None)
    return CodeMap(
        numbers_of(source, wanted.rows),
        tuple(shown_axes),
        axes.plane,
        tuple(shades),
        chosen,
        units,
        np.asarray(model.mean_code_, np.float64),
        decoder,
        _grid(model, axes, places, image) if decoder is None and image.shape is not None else None,
        pictures,
        pictured,
        image,
    )


def numbers_of(source: Source, rows: Array) -> Array:
    """Return the numbers of a source's rows in what a user gave."""
    return np.asarray(source.numbers[rows]) if isinstance(source, SelectedRows) else rows


def _ends(values: Array) -> tuple[float, float]:
    low, high = (float(end) for end in np.quantile(values, [0.005, 0.995]))
    return (low, high) if high > low else (low - 1, low + 1)


def _grid(model: Any, axes: Axes, places: Array, image: Image) -> Grid | None:
    """Return the decoder's pictures on a grid over most of the codes; None where the code is no plane."""
    if not axes.plane or image.shape is None or model.network_.n_context:
        return None
    (left, right), (bottom, top) = (_ends(values) for values in places.T[:2])
    across, up = np.meshgrid(np.linspace(left, right, _SIDE), np.linspace(bottom, top, _SIDE))
    codes = np.column_stack([across.ravel(), up.ravel()]).astype(model.network_.dtype)
    scaled = np.concatenate(list(inference_of(model).decode([Block(codes, 0)])))
    rows = model.scaler_.raw(scaled, np.float64)
    return Grid((left, bottom), (right, top), as_pictures(rows, image.shades, image.shape))


def _thumbnails(source: Source, rows: Array, image: Image, seed: int) -> tuple[Array, Array]:
    """Return pictures of a random sample of the points, and which points those are."""
    assert image.shape is not None
    most = min(_PICTURES, max(1, _CELLS // source.schema.n_features), len(rows))
    points = generator(seed).permutation(len(rows))[:most]
    order = np.argsort(points, kind="stable")
    values = np.empty((most, source.schema.n_features), source.dtype)
    values[order] = taken(source, rows[points[order]])
    return as_pictures(values, image.shades, image.shape), points


def labels_column(name: str, labels: Any, n_rows: int, rows: Array) -> MapColumn:
    """Return labels, one for each row, as a column of the map.

    Raises
    ------
    InvalidDataError
        If there is not one label for each row.
    """
    values = np.asarray(labels)
    if values.ndim != 1 or len(values) != n_rows:
        raise InvalidDataError(f"color has the shape {values.shape} for {n_rows:,} rows; pass one label for each row")
    values = values[rows]
    if values.dtype.kind in "iuf":
        numbers = values.astype(np.float64)
        distinct = np.unique(numbers[np.isfinite(numbers)])
        if len(distinct) > 20 or (distinct % 1).any():
            return MapColumn(name, numbers, whole=not (distinct % 1).any(), feature=False)
        places = np.searchsorted(distinct, numbers)
        levels = tuple(f"{level:.0f}" for level in distinct)
        return MapColumn(name, np.where(np.isfinite(numbers), places, np.nan), levels, feature=False)
    values = values.astype(str) if values.dtype.kind in "mM" else values
    texts = np.array(["" if _is_missing(one) else str(one) for one in values.tolist()], dtype=object)
    found, counts = np.unique(texts[texts != ""].astype(str), return_counts=True)
    # Of too many, the most frequent ones.
    kept = np.sort(np.argsort(-counts, kind="stable")[:MOST_LEVELS])
    place_of = {str(found[place]): number for number, place in enumerate(kept)}
    other = len(place_of) if len(found) > len(kept) else None
    levels = (*place_of, *(() if other is None else (t("other ({count:,})", count=len(found) - len(kept)),)))
    found_places = [np.nan if text == "" else place_of.get(text, other) for text in texts]
    return MapColumn(name, np.array(found_places, np.float64), levels, feature=False)


def _is_missing(label: Any) -> bool:
    # pandas' NA is not equal to anything, and its comparison is no truth value.
    return label is None or type(label).__name__ in ("NAType", "NaTType") or label == "NaT" or bool(label != label)
