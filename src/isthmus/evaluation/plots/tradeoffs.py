"""What methods reach against what they spend, as one curve each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, StrMethodFormatter

from isthmus.core.errors import InvalidDataError
from isthmus.evaluation.plots.canvas import canvas
from isthmus.evaluation.plots.checks import Array, ArrayLike, numbers_of

_MARKS = "osD^vPX"


def tradeoffs(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    x_label: str = "active units per row",
    y_label: str = "explained variance",
    title: str | None = None,
    dark: bool = False,
) -> Figure:
    """Draw what methods reach against what they spend, such as errors against the number of active units.

    Parameters
    ----------
    curves : mapping of str to (x, y)
        For each method two array-likes of one shape (n_points,): what it spends, and what it reaches with that.
    x_label, y_label : str
        What to write at the axes.
    title : str or None
        Title of the figure.
    dark : bool
        Draw for a dark background.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The horizontal axis is logarithmic, ticks at the points, where all x are positive and span at least a factor of
        eight.

    Raises
    ------
    InvalidDataError
        Where there are no curves, or one is not two lists of as many finite numbers.
    """
    points = {name: _points(curve, name) for name, curve in _named(curves).items()}
    spent = np.unique(np.concatenate([x for x, _ in points.values()]))
    with canvas(dark, 8.0, 5.0, title) as (figure, style):
        ax = figure.subplots()
        for place, (name, (x, y)) in enumerate(points.items()):
            look: dict[str, Any] = {"color": style.palette[place % len(style.palette)], "markersize": 7}
            ax.plot(x, y, marker=_MARKS[place % len(_MARKS)], label=name, **look)
        if spent[0] > 0 and spent[-1] >= 8 * spent[0]:
            ax.set_xscale("log")
            if len(spent) <= 12:
                ax.xaxis.set_major_locator(FixedLocator(spent.tolist()))
                ax.xaxis.set_minor_locator(FixedLocator([]))
            ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set(xlabel=x_label, ylabel=y_label)
        ax.legend()
    return figure


def _named(curves: Any) -> dict[str, Any]:
    if not isinstance(curves, Mapping) or not curves:
        raise InvalidDataError("curves are a mapping of name to (x, y), and at least one; pass such")
    return {str(name): curve for name, curve in curves.items()}


def _points(curve: Any, name: str) -> tuple[Array, Array]:
    try:
        first, second = curve
    except (TypeError, ValueError) as error:
        raise InvalidDataError(f"curve {name!r} is not a pair (x, y)") from error
    if np.ndim(first) != 1 or np.shape(first) != np.shape(second):
        raise InvalidDataError(
            f"curve {name!r} has x of shape {np.shape(first)} and y of {np.shape(second)}; pass one of each for a point"
        )
    x, y = numbers_of(first, f"x of {name!r}"), numbers_of(second, f"y of {name!r}")
    order = np.argsort(x, kind="stable")
    return x[order], y[order]
