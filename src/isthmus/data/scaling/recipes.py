"""The scalings that column statistics determine."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isthmus.data.scaling.maps import Patches, Scaler, Scaling, WhitenedPatches, Whitening
from isthmus.data.scaling.statistics import ColumnStatistics, Quantity

Floats = NDArray[np.float64]


class Recipe(NamedTuple):
    """One scaling: the function that makes it from statistics, the statistics it needs, and its class."""

    fit: Callable[[ColumnStatistics], Scaling]
    gathers: tuple[Quantity, ...] = ()
    makes: type[Scaling] = Scaler


def _with_floor(scale: Floats, statistics: ColumnStatistics) -> Floats:
    # A column whose deviation is below the rounding error of its values is treated as constant.
    return np.where(scale > statistics.rounding, scale, 1.0)


def _standard(statistics: ColumnStatistics) -> Scaler:
    return Scaler("standard", statistics.mean.copy(), _with_floor(statistics.deviation, statistics))


def _minmax(statistics: ColumnStatistics) -> Scaler:
    return Scaler("minmax", statistics.low.copy(), _with_floor(statistics.high - statistics.low, statistics))


def _robust(statistics: ColumnStatistics) -> Scaler:
    lower, middle, upper = statistics.quantiles(0.25, 0.5, 0.75)
    spread = upper - lower
    # A column that is mostly one value has no spread between its quartiles; its deviation is used instead.
    scale = _with_floor(np.where(spread > 0, spread, statistics.deviation), statistics)
    return Scaler("robust", middle, scale)


def _mean_norm(statistics: ColumnStatistics) -> Scaler:
    # The mean norm of the rows becomes sqrt(n_features), as nearly for standard normal rows, so that a penalty weight
    # does not depend on the data: Anthropic, "Circuits updates", April 2024.
    n_features = len(statistics.low)
    factor = statistics.mean_norm / np.sqrt(n_features)
    return Scaler("mean_norm", np.zeros(n_features), np.full(n_features, factor if factor > 0 else 1.0))


def _patches(statistics: ColumnStatistics) -> Patches:
    contrast = statistics.contrast
    deviation = contrast if contrast > statistics.rounding.max() else 1.0
    return Patches(len(statistics.low), deviation, float(statistics.mean.mean()))


def _spectrum(statistics: ColumnStatistics) -> tuple[Floats, Floats, float]:
    """Return the covariance's eigenvalues and vectors, and epsilon; for constant rows, those of the identity."""
    varies = statistics.deviation > statistics.rounding
    if not varies.any():
        return np.ones(len(varies)), np.eye(len(varies)), 0.0
    variances, vectors = np.linalg.eigh(np.where(varies & varies[:, None], statistics.covariance, 0.0))
    variances = np.maximum(variances, 0.0)
    return variances, vectors, Whitening.EPSILON * float(variances.mean())


def _zca(statistics: ColumnStatistics) -> Whitening:
    variances, vectors, epsilon = _spectrum(statistics)
    root = np.sqrt(variances + epsilon)
    return Whitening(statistics.mean.copy(), (vectors / root) @ vectors.T, (vectors * root) @ vectors.T)


def _whitened_patches(statistics: ColumnStatistics) -> WhitenedPatches:
    whitening = _zca(statistics)
    n_features = whitening.n_features
    # The second moments of whitened rows follow from those of the raw rows, so one pass is enough.
    covariance = whitening.whitening @ statistics.covariance @ whitening.whitening
    square = (np.trace(covariance) - covariance.sum() / n_features) / n_features
    constant = not (statistics.deviation > statistics.rounding).any()
    deviation = float(np.sqrt(square)) if square > 0 and not constant else 1.0
    return WhitenedPatches(whitening, Patches(n_features, deviation))


MINMAX = Recipe(_minmax)
STANDARD = Recipe(_standard, ("moments",))
ROBUST = Recipe(_robust, ("moments",))
MEAN_NORM = Recipe(_mean_norm, ("norms",))
PATCHES = Recipe(_patches, ("moments", "contrast"), Patches)
ZCA = Recipe(_zca, ("moments", "covariance"), Whitening)
WHITENED_PATCHES = Recipe(_whitened_patches, ("moments", "covariance"), WhitenedPatches)
