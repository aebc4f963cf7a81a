"""What each unit of a code puts into a rebuilt row, as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.figure import Figure

from isthmus.core.errors import InvalidDataError, InvalidParameterError, unknown_name
from isthmus.evaluation.plots.checks import (
    Array,
    ArrayLike,
    check_count,
    check_size,
    checked_shape,
    matrix_of,
    numbers_of,
)
from isthmus.evaluation.plots.filters import draw_filters, drawn_of


def atoms(
    components: ArrayLike,
    *,
    image_shape: Sequence[int],
    n: int = 64,
    sort: Literal["norm", "frequency"] | None = "norm",
    frequency: ArrayLike | None = None,
    title: str | None = None,
    dark: bool = False,
) -> Figure:
    """Draw the atoms of a code: the pictures that its units add up to a rebuilt row.

    Parameters
    ----------
    components : array-like of shape (n_components, n_features)
        The atoms, such as an estimator's `components_`.
    image_shape : sequence of int
        (height, width) or (height, width, channels) of a row.
    n : int
        Atoms to draw, at most.
    sort : {"norm", "frequency"} or None
        Draw the atoms of the largest norm, or those most often active, first; None keeps the order given.
    frequency : array-like of shape (n_components,), optional
        The share of rows in which each unit is active, as `isthmus.evaluation.metrics.CodeStatistics` has it; needed to sort by
        it. Where it is given, units that are never active are left out unless the order is the one given.
    title : str or None
        Title of the figure; None says which atoms are drawn.
    dark : bool
        Draw for a dark background.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Each picture is scaled to its own largest absolute value; zero is in the middle of the colours, or mid-grey in
        colour pictures.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        Where atoms are not finite numbers in two dimensions, `image_shape` is not their width, or frequencies are not
        one for each.
    """
    check_count("n", n)
    shape = checked_shape(image_shape)
    matrix = matrix_of(components, "components").astype(np.float64)
    check_size(matrix.shape[1], shape, "components")
    shares = None if frequency is None else numbers_of(frequency, "frequencies")
    if shares is not None and len(shares) != len(matrix):
        raise InvalidDataError(f"there are {len(shares)} frequencies for {len(matrix)} atoms; pass one for each")
    kept = matrix[_order(matrix, sort, shares)[:n]]
    if not len(kept):
        raise InvalidDataError("no unit is ever active; sort=None draws their atoms all the same")
    if title is None:
        title = drawn_of(len(kept), len(matrix), "" if sort is None else _ORDERS[sort])
    return draw_filters(kept, shape, "value", title, dark)


def _order(matrix: Array, sort: str | None, shares: Array | None) -> Array:
    if sort is None:
        return np.arange(len(matrix))
    if sort not in _ORDERS:
        raise unknown_name("sort", sort, _ORDERS)
    if sort == "frequency" and shares is None:
        raise InvalidParameterError("sort='frequency' needs the units' frequencies; pass frequency=")
    keys = np.linalg.norm(matrix, axis=1) if sort == "norm" else shares
    assert keys is not None
    order = np.argsort(-keys, kind="stable")
    return order if shares is None else order[shares[order] > 0]


_ORDERS = {"norm": "largest norm first", "frequency": "most often active first"}
