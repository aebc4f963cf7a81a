"""Principal components of scaled rows: the linear path's start, and the number needed for a share of the variance."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from isthmus.core.types import Statistics
from isthmus.data.sources.sparse import csr_blocks
from isthmus.engine.loading import SAMPLE_WEIGHT, Chunk, RowLoader
from isthmus.engine.slicing import scaled_cells

Floats = NDArray[np.float64]


class Products(Protocol):
    """Sums over all rows of their products with a basis, and the sum of the rows' weights; see `subspace`."""

    def __call__(self, basis: Floats, *, inner: bool) -> tuple[Floats, float]:
        """Return both."""
        ...


# Up to this width the covariance of all rows is computed, and up to this many wider rows their Gram matrix.
_MAX_WIDTH = 2048
# More rows that are wider: subspace iteration, with so many more directions than are asked for and so many iterations.
_OVERSAMPLING = 16
_ITERATIONS = 5
_FIRST_DIRECTIONS = 64  # where their number is not given; doubled until they explain the share that is asked for
# Beyond this many multiply-adds the covariance is summed in float32 within a chunk, and in float64 over chunks.
_MAX_FLOAT64_WORK = 2e10


class Principal:
    """Mean, variances and principal directions of scaled rows, largest variance first.

    Parameters
    ----------
    loader : RowLoader
        The rows, without those of the holdout.
    n_components : int or float
        The number of directions that are needed, or the share of the variance that they have to explain, in (0, 1).
    unit : ndarray of shape (D,) or None
        What the scaled columns are divided by, up to 2,048 of them, so that each column of a table weighs alike.
    """

    def __init__(
        self, loader: RowLoader, n_components: int | float = _FIRST_DIRECTIONS, unit: Floats | None = None
    ) -> None:
        self.unit = unit if loader.chunk_shape[1] <= _MAX_WIDTH else None
        if loader.chunk_shape[1] <= _MAX_WIDTH:
            self.mean, self.variances, self.directions = _of_covariance(loader, self.unit)
            self.total = float(self.variances.sum())
        elif loader.count() <= _MAX_WIDTH and not loader.source.schema.sparse:
            self.mean, self.variances, self.directions = _of_gram(loader)
            self.total = float(self.variances.sum())
        else:
            self._iterate(loader, n_components)

    def _iterate(self, loader: RowLoader, n_components: int | float) -> None:
        rows = SparsePasses(loader) if SparsePasses.apply_to(loader) else None
        self.mean, self.total = _moments(loader) if rows is None else rows.moments()
        wanted = n_components if isinstance(n_components, Integral) else _FIRST_DIRECTIONS
        most = min(loader.count(), loader.chunk_shape[1])
        while True:
            count = min(int(wanted) + _OVERSAMPLING, most)
            if rows is None:
                self.variances, self.directions = _of_subspace(loader, self.mean, count)
            else:
                self.variances, self.directions = rows.of_subspace(count)
            explained = self.variances.sum() / self.total if self.total > 0 else 1.0
            if isinstance(n_components, Integral) or count == most or explained >= n_components:
                return
            wanted = 2 * count

    def components_for(self, share: float) -> int:
        """Return the number of components that explain at least a share of the variance."""
        if self.total <= 0:
            return 1
        kept = np.cumsum(self.variances) / self.total
        return min(int(np.searchsorted(kept, share - 1e-12)) + 1, len(kept))

    def statistics(self, n_components: int) -> Statistics:
        """Return mean and components for a network's initialisation; components beyond the rank are zero."""
        components = np.zeros((n_components, len(self.mean)))
        found = self.directions[:n_components]
        components[: len(found)] = found
        return Statistics(self.mean, components, n_components, self.unit)


def scaled_rows(loader: RowLoader, values: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """Return a chunk's values scaled, with missing cells set to 0, as at the network's input."""
    rows = values.astype(dtype, copy=not loader.in_program and loader.missing)
    if loader.in_program:
        center, factor = loader.affine()
        rows = (rows - center.astype(dtype)) * factor.astype(dtype)
    if loader.missing:
        rows[np.isnan(rows)] = 0.0
    return rows


def weights_of(chunk: Chunk) -> NDArray[Any] | None:
    """Return the weights of a chunk's rows, or None where all count alike."""
    weights = chunk.extras.get(SAMPLE_WEIGHT)
    return None if weights is None else weights[: chunk.count]


def _weighted(rows: NDArray[Any], weights: NDArray[Any] | None) -> tuple[NDArray[Any], float]:
    """Return rows times their weights, and the sum of the weights."""
    if weights is None:
        return rows, len(rows)
    return rows * weights[:, None].astype(rows.dtype), float(weights.sum(dtype=np.float64))


def _of_covariance(loader: RowLoader, unit: Floats | None = None) -> tuple[Floats, Floats, Floats]:
    width = loader.chunk_shape[1]
    dtype = np.float64 if loader.n_rows * width**2 <= _MAX_FLOAT64_WORK else np.float32
    sums, squares, count = np.zeros(width), np.zeros((width, width)), 0.0
    origin: NDArray[Any] | None = None
    for chunk in loader.chunks():
        rows = scaled_rows(loader, chunk.values[: chunk.count], dtype)
        # About the first chunk's mean rather than zero, from which unscaled columns may be far.
        origin = rows.mean(axis=0) if origin is None else origin
        rows = rows - origin
        heavy, total = _weighted(rows, weights_of(chunk))
        sums += heavy.sum(axis=0, dtype=np.float64)
        squares += heavy.T @ rows
        count += total
    mean = sums / (count or 1)
    covariance = squares / (count or 1) - np.outer(mean, mean)
    variances, vectors = eigh(covariance if unit is None else covariance / np.outer(unit, unit))
    return mean + (0 if origin is None else origin), np.maximum(variances[::-1], 0), _signed(vectors.T[::-1])


def _moments(loader: RowLoader) -> tuple[Floats, float]:
    """Return the mean (D,) and the sum of all columns' variances."""
    width = loader.chunk_shape[1]
    sums, squares, count = np.zeros(width), 0.0, 0.0
    origin: NDArray[Any] | None = None
    for chunk in loader.chunks():
        rows = scaled_rows(loader, chunk.values[: chunk.count], np.float64)
        origin = rows.mean(axis=0) if origin is None else origin
        rows = rows - origin
        heavy, total = _weighted(rows, weights_of(chunk))
        sums += heavy.sum(axis=0)
        squares += float(np.einsum("nd,nd->", heavy, rows))
        count += total
    mean = sums / (count or 1)
    return mean + (0 if origin is None else origin), max(squares / (count or 1) - float(mean @ mean), 0.0)


def _of_subspace(loader: RowLoader, mean: Floats, count: int) -> tuple[Floats, Floats]:
    """Return the largest variances and their directions by randomised subspace iteration over all rows.

    Halko, Martinsson and Tropp, "Finding structure with randomness", SIAM Review 2011, algorithms 4.4 and 5.3: each
    pass multiplies an orthonormal basis by the covariance, chunk by chunk, so that no row is kept.
    """
    start = mean.astype(np.float32)

    def products(basis: Floats, *, inner: bool) -> tuple[Floats, float]:
        small, weight = basis.astype(np.float32), 0.0
        summed = np.zeros((count, count) if inner else (len(mean), count))
        for chunk in loader.chunks():
            rows = scaled_rows(loader, chunk.values[: chunk.count], np.float32) - start
            scores = rows @ small
            heavy, total = _weighted(scores, weights_of(chunk))
            summed += (scores if inner else rows).T @ heavy
            weight += total
        return summed, weight

    return subspace(products, len(mean), count)


def subspace(products: Products, width: int, count: int) -> tuple[Floats, Floats]:
    """Return variances and directions from a function of a basis (D, n).

    The function returns sums over rows, of each row times its scores on the basis or, with ``inner``, of the products
    of the scores, and the sum of the rows' weights.
    """
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((width, count)))[0]
    for _ in range(_ITERATIONS - 1):
        basis = np.linalg.qr(products(basis, inner=False)[0])[0]
    summed, weight = products(basis, inner=True)
    variances, turned = eigh(summed / (weight or 1))
    return np.maximum(variances[::-1], 0), _signed((basis @ turned[:, ::-1]).T)


class SparsePasses:
    """Passes over sparse rows that are scaled by column; no row is made dense.

    A column's mean is subtracted from the products, so that what the scaling subtracts has no influence on them.
    """

    def __init__(self, loader: RowLoader) -> None:
        self.loader = loader
        assert loader.scaler.affine is not None
        self.center, self.scale = loader.scaler.affine
        self.factor = 1.0 if loader.weights is None else loader.weights.factor(loader.holdout)
        self.means = np.zeros(len(self.scale))  # of the cells, scaled but not centered

    @staticmethod
    def apply_to(loader: RowLoader) -> bool:
        """Whether a loader's rows are sparse and stay it when they are scaled."""
        return loader.source.schema.sparse and not loader.missing and loader.scaler.affine is not None

    def _blocks(self) -> Iterator[tuple[Any, Floats]]:
        """Yield training rows as CSR matrices, scaled but not centered, with their weights."""
        for rows, first in csr_blocks(self.loader.source):
            stop = first + rows.shape[0]
            weights = self.loader.weights
            own = np.ones(rows.shape[0]) if weights is None else weights.values[first:stop] * self.factor
            if self.loader.holdout.share:
                kept = ~self.loader.holdout.mask(first, stop)
                rows, own = rows[kept], own[kept]
            yield scaled_cells(rows, self.scale, np.float32), np.asarray(own, np.float64)

    def moments(self) -> tuple[Floats, float]:
        """Return the mean (D,) of the scaled rows, and the sum of all columns' variances."""
        sums, squares, weight = np.zeros(len(self.scale)), 0.0, 0.0
        for rows, own in self._blocks():
            sums += rows.T @ own
            squares += float(own @ np.asarray(rows.multiply(rows).sum(axis=1, dtype=np.float64)).ravel())
            weight += float(own.sum())
        self.means = sums / (weight or 1)
        variance = squares / (weight or 1) - float(self.means @ self.means)
        return self.means - self.center / self.scale, max(variance, 0.0)

    def of_subspace(self, count: int) -> tuple[Floats, Floats]:
        """Return the largest variances and their directions, as `_of_subspace` does of other rows."""

        def products(basis: Floats, *, inner: bool) -> tuple[Floats, float]:
            small, shift, weight = basis.astype(np.float32), (self.means @ basis).astype(np.float32), 0.0
            summed = np.zeros((count, count) if inner else (len(self.means), count))
            for rows, own in self._blocks():
                scores = rows @ small - shift
                heavy = scores * own[:, None].astype(np.float32)
                summed += scores.T @ heavy if inner else rows.T @ heavy - np.outer(self.means, heavy.sum(axis=0))
                weight += float(own.sum())
            return summed, weight

        return subspace(products, len(self.means), count)


def _of_gram(loader: RowLoader) -> tuple[Floats, Floats, Floats]:
    parts, weighing = [], []
    for chunk in loader.chunks():
        parts.append(scaled_rows(loader, chunk.values[: chunk.count], np.float64).copy())
        weights = weights_of(chunk)
        weighing.append(np.ones(chunk.count) if weights is None else weights.astype(np.float64))
    rows, shares = np.concatenate(parts), np.concatenate(weighing)
    mean = np.average(rows, axis=0, weights=shares) if loader.weights is not None else rows.mean(axis=0)
    centered = (rows - mean) * np.sqrt(shares)[:, None]
    # There are fewer rows than columns: the smaller Gram matrix has the same nonzero eigenvalues.
    variances, left = eigh(centered @ centered.T / shares.sum())
    positive = variances > variances[-1] * 1e-10
    vectors = (centered.T @ left[:, positive]) / np.sqrt(variances[positive] * shares.sum())
    return mean, variances[positive][::-1], _signed(vectors.T[::-1])


def _signed(directions: Floats) -> Floats:
    largest = np.abs(directions).argmax(axis=1)
    signs = np.sign(directions[np.arange(len(directions)), largest])
    return directions * np.where(signs == 0, 1, signs)[:, None]


def starting_bias(loader: RowLoader, kind: str) -> Floats:
    """Return the output's initial bias: the mean or geometric median of the first rows of an epoch, scaled."""
    chunk = next(loader.chunks(1))
    rows = scaled_rows(loader, chunk.values[: min(chunk.count, _MAX_WIDTH)], np.float64)
    weights = weights_of(chunk)
    if weights is not None:
        weights = weights[: len(rows)].astype(np.float64)
    mean: Floats = rows.mean(axis=0) if weights is None else np.average(rows, axis=0, weights=weights)
    return mean if kind == "mean" else geometric_median(rows, weights=weights)


def geometric_median(rows: Floats, steps: int = 100, tol: float = 1e-6, weights: Floats | None = None) -> Floats:
    """Return the point (D,) whose distances to rows (n, D), each times its weight (n,), have the smallest sum.

    Weiszfeld's iteration (1937), with the step of Vardi and Zhang for a point that equals a row ("The multivariate
    L1-median and associated data depth", 2000).
    """
    own = np.ones(len(rows)) if weights is None else weights
    middle: Floats = rows.mean(axis=0) if weights is None else own @ rows / own.sum()
    spread = float(np.sqrt(np.square(rows - middle).sum(axis=1).mean()))
    for _ in range(steps):
        distance = np.linalg.norm(rows - middle, axis=1)
        distinct = distance > 1e-9 * spread
        if not distinct.any():
            return middle
        pulls = own[distinct] / distance[distinct]
        moved: Floats = pulls @ rows[distinct] / pulls.sum()
        if not distinct.all():
            # The rows at this point count against the pull of the others by their weight.
            pull = float(np.linalg.norm(moved - middle) * pulls.sum())
            kept = min(1.0, float(own[~distinct].sum()) / pull) if pull else 1.0
            moved = kept * middle + (1 - kept) * moved
        if np.linalg.norm(moved - middle) <= tol * spread:
            return moved
        middle = moved
    return middle
