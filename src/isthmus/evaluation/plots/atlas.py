"""The map of rows: their codes on a plane in the colours of their labels, with some of the rows drawn over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.lib.stride_tricks import sliding_window_view

from isthmus.core.errors import InvalidDataError
from isthmus.evaluation.plots import checks
from isthmus.evaluation.plots.canvas import canvas
from isthmus.evaluation.plots.checks import Array, ArrayLike, Shape, matrix_of, unit_names
from isthmus.evaluation.plots.labels import ColourKey, colour_key
from isthmus.evaluation.plots.pictures import as_pictures, grey_range
from isthmus.evaluation.plots.plane import draw_points
from isthmus.evaluation.plots.shared_docs import documented
from isthmus.evaluation.plots.style import Style

_ALONG = 26  # thumbnails that would fit along the longer side
_APART = 1.15  # of their sides, the least distance between two thumbnails
_TRIED = 5_000  # rows that may get one


@documented
def atlas(
    codes: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    rows: ArrayLike | None = None,
    image_shape: Sequence[int] | None = None,
    components: Sequence[int] = (0, 1),
    names: Sequence[str] | None = None,
    label_name: str | None = None,
    title: str | None = None,
    dark: bool = False,
) -> Figure:
    """Draw a map of rows: a point for each, coloured by label, and pictures of some rows where there is room.

    Both axes have one scale, so that distances can be compared in all directions.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_components)
        Codes of at least two units.
    labels : array-like of shape (n_samples,) or None
        Labels as in `codes`; up to ten integers or twenty names get a legend, others a colour bar.
    rows : array-like of shape (n_samples, n_features) or (n_samples, height, width[, channels]), or None
        The rows, to draw as thumbnails; grey ones without their background. None draws none.
    components : sequence of two int
        The units to draw.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Thumbnails are centred on their codes and never overlap. Points far outside the others are left out, and their
        number is written below.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        If the codes are not finite or have one unit, or labels or rows are not as many.
    """
    values = matrix_of(codes, "codes")
    if values.shape[1] < 2:
        raise InvalidDataError("codes have one unit, and a map needs two; draw them with plots.codes")
    columns = checks.unit_indices("components", components, values.shape[1], pair=True)
    if len(columns) != 2:
        raise InvalidDataError(f"components={components!r} is one unit, and a map needs two")
    units, points = unit_names(names, codes, values.shape[1]), values[:, columns].astype(np.float64)
    matrix, shape = (None, None) if rows is None else checks.picture_rows(rows, image_shape)
    if matrix is not None and len(matrix) != len(points):
        raise InvalidDataError(f"{len(points)} codes for {len(matrix)} rows; pass the codes of the same rows")
    low, high = _view(points)
    width, height = high - low
    with canvas(dark, 8.6, 7.2 * height / width + 0.5, title) as (figure, style):
        key = _legend(colour_key(labels, len(points), label_name, style), style)
        ax = figure.subplots()
        ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel=units[columns[0]], ylabel=units[columns[1]])
        ax.set_aspect("equal")
        outside = int(((points < low) | (points > high)).any(axis=1).sum())
        if outside:
            ax.set_xlabel(f"{ax.get_xlabel()}\n{outside:,} {'point' if outside == 1 else 'points'} outside")
        draw_points(ax, points, key, style)
        if matrix is not None and shape is not None:
            _thumbnails(ax, points, matrix, shape, max(width, height) / _ALONG, style)
        if key is not None:
            key.draw(figure, [ax])
    return figure


def _view(points: Array) -> tuple[Array, Array]:
    """Return the lower and the upper limits of what is drawn (2,), with a margin."""
    limits = [checks.bulk(values) or (values.min(), values.max()) for values in points.T]
    low, high = np.array(limits, np.float64).T
    most = (high - low).max() or 1.0
    center, half = (low + high) / 2, np.maximum(high - low, 0.5 * most) / 2 + 0.05 * most
    return center - half, center + half


def _legend(key: ColourKey | None, style: Style) -> ColourKey | None:
    """Return a key with a legend where the palette has a colour for each class."""
    return key and replace(key, named=key.named or 0 < len(key.classes) <= len(style.palette))


def _thumbnails(ax: Axes, points: Array, rows: Array, shape: Shape, side: float, style: Style) -> None:
    """Draw rows at their points, in a fixed random order, wherever none is drawn yet."""
    chosen = apart(points, _APART * side)
    pictures = as_pictures(rows[chosen], grey_range(rows), shape)
    if pictures.ndim == 3:
        pictures = glyphs(pictures, style)
    tall, wide = (side * length / max(shape[:2]) / 2 for length in shape[:2])
    for (x, y), picture in zip(points[chosen], pictures, strict=True):
        image = AxesImage(ax, extent=(x - wide, x + wide, y - tall, y + tall), interpolation="bilinear", zorder=3)
        image.set_data(picture)
        ax.add_image(image)
        image.set_clip_path(ax.patch)


def apart(points: Array, distance: float) -> list[int]:
    """Return the numbers of points of which no two are nearer than a distance along both axes, as many as fit."""
    kept: list[int] = []
    cells: dict[tuple[int, int], list[int]] = {}
    for row in np.random.default_rng(0).permutation(len(points))[:_TRIED]:
        column, line = (int(place) for place in np.floor(points[row] / distance))
        near = [i for dx in (-1, 0, 1) for dy in (-1, 0, 1) for i in cells.get((column + dx, line + dy), ())]
        if not near or (np.abs(points[near] - points[row]).max(axis=1) >= distance).all():
            kept.append(int(row))
            cells.setdefault((column, line), []).append(int(row))
    return kept


def glyphs(pictures: Array, style: Style) -> Array:
    """Return grey pictures (n, h, w) in ink with a rim of paper, and without the value that most edges have."""
    edges = np.concatenate([pictures[:, [0, -1]].ravel(), pictures[:, :, [0, -1]].ravel()])
    strength = np.abs(pictures - np.median(edges))
    strength = strength / (strength.max() or 1.0)
    ink, paper = (np.array(to_rgb(colour)) for colour in (style.ink, style.paper))
    reach = max(1, round(min(pictures.shape[1:]) / 12))
    shades = paper + strength[..., None] * (ink - paper)
    return np.concatenate([shades, np.maximum(strength, 0.8 * _spread(strength, reach))[..., None]], axis=3)


def _spread(pictures: Array, reach: int) -> Array:
    """Return the largest value within a distance of each pixel along both axes."""
    for axis in (1, 2):
        padded = np.pad(pictures, [(0, 0) if each != axis else (reach, reach) for each in range(3)])
        pictures = sliding_window_view(padded, 2 * reach + 1, axis=axis).max(axis=-1)
    return pictures
