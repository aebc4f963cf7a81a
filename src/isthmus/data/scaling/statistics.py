"""Statistics of the columns, gathered in one pass over the rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError, InvalidParameterError

Floats = NDArray[np.float64]
# Means and deviations of columns, their covariance, Euclidean norms of rows, deviation within rows.
Quantity = Literal["moments", "covariance", "norms", "contrast"]
_MOMENTS: tuple[Quantity, ...] = ("moments",)

# Blocks are processed in pieces of this size, so that their float64 copies stay in cache.
_PIECE_CELLS = 1 << 17
_SIDE_BY_SIDE = 512
# The covariance is updated once per piece, so larger pieces save time for wide rows.
_COVARIANCE_CELLS = 1 << 20
# Squares of larger numbers, and of the inverse of smaller ones, summed over many rows, leave the range of floats.
_LARGEST = 1e100
_LEAST_UNIT = 2.0**-1000  # its inverse is a float
_QUANTILE_CELLS = 1 << 22  # sorted in less than a second
# 134 MB per matrix; whitening needs several.
_WIDEST_COVARIANCE = 4096


def rounding_of(largest: Floats | float, dtype: np.dtype[Any]) -> Floats:
    """Return the deviation that rounding to a type may cause in values up to these."""
    return np.asarray(np.maximum(8 * np.finfo(dtype).eps * largest, np.finfo(np.float64).tiny))


def lost_column(name: object, largest: float) -> str:
    """Return the warning for a column whose values are large numbers that differ too little."""
    return (
        f"column {name} counts as constant: at its size of {largest:.2g}, float64 does not tell its values apart; "
        "subtract its smallest value first, or use other units"
    )


def refuse_non_finite(
    values: NDArray[Any],
    start: int,
    names: Sequence[str],
    *,
    missing: bool = False,
    numbers: NDArray[np.integer] | None = None,
) -> None:
    """Raise InvalidDataError for the first NaN or infinity, with its row (`values` begin at row `start`) and column.

    With ``missing=True``, NaN is a missing cell, and only infinities are refused. `numbers` are those of the rows in
    what the user gave, where they are others.
    """
    bad = np.argwhere(np.isinf(values) if missing else ~np.isfinite(values))
    if not len(bad):
        return
    row, column = bad[0]
    what, remedy = "infinity", "clip or drop the cell first"
    if np.isnan(values[row, column]):
        what, remedy = "NaN", "set missing='mask', fill the cell or drop the row"
    name = repr(str(names[column])) if len(names) else column
    place = start + row if numbers is None else numbers[start + row]
    raise InvalidDataError(f"Input X contains {what} at row {place}, column {name}; {remedy}")


def unit_for(largest: Floats) -> Floats:
    """Return powers of two near the largest values of columns whose squares are no floats, and 1 for other columns."""
    with np.errstate(invalid="ignore"):
        plain = ~((largest > _LARGEST) | ((largest > 0) & (largest < 1 / _LARGEST)))
    powers = np.ldexp(1.0, np.frexp(np.where(plain, 1.0, largest))[1] - 1)
    return np.where(plain, 1.0, np.maximum(powers, _LEAST_UNIT))


def _side_by_side(rows: NDArray[Any]) -> list[NDArray[Any]]:
    """Return views of all rows with narrow rows concatenated, which is ten times as fast for four columns."""
    width = rows.shape[1]
    extra = max(1, _SIDE_BY_SIDE // width) if rows.flags.c_contiguous else 1
    whole = len(rows) // extra * extra
    return [part for part in (rows[:whole].reshape(-1, extra * width), rows[whole:]) if len(part)]


def _by_column(ufunc: np.ufunc, rows: NDArray[Any]) -> NDArray[Any]:
    """Return the reduction of each column of at least one row."""
    width = rows.shape[1]
    parts = [ufunc.reduce(part, axis=0).reshape(-1, width) for part in _side_by_side(rows)]
    return np.asarray(ufunc.reduce(np.concatenate(parts), axis=0))


def _sums(rows: Floats, weights: Floats | None) -> Floats:
    """Return the sum of each column, or that of its cells times the weights of their rows."""
    return _by_column(np.add, rows) if weights is None else weights @ rows


def _divisor(count: Any) -> Any:
    """Return counts, or sums of weights, with 1 in place of 0."""
    return np.where(count == 0, 1, count)


def _weighted_quantiles(rows: Floats, weights: Floats, levels: Sequence[float]) -> list[Floats]:
    """Return quantiles of each column's values, each counted as often as its weight says; 0 without any value."""
    found = np.zeros((len(levels), rows.shape[1]))
    for column in range(rows.shape[1]):
        seen = ~np.isnan(rows[:, column])
        if not seen.any():
            continue
        order = np.argsort(rows[seen, column])
        values, below = rows[seen, column][order], np.cumsum(weights[seen][order])
        target = np.multiply(levels, below[-1])
        # Where a value ends exactly at the level, the quantile is the mean of it and the next one.
        slack = 1e-12 * below[-1]
        low = np.searchsorted(below, target - slack)
        high = np.minimum(np.searchsorted(below, target + slack), len(values) - 1)
        found[:, column] = (values[low] + values[high]) / 2
    return list(found)


class ColumnStatistics:
    """Count and range of every column, and the other statistics that a scaling needs, computed in float64 by block.

    Means, squared deviations and their products are merged by the algorithm of Chan, Golub and LeVeque ("Updating
    formulae and a pairwise algorithm for computing sample variances", 1979), so that large offsets lose no digits.

    Parameters
    ----------
    n_features : int
        The number of columns.
    dtype : numpy.dtype
        The type of the raw values.
    gathers : collection of {"moments", "covariance", "norms", "contrast"}
        Statistics to compute in addition to count and range: means and deviations of the columns, their covariance, the
        mean Euclidean norm of the rows, the deviation of cells from the mean of their row.
    sample_every : int
        Sample every such row, for quantiles and the distribution of the values.
    missing : bool
        Whether NaN is a missing cell, which is ignored.

    Raises
    ------
    InvalidParameterError
        If the covariance of more than 4,096 columns is requested.
    """

    def __init__(
        self,
        n_features: int,
        dtype: np.dtype[Any],
        *,
        gathers: Collection[Quantity] = _MOMENTS,
        sample_every: int = 1,
        missing: bool = False,
    ) -> None:
        covaries = "covariance" in gathers
        if covaries and n_features > _WIDEST_COVARIANCE:
            raise InvalidParameterError(
                f"whitening needs the covariance of all columns, at most {_WIDEST_COVARIANCE:,}, and rows have "
                f"{n_features:,}; cut smaller patches or choose a scaling by column"
            )
        self.dtype = dtype
        self.gathers = frozenset(gathers)
        self.n_rows = 0
        self._total: float = 0  # the sum of the rows' weights, or their number
        self.missing = missing and dtype.kind == "f"
        self.holes = False  # whether any row, including validation rows, has a missing cell
        self._seen: Any = np.zeros(n_features) if self.missing else 0  # observed cells of each column
        self.varies: NDArray[np.bool_] = np.zeros(n_features, bool)  # columns with two values in a piece of rows
        self._unit: Floats | None = None  # of the moments of each column; None is 1
        self.whole = dtype.kind in "iu"
        self._may_be_whole = True
        self.low: Floats = np.full(n_features, np.inf)
        self.high: Floats = np.full(n_features, -np.inf)
        self._held_low, self._held_high = self.low.copy(), self.high.copy()
        self._mean: Floats = np.zeros(n_features)
        self._squares: Floats = np.zeros(n_features)
        self._products: Floats | None = np.zeros((n_features, n_features)) if covaries else None
        self._norms = self._contrasts = 0.0
        self._sample_every = sample_every
        self._sample: list[NDArray[Any]] = []
        self._sample_weights: list[NDArray[Any]] = []

    def update(self, values: NDArray[Any], start: int = 0, weights: NDArray[Any] | None = None) -> None:
        """Add a block of rows, whose first row is row `start` of its source; `weights` (n,) are those of the rows."""
        cells = _PIECE_CELLS if self._products is None else _COVARIANCE_CELLS
        rows = max(1, cells // max(values.shape[1], 1))
        for first in range(0, len(values), rows):
            own = None if weights is None else weights[first : first + rows].astype(np.float64)
            self._update_piece(values[first : first + rows], start + first, own)

    def glance(self, values: NDArray[Any]) -> None:
        """Add rows to the range of all rows, and to nothing else."""
        if len(values):
            self._held_low = np.fmin(self._held_low, _by_column(np.fmin, values))
            self._held_high = np.fmax(self._held_high, _by_column(np.fmax, values))

    @property
    def all_low(self) -> Floats:
        """The smallest value of each column, those of rows that were glanced at included."""
        return np.asarray(np.fmin(self.low, self._held_low))

    @property
    def all_high(self) -> Floats:
        """The largest value of each column, those of rows that were glanced at included."""
        return np.asarray(np.fmax(self.high, self._held_high))

    def _update_piece(self, piece: NDArray[Any], start: int, weights: Floats | None) -> None:
        low, high = _by_column(np.fmin, piece), _by_column(np.fmax, piece)
        if piece.dtype.kind == "f" and self._may_be_whole:
            self._may_be_whole = bool(((piece == np.floor(piece)) | np.isnan(piece)).all())
        self.varies |= low < high  # in their own type: float64 does not hold all integers
        self.low, self.high = np.fmin(self.low, low), np.fmax(self.high, high)
        if self.dtype == np.float64:
            self._change_unit()
        every = slice(-start % self._sample_every, None, self._sample_every)
        self._sample.append(piece[every].copy())
        if weights is not None:
            self._sample_weights.append(weights[every].copy())
        if self.gathers & {"moments", "covariance"}:
            self._update_moments(piece, weights)
        if self.gathers & {"norms", "contrast"}:
            self._update_rows(piece, weights)
        self.n_rows += len(piece)
        self._total += len(piece) if weights is None else float(weights.sum())

    def _update_moments(self, piece: NDArray[Any], weights: Floats | None) -> None:
        wide = piece.astype(np.float64) if self._unit is None else piece / self._unit
        count: Any = len(piece) if weights is None else weights.sum()
        holes = np.isnan(wide) if self.missing else None
        if holes is not None:
            count = len(piece) - holes.sum(axis=0) if weights is None else weights @ ~holes
            wide[holes] = 0.0
        mean = _sums(wide, weights) / _divisor(count)
        for rows in _side_by_side(wide):
            rows -= np.tile(mean, rows.shape[1] // len(mean))
        if holes is not None:
            wide[holes] = 0.0
        heavy = wide if weights is None else wide * weights[:, None]
        products = None if self._products is None else heavy.T @ wide
        np.square(wide, out=wide)
        self._merge_moments(count, mean, _sums(wide, weights), products)

    def _merge_moments(self, count: Any, mean: Floats, squares: Floats, products: Floats | None) -> None:
        shift, before = np.where(count > 0, mean - self._mean, 0.0), self._seen
        self._seen = before + count
        share = count / _divisor(self._seen)
        if self._products is not None:
            self._products += products + np.outer(shift, shift * (before * share))
        self._squares += squares + shift**2 * (before * share)
        self._mean += shift * share

    def _change_unit(self, low: Floats | None = None, high: Floats | None = None) -> None:
        """Express the moments in units that suit a range: powers of two, so that nothing is rounded."""
        largest = np.maximum(-(self.low if low is None else low), self.high if high is None else high)
        smallest = np.min(largest, initial=1.0, where=largest > 0)
        if self._unit is None and largest.max(initial=0.0) <= _LARGEST and smallest >= 1 / _LARGEST:
            return
        unit = unit_for(largest)
        ratio = (1.0 if self._unit is None else self._unit) / unit
        self._unit = unit
        self._mean = self._mean * ratio
        self._squares = self._squares * ratio * ratio
        if self._products is not None:
            self._products = self._products * ratio * ratio[:, None]

    def merge(self, other: ColumnStatistics) -> None:
        """Add the statistics of later rows of the same source."""
        self.low, self.high = np.fmin(self.low, other.low), np.fmax(self.high, other.high)
        self._may_be_whole &= other._may_be_whole
        self.varies |= other.varies
        self.glance(np.stack([other.all_low, other.all_high]))
        self.holes |= other.holes
        self._sample += other._sample
        self._sample_weights += other._sample_weights
        for part in (self, other):
            part._change_unit(self.low, self.high)
        self._merge_moments(other._seen, other._mean, other._squares, other._products)
        self._norms += other._norms
        self._contrasts += other._contrasts
        self.n_rows += other.n_rows
        self._total += other._total

    def _update_rows(self, piece: NDArray[Any], weights: Floats | None) -> None:
        wide = piece.astype(np.float64, order="C")
        # Where this overflows, the columns are `unusual`, and the scaling is refused.
        with np.errstate(over="ignore", invalid="ignore"):
            if "norms" in self.gathers:
                norms = np.sqrt(np.square(wide).sum(axis=1))
                self._norms += float(norms.sum() if weights is None else weights @ norms)
            if "contrast" in self.gathers:
                wide -= wide.mean(axis=1, keepdims=True)
                squares = np.square(wide, out=wide)
                self._contrasts += float(squares.sum() if weights is None else weights @ squares.sum(axis=1))

    @property
    def whole_numbers(self) -> bool:
        """Whether all values are integers."""
        return self.whole or (self.dtype.kind == "f" and self._may_be_whole)

    @property
    def unusual(self) -> NDArray[np.bool_]:
        """Which columns have values whose squares are too large or too small for floats."""
        return np.asarray(unit_for(np.maximum(-self.low, self.high)) != 1)

    @property
    def mean(self) -> Floats:
        """The mean of each column."""
        return self._mean.copy() if self._unit is None else self._mean * self._unit

    @property
    def deviation(self) -> Floats:
        """The population standard deviation of each column."""
        deviation = np.asarray(np.sqrt(self._squares / _divisor(self._seen)))
        # Of equal values the mean may be rounded, and their deviation from it is then no zero.
        deviation = np.where(self.low == self.high, 0.0, deviation)
        return deviation if self._unit is None else deviation * self._unit

    @property
    def covariance(self) -> Floats:
        """The population covariance of the columns, (n_features, n_features)."""
        assert self._products is not None, "the covariance was not requested"
        return np.asarray(self._products / (self._total or 1))

    @property
    def mean_norm(self) -> float:
        """The mean Euclidean norm of the rows."""
        return self._norms / (self._total or 1)

    @property
    def contrast(self) -> float:
        """The root mean square of all cells minus the mean of their row."""
        return float(np.sqrt(self._contrasts / (self._total * len(self.low) or 1)))

    @property
    def rounding(self) -> Floats:
        """The deviation of each column that rounding of its values may cause."""
        return self.rounding_of(np.maximum(np.abs(self.low), np.abs(self.high)))

    def rounding_of(self, largest: Floats) -> Floats:
        """Return the deviation that rounding may cause in values up to these."""
        return rounding_of(largest, self.dtype if self.dtype.kind == "f" else np.dtype(np.float64))

    @property
    def sample(self) -> NDArray[Any]:
        """The sampled rows, evenly spaced."""
        return np.concatenate(self._sample)

    def quantiles(self, *levels: float, columns: NDArray[np.integer] | None = None) -> list[Floats]:
        """Return quantiles of each column, or of the numbered ones, over the sample: over fewer rows if it is wide."""
        if columns is None:
            every, rows = 1, self.sample.astype(np.float64)
        else:
            every = -(-sum(map(len, self._sample)) * len(columns) // _QUANTILE_CELLS)
            rows = np.concatenate([piece[::every][:, columns] for piece in self._sample]).astype(np.float64)
        if self._sample_weights:
            weights = np.concatenate([weights[::every] for weights in self._sample_weights])
            return _weighted_quantiles(rows, weights, levels)
        if not self.missing:
            return list(np.quantile(rows, levels, axis=0))
        # A column without a value in the sample counts as constant 0.
        rows[:, np.isnan(rows).all(axis=0)] = 0.0
        return list(np.nanquantile(rows, levels, axis=0))

    @property
    def unseen(self) -> NDArray[np.bool_]:
        """Which columns are missing in all rows."""
        return np.isinf(self.low) & (self.low > 0)
