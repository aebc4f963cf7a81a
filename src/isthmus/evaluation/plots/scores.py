"""Scores of outliers in order of size, and the share of each column in the largest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.evaluation.plots.canvas import canvas
from isthmus.evaluation.plots.checks import Array, ArrayLike, matrix_of, unit_names
from isthmus.evaluation.plots.shared_docs import documented
from isthmus.evaluation.plots.style import SMALL, Style

_MOST = 30  # rows or columns that have room
_LABEL = 18  # characters of a column's name


@documented
def outliers(
    contributions: ArrayLike,
    threshold: float,
    *,
    names: Sequence[str] | None = None,
    top: int = 12,
    title: str | None = None,
    dark: bool = False,
) -> Figure:
    """Draw the scores of rows in order of size with the threshold, and the share of each column in the largest scores.

    Parameters
    ----------
    contributions : array-like of shape (n_samples, n_features)
        What each column adds to each row's score, as `AutoencoderOutlierDetector.contributions` returns it.
    threshold : float
        From which score on a row is an outlier: ``threshold_`` of the detector.
    names : sequence of str or None
        Names of the columns; None uses the column names of a frame, or "column 0", "column 1", ….
    top : int
        How many of the rows with the largest scores are shown by column, at most 30. Columns beyond the 30 that add
        most to them are left out.
    title : str or None
        Title of the figure; None counts rows and outliers.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Left the scores, right a row of cells for each of the rows with the largest scores, dark where a
        column has a large share of the score.

    Raises
    ------
    InvalidDataError
        If contributions are not a finite two-dimensional array, or some are negative.
    InvalidParameterError
        If `top` is not from 1 to 30.
    """
    parts = matrix_of(contributions, "contributions").astype(np.float64)
    if parts.min() < 0:
        raise InvalidDataError(f"contributions have a negative value, {parts.min():g}; pass detector.contributions(X)")
    if not 1 <= top <= _MOST:
        raise InvalidParameterError(f"top={top} must be an integer >= 1 and <= {_MOST}")
    labels = _names_of(names, contributions, parts.shape[1])
    scores = parts.sum(axis=1)
    order = np.argsort(-scores, kind="stable")
    worst = order[:top]
    columns = np.sort(np.argsort(-parts[worst].sum(axis=0), kind="stable")[:_MOST])
    count = int((scores > threshold).sum())
    if title is None:
        title = f"{count:,} of {len(scores):,} rows above the threshold"
    height = max(4.2, 0.3 * len(worst) + 1.9)
    with canvas(dark, 5 + max(3.0, 0.36 * len(columns) + 1.2), height, title) as (figure, style):
        widths = [4.5, max(3.0, 0.36 * len(columns))]
        left, right = figure.subplots(1, 2, width_ratios=widths)
        _draw_scores(left, scores[order], threshold, count, style)
        _draw_shares(figure, right, parts[worst][:, columns], scores[worst], [labels[i] for i in columns], worst, style)
    return figure


def _names_of(names: Sequence[str] | None, contributions: ArrayLike, width: int) -> list[str]:
    if names is None and not hasattr(contributions, "columns"):
        return [f"column {place}" for place in range(width)]
    return unit_names(names, contributions, width)


def _draw_scores(ax: Axes, ranked: Array, threshold: float, count: int, style: Style) -> None:
    """Draw scores from the largest to the smallest; those above the threshold in another colour."""
    places = np.arange(1, len(ranked) + 1)
    shown = np.maximum(ranked, _smallest(ranked))
    ax.plot(places, shown, ".", color=style.muted, markersize=5, rasterized=len(ranked) > 10_000)
    ax.plot(places[:count], shown[:count], ".", color=style.palette[2], markersize=6)
    ax.axhline(threshold, color=style.ink, linewidth=1, linestyle="--")
    ax.text(1, threshold, f"threshold {threshold:.3g}", va="bottom", ha="right", fontsize=SMALL,
            transform=ax.get_yaxis_transform())  # fmt: skip
    if shown[0] > 20 * shown[len(shown) // 2] > 0:
        ax.set_yscale("log")
    ax.set(xlabel="rows, largest score first", ylabel="anomaly score")


def _smallest(ranked: Array) -> float:
    """Return the smallest positive score, which stands for 0 on a logarithmic axis."""
    positive = ranked[ranked > 0]
    return float(positive[-1]) if len(positive) else 0.0


def _draw_shares(
    figure: Figure, ax: Axes, parts: Array, scores: Array, names: list[str], rows: Array, style: Style
) -> None:
    """Draw the share of each column in the scores of rows."""
    shares = np.divide(parts, scores[:, None], out=np.zeros_like(parts), where=scores[:, None] > 0)
    image = ax.imshow(100 * shares, aspect="auto", cmap=style.sequential, vmin=0, vmax=max(100 * shares.max(), 1e-9))
    short = [name if len(name) <= _LABEL else f"{name[: _LABEL - 1]}…" for name in names]
    ax.set_xticks(range(len(names)), short, rotation=60, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(rows)), [f"row {row:,}" for row in rows])
    ax.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=ax, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label("share of the score, %")
