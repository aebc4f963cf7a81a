"""The passes over the rows of a report: statistics of columns and PCA, then codes and errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from isthmus.core.random import generator
from isthmus.data.sources.base import Source
from isthmus.engine.inference import blocks_for
from isthmus.estimators.inputs import cell_names, finite_blocks, rows_of
from isthmus.estimators.scoring import by_column, comparable
from isthmus.estimators.streaming import float_of, inference_of
from isthmus.evaluation.metrics import CodeStatistics, Fidelity
from isthmus.evaluation.report.facts import Errors

Array = NDArray[Any]
_WIDEST = 2048  # columns whose covariance is computed
_CELLS = 1 << 23  # of the sample of rows that are wider
_STRONGEST = 8
_NANS = np.float64(np.nan).view(np.uint64)


class Columns:
    """Counts, ranges and moments of the columns of a source, and a hash of each row.

    Attributes
    ----------
    missing : ndarray of int of shape (D,)
        Missing cells.
    low, high, mean, deviation : ndarray of shape (D,)
        Of the observed cells.
    hashes : ndarray of uint64 of shape (n,)
        Equal for equal rows.
    covariance : ndarray of shape (D, D) or None
        Of the scaled rows, where there are at most 2,048 columns.
    """

    def __init__(self, model: Any, source: Source, progress: Callable[[int], None]) -> None:
        width, self.count = source.schema.n_features, 0
        self.missing = np.zeros(width, np.int64)
        self.low, self.high = np.full(width, np.inf), np.full(width, -np.inf)
        self._observed, self.mean, self._squares = np.zeros(width), np.zeros(width), np.zeros(width)
        hashes: list[Array] = []
        moments = _Moments(width) if width <= _WIDEST else None
        for block in finite_blocks(source, cell_names(model), missing=model.network_.indicator):
            self._update(block.values)
            hashes.append(row_hashes(block.values))
            if moments is not None:
                moments.update(_filled(model, block.values))
            progress(self.count)
        self.hashes = np.concatenate(hashes)
        self.deviation = np.sqrt(self._squares / np.maximum(self._observed, 1))
        self.covariance = None if moments is None else moments.covariance
        self._moments = moments

    def principal(self, model: Any, source: Source, components: int, seed: int) -> Principal | None:
        """Return PCA of the scaled rows, of wide ones of a sample; None for a single wide row."""
        if self._moments is not None:
            return self._moments.principal(components)
        return _of_sample(model, source, components, seed)

    def _update(self, values: Array) -> None:
        rows = values.astype(np.float64)
        missing = np.isnan(rows)
        kept = np.where(missing, 0.0, rows) if missing.any() else rows
        count = len(rows) - missing.sum(axis=0)
        total = self._observed + count
        divisor = np.maximum(count, 1)
        mean = kept.sum(axis=0) / divisor
        centered = np.where(missing, 0.0, rows - mean)
        shift = np.where(count > 0, mean - self.mean, 0.0)
        self._squares += np.square(centered).sum(axis=0)
        self._squares += np.square(shift) * self._observed * count / np.maximum(total, 1)
        self.mean = self.mean + shift * count / np.maximum(total, 1)
        self._observed = total
        self.missing += missing.sum(axis=0)
        self.low = np.fmin(self.low, np.where(missing, np.inf, rows).min(axis=0))
        self.high = np.fmax(self.high, np.where(missing, -np.inf, rows).max(axis=0))
        self.count += len(rows)


def row_hashes(values: Array) -> Array:
    """Return a hash of each row (n,), equal for rows of equal numbers: 0 is -0, and one missing cell is another."""
    bits = (values.astype(np.float64) + 0.0).view(np.uint64)
    if values.dtype.kind == "f":
        bits = np.where(np.isnan(values), _NANS, bits)
    factors = generator(0).integers(1, 1 << 63, (2, values.shape[1]), dtype=np.uint64) | np.uint64(1)
    with np.errstate(over="ignore"):
        mixed = (bits ^ (bits >> np.uint64(29))) * factors[0]
        mixed ^= mixed >> np.uint64(32)
        found: Array = (mixed * factors[1]).sum(axis=1, dtype=np.uint64)
    return found


@dataclass(frozen=True)
class Principal:
    """Mean (D,) and principal directions (K, D) of scaled rows, and how many rows they are of."""

    mean: Array
    directions: Array
    rows: int

    def rebuilt(self, scaled: Array) -> Array:
        """Return the projections of scaled rows; a missing cell counts as 0, as at the network's input."""
        centered = np.nan_to_num(scaled) - self.mean
        found: Array = centered @ self.directions.T @ self.directions + self.mean
        return found


class _Moments:
    def __init__(self, width: int) -> None:
        self.count, self.mean, self.products = 0, np.zeros(width), np.zeros((width, width))

    def update(self, rows: Array) -> None:
        mean = rows.mean(axis=0)
        centered = rows - mean
        shift = mean - self.mean
        total = self.count + len(rows)
        self.products += centered.T @ centered + np.outer(shift, shift) * (self.count * len(rows) / total)
        self.mean = self.mean + shift * (len(rows) / total)
        self.count = total

    @property
    def covariance(self) -> Array:
        found: Array = self.products / max(self.count, 1)
        return found

    def principal(self, components: int) -> Principal:
        width = len(self.mean)
        kept = min(components, width)
        _, vectors = eigh(self.products, subset_by_index=(width - kept, width - 1))
        return Principal(self.mean, np.ascontiguousarray(vectors.T[::-1]), self.count)


def _filled(model: Any, values: Array) -> Array:
    """Return scaled rows as PCA sees them: a table's columns weigh alike, a missing cell is 0."""
    scaled = np.nan_to_num(model.scaler_.scaled(np.ascontiguousarray(values), np.float64))
    return scaled if model.error_scale_ is None else np.asarray(scaled / model.error_scale_)


def _of_sample(model: Any, source: Source, components: int, seed: int) -> Principal | None:
    from sklearn.decomposition import PCA

    chosen = sampled(rows_of(source), max(_CELLS // source.schema.n_features, 2 * components), seed)
    rows = _filled(model, taken(source, chosen))
    if len(rows) < 2:
        return None
    pca = PCA(min(components, *rows.shape), svd_solver="randomized", random_state=0).fit(rows)
    return Principal(pca.mean_, pca.components_, len(rows))


def sampled(count: int, most: int, seed: int) -> Array:
    """Return the numbers of all rows, or of a random sample of so many, in order."""
    return np.arange(count) if count <= most else np.sort(generator(seed).choice(count, most, replace=False))


def taken(source: Source, rows: Array) -> Array:
    """Return some rows of a source with random access."""
    out: Array = np.empty((len(rows), source.schema.n_features), source.dtype)
    source.take(rows, out)
    return out


@dataclass
class Wanted:
    """What the second pass keeps of single rows.

    Attributes
    ----------
    rows : ndarray of int of shape (n,)
        The rows of the map, in order.
    basis, center : ndarray of shape (K, A) and (K,)
        ``(code - center) @ basis`` are the axes of the map.
    units : ndarray of int
        Units whose strongest rows are wanted.
    cells : callable
        Rows (n, D) to what the map's columns show of them (n, C).
    """

    rows: Array
    basis: Array
    center: Array
    units: Array
    cells: Callable[[Array], Array]


@dataclass
class Passed:
    """What the second pass found; see `Errors` and `Wanted`."""

    model: Errors
    pca: Errors | None
    statistics: CodeStatistics
    axes: Array
    cells: Array
    strongest: Array = field(default_factory=lambda: np.empty((0, 0), int))  # rows (units, 8), -1 where there is none
    activations: Array = field(default_factory=lambda: np.empty((0, 0)))


def second_pass(
    model: Any, source: Source, pca: Principal | None, wanted: Wanted, progress: Callable[[int], None]
) -> Passed:
    """Return codes, errors and what is wanted of single rows, from one pass over the rows."""
    inference, done = inference_of(model), 0
    statistics = CodeStatistics(int(model.n_components_))
    sums, pca_sums = _Sums(model), None if pca is None else _Sums(model)
    best = _Strongest(wanted.units)
    axes, cells = [], []
    for raw, codes, rebuilt in inference.round_trip(blocks_for(source, inference.rows), float_of(source)):
        scaled, made = comparable(model, raw, rebuilt)
        sums.update(scaled, made)
        if pca is not None and pca_sums is not None:
            pca_sums.update(scaled, pca.rebuilt(scaled))
        statistics.update(codes)
        low, high = np.searchsorted(wanted.rows, (done, done + len(raw)))
        chosen = wanted.rows[low:high] - done
        axes.append((codes[chosen].astype(np.float64) - wanted.center) @ wanted.basis)
        cells.append(wanted.cells(raw[chosen]))
        best.update(codes, done)
        done += len(raw)
        progress(done)
    others = None if pca_sums is None else pca_sums.errors()
    return Passed(sums.errors(), others, statistics, np.concatenate(axes), np.concatenate(cells), *best.found())


class _Sums:
    """Errors by row and by column, of one method."""

    def __init__(self, model: Any) -> None:
        self.model, self.fidelity = model, Fidelity()
        self.by_row: list[Array] = []
        self.total: Any = 0.0
        self.observed: Any = 0

    def update(self, scaled: Array, made: Array) -> None:
        self.fidelity.update(scaled, made)
        squares = by_column(self.model, np.square(scaled - made))
        known = ~np.isnan(squares)
        self.by_row.append(_means(np.nansum(squares, axis=1), known.sum(axis=1)))
        self.total = self.total + np.nansum(squares, axis=0)
        self.observed = self.observed + known.sum(axis=0)

    def errors(self) -> Errors:
        by_column = _means(self.total, self.observed)
        mean = float(np.sum(self.total) / max(int(np.sum(self.observed)), 1))
        return Errors(np.concatenate(self.by_row), by_column, mean, self.fidelity.explained_variance)


def _means(total: Any, count: Any) -> Array:
    found: Array = np.divide(total, count, out=np.full(np.shape(total), np.nan), where=np.asarray(count) > 0)
    return found


class _Strongest:
    """The rows with the largest activation of some units, block by block; of equal ones the first."""

    def __init__(self, units: Array) -> None:
        self.units = units
        self.rows = np.full((len(units), 0), -1)
        self.values = np.zeros((len(units), 0))

    def update(self, codes: Array, first: int) -> None:
        if not len(self.units):
            return
        own = codes[:, self.units].T.astype(np.float64)
        numbers = np.broadcast_to(np.arange(first, first + len(codes)), own.shape)
        values = np.concatenate([self.values, own], axis=1)
        rows = np.concatenate([self.rows, numbers], axis=1)
        order = np.argsort(-values, axis=1, kind="stable")[:, :_STRONGEST]
        self.values, self.rows = (np.take_along_axis(each, order, axis=1) for each in (values, rows))

    def found(self) -> tuple[Array, Array]:
        return np.where(self.values != 0, self.rows, -1), self.values
