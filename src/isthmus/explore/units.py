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
    if explored.is_sparse:
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
