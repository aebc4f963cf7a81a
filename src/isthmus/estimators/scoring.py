"""The score of a fitted autoencoder: explained variance, of rows with or without weights."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import UndefinedMetricWarning

from isthmus.core.errors import InvalidDataError
from isthmus.data.named_columns import numbers_in
from isthmus.data.weights import NAME, checked_weights
from isthmus.evaluation.metrics import ExplainedVariance

Pairs = Iterable[tuple[NDArray[Any], NDArray[Any]]]  # scaled rows and their reconstructions, block by block


def weights_given(X: Any, sample_weight: Any) -> Any:
    """Return weights as numbers: those of the column of `X` where they are its name."""
    return numbers_in(X, NAME, sample_weight) if isinstance(sample_weight, str) else sample_weight


def explained_variance(X: Any, pairs: Pairs, n_rows: int | None, sample_weight: Any) -> float:
    """Return the explained variance of reconstructions; NaN, with a warning, for fewer than two rows.

    Parameters
    ----------
    X : object
        The rows as they were given, for messages.
    pairs : iterable
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
    for scaled, rebuilt in pairs:
        own = None if weights is None else weights[share.count : share.count + len(scaled)]
        if own is not None and len(own) < len(scaled):
            raise _other_number(len(own), "more")
        share.update(scaled, rebuilt, own)
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
