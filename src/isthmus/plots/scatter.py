"""Codes as points, and each unit as a histogram."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from isthmus.plots.checks import Array, ArrayLike, chosen_columns, common_length, matrix_of, panels_of, unit_names
from isthmus.plots.labels import Key, key_of
from isthmus.plots.style import _SMALL, _TEXT, Style, canvas, headline, tiles_across

MOST_PANELS = 64


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
    panels = panels_of(codes, "codes")
    sets = {name: matrix_of(values, f"codes {name!r}" if name else "codes") for name, values in panels.items()}
    n_rows = common_length(sets)
    chosen = {name: chosen_columns(components, values.shape[1]) for name, values in sets.items()}
    units = {name: unit_names(names, panels[name], sets[name].shape[1]) for name in sets}
    across = min(len(sets), 3)
    down = -(-len(sets) // across)
    with canvas(dark, 4.9 * across + 1.3, 4.6 * down + (0.5 if title else 0.1)) as (figure, style):
        key = key_of(labels, n_rows, label_name, style)
        grid = figure.subplots(down, across, squeeze=False).ravel()
        for ax, (name, values) in zip(grid, sets.items(), strict=False):
            columns = chosen[name]
            _draw_codes(ax, values[:, columns], [units[name][k] for k in columns], key, style)
            ax.set_title(name or "")
        for ax in grid[len(sets) :]:
            ax.remove()
        flat = [ax for ax, name in zip(grid, sets, strict=False) if len(chosen[name]) == 2]
        if key is not None and flat:
            key.draw(figure, flat)
        headline(figure, title)
    return figure


def code_histograms(
    codes: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    title: str | None = None,
    dark: bool = False,
) -> Figure:
    """Draw a histogram of each unit of the code.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_components)
        Codes; the first 64 units are drawn, in their order.
    names : sequence of str or None
        Names of the units; None takes a frame's column names, or "code 0", "code 1", ….
    title : str or None
        Title of the figure; None says so where there are more than 64 units.
    dark : bool
        Draw for a dark background.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Where more than a fifth of a unit's values are 0, the histogram is of the others and their share is written
        beside it; a unit that never changes is called constant.

    Raises
    ------
    InvalidDataError
        Where codes are not finite numbers in two dimensions.
    """
    values = matrix_of(codes, "codes")
    units = unit_names(names, codes, values.shape[1])
    shown = min(values.shape[1], MOST_PANELS)
    if title is None and shown < values.shape[1]:
        title = f"first {shown} of {values.shape[1]} units"
    across = tiles_across(shown, 0.75)
    down = -(-shown // across)
    # Few panels have room to be large; many are small and still legible.
    width = 6.0 if across == 1 else max(1.7, 9.0 / across)
    with canvas(dark, width * across + 0.3, max(1.5, width * 0.72) * down + (0.6 if title else 0.2)) as (
        figure,
        style,
    ):
        grid = figure.subplots(down, across, squeeze=False).ravel()
        for k, ax in enumerate(grid[:shown]):
            _draw_histogram(ax, values[:, k], style)
            ax.set_title(units[k], fontsize=_TEXT if across < 6 else _SMALL)
        for ax in grid[shown:]:
            ax.remove()
        headline(figure, title)
    return figure


def _draw_codes(ax: Axes, values: Array, units: list[str], key: Key | None, style: Style) -> None:
    ax.set_xlabel(units[0])
    if values.shape[1] == 2:
        ax.set_ylabel(units[1])
        scatter_points(ax, values, key, style)
    elif key is None:
        _draw_histogram(ax, values[:, 0], style)
    elif not key.classes:
        scatter_points(ax, np.column_stack([values[:, 0], key.values]), key, style)
        ax.set_ylabel(key.name or "label")
    else:
        rows = [*key.classes, *(["missing"] if key.missing.any() else [])]
        places = np.where(key.missing, len(key.classes), key.values)
        spread = np.random.default_rng(0).uniform(-0.35, 0.35, len(places))
        scatter_points(ax, np.column_stack([values[:, 0], places + spread]), key, style)
        ax.set_yticks(range(len(rows)), rows)
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.set_ylabel(key.name)


def scatter_points(ax: Axes, points: Array, key: Key | None, style: Style) -> None:
    """Draw points (n, 2), in a fixed random order so that no class covers the others."""
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


def _draw_histogram(ax: Axes, values: Array, style: Style) -> None:
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(MaxNLocator(3))
    zeros = float(np.mean(values == 0))
    note = ""
    if values.min() == values.max():
        note = "constant"
    elif zeros > 0.2:
        values, note = values[values != 0], f"{zeros:.0%} zero"
    bins = int(np.clip(np.sqrt(len(values)), 5, 40))
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-6 * max(abs(low), abs(high)):
        low, high = low - 0.5, high + 0.5
    ax.hist(values, bins=bins, range=(low, high), color=style.palette[0], histtype="stepfilled")
    ax.margins(y=0.3 if note else 0.05)
    if note:
        ax.text(0.5, 0.98, note, transform=ax.transAxes, ha="center", va="top", fontsize=_SMALL)
