"""Curves: training over epochs, and trade-offs of methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.evaluation.plots.canvas import canvas, log_ticks
from isthmus.evaluation.plots.checks import Array, ArrayLike, numbers_of
from isthmus.evaluation.plots.shared_docs import documented
from isthmus.evaluation.plots.style import SMALL, Style

_NOT_DRAWN = ("epoch", "seconds", "last_batch_loss")  # the last batch's loss is a noisy version of the loss
_LEADING = ("loss", "validation_loss")
# What is no loss, and so has a panel of its own, with the label of its axis.
_PANELS = {
    "learning_rate": "learning\nrate",
    "l0": "active\nunits (L0)",
    "dead_units": "dead\nunits",
    "perplexity": "perplexity",
    "unused_codes": "unused\ncodes",
    "accuracy": "accuracy",
    "waiting": "share of time\nwaiting",
}
_MARKERS = "osD^vPX"


@documented
def history(
    history: Mapping[str, Sequence[float]], *, best: int | None = None, title: str | None = None, dark: bool = False
) -> Figure:
    """Draw the losses over epochs, and below them what is no loss, such as the learning rate.

    Parameters
    ----------
    history : mapping of str to sequence of float
        One value per epoch, such as an estimator's `history_`: ``loss``, ``validation_loss`` and other named terms;
        ``epoch`` if epochs do not start at 1. ``learning_rate``, ``l0``, ``dead_units``, ``perplexity``,
        ``unused_codes``, ``accuracy`` and ``waiting`` have a panel each; ``seconds`` and ``last_batch_loss`` are not
        drawn; all others are losses, drawn unless they are 0 throughout.
    best : int or None
        Epoch to mark as best; 0 is the state before training.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The loss axis is logarithmic if the losses are positive and span more than a factor of ten.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        If the lists differ in length or contain no finite loss, or `best` is not an epoch.
    """
    terms, epochs = _terms(history)
    curves = {name: values for name, values in terms.items() if name not in (*_NOT_DRAWN, *_PANELS)}
    # A term that is 0 throughout, such as the auxiliary loss without dead units, is not part of this loss.
    curves = {name: values for name, values in curves.items() if values.any() or name in _LEADING}
    below = [name for name in _PANELS if name in terms]
    if not any(np.isfinite(values).any() for values in curves.values()):
        raise InvalidDataError("the history has no finite loss to draw; pass a fitted estimator's history_")
    if best is not None and not 0 <= best <= epochs[-1]:
        raise InvalidParameterError(f"best={best!r} must be an epoch from 0 (before training) to {epochs[-1]:g}")
    with canvas(dark, 8.0, 4.5 + 0.95 * len(below), title) as (figure, style):
        ratios = [4, *[1] * len(below)]
        axes = figure.subplots(len(ratios), 1, squeeze=False, sharex=True, height_ratios=ratios).ravel()
        _draw_curves(axes[0], epochs, curves, style)
        if best is not None:
            label = f"best: epoch {best}" if best else "best: before training"
            axes[0].axvline(best, color=style.muted, linewidth=1.2, linestyle=":", zorder=0, label=label)
            name = next((name for name in ("validation_loss", "loss") if name in curves), next(iter(curves)))
            axes[0].plot(epochs[epochs == best], curves[name][epochs == best], "o", color=style.ink, markersize=8)
        axes[0].legend()
        for ax, name in zip(axes[1:], below, strict=True):
            ax.plot(epochs, terms[name], color=style.muted, marker="o" if len(epochs) == 1 else None)
            ax.set_ylabel(_PANELS[name], fontsize=SMALL, rotation=0, ha="right", va="center")
            finite = terms[name][np.isfinite(terms[name])]
            top = float(finite.max(initial=0)) or 1.0
            ax.set_ylim(min(float(finite.min(initial=0)), -0.06 * top), 1.1 * top)
            ax.yaxis.set_major_locator(MaxNLocator(2))
        axes[-1].set_xlabel("epoch")
        axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def _terms(history: Mapping[str, Sequence[float]]) -> tuple[dict[str, Array], Array]:
    if not isinstance(history, Mapping):
        raise InvalidDataError(
            f"history must be a mapping of name to one number per epoch, not {type(history).__name__}; pass history_"
        )
    terms = {}
    for name, values in history.items():
        try:
            terms[name] = np.asarray(values, np.float64)
        except (TypeError, ValueError) as error:
            raise InvalidDataError(f"history {name!r} is not a list of numbers; pass one number per epoch") from error
    lengths = {name: values.shape for name, values in terms.items()}
    if len(set(lengths.values())) > 1 or any(len(shape) != 1 for shape in lengths.values()):
        listed = ", ".join(f"{name} {shape}" for name, shape in lengths.items())
        raise InvalidDataError(f"the history's lists differ in length ({listed}); pass one number per epoch")
    n_epochs = len(next(iter(terms.values()), ()))
    if not n_epochs:
        raise InvalidDataError("the history is empty; fit for at least one epoch")
    return terms, terms.get("epoch", np.arange(1.0, n_epochs + 1))


def _draw_curves(ax: Axes, epochs: Array, curves: Mapping[str, Array], style: Style) -> None:
    marker = "o" if len(epochs) == 1 else None
    first = [name for name in _LEADING if name in curves]
    for i, name in enumerate([*first, *(name for name in curves if name not in first)]):
        colour = style.palette[i % len(style.palette)]
        line = "-" if name in first else (0, (4, 1.5))
        ax.plot(epochs, curves[name], color=colour, linestyle=line, marker=marker, label=name.replace("_", " "))
    ax.set_ylabel("loss")
    leading = np.concatenate([curves[name] for name in first or curves])
    leading = leading[np.isfinite(leading)]
    if len(leading) and leading.min() > 0 and leading.max() > 10 * leading.min():
        ax.set_yscale("log", nonpositive="mask")
        log_ticks(ax.yaxis, float(leading.min()), float(leading.max()))


@documented
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
    if not isinstance(curves, Mapping) or not curves:
        raise InvalidDataError("curves must be a mapping of name to (x, y) with at least one curve")
    points = {str(name): _points(curve, str(name)) for name, curve in curves.items()}
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
