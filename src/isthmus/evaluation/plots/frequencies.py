"""How often the units of a code are active, as a histogram over powers of ten."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from isthmus.evaluation.metrics import density_histogram
from isthmus.evaluation.plots.canvas import canvas
from isthmus.evaluation.plots.checks import ArrayLike, numbers_of
from isthmus.evaluation.plots.style import SMALL

_PER_DECADE = 4
_GAP = 1.5  # bins between the dead units and the others


def density(frequency: ArrayLike, *, title: str | None = None, dark: bool = False) -> Figure:
    """Draw how many units are active how often, and apart from them those that never are.

    Parameters
    ----------
    frequency : array-like of shape (n_components,)
        The share of rows in which each unit is active, as `isthmus.evaluation.metrics.CodeStatistics` has it.
    title : str or None
        Title of the figure; None says how many units are dead.
    dark : bool
        Draw for a dark background.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Four bins for each factor of ten; a dotted line marks the median of the units that are alive.

    Raises
    ------
    InvalidDataError
        Where frequencies are not shares in [0, 1], one for each unit.
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
            place = edges[0] - width * (_GAP + 0.5)
            ax.bar(place, histogram.dead, width, color=style.palette[2])
            ax.annotate(
                f"{histogram.dead:,} dead",
                (place, histogram.dead),
                (0, 3),
                textcoords="offset points",
                ha="center",
                fontsize=SMALL,
            )
            ticks[place] = "never"
        ax.set_xticks(list(ticks), list(ticks.values()))
        if histogram.dead < len(shares):
            middle = float(np.median(shares[shares > 0]))
            ax.axvline(
                np.log10(middle), color=style.ink, linewidth=1.2, linestyle=":", label=f"median {100 * middle:.3g}%"
            )
            ax.legend(loc="upper left" if np.log10(middle) > edges[0] / 2 else "upper right")
        ax.margins(y=0.12)
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set(xlabel="rows in which a unit is active", ylabel="units")
    return figure
