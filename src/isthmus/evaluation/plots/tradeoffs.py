"""Trade-off curves of methods, such as error against active units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, StrMethodFormatter

from isthmus.core.errors import InvalidDataError
from isthmus.evaluation.plots.canvas import canvas
from isthmus.evaluation.plots.checks import Array, ArrayLike, numbers_of

_MARKERS = "osD^vPX"


def tradeoffs(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    x_label: str = "active units per row",
    y_label: str = "explained variance",
    title: str | None = None,
    dark: bool = False,
) -> Figure:
    """Draw one trade-off curve per method, such as error against the number of active units.

    Parameters
    ----------
    curves : mapping of str to (x, y)
        For each method two array-likes of shape (n_points,).
    x_label, y_label : str
        Axis labels.
    title : str or None
        Title of the figure.
    dark : bool
        Draw for a dark background.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The horizontal axis is logarithmic, with ticks at the points, if all x are positive and span at least a factor
        of eight.

    Raises
    ------
    InvalidDataError
        If there are no curves, or a curve is not two finite arrays of equal length.
    """
    points = {name: _points(curve, name) for name, curve in _named(curves).items()}
    xs = np.unique(np.concatenate([x for x, _ in points.values()]))
    with canvas(dark, 8.0, 5.0, title) as (figure, style):
        ax = figure.subplots()
        for i, (name, (x, y)) in enumerate(points.items()):
            look: dict[str, Any] = {"color": style.palette[i % len(style.palette)], "markersize": 7}
            ax.plot(x, y, marker=_MARKERS[i % len(_MARKERS)], label=name, **look)
        if xs[0] > 0 and xs[-1] >= 8 * xs[0]:
            ax.set_xscale("log")
            if len(xs) <= 12:
                ax.xaxis.set_major_locator(FixedLocator(xs.tolist()))
                ax.xaxis.set_minor_locator(FixedLocator([]))
            ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set(xlabel=x_label, ylabel=y_label)
        ax.legend()
    return figure


def _named(curves: Any) -> dict[str, Any]:
    if not isinstance(curves, Mapping) or not curves:
        raise InvalidDataError("curves must be a mapping of name to (x, y) with at least one curve")
    return {str(name): curve for name, curve in curves.items()}


def _points(curve: Any, name: str) -> tuple[Array, Array]:
    try:
        first, second = curve
    except (TypeError, ValueError) as error:
        raise InvalidDataError(f"curve {name!r} must be a pair (x, y)") from error
    if np.ndim(first) != 1 or np.shape(first) != np.shape(second):
        raise InvalidDataError(
            f"curve {name!r} has x of shape {np.shape(first)} and y of {np.shape(second)}; pass one x and y per point"
        )
    x, y = numbers_of(first, f"x of {name!r}"), numbers_of(second, f"y of {name!r}")
    order = np.argsort(x, kind="stable")
    return x[order], y[order]
