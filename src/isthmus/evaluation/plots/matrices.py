"""Values on a grid: how the units of a code correlate, and the errors of pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from isthmus.core.errors import InvalidDataError
from isthmus.evaluation.plots.canvas import canvas, colour_bar, panels, remove_frame
from isthmus.evaluation.plots.checks import Array, ArrayLike, matrix_of, named_sets, unit_names
from isthmus.evaluation.plots.pictures import draw_picture
from isthmus.evaluation.plots.shared_docs import documented
from isthmus.evaluation.plots.style import SMALL, TEXT

_MAX_UNITS, _NAMED, _WRITTEN, _LETTERS = 64, 24, 12, 18


def correlation_matrix(codes: ArrayLike) -> Array:
    """Return the correlations of the columns of codes (K, K); those of a constant column are 0.

    Parameters
    ----------
    codes : array-like of shape (n_samples, K)
        Codes.
    """
    values = matrix_of(codes, "codes").astype(np.float64)
    centered = values - values.mean(axis=0)
    lengths = np.linalg.norm(centered, axis=0)
    # What remains of equal values is rounding.
    kept = lengths > 1e-12 * np.linalg.norm(values, axis=0)
    unit = np.divide(centered, lengths, out=np.zeros_like(centered), where=kept)
    matrix: Array = np.clip(unit.T @ unit, -1, 1)
    return matrix


@documented
def correlations(
    codes: ArrayLike, *, names: Sequence[str] | None = None, title: str | None = None, dark: bool = False
) -> Figure:
    """Draw the correlations of the units of a code.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_components)
        Codes; the first 64 units are drawn, in order.
    title : str or None
        Title of the figure; None states the number of units if not all are drawn.

    Returns
    -------
    figure : matplotlib.figure.Figure
        A square for each pair of units. Up to twelve units the correlations are written into them. A unit with one
        value throughout has the correlation 0.

    Raises
    ------
    InvalidDataError
        If the codes are not a finite two-dimensional array.
    """
    values = matrix_of(codes, "codes")
    units = unit_names(names, codes, values.shape[1])
    shown = min(values.shape[1], _MAX_UNITS)
    if title is None and shown < values.shape[1]:
        title = f"first {shown} of {values.shape[1]} units"
    matrix = correlation_matrix(values[:, :shown])
    side = float(np.clip(0.5 * shown, 2.6, 6.5))
    with canvas(dark, side + 2.2, side + 0.6, title) as (figure, style):
        ax = figure.subplots()
        image = ax.imshow(matrix, cmap=style.diverging, vmin=-1, vmax=1, interpolation="nearest")
        ax.spines[:].set_visible(False)
        if shown <= _NAMED:
            units = [name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…" for name in units[:shown]]
            ax.set_xticks(range(shown), units, rotation=60, ha="right", rotation_mode="anchor")
            ax.set_yticks(range(shown), units)
        else:
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
            ax.yaxis.set_major_locator(MaxNLocator(integer=True))
            ax.set(xlabel="unit", ylabel="unit")
        if shown <= _WRITTEN:
            for (line, column), value in np.ndenumerate(matrix):
                strong = abs(value) > 0.6
                # Not the colours of paper and ink, which follow a page's theme, as the squares do not.
                colour = "#fefefe" if strong != dark else "#202020"
                ax.text(column, line, f"{value:.2f}".replace("-0.00", "0.00"), ha="center", va="center", color=colour,
                        fontsize=SMALL if shown <= 8 else SMALL - 3)  # fmt: skip
        colour_bar(figure, image, "correlation", ax=ax, aspect=25, pad=0.02, ticks=[-1, 0, 1])
    return figure


@documented
def error_maps(errors: ArrayLike | Mapping[str, ArrayLike], *, title: str | None = None, dark: bool = False) -> Figure:
    """Draw the errors of pixels as pictures with one scale.

    Parameters
    ----------
    errors : array-like of shape (height, width), or mapping of method to such arrays
        Errors >= 0, such as ``model.reconstruction_error(X, per="feature").reshape(28, 28)``.

    Returns
    -------
    figure : matplotlib.figure.Figure
        One picture for each method.

    Raises
    ------
    InvalidDataError
        If errors are not a finite two-dimensional array, or some are negative.
    """
    maps = {name: matrix_of(each, "errors").astype(np.float64) for name, each in named_sets(errors, "errors").items()}
    if min(float(each.min()) for each in maps.values()) < 0:
        raise InvalidDataError("errors have a negative value; pass squared errors")
    most = max(float(each.max()) for each in maps.values()) or 1.0
    height, width = next(iter(maps.values())).shape
    tall = float(np.clip(3.0 * height / width, 1.2, 6))
    with canvas(dark, 3.1 * len(maps) + 1.2, tall + 0.4, title) as (figure, style):
        axes = panels(figure, len(maps), len(maps))
        for ax, (name, each) in zip(axes, maps.items(), strict=True):
            remove_frame(ax)
            image = draw_picture(ax, each, style.sequential, (0, most))
            ax.set_title(name, fontsize=TEXT)
        colour_bar(figure, image, "squared error", ax=axes, aspect=25, pad=0.02)
    return figure
