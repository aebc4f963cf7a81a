"""Codes on a plane: as points, coloured by label, and as decoded pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from isthmus.core.errors import InvalidDataError
from isthmus.evaluation.plots import checks
from isthmus.evaluation.plots.canvas import canvas, panels
from isthmus.evaluation.plots.checks import Array, ArrayLike, Shape, bulk, matrix_of, unit_names
from isthmus.evaluation.plots.labels import ColourKey, colour_key
from isthmus.evaluation.plots.pictures import as_pictures, draw_picture, grey_range, mosaic_of
from isthmus.evaluation.plots.shared_docs import documented
from isthmus.evaluation.plots.style import Style
from isthmus.evaluation.plots.units import draw_histogram

_SMALL, _EDGE = 16, 1  # pictures of fewer pixels along a side fill them, and are drawn with an edge of paper


@documented
def codes(
    codes: ArrayLike | Mapping[str, ArrayLike],
    labels: ArrayLike | None = None,
    *,
    components: Sequence[int] = (0, 1),
    names: Sequence[str] | None = None,
    label_name: str | None = None,
    title: str | None = None,
    dark: bool = False,
) -> Figure:
    """Draw a scatter plot of two units of a code, coloured by label.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_components), or mapping of name to such arrays
        Codes; several sets of codes of the same rows are drawn in separate panels with shared colours.
    labels : array-like of shape (n_samples,) or None
        Integers with at most 20 distinct values get a segmented colour bar, other numbers a continuous one. Strings,
        booleans and categories get a legend; of more than 20, the 19 most frequent by name. Points with missing labels
        are grey and below the others.
    components : sequence of one or two int
        Indices of the units to draw. A single unit is drawn as one strip of points per class, against the label if
        labels are continuous, or as a histogram without labels.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The more points, the smaller and the more transparent they are. They are drawn in a fixed random order, so that
        no class covers the others, and stored as pixels in vector files. Points so far outside that they would squeeze
        the others are drawn at the edge, and their number is written below the axes.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        If codes are not a finite two-dimensional array, labels have another length, or a component does not exist.
    """
    given = checks.named_sets(codes, "codes")
    sets = {name: matrix_of(values, f"codes {name!r}" if name else "codes") for name, values in given.items()}
    n_rows = checks.common_length(sets)
    chosen = {name: checks.plane_units(components, values.shape[1]) for name, values in sets.items()}
    units = {name: unit_names(names, given[name], values.shape[1]) for name, values in sets.items()}
    n_columns = min(len(sets), 3)
    with canvas(dark, 4.9 * n_columns + 1.3, 4.6 * math.ceil(len(sets) / n_columns) + 0.1, title) as (figure, style):
        key = colour_key(labels, n_rows, label_name, style)
        axes = dict(zip(sets, panels(figure, len(sets), n_columns), strict=True))
        for name, ax in axes.items():
            columns = chosen[name]
            _draw_codes(ax, sets[name][:, columns], [units[name][k] for k in columns], key, style)
            ax.set_title(name)
        planes = [ax for name, ax in axes.items() if len(chosen[name]) == 2]
        if key is not None and planes:
            key.draw(figure, planes)
    return figure


def _draw_codes(ax: Axes, values: Array, units: list[str], key: ColourKey | None, style: Style) -> None:
    ax.set_xlabel(units[0])
    if values.shape[1] == 2:
        ax.set_ylabel(units[1])
        draw_points(ax, _within_view(ax, values), key, style)
    elif key is None:
        draw_histogram(ax, values[:, 0], style)
    elif not key.classes:
        draw_points(ax, _within_view(ax, np.column_stack([values[:, 0], key.values])), key, style)
        ax.set_ylabel(key.name or "label")
    else:
        rows = [*key.classes, *(["missing"] if key.missing.any() else [])]
        indices = np.where(key.missing, len(key.classes), key.values)
        jitter = np.random.default_rng(0).uniform(-0.35, 0.35, len(indices))
        draw_points(ax, _within_view(ax, np.column_stack([values[:, 0], indices + jitter])), key, style)
        ax.set_yticks(range(len(rows)), rows)
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.set_ylabel(key.name)


def _within_view(ax: Axes, points: Array) -> Array:
    """Limit the axes to the bulk of points (n, 2) where a few far ones would squeeze it; return what to draw.

    Points outside are drawn at the edge, and their number is written below.
    """
    view = [bulk(values) for values in points.T]
    low, high = np.array([limits or (-np.inf, np.inf) for limits in view]).T
    outside = int(((points < low) | (points > high)).any(axis=1).sum())
    if not outside:
        return points
    for limits, axis in zip(view, "xy", strict=True):
        if limits is not None:
            margin = 0.04 * (limits[1] - limits[0])
            ax.set(**{f"{axis}lim": (limits[0] - margin, limits[1] + margin)})
    text = f"{outside:,} {'point' if outside == 1 else 'points'} outside, drawn at the edge"
    ax.set_xlabel(f"{ax.get_xlabel()}\n{text}")
    return np.clip(points, low, high)


def draw_points(ax: Axes, points: Array, key: ColourKey | None, style: Style) -> None:
    """Draw points (n, 2), those without a label below the others."""
    n_rows = len(points)
    # The inked area then grows with the square root of the number of points.
    look: dict[str, Any] = {
        "s": float(np.clip(400 / np.sqrt(n_rows), 0.8, 45)),
        "alpha": float(np.clip(3.2 / n_rows**0.15, 0.5, 0.9)),
        "linewidths": 0,
        "rasterized": True,
    }
    order = np.random.default_rng(0).permutation(n_rows)
    if key is None:
        ax.scatter(points[order, 0], points[order, 1], color=style.palette[0], **look)
        return
    look |= {"cmap": key.colours, "norm": key.scale, "plotnonfinite": True}
    order = order[np.argsort(~key.missing[order], kind="stable")]
    markers = np.array([key.marker(i) for i in range(len(key.classes))] or ["o"])
    indices = np.where(key.missing | (not key.classes), 0, key.values).astype(int)
    # One call draws one marker; several markers alternate in eight slices, so that none covers the others.
    for rows in [order] if len(set(markers)) == 1 else np.array_split(order, 8):
        for marker in sorted(set(markers)):
            chosen = rows[markers[indices[rows]] == marker]
            ax.scatter(points[chosen, 0], points[chosen, 1], c=key.values[chosen], marker=marker, **look)


@documented
def manifold(
    decode: Callable[[Array], ArrayLike],
    codes: ArrayLike,
    *,
    image_shape: Sequence[int],
    n: int = 20,
    components: Sequence[int] = (0, 1),
    labels: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    label_name: str | None = None,
    title: str | None = None,
    dark: bool = False,
) -> Figure:
    """Draw the decoder's pictures on a grid of codes.

    Parameters
    ----------
    decode : callable
        Maps codes (n_codes, n_components) to rows (n_codes, n_features), such as a model's `inverse_transform`.
        Called once.
    codes : array-like of shape (n_samples, n_components)
        Codes of rows: the grid spans their 1st to 99th percentiles.
    image_shape : sequence of int
        (height, width) or (height, width, channels) of a row.
    n : int
        Number of pictures along each axis.
    components : sequence of one or two int
        The units that vary over the plane, or the line; the others have their median value.
    labels : array-like of shape (n_samples,) or None
        Labels as in `codes`: the codes are then drawn in a second panel, over the same plane. Not drawn for a single
        unit.

    Returns
    -------
    figure : matplotlib.figure.Figure
        One mosaic with axes in units of the code; each picture is centred on its code.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        If the codes are not finite, or `decode` does not return rows of `image_shape`.
    """
    checks.check_count("n", n)
    shape = checks.checked_shape(image_shape)
    values = matrix_of(codes, "codes")
    columns = checks.plane_units(components, values.shape[1])
    units = unit_names(names, codes, values.shape[1])
    mosaic, extent = _decoded(decode, values, columns, shape, n)
    ratio = mosaic.shape[0] / mosaic.shape[1]
    is_plane = len(columns) == 2
    count = 2 if is_plane and labels is not None else 1
    # Width of one panel in inches; the figure adds the width of labels and colour bar.
    width = 5.4 if is_plane else 11.0
    with canvas(dark, 13.1 if count == 2 else width + 1.0, width * ratio + 0.7, title) as (figure, style):
        axes = panels(figure, count, count)
        draw_picture(axes[0], mosaic, extent=extent)
        for ax in axes:
            ax.set_box_aspect(ratio)
            ax.set(xlabel=units[columns[0]], xlim=extent[:2], ylim=extent[2:])
            if is_plane:
                ax.set_ylabel(units[columns[1]])
            else:
                ax.set_yticks([])
        key = colour_key(labels, len(values), label_name, style) if count == 2 else None
        if key is not None:
            draw_points(axes[1], values[:, columns], key, style)
            key.draw(figure, [axes[1]], None if key.named else axes[1].inset_axes((1.03, 0, 0.04, 1)))
    return figure


def _decoded(
    decode: Callable[[Array], ArrayLike], codes: Array, columns: list[int], shape: Shape, n: int
) -> tuple[Array, tuple[float, float, float, float]]:
    """Return the mosaic of the decoded grid of codes, and its extent in units of the code."""
    lines = [_line(codes[:, k], n) for k in columns]
    x, y = lines if len(lines) == 2 else (*lines, np.zeros(1))
    # The first row of pictures is at the top.
    points = np.column_stack([np.tile(x, len(y)), np.repeat(y[::-1], len(x))])
    grid = np.tile(np.median(codes, axis=0), (len(points), 1)).astype(np.result_type(codes, np.float32))
    grid[:, columns] = points[:, : len(columns)]
    rows, _ = checks.rows_of(
        decode(grid), shape, "the rows returned by decode"
    )  # a decoder of pictures returns pictures
    if len(rows) != len(grid):
        raise InvalidDataError(
            f"decode returned {len(rows)} rows for {len(grid)} codes; it must return one row per code"
        )
    pictures = as_pictures(rows, grey_range(rows), shape)
    mosaic = mosaic_of(pictures, len(x), gap=2 * _EDGE if min(shape[:2]) < _SMALL else 0)
    if min(shape[:2]) < _SMALL:
        # An edge around all, so that each picture stays centred on its code.
        sides = [(_EDGE, _EDGE)] * 2 + [(0, 0)] * (mosaic.ndim - 2)
        mosaic = np.pad(mosaic, sides, constant_values=np.nan if mosaic.ndim == 2 else 0)
    return mosaic, (*_edges(x), *_edges(y))


def _line(values: Array, n: int) -> Array:
    low, high = (float(each) for each in np.quantile(values, [0.01, 0.99]))
    if not high > low:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, n) if n > 1 else np.array([(low + high) / 2])


def _edges(line: Array) -> tuple[float, float]:
    """Return the outer edges of pictures that are centred on the points of `line`."""
    half = (line[1] - line[0]) / 2 if len(line) > 1 else 0.5
    return float(line[0] - half), float(line[-1] + half)
