"""Codes as histograms, one for each unit."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from isthmus.evaluation.plots.canvas import canvas, panels, panels_across
from isthmus.evaluation.plots.checks import Array, ArrayLike, matrix_of, unit_names
from isthmus.evaluation.plots.style import SMALL, TEXT, Style

MOST_PANELS = 64


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
    across = panels_across(shown, 0.75)
    # Few panels have room to be large; many are small and still legible.
    width = 6.0 if across == 1 else max(1.7, 9.0 / across)
    height = max(1.5, width * 0.72) * math.ceil(shown / across)
    with canvas(dark, width * across + 0.3, height + 0.2, title) as (figure, style):
        for k, ax in enumerate(panels(figure, shown, across)):
            draw_histogram(ax, values[:, k], style)
            ax.set_title(units[k], fontsize=TEXT if across < 6 else SMALL)
    return figure


def draw_histogram(ax: Axes, values: Array, style: Style) -> None:
    """Draw the histogram of one unit, with a note where it is often or always the same."""
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
