"""What each unit of a layer looks for, as pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from isthmus.plots.canvas import bare, beside, canvas, colour_bar, panels_across
from isthmus.plots.checks import ArrayLike, check_count, check_size, checked_shape, matrix_of
from isthmus.plots.pictures import draw_picture, mosaic_of


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
    largest = np.abs(kept).max(axis=1, keepdims=True)
    pictures = np.divide(kept, largest, out=np.zeros_like(kept), where=largest > 0).reshape(-1, *shape)
    across = panels_across(len(kept), shape[0] / shape[1])
    signed = pictures.ndim == 3  # has a colour for each sign; pictures in colour are shown as they are
    mosaic = mosaic_of(pictures if signed else (pictures + 1) / 2, across)
    if title is None:
        which = ", largest norm first" if sort and len(kept) > 1 else ""
        title = f"{len(kept)} of {matrix.shape[1]} units{which}"
    width = float(np.clip(1.1 * across, 4, 9))
    height = width * mosaic.shape[0] / mosaic.shape[1]
    with canvas(dark, width + (1.4 if signed else 0.4), height + 0.3, title) as (figure, style):
        ax = figure.subplots()
        bare(ax)
        image = draw_picture(ax, mosaic, style.diverging, (-1, 1))
        if signed:
            bar = colour_bar(figure, image, "weight", cax=beside(ax, 0.03), ticks=[-1, 0, 1])
            bar.ax.set_yticklabels(["-max", "0", "max"])
    return figure
