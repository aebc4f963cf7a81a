"""Outlier scores: distances from the nearest training rows, relative to those that are usual nearby."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

NEIGHBORS = 5
_CORE = 0.6  # share of the rows that are its core
_ROUNDS = 8
_TYPICAL = 0.9  # quantile of the core's distances above which a row's distance to the core counts
_FLOOR = 0.1  # of the median local distance, added to each
_EQUAL = 1e-10  # squared distance of equal rows, relative to their squared lengths
_AT_ONCE = 1 << 19  # distances at a time: what a processor's cache holds


@dataclass(frozen=True, eq=False)
class Reference:
    """Rows to compare others with.

    The distance of a row is the mean, over its nearest reference rows, of the squared distance in points plus the
    reference row's own distance to the core, so that outliers near each other keep a large distance. It is divided by
    the root of the mean local distance of these neighbours, as in local outlier factors.

    Parameters
    ----------
    points : ndarray of shape (m, 2 W)
        Scaled rows and their residuals.
    to_core : ndarray of shape (m,)
        Distance of each row to the core beyond what is usual in it: added to the distance of its neighbours.
    to_core_by_cell : ndarray of shape (m, W)
        The same by cell.
    local : ndarray of shape (m,)
        Distance of each row to its own neighbours.
    median : float
        Median score of the rows themselves, before it is divided by this.
    """

    points: Array
    to_core: Array
    to_core_by_cell: Array
    local: Array
    median: float

    @classmethod
    def learn(cls, points: Array, codes: Array, numeric: Array | None = None) -> tuple[Self, Array]:
        """Return the reference that rows make, and what `contributions` returns for these rows.

        Parameters
        ----------
        points : ndarray of shape (m, 2 W)
            Scaled rows and their residuals.
        codes : ndarray of shape (m, K)
            Their codes.
        numeric : ndarray of bool of shape (W,) or None
            The cells of numbers, which alone count in the distance to the core; None is all. The core may have none of
            the rows with a level that a third of the table has, and these are not outliers.
        """
        width = points.shape[1] // 2
        core = np.flatnonzero(in_core(codes, points[:, width:]))
        to_core, by_cell = _to_core(points, core, np.ones(width, bool) if numeric is None else numeric)
        found, nearest = np.empty((len(points), width)), []
        for rows, squared in _distances(points, points):
            squared += to_core
            near = _nearest(squared, NEIGHBORS)
            found[rows] = _cells(points[rows], points, near)
            nearest.append((rows, near))
        local = found.sum(axis=1)
        floor = _FLOOR * (np.median(local) or np.mean(local)) or 1.0
        reference = cls(points, to_core, by_cell.astype(np.float32), local + floor, 1.0)
        for rows, near in nearest:
            found[rows] = reference._relative(found[rows], near)
        median = float(np.median(found.sum(axis=1))) or 1.0
        return replace(reference, median=median), found / median

    def contributions(self, points: Array) -> Array:
        """Return what each cell adds to the score of rows, (n, W); the sums are 1 for a median training row."""
        found = np.empty((len(points), points.shape[1] // 2))
        for rows, squared in _distances(points, self.points):
            squared += self.to_core
            near = _nearest(squared, NEIGHBORS)
            found[rows] = self._relative(_cells(points[rows], self.points, near), near) / self.median
        return found

    def _relative(self, cells: Array, near: Array) -> Array:
        """Return distances by cell (n, W), with those of neighbours (n, k) to the core, relative to the local ones."""
        usual = np.sqrt(self.local[near].mean(axis=1))[:, None]
        relative: Array = (cells + self.to_core_by_cell[near].mean(axis=1)) / usual
        return relative


def _to_core(points: Array, core: Array, numeric: Array) -> tuple[Array, Array]:
    """Return the distances of rows to the core beyond what is usual in it, in all (m,) and by cell (m, W)."""
    width = points.shape[1] // 2
    by_cell = np.zeros((len(points), width))
    if not numeric.any():
        return np.zeros(len(points)), by_cell
    cells = points if numeric.all() else points[:, np.tile(numeric, 2)]
    own, parts = np.empty(len(points)), np.empty((len(points), cells.shape[1] // 2))
    for rows, squared in _distances(cells, cells[core]):
        near = _nearest(squared, NEIGHBORS)
        parts[rows] = _cells(cells[rows], cells[core], near)
        own[rows] = parts[rows].sum(axis=1)
    beyond = np.maximum(own - np.quantile(own[core], _TYPICAL), 0)
    by_cell[:, numeric] = parts * np.divide(beyond, own, out=np.zeros_like(own), where=own > 0)[:, None]
    return beyond, by_cell


def in_core(codes: Array, residuals: Array) -> Array:
    """Return which rows are the core of a table, (m,) bool: those nearest to its centre, refined in rounds.

    A round measures each row by the Mahalanobis distance of its code and the standardised squares of its residuals,
    with means and variances of the rows that were nearest in the round before (the concentration steps of Rousseeuw and
    Van Driessen, "A fast algorithm for the minimum covariance determinant estimator", Technometrics 41, 1999).
    """
    count = min(len(codes), max(int(np.ceil(_CORE * len(codes))), NEIGHBORS + 1))
    codes = np.asarray(codes, np.float64)
    spread = codes.std(axis=0)
    scaled = (codes - np.median(codes, axis=0)) / np.where(spread > 0, spread, 1)
    distance = np.minimum(np.square(scaled), 9).sum(axis=1)
    previous: Array = np.zeros(len(codes), bool)
    for _ in range(_ROUNDS):
        chosen = np.zeros(len(codes), bool)
        chosen[np.argsort(distance, kind="stable")[:count]] = True
        if (chosen == previous).all():
            break
        previous = chosen
        centred = codes - codes[chosen].mean(axis=0)
        covariance = centred[chosen].T @ centred[chosen] / count
        ridge = 1e-2 * np.trace(covariance) / len(covariance) or 1.0
        inverse = np.linalg.inv(covariance + ridge * np.eye(len(covariance)))
        variance = residuals[chosen].var(axis=0, dtype=np.float64)
        variance = variance + (0.1 * variance.mean() or 1.0)
        off = np.square(residuals - residuals[chosen].mean(axis=0)) / variance
        distance = np.einsum("ij,jk,ik->i", centred, inverse, centred, optimize=True) + off.sum(axis=1)
    return previous


def _distances(points: Array, others: Array) -> Any:
    """Yield slices of points and their squared distances to others (rows, m); a row is not its own neighbour.

    Of the rows that equal a point one is left out, so that a training row has the score of a new row with its values.
    """
    base = others.astype(np.float64)
    lengths = np.square(base).sum(axis=1)
    step = max(1, _AT_ONCE // len(others))
    for start in range(0, len(points), step):
        rows = slice(start, start + step)
        block = points[rows].astype(np.float64)
        squares = np.square(block).sum(axis=1)
        squared = block @ base.T
        squared *= -2
        squared += squares[:, None]
        squared += lengths
        np.maximum(squared, 0, out=squared)
        if len(others) > 1:
            nearest, every = squared.argmin(axis=1), np.arange(len(block))
            equal = squared[every, nearest] <= _EQUAL * (squares + lengths[nearest])
            squared[every[equal], nearest[equal]] = np.inf
        yield rows, squared


def _nearest(distances: Array, count: int) -> Array:
    """Return the columns of the smallest distances of each row, (rows, count), the nearest first; overwrites them.

    Fewer where there are fewer finite ones.
    """
    if distances.shape[1] <= count:
        count = min(count, int(np.isfinite(distances).sum(axis=1).min()))
    near, every = np.empty((len(distances), count), np.intp), np.arange(len(distances))
    for place in range(count):  # faster than a partition: a minimum is one pass without copies
        near[:, place] = distances.argmin(axis=1)
        distances[every, near[:, place]] = np.inf
    return near


def _cells(points: Array, others: Array, near: Array) -> Array:
    """Return the mean squared differences of points from their neighbours by cell: of rows and residuals, (rows, W)."""
    width = points.shape[1] // 2
    total = np.zeros(points.shape, np.float64)
    for column in near.T:
        total += np.square(points.astype(np.float64) - others[column])
    total /= near.shape[1]
    cells: Array = total[:, :width] + total[:, width:]
    return cells
