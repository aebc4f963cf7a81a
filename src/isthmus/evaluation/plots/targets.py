"""Mean activations of the units of a code, compared with their target."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from isthmus.core.errors import InvalidParameterError
from isthmus.evaluation.plots.canvas import canvas
from isthmus.evaluation.plots.checks import Array, ArrayLike, numbers_of
from isthmus.evaluation.plots.style import Style


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
    title : str or None
        Title of the figure.
    dark : bool
        Draw for a dark background.

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
    if positive.max() < 1e3 * positive.min():
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    return lower


def _draw(ax: Axes, means: Array, lower: float | None, style: Style) -> None:
    ranks = np.arange(1, len(means) + 1)
    size = float(np.clip(300 / len(means), 2, 7))
    zeros = means == 0 if lower is not None else np.zeros(len(means), bool)
    ax.plot(ranks[~zeros], means[~zeros], "o", color=style.palette[0], markersize=size)
    if zeros.any():
        count = int(zeros.sum())
        ax.plot(
            ranks[zeros],
            np.full(count, lower),
            "v",
            color=style.palette[0],
            markersize=max(size, 4),
            clip_on=False,
            label=f"{count:,} {'unit' if count == 1 else 'units'} at 0",
        )
