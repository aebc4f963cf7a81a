"""Statistics of the units of a code: histograms, activation frequencies and mean activations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from isthmus.core.errors import InvalidParameterError
from isthmus.evaluation.metrics import density_histogram
from isthmus.evaluation.plots.canvas import canvas, columns_for, log_ticks, panels
from isthmus.evaluation.plots.checks import Array, ArrayLike, bulk, matrix_of, numbers_of, unit_names
from isthmus.evaluation.plots.shared_docs import documented
from isthmus.evaluation.plots.style import SMALL, TEXT, Style

_MAX_PANELS = 64
_PER_DECADE = 4
_MAX_TICKS = 6  # labels of the decades
_APART = 0.11  # of the axis: the least distance of two labels, and of the bar of dead units from the first bin


@documented
def code_histograms(
    codes: ArrayLike, *, names: Sequence[str] | None = None, title: str | None = None, dark: bool = False
) -> Figure:
    """Draw a histogram of each unit of the code.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_components)
        Codes; the first 64 units are drawn, in order.
    title : str or None
        Title of the figure; None states the number of units if not all are drawn.

    Returns
    -------
    figure : matplotlib.figure.Figure
        If more than a fifth of a unit's values are 0, the histogram omits them and states their share. Values so far
        outside that they would squeeze the others are left out and counted. A unit with one value is "constant".

    Raises
    ------
    InvalidDataError
        If the codes are not a finite two-dimensional array.
    """
    values = matrix_of(codes, "codes")
    units = unit_names(names, codes, values.shape[1])
    shown = min(values.shape[1], _MAX_PANELS)
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
    """Draw the histogram of one unit, with a note if it is constant, often 0, or a few values lie far outside."""
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
    low, high = bulk(values) or (float(values.min()), float(values.max()))
    outside = int(((values < low) | (values > high)).sum())
    if outside:
        note = ", ".join([note, f"{outside:,} outside"] if note else [f"{outside:,} outside"])
    if high - low <= 1e-6 * max(abs(low), abs(high)):
        low, high = low - 0.5, high + 0.5
    ax.hist(values, bins=bins, range=(low, high), color=style.palette[0], histtype="stepfilled")
    ax.margins(y=0.3 if note else 0.05)
    if note:
        ax.text(0.5, 0.98, note, transform=ax.transAxes, ha="center", va="top", fontsize=SMALL)


@documented
def density(frequency: ArrayLike, *, title: str | None = None, dark: bool = False) -> Figure:
    """Draw the histogram of the units' activation frequencies, with a separate bar for dead units.

    Parameters
    ----------
    frequency : array-like of shape (n_components,)
        Fraction of rows in which each unit is active, such as `isthmus.metrics.CodeStatistics.frequency`.
    title : str or None
        Title of the figure; None states the number of dead units.

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
        ticks = _decades(float(edges[0]))
        if histogram.dead:
            position = float(edges[0]) * (1 + _APART) - width
            look: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "fontsize": SMALL}
            ax.bar(position, histogram.dead, max(width, -edges[0] / 25), color=style.palette[2])
            ax.annotate(f"{histogram.dead:,} dead", (position, histogram.dead), (0, 3), **look)
            near = position * (1 - _APART)
            ticks = {place: label for place, label in ticks.items() if place > near} | {position: "never"}
        ax.set_xticks(list(ticks), list(ticks.values()))
        if histogram.dead < len(shares):
            median = float(np.median(shares[shares > 0]))
            ax.axvline(
                np.log10(median), color=style.ink, linewidth=1.2, linestyle=":", label=f"median {_percent(median)}"
            )
            # Above the axes, where no bar can be.
            ax.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0)
        ax.margins(x=0.06, y=0.12)
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set(xlabel="rows in which a unit is active", ylabel="units")
    return figure


def _decades(lowest: float) -> dict[float, str]:
    """Return the labels of at most six powers of ten, up to 1, by their logarithms."""
    powers = np.arange(0, np.ceil(lowest) - 1, -1)
    return {float(power): _percent(10.0**power) for power in powers[:: math.ceil(len(powers) / _MAX_TICKS)][::-1]}


def _percent(share: float) -> str:
    """Return a share in percent, with three significant digits; short also for a tiny one."""
    percent = 100 * share
    return f"{percent:.3g}%".replace("e-0", "e-") if percent < 0.9e-4 else f"{percent:.3g}%"


@documented
def activation_against_target(
    mean_activation: ArrayLike,
    target: float | None = None,
    *,
    tolerance: float = 0.2,
    title: str | None = None,
    dark: bool = False,
) -> Figure:
    """Draw the mean activation of each unit, largest first, and the target.

    Parameters
    ----------
    mean_activation : array-like of shape (n_components,)
        Mean of each unit over all rows, such as `isthmus.metrics.CodeStatistics.mean_activation`.
    target : float or None
        Target of the mean activation; None draws no line.
    tolerance : float
        Half the width of the band drawn around the target, as a fraction of the target, in [0, 1). The default title
        states the share of units in it.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The axis is logarithmic if the means are not negative and span more than a factor of ten; means of 0 are then
        marked at its lower end.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        If the means are not a finite one-dimensional array, or `target` or `tolerance` is out of range.
    """
    means = np.sort(numbers_of(mean_activation, "mean activations"))[::-1]
    if target is not None and not np.isfinite(target):
        raise InvalidParameterError(f"target={target!r} must be a finite number")
    if not 0 <= tolerance < 1:
        raise InvalidParameterError(f"tolerance={tolerance!r} must be a number >= 0 and < 1")
    if title is None and target is not None:
        near = np.mean(np.abs(means - target) <= tolerance * abs(target))
        title = f"{near:.0%} of {len(means)} units within {tolerance:.0%} of the target"
    with canvas(dark, 7.5, 4.2, title) as (figure, style):
        ax = figure.subplots()
        lower = _axis(ax, means, target)
        _draw(ax, means, lower, style)
        if target is not None:
            span = tolerance * abs(target)
            ax.axhspan(target - span, target + span, color=style.missing, linewidth=0, zorder=0)
            ax.axhline(target, color=style.palette[2], label=f"target {target:g}", zorder=1)
        if ax.get_legend_handles_labels()[1]:
            ax.legend()
        ax.set_xlim(0.5 - 0.02 * len(means), len(means) * 1.02 + 0.5)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set(xlabel="unit, largest first", ylabel="mean activation")
    return figure


def _axis(ax: Axes, means: Array, target: float | None) -> float | None:
    """Choose a logarithmic or linear axis; return the lower end of a logarithmic one, else None."""
    drawn = np.append(means, [] if target is None else target)
    positive = drawn[drawn > 0]
    if drawn.min() < 0 or not len(positive) or positive.max() <= 10 * positive.min():
        return None
    ax.set_yscale("log")
    lower = float(positive.min()) / 2
    ax.set_ylim(lower, float(positive.max()) * 1.6)
    log_ticks(ax.yaxis, float(positive.min()), float(positive.max()))
    return lower


def _draw(ax: Axes, means: Array, lower: float | None, style: Style) -> None:
    ranks = np.arange(1, len(means) + 1)
    size = float(np.clip(300 / len(means), 2, 7))
    zeros = means == 0 if lower is not None else np.zeros(len(means), bool)
    ax.plot(ranks[~zeros], means[~zeros], "o", color=style.palette[0], markersize=size)
    if zeros.any():
        count = int(zeros.sum())
        look: dict[str, Any] = {"color": style.palette[0], "markersize": max(size, 4), "clip_on": False}
        label = f"{count:,} {'unit' if count == 1 else 'units'} at 0"
        ax.plot(ranks[zeros], np.full(count, lower), "v", label=label, **look)
