"""Weights and atoms of the units, as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.figure import Figure

from isthmus.core.errors import InvalidDataError, InvalidParameterError, unknown_name
from isthmus.evaluation.plots import checks
from isthmus.evaluation.plots.canvas import canvas, colour_bar, columns_for, remove_frame
from isthmus.evaluation.plots.checks import Array, ArrayLike, Shape, check_count, check_size, checked_shape, matrix_of
from isthmus.evaluation.plots.pictures import draw_picture, mosaic_of
from isthmus.evaluation.plots.shared_docs import documented


@documented
def weights(
    weights: ArrayLike,
    *,
    image_shape: Sequence[int],
    n: int = 64,
    sort: bool = True,
    title: str | None = None,
    dark: bool = False,
) -> Figure:
    """Draw the columns of a weight matrix as pictures: the input pattern that each unit responds to.

    Parameters
    ----------
    weights : array-like of shape (n_inputs, n_units)
        Weight matrix, such as the first of an estimator's `encoder_weights_`, or the transpose of the last of its
        `decoder_weights_`.
    image_shape : sequence of int
        (height, width) or (height, width, channels) of the inputs.
    n : int
        Maximum number of units to draw.
    sort : bool
        Draw the units with the largest norm first; False keeps their order.
    title : str or None
        Title of the figure; None describes which units are drawn.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Each picture is scaled by its largest absolute weight; zero is the middle of the colour scale, or mid-grey in
        colour pictures.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        If the weights are not a finite two-dimensional array, or `image_shape` does not match the number of inputs.
    """
    check_count("n", n)
    shape = checked_shape(image_shape)
    matrix = matrix_of(weights, "weights").astype(np.float64)
    check_size(matrix.shape[0], shape, "weights (inputs, units)")
    order = np.argsort(-np.linalg.norm(matrix, axis=0), kind="stable") if sort else np.arange(matrix.shape[1])
    return _draw(matrix.T, order[:n], "largest norm first" if sort else "", shape, "weight", title, dark)


@documented
def atoms(
    components: ArrayLike,
    *,
    image_shape: Sequence[int],
    n: int = 64,
    sort: Literal["auto", "norm", "frequency"] | None = "auto",
    frequency: ArrayLike | None = None,
    title: str | None = None,
    dark: bool = False,
) -> Figure:
    """Draw the atoms of a code: the pictures whose weighted sum is the reconstruction.

    Parameters
    ----------
    components : array-like of shape (n_components, n_features)
        The atoms, such as an estimator's `components_`.
    image_shape : sequence of int
        (height, width) or (height, width, channels) of a row.
    n : int
        Maximum number of atoms to draw.
    sort : {"auto", "norm", "frequency"} or None
        What comes first. "auto" is the most used: the most frequently active atoms where `frequency` is given, else
        the order of `components`, in which a fitted estimator has the units whose codes vary most first. "norm" is the
        largest norm, which is the same for all atoms of most sparse codes; None keeps the order.
    frequency : array-like of shape (n_components,), optional
        Fraction of rows in which each unit is active, such as `isthmus.metrics.CodeStatistics.frequency`. Required for
        ``sort="frequency"``. If it is given and `sort` is not None, units that are never active are not drawn.
    title : str or None
        Title of the figure; None describes which atoms are drawn.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Each picture is scaled by its largest absolute value; zero is the middle of the colour scale, or mid-grey in
        colour pictures.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        If the atoms are not a finite two-dimensional array, `image_shape` does not match their width, or there is not
        one frequency per atom.
    """
    check_count("n", n)
    shape = checked_shape(image_shape)
    matrix = matrix_of(components, "components").astype(np.float64)
    check_size(matrix.shape[1], shape, "components")
    shares = None if frequency is None else checks.numbers_of(frequency, "frequencies")
    if shares is not None and len(shares) != len(matrix):
        raise InvalidDataError(f"{len(shares)} frequencies for {len(matrix)} atoms; pass one per atom")
    if sort == "auto":
        sort = None if shares is None else "frequency"
    order = _order(matrix, sort, shares)
    if not len(order):
        raise InvalidDataError("no unit is ever active; pass sort=None to draw all atoms")
    return _draw(matrix, order[:n], "" if sort is None else _ORDERS[sort], shape, "value", title, dark)


def _order(matrix: Array, sort: str | None, shares: Array | None) -> Array:
    if sort is None:
        return np.arange(len(matrix))
    if sort not in _ORDERS:
        raise unknown_name("sort", sort, _ORDERS)
    if sort == "frequency" and shares is None:
        raise InvalidParameterError("sort='frequency' requires frequency=; pass the units' frequencies")
    keys = np.linalg.norm(matrix, axis=1) if sort == "norm" else shares
    assert keys is not None
    order = np.argsort(-keys, kind="stable")
    return order if shares is None else order[shares[order] > 0]


_ORDERS = {"norm": "largest norm first", "frequency": "most frequently active first"}


def scaled_filters(rows: Array, shape: Shape) -> tuple[Array, bool]:
    """Return rows as pictures, each scaled by its largest absolute value, and whether they are signed.

    Grey pictures are signed, from -1 to 1; colour pictures are from 0 to 1, with zero at mid-grey.
    """
    largest = np.abs(rows).max(axis=1, keepdims=True)
    pictures = np.divide(rows, largest, out=np.zeros_like(rows), where=largest > 0).reshape(-1, *shape)
    signed = pictures.ndim == 3
    return pictures if signed else (pictures + 1) / 2, signed


def _draw(rows: Array, chosen: Array, order: str, shape: Shape, what: str, title: str | None, dark: bool) -> Figure:
    """Draw the chosen rows as a grid of pictures; the default title has their order, `what` labels the colour bar."""
    if title is None:
        title = f"{len(chosen)} of {len(rows)} units" + (f", {order}" if order and len(chosen) > 1 else "")
    pictures, signed = scaled_filters(rows[chosen], shape)
    columns = columns_for(len(chosen), shape[0] / shape[1])
    mosaic = mosaic_of(pictures, columns)
    width = float(np.clip(1.1 * columns, 4, 9))
    height = width * mosaic.shape[0] / mosaic.shape[1]
    with canvas(dark, width + (1.4 if signed else 0.4), height + 0.3, title) as (figure, style):
        ax = figure.subplots()
        remove_frame(ax)
        image = draw_picture(ax, mosaic, style.diverging, (-1, 1))
        if signed:
            bar = colour_bar(figure, image, what, cax=ax.inset_axes((1.03, 0, 0.03, 1)), ticks=[-1, 0, 1])
            bar.ax.set_yticklabels(["-max", "0", "max"])
    return figure
