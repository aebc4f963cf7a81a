"""The nearest neighbours of all rows: exact, in blocks of products, or approximate for many rows."""

from __future__ import annotations

import functools
from collections.abc import Iterator
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
# Many wide rows are first compared along a few directions, which gives lower bounds of their distances.
_MANY_ROWS = 5_000
_MANY_COLUMNS = 256
_SAMPLE, _SAMPLE_CELLS = 4096, 1 << 24  # rows whose principal directions are taken, and their cells
_SHORT_SHARE = 0.96  # of their variance: then four candidates for each neighbour prove 94 % of MNIST's rows
_ROUNDING = 1e-5  # the relative error that a bound may have


def exact(rows: NDArray[Any], k: int, metric: str = "euclidean") -> NDArray[np.int32]:
    """Return the numbers of the k nearest other rows of each row, nearest first.

    Memory is that of a few float32 copies of the rows, and about 200 MB. Of rows at one distance, those with the
    smaller number come first.

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
    cosine = metric == "cosine"
    if cosine:
        lengths = np.linalg.norm(np.asarray(rows, np.float64), axis=1, keepdims=True)
        base = (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    else:
        base = (rows - np.mean(rows, axis=0, dtype=np.float64)).astype(np.float32)  # smaller numbers round less
    keep_programs()
    found = np.empty((len(rows), k), np.int32)
    padded = _padded(base)
    offset = np.full(len(padded), np.inf, np.float32)
    offset[: len(rows)] = 0 if cosine else _squares(base)
    on_device = jax.device_put(padded)
    rest = asked
    if len(asked) >= _MANY_ROWS and (short := _shortened(base)) is not None:
        rest = _search_by_bounds(found, asked, on_device, short, cosine)
    offset_on_device = jax.device_put(offset)
    count = min(k + _SPARE, len(rows) - 1)
    for numbers, valid in _blocks(rest, len(padded)):
        best = _nearest(on_device, offset_on_device, numbers, count, cosine)
        found[numbers[:valid]] = np.asarray(best)[:valid, :k]
    neighbors: NDArray[np.int32] = found[asked]
    return neighbors


def _squares(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the squared lengths (n,) of rows."""
    squares: NDArray[np.float32] = np.square(rows).sum(axis=1)  # pairwise: the bounds need all digits of float32
    return squares


def _padded(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the rows and zeros, to whole groups."""
    padded = np.zeros((-(-len(rows) // _GROUP) * _GROUP, rows.shape[1]), np.float32)
    padded[: len(rows)] = rows
    return padded


def _blocks(asked: NDArray[np.integer], n_rows: int) -> Iterator[tuple[NDArray[np.int32], int]]:
    """Yield the numbers asked for in blocks of one length, and how many of each are not repetitions."""
    step = int(max(1, min(len(asked), _AT_ONCE // n_rows, 1024)))
    for first in range(0, len(asked), step):
        valid = min(step, len(asked) - first)
        yield np.resize(asked[first : first + valid], step).astype(np.int32), valid


def _shortened(base: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Return rows (n, m + 1) that are no farther from each other than those of `base` are; None where m would be large.

    They are the coordinates along the first m principal directions of a sample, and the length of what these leave.
    """
    n, width = base.shape
    sample = base[:: max(1, -(-n // min(_SAMPLE, _SAMPLE_CELLS // width)))].astype(np.float64)
    sample -= sample.mean(axis=0)
    if min(sample.shape) < _MANY_COLUMNS:
        return None
    variances, directions = _principal(sample)
    share = np.cumsum(variances) / max(np.sum(variances), np.finfo(np.float64).tiny)
    m = int(np.searchsorted(share, _SHORT_SHARE)) + 1
    if m > width // 3:
        return None
    short = np.empty((n, m + 1), np.float32)
    short[:, :m] = base @ directions[:m].T.astype(np.float32)
    short[:, m] = np.sqrt(np.maximum(_squares(base) - _squares(short[:, :m]), 0))
    return short


def _principal(sample: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the squares (r,) along the principal directions of centred rows, largest first, and these (r, D)."""
    wide = sample.shape[1] > sample.shape[0]
    squares, vectors = np.linalg.eigh(sample @ sample.T if wide else sample.T @ sample)
    squares, vectors = np.maximum(squares[::-1], 0), vectors.T[::-1]
    if wide:
        vectors = (vectors @ sample) / np.sqrt(np.maximum(squares, np.finfo(np.float64).tiny))[:, None]
    return squares, vectors


def _search_by_bounds(
    found: NDArray[np.int32], asked: NDArray[np.integer], base: Array, short: NDArray[np.float32], cosine: bool
) -> NDArray[np.integer]:
    """Write the neighbours that are proved to be the nearest into `found`, and return the numbers of the other rows.

    Where that is more than a quarter of the first blocks, the bounds do not help, and the rest is returned at once.
    """
    n, k = found.shape
    count = min(4 * k + 4, n - 1)
    padded = _padded(short)
    offset = np.full(len(padded), np.inf, np.float32)
    offset[:n] = _squares(short)
    on_device = jax.device_put(padded), jax.device_put(offset)
    left, done = [], 0
    for numbers, valid in _blocks(asked, len(padded)):
        best, proved = (
            np.asarray(part)[:valid] for part in _nearest_by_bounds(base, *on_device, numbers, count, k, cosine)
        )
        found[numbers[:valid]] = best
        left.append(numbers[:valid][~proved])
        done += valid
        if done >= 1024 and 4 * sum(map(len, left)) > done:
            break
    return np.concatenate([*left, asked[done:]])


@functools.partial(jax.jit, static_argnames=("count", "cosine"))
def _nearest(base: Array, offset: Array, numbers: Array, count: int, cosine: bool) -> Array:
    """Return the nearest rows (B, count) of some, found by products and put in order by differences."""
    _, places = _least(base, offset, numbers, count)
    return _in_order(base, numbers, places, cosine)[1]


@functools.partial(jax.jit, static_argnames=("count", "k", "cosine"))
def _nearest_by_bounds(
    base: Array, short: Array, offset: Array, numbers: Array, count: int, k: int, cosine: bool
) -> tuple[Array, Array]:
    """Return the k nearest (B, k) of the `count` rows of least bounds, and whether no other row can be nearer (B,)."""
    bounds, places = _least(short, offset, numbers, count)
    squares, places = _in_order(base, numbers, places, cosine)
    own = offset[numbers]
    other = bounds[:, -1] + own  # no other row has a smaller bound
    return places[:, :k], other - _ROUNDING * (own + other) > squares[:, k - 1]


def _least(base: Array, offset: Array, numbers: Array, count: int) -> tuple[Array, Array]:
    """Return the least squared distances (B, count), less the row's own square, and the numbers of their rows."""
    # Accelerators round the factors of products to fewer bits, unless this is asked for.
    products = jnp.matmul(base[numbers], base.T, precision=jax.lax.Precision.HIGHEST)
    distances = offset - 2 * products
    distances = jnp.where(jnp.arange(len(base)) == numbers[:, None], jnp.inf, distances)
    groups = distances.reshape(len(numbers), -1, _GROUP)
    # The nearest rows are in the groups whose least distances are least.
    _, chosen = jax.lax.top_k(-jnp.min(groups, axis=2), min(count, groups.shape[1]))
    members = jnp.take_along_axis(groups, chosen[:, :, None], axis=1).reshape(len(numbers), -1)
    least, best = jax.lax.top_k(-members, count)
    return -least, jnp.take_along_axis(chosen, best // _GROUP, axis=1) * _GROUP + best % _GROUP


def _in_order(base: Array, numbers: Array, places: Array, cosine: bool) -> tuple[Array, Array]:
    """Return squared distances (B, C), computed from differences, and their rows, the nearest first."""
    asked = base[numbers]

    def difference(column: Array) -> Array:
        others = base[column]
        squares = jnp.sum(jnp.square(asked - others), axis=1)
        if not cosine:
            return squares
        # Of rows of length 1 they are twice the distance; a row of zeros is at right angles to all.
        return jnp.where(jnp.any(asked, axis=1) & jnp.any(others, axis=1), squares, 2.0)

    squares = jax.lax.map(difference, places.T).T
    ordered, rows = jax.lax.sort((squares, places), num_keys=2)
    return ordered, rows
