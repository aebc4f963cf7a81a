"""The scaling that a setting gives for statistics of the rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.data.scaling import SCALINGS
from isthmus.data.scaling.maps import Scaler, Scaling
from isthmus.data.scaling.statistics import ColumnStatistics, Quantity

_QUANTILE_ROWS = 1 << 16
_SAMPLE_ROWS = 1 << 12


def scaled_in_program(dtype: np.dtype[Any], compute: np.dtype[Any]) -> bool:
    """Whether raw values of a type are scaled on the device: narrow types, which are cheaper to copy."""
    return dtype.kind in "iuf" and (dtype.itemsize <= 2 or dtype == np.float32 or dtype == compute)


def gathered(scaling: str | None, dtype: np.dtype[Any]) -> tuple[Quantity, ...]:
    """Return the statistics that a scaling needs of rows of a type."""
    if scaling == "auto":
        return () if dtype == np.uint8 else SCALINGS["standard"].gathers
    return SCALINGS[scaling].gathers if scaling is not None else ()


def scaler_class(kind: str) -> type[Scaling]:
    """Return the class of a scaling by its kind."""
    return SCALINGS[kind].makes if kind in SCALINGS else Scaler


def sample_stride(scaling: str | None, n_rows: int) -> int:
    """Return the stride that samples at least 65,536 rows for quantiles, and 4,096 otherwise, or all rows."""
    return max(1, -(-n_rows // (_QUANTILE_ROWS if scaling == "robust" else _SAMPLE_ROWS)))


def choose_scaler(statistics: ColumnStatistics, scaling: str | None) -> Scaling:
    """Return the scaling that a setting gives for these statistics.

    A column that is missing in every row has the center NaN: its later values count as missing too, and its
    reconstruction is NaN.

    ``"auto"`` divides uint8 by 255 unless the largest value is 1; leaves floats that fill [0, 1] unchanged; divides
    non-negative integers whose columns share one range (pictures stored as floats) by the largest; and standardises
    everything else.
    """
    scaler = _chosen(statistics, scaling)
    if statistics.unseen.any() and isinstance(scaler, Scaler):
        return replace(scaler, center=np.where(statistics.unseen, np.nan, scaler.center))
    return scaler


def _chosen(statistics: ColumnStatistics, scaling: str | None) -> Scaling:
    n_features = len(statistics.low)
    if scaling is None:
        return Scaler("none", np.zeros(n_features), np.ones(n_features))
    if scaling != "auto":
        return SCALINGS[scaling].fit(statistics)
    divisor = _common_divisor(statistics)
    if divisor is None:
        return SCALINGS["standard"].fit(statistics)
    crowded = _crowds_at_ends(statistics.sample / divisor)
    return Scaler("unit", np.zeros(n_features), np.full(n_features, divisor), crowded)


def _crowds_at_ends(values: NDArray[Any]) -> bool:
    return bool(np.mean((values < 0.02) | (values > 0.98)) > 0.25)  # NaN is at neither end


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
    if statistics.whole_numbers and shared and _many_columns(statistics) and high > 1:
        return 255.0 if high <= 255 < 2 * high else float(high)
    return None


def _many_columns(statistics: ColumnStatistics) -> bool:
    # A few counts are a table; pictures have many pixels.
    return len(statistics.low) >= 16
