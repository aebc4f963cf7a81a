"""The rows with the largest outlier scores, of rows that are read block by block."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isthmus.estimators.fit.thresholds import Tail

Array = NDArray[Any]


class Scored(NamedTuple):
    """What was found in rows: their number, that of outliers, and those with the largest scores, in falling order."""

    n_rows: int
    n_outliers: int
    rows: Array
    scores: Array
    percentiles: Array
    contributions: Array


class TopOutliers:
    """Collects the rows with the largest scores.

    Parameters
    ----------
    threshold : float
        Rows with a larger score are outliers.
    count : int
        How many rows are kept.
    """

    def __init__(self, threshold: float, count: int) -> None:
        self.threshold = threshold
        self.count = count
        self.n_rows = self.n_outliers = 0
        self._kept: tuple[Array, Array, Array] | None = None  # row numbers, scores, contributions

    def add(self, contributions: Array) -> Array:
        """Take the next rows' contributions (n, columns) and return their scores (n,)."""
        scores: Array = contributions.sum(axis=1)
        parts = [(np.arange(self.n_rows, self.n_rows + len(scores)), scores, contributions)]
        if self._kept is not None:
            parts.insert(0, self._kept)
        rows, values, contributions = (np.concatenate(each) for each in zip(*parts, strict=True))
        best = np.argsort(-values, kind="stable")[: self.count]
        self._kept = rows[best], values[best], contributions[best]
        self.n_rows += len(scores)
        self.n_outliers += int((scores > self.threshold).sum())
        return scores

    def scored(self, distribution: Tail) -> Scored:
        """Return what was found."""
        rows, scores, contributions = self._kept or (np.empty(0, np.int64), np.empty(0), np.empty((0, 0)))
        return Scored(self.n_rows, self.n_outliers, rows, scores, distribution.percentiles(scores), contributions)
