"""Statistics of the columns of sparse rows, from the cells that are not 0 and their number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.data.scaling.statistics import ColumnStatistics, Floats

_SAMPLED_CELLS = 1 << 23  # of the sample, which is made dense


class SparseColumnStatistics(ColumnStatistics):
    """`ColumnStatistics` of scipy CSR matrices without cells that are stored twice; the sample is dense.

    Neither the covariance nor the contrast can be gathered.
    """

    def update(self, values: Any, start: int = 0, weights: NDArray[Any] | None = None) -> None:
        """Add rows, the first of which is row `start` of their source; `weights` (n,) are those of the rows."""
        if not values.shape[0]:
            return
        by_column = values.tocsc()
        low, high = _range(by_column)
        if values.dtype.kind == "f" and self._may_be_whole:
            self._may_be_whole = bool((values.data == np.floor(values.data)).all())
        self.varies |= low < high
        self.low, self.high = np.fmin(self.low, low), np.fmax(self.high, high)
        if self.dtype == np.float64:
            self._change_unit()
        every = slice(-start % self._sample_every, None, self._sample_every)
        self._sample.append(values[every])
        wide = None if weights is None else weights.astype(np.float64)
        if wide is not None:
            self._sample_weights.append(wide[every].copy())
        total = float(values.shape[0]) if wide is None else float(wide.sum())
        if "moments" in self.gathers:
            self._add_moments(by_column, total, wide)
        if "norms" in self.gathers:
            norms = np.sqrt(np.asarray(values.astype(np.float64).power(2).sum(axis=1)).ravel())
            self._norms += float(norms.sum() if wide is None else wide @ norms)
        self.n_rows += values.shape[0]
        self._total += total

    def glance(self, values: Any) -> None:
        """Add rows to the range of all rows, and to nothing else."""
        if isinstance(values, np.ndarray):  # the ranges that `merge` adds
            super().glance(values)
        elif values.shape[0]:
            low, high = _range(values.tocsc())
            self._held_low, self._held_high = np.fmin(self._held_low, low), np.fmax(self._held_high, high)

    def _add_moments(self, by_column: Any, total: float, weights: Floats | None) -> None:
        columns = np.repeat(np.arange(by_column.shape[1]), np.diff(by_column.indptr))
        cells = by_column.data.astype(np.float64)
        if self._unit is not None:
            cells /= self._unit[columns]
        own = np.ones(len(cells)) if weights is None else weights[by_column.indices]
        count = len(self.low)
        mean = np.bincount(columns, own * cells, count) / (total or 1)
        # About the mean, as the zeros are, since a difference of squares loses digits.
        squares = np.bincount(columns, own * (cells - mean[columns]) ** 2, count)
        squares += mean**2 * np.maximum(total - np.bincount(columns, own, count), 0.0)
        self._merge_moments(total, np.asarray(mean, np.float64), np.asarray(squares, np.float64), None)

    @property
    def sample(self) -> NDArray[Any]:
        """The sampled rows, evenly spaced, dense."""
        parts: list[Any] = self._sample
        return np.concatenate([part.toarray() for part in parts])


def sparse_stride(stride: int, n_rows: int, width: int) -> int:
    """Return the stride of the sample, as a scaling asks for it or larger, so that the sample fits in memory."""
    return max(stride, -(-n_rows // max(1, _SAMPLED_CELLS // width)))


def _range(by_column: Any) -> tuple[Floats, Floats]:
    """Return the smallest and the largest value of each column of at least one row, zeros included."""
    counts = np.diff(by_column.indptr)
    low, high = np.zeros(len(counts)), np.zeros(len(counts))
    filled = counts > 0
    starts = by_column.indptr[:-1][filled]
    if len(starts):
        low[filled] = np.minimum.reduceat(by_column.data, starts)
        high[filled] = np.maximum.reduceat(by_column.data, starts)
    zeros = counts < by_column.shape[0]
    low[zeros], high[zeros] = np.minimum(low[zeros], 0.0), np.maximum(high[zeros], 0.0)
    return low, high
