"""Errors and score of a fitted autoencoder: squared errors by row, column or cell, and explained variance."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import UndefinedMetricWarning

from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.data.named_columns import numbers_in
from isthmus.data.sources.base import Source
from isthmus.data.weights import NAME, checked_weights
from isthmus.estimators.inputs import mixed_encoding, open_stream
from isthmus.estimators.transforming import rebuilt_blocks
from isthmus.evaluation.metrics import ExplainedVariance

Array = NDArray[Any]
Pairs = Iterable[tuple[Array, Array]]  # scaled rows and their reconstructions, block by block


def comparable(model: Any, raw: Array, rebuilt: Array) -> tuple[Array, Array]:
    """Return scaled rows and reconstructions, float64, whose squared differences weigh a table's columns alike.

    Parameters
    ----------
    model : FittedModel
        The model.
    raw : ndarray of shape (n, D)
        Rows as a source has them.
    rebuilt : ndarray of shape (n, D)
        Their scaled reconstructions.
    """
    # In one memory order, so that sums over cells round alike whatever the order of the input.
    scaled = model.scaler_.scaled(np.ascontiguousarray(raw), np.float64)
    rebuilt, scale = rebuilt.astype(np.float64), model.error_scale_
    return (scaled, rebuilt) if scale is None else (scaled / scale, rebuilt / scale)


def pairs(model: Any, source: Source) -> Pairs:
    """Yield scaled rows, NaN where missing, and the scaled reconstructions, as `comparable` returns them."""
    return (comparable(model, raw, rebuilt) for raw, rebuilt in rebuilt_blocks(model, source))


def squared_errors(model: Any, X: Any, per: str) -> Array:
    """Return squared errors of reconstructions in scaled units; see `Autoencoder.reconstruction_error`."""
    if per not in ("row", "feature", "cell"):
        raise InvalidParameterError(f"per={per!r} must be one of 'row', 'feature', 'cell'")
    found = pairs(model, open_stream(model, X))
    squares = (by_column(model, np.square(scaled - rebuilt)) for scaled, rebuilt in found)
    if per == "feature":
        parts = _means_by_column(squares)
    elif per == "row":
        parts = [_quotient(np.nansum(square, axis=1), np.sum(~np.isnan(square), axis=1)) for square in squares]
    else:
        parts = [*squares]
    if not parts:
        raise InvalidDataError(f"{X} has no rows; an error needs at least one")
    return np.concatenate(parts)


def _means_by_column(blocks: Iterable[Array]) -> list[Array]:
    """Return the mean of each column of rows that come in blocks, of which none is kept; nothing without a block."""
    total: Any = 0.0
    count: Any = None
    for cells in blocks:
        total = total + np.nansum(cells, axis=0)
        count = (0 if count is None else count) + np.sum(~np.isnan(cells), axis=0)
    return [] if count is None else [_quotient(total, count)]


def by_column(model: Any, cells: Array) -> Array:
    """Return the sums of cells (n, D) that come from one column of a table, (n, n_features_in_)."""
    encoding = mixed_encoding(model)
    if encoding is None:
        return cells
    filled = [place for place, column in enumerate(encoding.columns) if column.width]
    sums = np.zeros((len(cells), encoding.n_columns))
    sums[:, filled] = np.add.reduceat(cells, [encoding.starts[place] for place in filled], axis=1)
    return sums


def _quotient(total: Any, count: Any) -> Array:
    """Return means, NaN where nothing was counted."""
    means: Array = np.divide(total, count, out=np.full(np.shape(total), np.nan), where=np.asarray(count) > 0)
    return means


def weights_given(X: Any, sample_weight: Any) -> Any:
    """Return weights as numbers: those of the column of `X` where they are its name."""
    return numbers_in(X, NAME, sample_weight) if isinstance(sample_weight, str) else sample_weight


def explained_variance(X: Any, found: Pairs, n_rows: int | None, sample_weight: Any) -> float:
    """Return the explained variance of reconstructions; NaN, with a warning, for fewer than two rows.

    Parameters
    ----------
    X : object
        The rows as they were given, for messages.
    found : iterable
        Scaled rows and their reconstructions.
    n_rows : int or None
        The number of rows, None if reading shows it.
    sample_weight : array-like of shape (n_rows,), float or None
        The rows' weights.
    """
    if n_rows is None and np.ndim(sample_weight) == 1:
        n_rows = len(sample_weight)
    weights = checked_weights(sample_weight if np.ndim(sample_weight) else None, n_rows or 0)
    share = ExplainedVariance()
    for scaled, rebuilt in found:
        stop = share.count + len(scaled)
        if weights is not None and stop > len(weights):
            raise _other_number(len(weights), "more")
        share.update(scaled, rebuilt, None if weights is None else weights[share.count : stop])
    if weights is not None and share.count < len(weights):
        raise _other_number(len(weights), str(share.count))
    if share.count >= 2:
        return share.value
    if not share.count:
        raise InvalidDataError(f"{X} has no rows; a score needs at least two")
    warnings.warn("explained variance is not defined for fewer than two rows", UndefinedMetricWarning, stacklevel=3)
    return float("nan")


def _other_number(given: int, found: str) -> InvalidDataError:
    return InvalidDataError(f"{NAME} has {given} numbers, but there are {found} rows; pass one weight for each")
