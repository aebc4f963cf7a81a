"""Units of a code: how often and how strongly each is active, and the rows in which it is strongest."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isthmus.explore.explored import Explored

Array = NDArray[Any]

_BINS = 32
_STRONGEST = 24


class Unit(NamedTuple):
    """The activations of one unit over all rows.

    Attributes
    ----------
    density : float
        The share of rows in which it is not 0.
    mean : float
        Its mean over these rows.
    low, high : float
        Its range over all rows.
    counts : ndarray of int
        A histogram of its values over the rows in which it is not 0.
    edges : ndarray
        The edges of the histogram.
    strongest : ndarray of int
        The places of the rows with the largest values, first the largest.
    """

    density: float
    mean: float
    low: float
    high: float
    counts: Array
    edges: Array
    strongest: Array


def unit(explored: Explored, number: int) -> Unit:
    """Return what is known of one unit."""
    values = explored.codes[:, number]
    active = values[values != 0]
    counts, edges = np.histogram(active, bins=_BINS) if len(active) else (np.zeros(_BINS, int), np.linspace(0, 1, 33))
    few = min(_STRONGEST, len(values))
    largest = np.argpartition(-values, few - 1)[:few]
    strongest = largest[np.argsort(-values[largest], kind="stable")]
    if is_sparse(explored):
        strongest = strongest[values[strongest] != 0]
    return Unit(
        density=len(active) / len(values),
        mean=float(active.mean(dtype=np.float64)) if len(active) else 0.0,
        low=float(values.min()),
        high=float(values.max()),
        counts=counts,
        edges=edges,
        strongest=strongest,
    )


def is_sparse(explored: Explored) -> bool:
    """Whether the model's code is sparse: its sparsity leaves units at 0."""
    return bool(densities(explored).mean() < 0.9)


def densities(explored: Explored) -> Array:
    """Return the share of rows in which each unit is active, (K,)."""
    found: Array = np.count_nonzero(explored.codes, axis=0) / max(1, explored.n_rows)
    return found


def axes(explored: Explored) -> list[Array]:
    """Return the two directions (K,) along which the codes vary most: the first principal components of the codes.

    Of a code of one or two units, the units.
    """
    width = explored.n_components
    if width <= 2:
        return [*np.eye(width, dtype=np.float32)]
    step = max(1, explored.n_rows // 20_000)
    sample = explored.codes[::step].astype(np.float64)
    sample -= sample.mean(axis=0)
    if width > 2 * len(sample):
        directions = np.linalg.svd(sample, full_matrices=False)[2]
    else:
        directions = np.linalg.eigh(sample.T @ sample)[1].T[::-1]
    # The largest entry of each is positive, so that a map is the same each time.
    signs = [1.0 if one[np.abs(one).argmax()] >= 0 else -1.0 for one in directions[:2]]
    return [(sign * one).astype(np.float32) for sign, one in zip(signs, directions, strict=False)]
