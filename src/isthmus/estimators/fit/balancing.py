"""The columns of a table balanced: whatever its kind, a column counts as one column of the loss and of the error."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from isthmus.core.errors import InvalidParameterError
from isthmus.data.scaling import ColumnStatistics, Scaling
from isthmus.data.scaling.maps import Scaler
from isthmus.data.sources.base import Schema
from isthmus.networks.one_hot import Groups, is_category

Floats = NDArray[np.float64]

_LEAST_ENTROPY = 1e-9  # of a category; below it there is one level


def unscaled_categories(scaler: Scaling, categories: Groups) -> Scaling:
    """Return a scaling by column that leaves one-hot columns as they are."""
    if not isinstance(scaler, Scaler):
        raise InvalidParameterError(
            f"scaling={scaler.kind!r} mixes the columns of a row, which categories do not allow; use 'standard'"
        )
    chosen = is_category(categories, scaler.n_features)
    center, scale = np.where(chosen, 0.0, scaler.center), np.where(chosen, 1.0, scaler.scale)
    without: Scaling = replace(scaler, center=center, scale=scale, near_bounds=False)
    return without


def balanced(schema: Schema, statistics: ColumnStatistics, scaler: Scaling, *, squared: bool) -> tuple[Floats, Floats]:
    """Return what each cell's loss is multiplied by, and what errors of scaled cells are divided by, each (D,).

    Parameters
    ----------
    schema : Schema
        The columns of an encoded table.
    statistics : ColumnStatistics
        Those of its training rows, with moments.
    scaler : Scaling
        Their scaling, by column.
    squared : bool
        Whether the loss of numbers is the squared error, whose marginal costs the variance.
    """
    assert scaler.affine is not None
    shares = np.nan_to_num(np.where(statistics.unseen, 0.0, statistics.mean))
    units = _cell_units(schema.categories, shares, statistics.deviation / scaler.affine[1], squared=squared)
    return units, _error_scale(schema, shares)


def _cell_units(categories: Groups, shares: Floats, deviation: Floats, *, squared: bool) -> Floats:
    """Return the factors (D,) that make a column's loss a share of what predicting its marginal costs.

    The cost is the variance of a number, and the entropy of a category; its cross-entropy is shared by its columns, so
    that a mean over them is multiplied by their number.
    """
    varies = deviation > 0
    units = 1 / np.where(varies, deviation, 1.0) ** 2 if squared else np.ones(len(shares))
    for start, stop in categories:
        entropy = float(-np.sum(xlogy(shares[start:stop], shares[start:stop])))
        units[start:stop] = (stop - start) / entropy if entropy > _LEAST_ENTROPY else 1.0
    return units


def _error_scale(schema: Schema, shares: Floats) -> Floats:
    """Return the divisors (D,) that make the variances of the cells that come from one column add up to 1."""
    numbers = np.asarray(schema.column_of)
    scale: Floats = np.sqrt(np.bincount(numbers)[numbers])
    for start, stop in schema.categories:
        variance = float(np.sum(shares[start:stop] * (1 - shares[start:stop])))
        scale[start:stop] = np.sqrt(variance) if variance > 0 else 1.0
    return scale
