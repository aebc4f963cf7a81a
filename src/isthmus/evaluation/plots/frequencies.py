"""Histogram of the activation frequencies of the units of a code."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from isthmus.evaluation.metrics import density_histogram
from isthmus.evaluation.plots.canvas import canvas
from isthmus.evaluation.plots.checks import ArrayLike, numbers_of
from isthmus.evaluation.plots.style import SMALL

_PER_DECADE = 4
_GAP = 1.5  # distance between the bar of dead units and the first bin, in bins


def density(frequency: ArrayLike, *, title: str | None = None, dark: bool = False) -> Figure:
    """Draw the histogram of the units' activation frequencies, with a separate bar for dead units.

    Parameters
    ----------
    frequency : array-like of shape (n_components,)
        Fraction of rows in which each unit is active, such as `isthmus.metrics.CodeStatistics.frequency`.
    title : str or None
        Title of the figure; None states the number of dead units.
    dark : bool
        Draw for a dark background.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Four bins per factor of ten; a dotted line marks the median of the units that are not dead.

    Raises
    ------
    InvalidDataError
        If the frequencies are not a one-dimensional array of numbers in [0, 1].
    """
    shares = numbers_of(frequency, "frequencies")
    histogram = density_histogram(shares, per_decade=_PER_DECADE)
    edges, width = histogram.edges, 1 / _PER_DECADE
    if title is None:
        title = f"{histogram.dead:,} of {len(shares):,} units never active"
    with canvas(dark, 7.5, 4.2, title) as (figure, style):
        ax = figure.subplots()
        ax.bar(edges[:-1], histogram.counts, width, align="edge", color=style.palette[0], edgecolor=style.paper)
        decades = np.arange(np.ceil(edges[0]), 1)
        ticks = {float(power): f"{100 * 10**power:g}%" for power in decades}
        if histogram.dead:
            position = edges[0] - width * (_GAP + 0.5)
            ax.bar(position, histogram.dead, width, color=style.palette[2])
            ax.annotate(
                f"{histogram.dead:,} dead",
                (position, histogram.dead),
                (0, 3),
                textcoords="offset points",
                ha="center",
                fontsize=SMALL,
            )
            ticks[position] = "never"
        ax.set_xticks(list(ticks), list(ticks.values()))
        if histogram.dead < len(shares):
            median = float(np.median(shares[shares > 0]))
            ax.axvline(
                np.log10(median), color=style.ink, linewidth=1.2, linestyle=":", label=f"median {100 * median:.3g}%"
            )
            ax.legend(loc="upper left" if np.log10(median) > edges[0] / 2 else "upper right")
        ax.margins(y=0.12)
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set(xlabel="rows in which a unit is active", ylabel="units")
    return figure
