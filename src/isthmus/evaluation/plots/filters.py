"""What each unit of a layer looks for, as pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from isthmus.evaluation.plots.canvas import bare, canvas, colour_bar, extra, panels_across
from isthmus.evaluation.plots.checks import Array, ArrayLike, check_count, check_size, checked_shape, matrix_of
from isthmus.evaluation.plots.pictures import draw_picture, mosaic_of


def weights(
    weights: ArrayLike,
    *,
    image_shape: Sequence[int],
    n: int = 64,
    sort: bool = True,
    title: str | None = None,
    dark: bool = False,
) -> Figure:
    """Draw what each unit of a layer looks for: the columns of its matrix as pictures.

    Parameters
    ----------
    weights : array-like of shape (n_inputs, n_units)
        The matrix, such as the first of an estimator's `encoder_weights_`, or the last of its `decoder_weights_`
        transposed.
    image_shape : sequence of int
        (height, width) or (height, width, channels) of the inputs.
    n : int
        Units to draw, at most.
    sort : bool
        Draw the units of the largest norm, largest first; False keeps their order.
    title : str or None
        Title of the figure; None says which units are drawn.
    dark : bool
        Draw for a dark background.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Each picture is scaled to its own largest absolute weight; zero is in the middle of the colours, or mid-grey in
        colour pictures.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        Where weights are not finite numbers in two dimensions, or `image_shape` is not the number of inputs.
    """
    check_count("n", n)
    shape = checked_shape(image_shape)
    matrix = matrix_of(weights, "weights").astype(np.float64)
    check_size(matrix.shape[0], shape, "weights (inputs, units)")
    order = np.argsort(-np.linalg.norm(matrix, axis=0), kind="stable") if sort else np.arange(matrix.shape[1])
    kept = matrix[:, order[:n]].T
    if title is None:
        title = drawn_of(len(kept), matrix.shape[1], "largest norm first" if sort else "")
    return draw_filters(kept, shape, "weight", title, dark)


def drawn_of(shown: int, there: int, order: str) -> str:
    """Return the title that says how many units are drawn, and in which order where there is one."""
    return f"{shown} of {there} units" + (f", {order}" if order and shown > 1 else "")


def scaled_filters(rows: Array, shape: tuple[int, ...]) -> tuple[Array, bool]:
    """Return rows as pictures, each scaled to its own largest absolute value, and whether they are signed.

    Signed ones have a colour for each sign, from -1 to 1; pictures in colour have mid-grey at zero, from 0 to 1.
    """
    largest = np.abs(rows).max(axis=1, keepdims=True)
    pictures = np.divide(rows, largest, out=np.zeros_like(rows), where=largest > 0).reshape(-1, *shape)
    signed = pictures.ndim == 3
    return pictures if signed else (pictures + 1) / 2, signed


def draw_filters(rows: Array, shape: tuple[int, ...], what: str, title: str, dark: bool) -> Figure:
    """Draw rows as pictures in a grid, each scaled to its own largest absolute value; `what` names the values."""
    pictures, signed = scaled_filters(rows, shape)
    across = panels_across(len(rows), shape[0] / shape[1])
    mosaic = mosaic_of(pictures, across)
    width = float(np.clip(1.1 * across, 4, 9))
    height = width * mosaic.shape[0] / mosaic.shape[1]
    with canvas(dark, width + (1.4 if signed else 0.4), height + 0.3, title) as (figure, style):
        ax = figure.subplots()
        bare(ax)
        image = draw_picture(ax, mosaic, style.diverging, (-1, 1))
        if signed:
            bar = colour_bar(figure, image, what, cax=extra(ax, 0.03), ticks=[-1, 0, 1])
            bar.ax.set_yticklabels(["-max", "0", "max"])
    return figure
