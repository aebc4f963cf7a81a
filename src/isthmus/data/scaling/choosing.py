"""The scalings that column statistics determine, and the one that a setting gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from isthmus.core.errors import InvalidDataError
from isthmus.data.formats import SCALINGS
from isthmus.data.scaling.maps import Patches, Recipe, Scaler, Scaling, WhitenedPatches, Whitening
from isthmus.data.scaling.sparse_statistics import SparseColumnStatistics
from isthmus.data.scaling.statistics import ColumnStatistics, Quantity

Floats = NDArray[np.float64]

_QUANTILE_ROWS = 1 << 16
_SAMPLE_ROWS = 1 << 12
_MANY_COLUMNS = 16
_WHOLE = 1 << 24  # the first integers that float32 does not hold are above it
# A column has extreme values if a few cells dominate its variance: if its deviation is more than this multiple of that
# of normal values with its quartiles, so that ordinary cells are less than a 25th of the variance (counts have up to
# 4) ...
_EXTREME = 5.0
_QUARTILES = 1.349  # their distance in deviations of normal values
# ... and at most this share of the cells on either side is farther from the median than this many such deviations.
_FEW, _FAR = 0.04, 10.0
_FARTHEST = 3.4  # deviations from the mean: in a column with extreme values at least one of the few cells is farther
# The outliers are whole rows if more than this share of the columns has extreme values and, in rows with one, more than
# this share of the cells of these columns is.
_ROWS = 0.5
# Scaled, they have at most this deviation, so that the loss does not consist of a single huge cell.
_LARGEST_DEVIATION = 30.0
# What "auto" means for a dictionary, whose atoms are sums in the units of the columns.
AUTO_DICTIONARY = "auto_dictionary"
# Columns share one unit where the median of their ranges is at least this share of the largest.
_SHARED_RANGE = 0.25


def _with_floor(scale: Floats, statistics: ColumnStatistics) -> Floats:
    # A column whose deviation is below the rounding error of its values is treated as constant.
    # Of numbers around 1e100 the rounding error of the mean is 1e84.
    largest = np.maximum(np.abs(statistics.low), np.abs(statistics.high))
    constant = np.maximum(1.0, np.where(np.isinf(largest), 0.0, 8 * np.finfo(np.float64).eps * largest))
    return np.where(scale > statistics.rounding, scale, constant)


def _standard(statistics: ColumnStatistics) -> Scaler:
    return Scaler("standard", statistics.mean.copy(), _with_floor(statistics.deviation, statistics))


def _standard_unless_extreme(statistics: ColumnStatistics) -> Scaler:
    """Return the standardisation whose center and scale are those of the ordinary cells, where a few are far out."""
    scaler = _standard(statistics)
    mean, deviation = scaler.center, statistics.deviation
    with np.errstate(over="ignore", invalid="ignore"):
        reach = np.fmax(statistics.high - mean, mean - statistics.low)
        suspects = np.flatnonzero((reach > _FARTHEST * deviation) & (deviation > statistics.rounding))
    if not len(suspects):
        return scaler
    least, lower, middle, upper, most = statistics.quantiles(_FEW, 0.25, 0.5, 0.75, 1 - _FEW, columns=suspects)
    spread, own = (upper - lower) / _QUARTILES, deviation[suspects]
    few = np.maximum(middle - least, most - middle) <= _FAR * spread
    # From the quartiles: the rounding error of extreme values is larger than that of the other values.
    varies = spread > statistics.rounding_of(np.maximum(np.abs(lower), np.abs(upper)))
    chosen = few & varies & (own > _EXTREME * spread)
    if not chosen.any() or _are_rows(statistics, suspects[chosen], middle[chosen], _FAR * spread[chosen]):
        return scaler
    places, ratio = suspects[chosen], own[chosen] / spread[chosen]
    extreme = np.zeros(len(mean))
    extreme[places] = ratio
    scaler.center[places] = middle[chosen]
    scaler.scale[places] = own[chosen] / np.minimum(ratio, _LARGEST_DEVIATION)
    return replace(scaler, extreme=extreme)


def _are_rows(statistics: ColumnStatistics, places: NDArray[np.intp], middle: Floats, far: Floats) -> bool:
    """Whether the extreme values are those of whole rows that are far out, not single cells.

    The deviation of a column is then right for the error of these rows, most of which PCA reconstructs.
    """
    if len(places) < 2 or len(places) <= _ROWS * int((statistics.deviation > statistics.rounding).sum()):
        return False
    rows: Any = statistics.sample[:, places]
    rows = rows.toarray() if issparse(rows) else rows
    extreme = np.abs(rows - middle) > far  # False where a cell is missing
    some = extreme.any(axis=1)
    return bool(some.any()) and float(extreme[some].mean()) > _ROWS


def _minmax(statistics: ColumnStatistics) -> Scaler:
    return Scaler("minmax", statistics.low.copy(), _with_floor(statistics.high - statistics.low, statistics))


def _robust(statistics: ColumnStatistics) -> Scaler:
    lower, middle, upper = statistics.quantiles(0.25, 0.5, 0.75)
    spread = upper - lower
    # A column that is mostly one value has no spread between its quartiles; its deviation is used instead.
    scale = _with_floor(np.where(spread > 0, spread, statistics.deviation), statistics)
    # From the quartiles: the rounding error of outliers is larger than that of the other values.
    varies = spread > statistics.rounding_of(np.maximum(np.abs(lower), np.abs(upper)))
    return Scaler("robust", middle, np.where(varies, spread, scale))


def _mean_norm(statistics: ColumnStatistics) -> Scaler:
    # The mean norm of the rows becomes sqrt(n_features), as nearly for standard normal rows, so that a penalty weight
    # does not depend on the data: Anthropic, "Circuits updates", April 2024.
    n_features = len(statistics.low)
    factor = statistics.mean_norm / np.sqrt(n_features)
    return Scaler("mean_norm", np.zeros(n_features), np.full(n_features, factor if factor > 0 else 1.0))


def _shared(statistics: ColumnStatistics) -> Scaler:
    # The mean of the columns' variances becomes 1.
    n_features = len(statistics.low)
    largest = float(statistics.deviation.max(initial=0)) or 1.0
    factor = largest * float(np.sqrt(np.mean((statistics.deviation / largest) ** 2)))  # the squares may be no floats
    factor = factor if factor > statistics.rounding.max() else 1.0
    return Scaler("shared", statistics.mean.copy(), np.full(n_features, factor))


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
SHARED = Recipe(_shared, ("moments",))
PATCHES = Recipe(_patches, ("moments", "contrast"), Patches)
ZCA = Recipe(_zca, ("moments", "covariance"), Whitening)
WHITENED_PATCHES = Recipe(_whitened_patches, ("moments", "covariance"), WhitenedPatches)


def scaled_in_program(scaler: Scaling, dtype: np.dtype[Any], compute: np.dtype[Any]) -> bool:
    """Whether raw values of a type are scaled on the device: narrow types, which are cheaper to copy.

    The scaling must work by column, and without loss in the type of the computation.
    """
    narrow = dtype.kind in "iuf" and (dtype.itemsize <= 2 or dtype == np.float32 or dtype == compute)
    return narrow and scaler.affine is not None and scaler.exact_in(compute)


def gathered(scaling: str | None, dtype: np.dtype[Any]) -> tuple[Quantity, ...]:
    """Return the statistics that a scaling needs of rows of a type."""
    if scaling == AUTO_DICTIONARY:
        return SCALINGS["standard"].gathers
    if scaling == "auto":
        return () if dtype == np.uint8 else SCALINGS["standard"].gathers
    return SCALINGS[scaling].gathers if scaling is not None else ()


def sample_stride(scaling: str | None, n_rows: int) -> int:
    """Return the stride that samples at least 65,536 rows for quantiles, and 4,096 otherwise, or all rows."""
    return max(1, -(-n_rows // (_QUANTILE_ROWS if scaling == "robust" else _SAMPLE_ROWS)))


def choose_scaler(statistics: ColumnStatistics, scaling: str | None, names: Sequence[str] = ()) -> Scaling:
    """Return the scaling that a setting gives for these statistics.

    A column that is missing in every row has the center NaN: its later values count as missing too, and its
    reconstruction is NaN.

    ``"auto"`` divides uint8 by 255 unless the largest value is 1; leaves floats that fill [0, 1] unchanged; divides
    non-negative integers whose columns share one range (pictures stored as floats) by the largest; and standardises
    everything else: a column by its median and quartiles where a few cells are so far out that they make up nearly all
    of its variance.

    For a dictionary it is one factor for columns that share a unit, such as pixels, since a column that is hardly ever
    different from 0 would dominate the error if it were standardised; tables of several units are standardised.

    Raises
    ------
    InvalidDataError
        If a column spans more than a float can hold, or its values are too large or too small for a scaling that joins
        columns; `names` are those of the columns.
    """
    _refuse_unusual(statistics, scaling, names)
    scaler = _chosen(statistics, scaling)
    if _needs_float64(statistics, scaler):
        scaler = scaler.widened()
    if statistics.unseen.any() and isinstance(scaler, Scaler):
        return replace(scaler, center=np.where(statistics.unseen, np.nan, scaler.center))
    return scaler


def _refuse_unusual(statistics: ColumnStatistics, scaling: str | None, names: Sequence[str]) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        endless = np.isinf(statistics.all_high - statistics.all_low) & ~statistics.unseen
    if endless.any():
        place = int(np.argmax(endless))
        low, high = statistics.all_low[place], statistics.all_high[place]
        raise InvalidDataError(
            f"column {_name(names, place)} ranges from {low:g} to {high:g}, more than a float can hold; clip it or "
            "divide it"
        )
    joins = {"covariance", "norms", "contrast"} & {*gathered(scaling, statistics.dtype)}
    sizes = np.where(statistics.unseen, 0.0, np.maximum(-statistics.low, statistics.high))
    place = int(np.argmax(sizes))  # next to larger columns, the smallest count as constant
    if joins and statistics.unusual[place] and statistics.low[place] < statistics.high[place]:
        largest = sizes[place]
        raise InvalidDataError(
            f"column {_name(names, place)} has values of about {largest:g}, whose squares are no floats, and "
            f"scaling={scaling!r} needs them; use scaling='standard', or other units"
        )


def _needs_float64(statistics: ColumnStatistics, scaler: Scaling) -> bool:
    """Whether float32 cannot hold the columns' values: large integers, or numbers that it would round or lose."""
    seen = ~statistics.unseen
    largest = np.maximum(np.abs(statistics.low), np.abs(statistics.high))[seen]
    scale = (statistics.deviation if scaler.affine is None else scaler.affine[1])[seen]
    single = np.finfo(np.float32)
    if not largest.size:
        return False
    lost = (largest > 1e-3 * single.max) | ((scale < 1e7 * single.tiny) & (largest > 0))
    if statistics.dtype.itemsize > 4 or statistics.dtype.kind in "iu":
        rounded = largest * float(single.eps) > 1e-3 * scale
        lost |= (largest > _WHOLE) if statistics.whole_numbers else rounded
    return bool(lost.any())


def out_of_range(low: Floats, high: Floats, scaler: Scaling, compute: np.dtype[Any]) -> tuple[int, float, float] | None:
    """Return the column, the raw and the scaled value whose square leaves the range of the computation; else None.

    Parameters
    ----------
    low, high : ndarray of shape (n_features,)
        The range of the raw values.
    scaler : Scaling
        The scaling.
    compute : numpy.dtype
        The type of the computation.
    """
    if scaler.affine is None:
        return None
    center, scale = scaler.affine
    with np.errstate(over="ignore", invalid="ignore"):
        reach = np.fmax(np.abs(low / scale - center / scale), np.abs(high / scale - center / scale))
    reach[np.isinf(low) | np.isnan(reach)] = 0.0  # nothing was observed
    place = int(np.argmax(reach))
    if reach[place] <= float(np.sqrt(np.finfo(compute).max)) / 16:
        return None
    return place, float(max(low[place], high[place], key=lambda value: abs(value - center[place]))), float(reach[place])


def _name(names: Sequence[str], place: int) -> str:
    return repr(str(names[place])) if len(names) else str(place)


def _chosen(statistics: ColumnStatistics, scaling: str | None) -> Scaling:
    n_features = len(statistics.low)
    if scaling is None:
        return Scaler("none", np.zeros(n_features), np.ones(n_features))
    if scaling == AUTO_DICTIONARY:
        return SCALINGS["shared" if _share_a_unit(statistics) else "standard"].fit(statistics)
    if scaling != "auto":
        return SCALINGS[scaling].fit(statistics)
    if isinstance(statistics, SparseColumnStatistics):
        return SCALINGS["shared" if statistics.whole_numbers or _share_a_unit(statistics) else "standard"].fit(
            statistics
        )
    divisor = _common_divisor(statistics)
    if divisor is None:
        return _standard_unless_extreme(statistics)
    values = statistics.sample / divisor
    near_bounds = bool(np.mean((values < 0.02) | (values > 0.98)) > 0.25)  # NaN is at neither end
    return Scaler("unit", np.zeros(n_features), np.full(n_features, divisor), near_bounds)


def _share_a_unit(statistics: ColumnStatistics) -> bool:
    ranges = (statistics.high - statistics.low)[statistics.high > statistics.low]
    return not ranges.size or float(np.median(ranges)) >= _SHARED_RANGE * float(ranges.max())


def _common_divisor(statistics: ColumnStatistics) -> float | None:
    low, high = statistics.low.min(initial=np.inf), statistics.high.max(initial=-np.inf)
    if statistics.dtype == np.uint8:
        return 1.0 if high <= 1 else 255.0
    if low < 0 or high <= 0:
        return None
    # A table with small values is not "in [0, 1]" if the ranges of its columns differ by orders of magnitude.
    varying = statistics.high[statistics.high > statistics.low]
    shared = varying.size > 0 and float(np.median(varying)) >= 0.5 * high
    if high <= 1 and high > 0.5 and (shared or statistics.whole_numbers):
        return 1.0
    # A few counts are a table; pictures have many pixels.
    if statistics.whole_numbers and shared and len(statistics.low) >= _MANY_COLUMNS and high > 1:
        return 255.0 if high <= 255 < 2 * high else float(high)
    return None
