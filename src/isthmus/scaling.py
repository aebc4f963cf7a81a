"""One pass of statistics over the columns, and the affine map between raw and scaled rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.errors import InvalidDataError

Floats = NDArray[np.float64]

# Statistics of a block are taken over pieces this large, so that their float64 copies stay in cache.
_PIECE_CELLS = 1 << 17
_QUANTILE_ROWS = 1 << 16
_SAMPLE_ROWS = 1 << 12


def refuse_non_finite(values: NDArray[Any], start: int, names: Sequence[str]) -> None:
    """Raise InvalidDataError for the first NaN or infinity, with its row (the block begins at `start`) and column."""
    bad = np.argwhere(~np.isfinite(values))
    if not len(bad):
        return
    row, column = bad[0]
    is_nan = np.isnan(values[row, column])
    what, remedy = (
        ("NaN", "fill the cell or drop the row first") if is_nan else ("infinity", "clip or drop the cell first")
    )
    name = repr(str(names[column])) if len(names) else column
    raise InvalidDataError(f"Input X contains {what} at row {start + row}, column {name}; {remedy}")


class ColumnStatistics:
    """Count, range, mean and deviation of every column, gathered block by block in float64.

    Means and squared deviations are merged as Chan, Golub and LeVeque do ("Updating formulae and a pairwise
    algorithm for computing sample variances", 1979), so a large offset costs no digits.

    Parameters
    ----------
    n_features : int
        The width of a row.
    dtype : numpy.dtype
        The type of the raw values.
    moments : bool
        Whether means and deviations are wanted; narrow integers rarely need them.
    sample_every : int
        Keep each so-manyth row for quantiles and for a look at how the values are spread.
    """

    def __init__(self, n_features: int, dtype: np.dtype[Any], *, moments: bool = True, sample_every: int = 1) -> None:
        self.dtype = dtype
        self.moments = moments
        self.n_rows = 0
        self.whole = dtype.kind in "iu"
        self._may_be_whole = True
        self.low: Floats = np.full(n_features, np.inf)
        self.high: Floats = np.full(n_features, -np.inf)
        self.mean: Floats = np.zeros(n_features)
        self._squares: Floats = np.zeros(n_features)
        self._sample_every = sample_every
        self._sample: list[NDArray[Any]] = []

    def update(self, values: NDArray[Any], start: int = 0) -> None:
        """Take in a block of rows, the first of which is number `start` of its source."""
        rows = max(1, _PIECE_CELLS // max(values.shape[1], 1))
        for first in range(0, len(values), rows):
            self._update_piece(values[first : first + rows], start + first)

    def _update_piece(self, piece: NDArray[Any], start: int) -> None:
        low, high = piece.min(axis=0), piece.max(axis=0)
        if piece.dtype.kind == "f" and self._may_be_whole:
            self._may_be_whole = bool((piece == np.floor(piece)).all())
        self.low, self.high = np.minimum(self.low, low), np.maximum(self.high, high)
        self._sample.append(piece[-start % self._sample_every :: self._sample_every].copy())
        count = len(piece)
        total = self.n_rows + count
        if self.moments:
            wide = piece.astype(np.float64)
            mean = wide.mean(axis=0)
            wide -= mean
            np.square(wide, out=wide)
            shift = mean - self.mean
            self._squares += wide.sum(axis=0) + shift**2 * (self.n_rows * count / total)
            self.mean += shift * (count / total)
        self.n_rows = total

    @property
    def whole_numbers(self) -> bool:
        """Whether every value seen is a whole number."""
        return self.whole or (self.dtype.kind == "f" and self._may_be_whole)

    @property
    def deviation(self) -> Floats:
        """The population deviation of each column."""
        return np.sqrt(self._squares / max(self.n_rows, 1))

    @property
    def sample(self) -> NDArray[Any]:
        """The kept rows, evenly spaced over all of them."""
        return np.concatenate(self._sample)

    def quantiles(self, *levels: float) -> list[Floats]:
        """Return quantiles of each column over the kept sample."""
        return list(np.quantile(self.sample.astype(np.float64), levels, axis=0))


@dataclass(frozen=True)
class Scaler:
    """The affine map ``scaled = (raw - center) / scale``, column by column.

    Attributes
    ----------
    kind : str
        What was chosen: one of the names in `SCALINGS`, ``"unit"`` (already in [0, 1], or divided by one number) or
        ``"none"``.
    center, scale : ndarray of shape (n_features,)
        In the units that came in, float64.
    crowded : bool
        Whether the scaled values lie in [0, 1] and crowd at its ends, as drawn strokes do and photographs do not.
    """

    kind: str
    center: Floats
    scale: Floats
    crowded: bool = False

    def scaled(self, raw: NDArray[Any], dtype: Any = np.float32) -> NDArray[Any]:
        """Return scaled rows; the difference is taken in float64, so large offsets lose nothing."""
        return ((raw.astype(np.float64) - self.center) / self.scale).astype(dtype)

    def raw(self, scaled: NDArray[Any], dtype: Any) -> NDArray[Any]:
        """Return rows in the units that came in."""
        return (scaled * self.scale + self.center).astype(dtype)


def scaled_in_program(dtype: np.dtype[Any], compute: np.dtype[Any]) -> bool:
    """Whether raw values of a type go to the device as they are: narrow ones, which cost less to move."""
    return dtype.kind in "iuf" and (dtype.itemsize <= 2 or dtype == np.float32 or dtype == compute)


def _with_floor(scale: Floats, statistics: ColumnStatistics) -> Floats:
    # Below the rounding error of its own values a column's deviation is noise: such a column counts as constant.
    epsilon = np.finfo(statistics.dtype).eps if statistics.dtype.kind == "f" else np.finfo(np.float64).eps
    largest = np.maximum(np.abs(statistics.low), np.abs(statistics.high))
    floor = np.maximum(8 * epsilon * largest, np.finfo(np.float64).tiny)
    return np.where(scale > floor, scale, 1.0)


def _standard(statistics: ColumnStatistics) -> tuple[Floats, Floats]:
    return statistics.mean.copy(), _with_floor(statistics.deviation, statistics)


def _minmax(statistics: ColumnStatistics) -> tuple[Floats, Floats]:
    return statistics.low.copy(), _with_floor(statistics.high - statistics.low, statistics)


def _robust(statistics: ColumnStatistics) -> tuple[Floats, Floats]:
    lower, middle, upper = statistics.quantiles(0.25, 0.5, 0.75)
    spread = upper - lower
    # A column that is mostly one value has no spread between its quartiles: its deviation stands in.
    return middle, _with_floor(np.where(spread > 0, spread, statistics.deviation), statistics)


SCALINGS: dict[str, Callable[[ColumnStatistics], tuple[Floats, Floats]]] = {
    "minmax": _minmax,
    "standard": _standard,
    "robust": _robust,
}


def needs_moments(scaling: str | None, dtype: np.dtype[Any]) -> bool:
    """Whether the statistics pass has to gather means and deviations for a scaling."""
    return scaling in ("standard", "robust") or (scaling == "auto" and dtype != np.uint8)


def sample_stride(scaling: str | None, n_rows: int) -> int:
    """Return the stride that keeps 65,536 rows where quantiles are wanted and 4,096 otherwise, or all of fewer."""
    return max(1, -(-n_rows // (_QUANTILE_ROWS if scaling == "robust" else _SAMPLE_ROWS)))


def choose_scaler(statistics: ColumnStatistics, scaling: str | None) -> Scaler:
    """Return the scaler a setting asks for, given what the columns are.

    ``"auto"`` divides uint8 by 255 unless its largest value is 1; leaves floats that fill [0, 1]; divides
    non-negative whole numbers whose columns share one range (pictures kept as floats) by their largest; standardises
    anything else.
    """
    n_features = len(statistics.low)
    if scaling is None:
        return Scaler("none", np.zeros(n_features), np.ones(n_features))
    if scaling != "auto":
        center, scale = SCALINGS[scaling](statistics)
        return Scaler(scaling, center, scale)
    divisor = _common_divisor(statistics)
    if divisor is None:
        return Scaler("standard", *_standard(statistics))
    crowded = _crowds_at_ends(statistics.sample / divisor)
    return Scaler("unit", np.zeros(n_features), np.full(n_features, divisor), crowded)


def _crowds_at_ends(values: NDArray[Any]) -> bool:
    return bool(np.mean((values < 0.02) | (values > 0.98)) > 0.25)


def _common_divisor(statistics: ColumnStatistics) -> float | None:
    low, high = statistics.low.min(initial=np.inf), statistics.high.max(initial=-np.inf)
    if statistics.dtype == np.uint8:
        return 1.0 if high <= 1 else 255.0
    if low < 0 or high <= 0:
        return None
    # A table that merely happens to lie near zero is not "in [0, 1]": its columns differ by orders of magnitude.
    varying = statistics.high[statistics.high > statistics.low]
    shared = varying.size > 0 and float(np.median(varying)) >= 0.5 * high
    if high <= 1 and high > 0.5 and (shared or statistics.whole_numbers):
        return 1.0
    if statistics.whole_numbers and shared and _many_columns(statistics) and high > 1:
        return 255.0 if high <= 255 < 2 * high else float(high)
    return None


def _many_columns(statistics: ColumnStatistics) -> bool:
    # A few counts side by side are a table; pixels come by the dozen.
    return len(statistics.low) >= 16
