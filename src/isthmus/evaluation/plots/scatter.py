"""Codes as points, coloured by label."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from isthmus.evaluation.plots.canvas import canvas, panels
from isthmus.evaluation.plots.checks import (
    Array,
    ArrayLike,
    chosen_units,
    common_length,
    matrix_of,
    named_sets,
    unit_names,
)
from isthmus.evaluation.plots.histograms import draw_histogram
from isthmus.evaluation.plots.labels import ColourKey, colour_key
from isthmus.evaluation.plots.style import Style


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
    names : sequence of str or None
        Names of the units; None uses the column names of a frame, or "code 0", "code 1", ….
    label_name : str or None
        Name of the labels; None uses the name of a Series.
    title : str or None
        Title of the figure.
    dark : bool
        Draw for a dark background.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The more points, the smaller and the more transparent they are. They are drawn in a fixed random order, so that
        no class covers the others, and stored as pixels in vector files.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        If codes are not a finite two-dimensional array, labels have another length, or a component does not exist.
    """
    given = named_sets(codes, "codes")
    sets = {name: matrix_of(values, f"codes {name!r}" if name else "codes") for name, values in given.items()}
    n_rows = common_length(sets)
    chosen = {name: chosen_units(components, values.shape[1]) for name, values in sets.items()}
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
        draw_points(ax, values, key, style)
    elif key is None:
        draw_histogram(ax, values[:, 0], style)
    elif not key.classes:
        draw_points(ax, np.column_stack([values[:, 0], key.values]), key, style)
        ax.set_ylabel(key.name or "label")
    else:
        rows = [*key.classes, *(["missing"] if key.missing.any() else [])]
        indices = np.where(key.missing, len(key.classes), key.values)
        jitter = np.random.default_rng(0).uniform(-0.35, 0.35, len(indices))
        draw_points(ax, np.column_stack([values[:, 0], indices + jitter]), key, style)
        ax.set_yticks(range(len(rows)), rows)
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.set_ylabel(key.name)


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
    order = order[np.argsort(~key.missing[order], kind="stable")]
    markers = np.array([key.marker(i) for i in range(len(key.classes))] or ["o"])
    indices = np.where(key.missing | (not key.classes), 0, key.values).astype(int)
    # One call draws one marker; several markers alternate in eight slices, so that none covers the others.
    for rows in [order] if len(set(markers)) == 1 else np.array_split(order, 8):
        for marker in sorted(set(markers)):
            chosen = rows[markers[indices[rows]] == marker]
            ax.scatter(
                points[chosen, 0],
                points[chosen, 1],
                c=key.values[chosen],
                cmap=key.colours,
                norm=key.scale,
                marker=marker,
                plotnonfinite=True,
                **look,
            )
