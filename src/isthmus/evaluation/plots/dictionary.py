"""Dictionary atoms as pictures."""

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
from isthmus.evaluation.plots.filters import draw_filters, units_title


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
    """Draw the atoms of a code: the pictures whose weighted sum is the reconstruction.

    Parameters
    ----------
    components : array-like of shape (n_components, n_features)
        The atoms, such as an estimator's `components_`.
    image_shape : sequence of int
        (height, width) or (height, width, channels) of a row.
    n : int
        Maximum number of atoms to draw.
    sort : {"norm", "frequency"} or None
        Draw the atoms with the largest norm, or the most frequently active ones, first; None keeps their order.
    frequency : array-like of shape (n_components,), optional
        Fraction of rows in which each unit is active, such as `isthmus.metrics.CodeStatistics.frequency`. Required for
        ``sort="frequency"``. If it is given and `sort` is not None, units that are never active are not drawn.
    title : str or None
        Title of the figure; None describes which atoms are drawn.
    dark : bool
        Draw for a dark background.

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
    shares = None if frequency is None else numbers_of(frequency, "frequencies")
    if shares is not None and len(shares) != len(matrix):
        raise InvalidDataError(f"{len(shares)} frequencies for {len(matrix)} atoms; pass one per atom")
    kept = matrix[_order(matrix, sort, shares)[:n]]
    if not len(kept):
        raise InvalidDataError("no unit is ever active; pass sort=None to draw all atoms")
    if title is None:
        title = units_title(len(kept), len(matrix), "" if sort is None else _ORDERS[sort])
    return draw_filters(kept, shape, "value", title, dark)


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
