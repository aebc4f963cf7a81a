"""Histograms of the units of a code."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from isthmus.evaluation.plots.canvas import canvas, columns_for, panels
from isthmus.evaluation.plots.checks import Array, ArrayLike, matrix_of, unit_names
from isthmus.evaluation.plots.style import SMALL, TEXT, Style

MAX_PANELS = 64


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
        Codes; the first 64 units are drawn, in order.
    names : sequence of str or None
        Names of the units; None uses the column names of a frame, or "code 0", "code 1", ….
    title : str or None
        Title of the figure; None states the number of units if not all are drawn.
    dark : bool
        Draw for a dark background.

    Returns
    -------
    figure : matplotlib.figure.Figure
        If more than a fifth of a unit's values are 0, the histogram omits them and states their share. A unit with one
        value is labelled "constant".

    Raises
    ------
    InvalidDataError
        If the codes are not a finite two-dimensional array.
    """
    values = matrix_of(codes, "codes")
    units = unit_names(names, codes, values.shape[1])
    shown = min(values.shape[1], MAX_PANELS)
    if title is None and shown < values.shape[1]:
        title = f"first {shown} of {values.shape[1]} units"
    columns = columns_for(shown, 0.75)
    width = 6.0 if columns == 1 else max(1.7, 9.0 / columns)
    height = max(1.5, width * 0.72) * math.ceil(shown / columns)
    with canvas(dark, width * columns + 0.3, height + 0.2, title) as (figure, style):
        for k, ax in enumerate(panels(figure, shown, columns)):
            draw_histogram(ax, values[:, k], style)
            ax.set_title(units[k], fontsize=TEXT if columns < 6 else SMALL)
    return figure


def draw_histogram(ax: Axes, values: Array, style: Style) -> None:
    """Draw the histogram of one unit, with a note if it is constant or often 0."""
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
        ax.text(0.5, 0.98, note, transform=ax.transAxes, ha="center", va="top", fontsize=SMALL)
