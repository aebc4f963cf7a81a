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
    """Scatter two units of a code, coloured by label.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_components), or mapping of name to such arrays
        Codes; several sets of codes of the same rows are drawn side by side and share their colours.
    labels : array-like of shape (n_samples,) or None
        Whole numbers of at most 20 values get a colour bar in segments, other numbers a continuous one; strings,
        booleans and categories a legend, the commonest 19 by name where there are more than 20. Missing labels are
        grey and lie below.
    components : sequence of one or two int
        Which units to draw, from 0. One unit is drawn as a strip of points for each label, as label over code where
        labels are continuous, or as a histogram without labels; so are codes of one unit.
    names : sequence of str or None
        Names of the units; None takes a frame's column names, or "code 0", "code 1", ….
    label_name : str or None
        What the labels are; None takes a Series' name.
    title : str or None
        Title of the figure.
    dark : bool
        Draw for a dark background.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Points are smaller and more transparent the more there are, stand in a fixed random order so that no class
        covers the others, and are stored as pixels in vector files.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        Where codes are not finite numbers in two dimensions, labels are of another length, or a component is not there.
    """
    given = named_sets(codes, "codes")
    sets = {name: matrix_of(values, f"codes {name!r}" if name else "codes") for name, values in given.items()}
    n_rows = common_length(sets)
    chosen = {name: chosen_units(components, values.shape[1]) for name, values in sets.items()}
    units = {name: unit_names(names, given[name], values.shape[1]) for name, values in sets.items()}
    across = min(len(sets), 3)
    with canvas(dark, 4.9 * across + 1.3, 4.6 * math.ceil(len(sets) / across) + 0.1, title) as (figure, style):
        key = colour_key(labels, n_rows, label_name, style)
        axes = dict(zip(sets, panels(figure, len(sets), across), strict=True))
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
        places = np.where(key.missing, len(key.classes), key.values)
        spread = np.random.default_rng(0).uniform(-0.35, 0.35, len(places))
        draw_points(ax, np.column_stack([values[:, 0], places + spread]), key, style)
        ax.set_yticks(range(len(rows)), rows)
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.set_ylabel(key.name)


def draw_points(ax: Axes, points: Array, key: ColourKey | None, style: Style) -> None:
    """Scatter points of two coordinates, those without a label below the others."""
    n_rows = len(points)
    # Ink on the page then grows with the root of the number of points: 40 square points each for a hundred, 1.6 for
    # 60,000.
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
    place = np.where(key.missing | (not key.classes), 0, key.values).astype(int)
    # A call draws one marker: several take turns in eight slices, so that neither covers the other.
    for rows in [order] if len(set(markers)) == 1 else np.array_split(order, 8):
        for marker in sorted(set(markers)):
            mine = rows[markers[place[rows]] == marker]
            ax.scatter(
                points[mine, 0],
                points[mine, 1],
                c=key.values[mine],
                cmap=key.colours,
                norm=key.scale,
                marker=marker,
                plotnonfinite=True,
                **look,
            )
