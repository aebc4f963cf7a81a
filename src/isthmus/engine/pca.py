"""Principal components of scaled rows: the linear path's start, and the number needed for a share of the variance."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from isthmus.core.types import Statistics
from isthmus.engine.loading import RowLoader

Floats = NDArray[np.float64]

# Up to this width the covariance of all rows is computed; for wider rows, the Gram matrix of a sample of this many.
_MAX_WIDTH = 2048
# Beyond this many multiply-adds the covariance is summed in float32 within a chunk, and in float64 over chunks.
_MAX_FLOAT64_WORK = 2e10


class Principal:
    """Mean, variances and principal directions of scaled rows, largest variance first.

    Parameters
    ----------
    loader : RowLoader
        The rows, without those of the holdout.
    """

    def __init__(self, loader: RowLoader) -> None:
        wide = loader.chunk_shape[1] > _MAX_WIDTH
        self.mean, self.variances, self.directions = _of_sample(loader) if wide else _of_covariance(loader)

    def components_for(self, share: float) -> int:
        """Return the number of components that explain at least a share of the variance."""
        total = self.variances.sum()
        if total <= 0:
            return 1
        kept = np.cumsum(self.variances) / total
        return int(np.searchsorted(kept, share - 1e-12) + 1)

    def statistics(self, n_components: int) -> Statistics:
        """Return mean and components for a network's initialisation; components beyond the rank are zero."""
        components = np.zeros((n_components, len(self.mean)))
        found = self.directions[:n_components]
        components[: len(found)] = found
        return Statistics(self.mean, components, n_components)


def scaled_rows(loader: RowLoader, values: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """Return a chunk's values scaled, with missing cells set to 0, as at the network's input."""
    rows = values.astype(dtype, copy=not loader.in_program and loader.missing)
    if loader.in_program:
        center, factor = loader.affine()
        rows = (rows - center.astype(dtype)) * factor.astype(dtype)
    if loader.missing:
        rows[np.isnan(rows)] = 0.0
    return rows


def _of_covariance(loader: RowLoader) -> tuple[Floats, Floats, Floats]:
    width = loader.chunk_shape[1]
    dtype = np.float64 if loader.n_rows * width**2 <= _MAX_FLOAT64_WORK else np.float32
    sums, squares, count = np.zeros(width), np.zeros((width, width)), 0
    origin: NDArray[Any] | None = None
    for chunk in loader.chunks():
        rows = scaled_rows(loader, chunk.values[: chunk.count], dtype)
        # About the first chunk's mean rather than zero, from which unscaled columns may be far.
        origin = rows.mean(axis=0) if origin is None else origin
        rows = rows - origin
        sums += rows.sum(axis=0, dtype=np.float64)
        squares += rows.T @ rows
        count += chunk.count
    mean = sums / max(count, 1)
    variances, vectors = eigh(squares / max(count, 1) - np.outer(mean, mean))
    return mean + (0 if origin is None else origin), np.maximum(variances[::-1], 0), _signed(vectors.T[::-1])


def _of_sample(loader: RowLoader) -> tuple[Floats, Floats, Floats]:
    stride = max(1, loader.n_rows // _MAX_WIDTH)
    kept = [
        scaled_rows(loader, chunk.values[: chunk.count][chunk.rows[: chunk.count] % stride == 0], np.float64)
        for chunk in loader.chunks()
    ]
    rows = np.concatenate(kept)
    mean = rows.mean(axis=0)
    # There are fewer rows than columns: the smaller Gram matrix has the same nonzero eigenvalues.
    variances, left = eigh((rows - mean) @ (rows - mean).T / len(rows))
    positive = variances > variances[-1] * 1e-10
    vectors = ((rows - mean).T @ left[:, positive]) / np.sqrt(variances[positive] * len(rows))
    return mean, variances[positive][::-1], _signed(vectors.T[::-1])


def _signed(directions: Floats) -> Floats:
    largest = np.abs(directions).argmax(axis=1)
    signs = np.sign(directions[np.arange(len(directions)), largest])
    return directions * np.where(signs == 0, 1, signs)[:, None]


def starting_bias(loader: RowLoader, kind: str) -> Floats:
    """Return the output's initial bias: the mean or geometric median of the first rows of an epoch, scaled."""
    chunk = next(loader.chunks(1))
    rows = scaled_rows(loader, chunk.values[: min(chunk.count, _MAX_WIDTH)], np.float64)
    mean: Floats = rows.mean(axis=0)
    return mean if kind == "mean" else geometric_median(rows)


def geometric_median(rows: Floats, steps: int = 100, tol: float = 1e-6) -> Floats:
    """Return the point (D,) whose distances to rows (n, D) have the smallest sum.

    Weiszfeld's iteration (1937), with the step of Vardi and Zhang for a point that equals a row ("The multivariate
    L1-median and associated data depth", 2000).
    """
    middle: Floats = rows.mean(axis=0)
    spread = float(np.sqrt(np.square(rows - middle).sum(axis=1).mean()))
    for _ in range(steps):
        distance = np.linalg.norm(rows - middle, axis=1)
        distinct = distance > 1e-9 * spread
        if not distinct.any():
            return middle
        weights = 1 / distance[distinct]
        moved: Floats = weights @ rows[distinct] / weights.sum()
        if not distinct.all():
            # The rows at this point count against the pull of the others by their number.
            pull = float(np.linalg.norm(moved - middle) * weights.sum())
            kept = min(1.0, float((~distinct).sum()) / pull) if pull else 1.0
            moved = kept * middle + (1 - kept) * moved
        if np.linalg.norm(moved - middle) <= tol * spread:
            return moved
        middle = moved
    return middle
