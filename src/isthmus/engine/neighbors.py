"""The nearest neighbours of all rows: exact, in blocks of products, or approximate for many rows."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from isthmus.core.compilation import keep_programs
from isthmus.core.errors import InvalidParameterError
from isthmus.core.random import generator

METRICS = ("euclidean", "cosine")
EXACT_ROWS = 100_000  # the largest number of rows whose neighbours are found exactly, unless it is asked for
_GROUP = 64  # rows whose least distance is compared first
_AT_ONCE = 1 << 25  # distances of a block, 128 MB of float32
_SPARE = 8  # candidates beyond k, whose distances are computed again without the error of products


def exact(rows: NDArray[Any], k: int, metric: str = "euclidean") -> NDArray[np.int32]:
    """Return the numbers of the k nearest other rows of each row, nearest first.

    Memory is that of the rows and about 200 MB. Of rows at one distance, those with the smaller number come first.

    Parameters
    ----------
    rows : ndarray of shape (n, D)
        Finite rows.
    k : int
        The neighbours of each, at most n - 1.
    metric : {"euclidean", "cosine"}
        The distance; by cosine, a row of zeros is at the distance 1 from all others.

    Returns
    -------
    neighbors : ndarray of int32 of shape (n, k)
    """
    return _search(rows, np.arange(len(rows)), k, metric)


def recall(
    rows: NDArray[Any], neighbors: NDArray[np.integer], metric: str = "euclidean", n_samples: int = 500
) -> float:
    """Return the share of the nearest other rows that are among the given neighbours, of a sample of rows.

    Parameters
    ----------
    rows : ndarray of shape (n, D)
        Finite rows.
    neighbors : ndarray of int of shape (n, k)
        What was found.
    metric : {"euclidean", "cosine"}
        The distance.
    n_samples : int
        The rows that are asked, always the same ones.
    """
    asked = generator(0).permutation(len(rows))[:n_samples]
    truth = _search(rows, asked, neighbors.shape[1], metric)
    return float(np.mean([np.isin(one, found).mean() for one, found in zip(truth, neighbors[asked], strict=True)]))


def approximate(rows: NDArray[Any], k: int, metric: str = "euclidean", seed: int = 0) -> NDArray[np.int32]:
    """Return the numbers of k near other rows of each row, by nearest neighbour descent; parameters as of `exact`.

    Dong, Charikar and Li, "Efficient k-nearest neighbor graph construction for generic similarity measures", 2011.

    Raises
    ------
    InvalidParameterError
        Where pynndescent is not installed.
    """
    try:
        from pynndescent import NNDescent
    except ImportError:
        raise InvalidParameterError(
            f"the neighbours of {len(rows):,} rows are found by pynndescent, which is not installed: "
            "pip install 'isthmus[maps]'; or pass graph="
        ) from None
    found, _ = NNDescent(rows, metric=metric, n_neighbors=k + 1, random_state=seed, compressed=False).neighbor_graph
    return _without_own(found, k)


def nearest(rows: NDArray[Any], k: int, metric: str = "euclidean", seed: int = 0) -> NDArray[np.int32]:
    """Return the neighbours of each row (n, k): exact up to 100,000 rows, else approximate."""
    return exact(rows, k, metric) if len(rows) <= EXACT_ROWS else approximate(rows, k, metric, seed)


def _without_own(found: NDArray[np.integer], k: int) -> NDArray[np.int32]:
    """Return k neighbours without the row itself, which is among them unless others are equal to it."""
    own = found == np.arange(len(found))[:, None]
    own[~own.any(axis=1), -1] = True
    kept: NDArray[np.int32] = found[~own].reshape(len(found), -1)[:, :k].astype(np.int32)
    return kept


def _search(rows: NDArray[Any], asked: NDArray[np.integer], k: int, metric: str) -> NDArray[np.int32]:
    """Return the k nearest other rows of the rows numbered `asked`."""
    n, width = rows.shape
    if metric == "cosine":
        lengths = np.linalg.norm(np.asarray(rows, np.float64), axis=1, keepdims=True)
        base = (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    else:
        base = (rows - np.mean(rows, axis=0, dtype=np.float64)).astype(np.float32)  # smaller numbers round less
    count = min(k + _SPARE, n - 1)
    n_groups = -(-n // _GROUP)
    padded = np.zeros((n_groups * _GROUP, width), np.float32)
    padded[:n] = base
    offset = np.full(len(padded), np.inf, np.float32)
    offset[:n] = np.square(base).sum(axis=1) if metric == "euclidean" else 0
    step = int(max(1, min(len(asked), _AT_ONCE // len(padded), 1024)))
    found = np.empty((len(asked), k), np.int32)
    keep_programs()
    on_device = jax.device_put(padded), jax.device_put(offset)
    for first in range(0, len(asked), step):
        numbers = np.resize(asked[first : first + step], step).astype(np.int32)
        best = _nearest(*on_device, numbers, count, metric == "cosine")
        found[first : first + step] = np.asarray(best)[: len(asked) - first, :k]
    return found


@functools.partial(jax.jit, static_argnames=("count", "cosine"))
def _nearest(base: Array, offset: Array, numbers: Array, count: int, cosine: bool) -> Array:
    """Return the nearest rows (B, count) of some, found by products and put in order by differences."""
    asked = base[numbers]
    distances = offset - 2 * (asked @ base.T)
    distances = jnp.where(jnp.arange(len(base)) == numbers[:, None], jnp.inf, distances)
    groups = distances.reshape(len(numbers), -1, _GROUP)
    # The nearest rows are in the groups whose least distances are least.
    _, chosen = jax.lax.top_k(-jnp.min(groups, axis=2), min(count, groups.shape[1]))
    members = jnp.take_along_axis(groups, chosen[:, :, None], axis=1).reshape(len(numbers), -1)
    _, best = jax.lax.top_k(-members, count)
    places = jnp.take_along_axis(chosen, best // _GROUP, axis=1) * _GROUP + best % _GROUP

    def difference(column: Array) -> Array:
        others = base[column]
        squares = jnp.sum(jnp.square(asked - others), axis=1)
        if not cosine:
            return squares
        # Of rows of length 1 they are twice the distance; a row of zeros is at right angles to all.
        return jnp.where(jnp.any(asked, axis=1) & jnp.any(others, axis=1), squares, 2.0)

    squares = jax.lax.map(difference, places.T).T
    return jax.lax.sort((squares, places), num_keys=2)[1]
