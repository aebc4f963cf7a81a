"""The graph of a fit: what was given, or the nearest neighbours of the scaled rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse

from isthmus.core.errors import InvalidDataError
from isthmus.core.random import Stream, generator
from isthmus.engine import neighbors
from isthmus.engine.edges import Edges
from isthmus.engine.loading import RowLoader
from isthmus.estimators.fit.preparing import Prepared
from isthmus.estimators.fit.rows import FitRows

SAMPLE_BYTES = 2 << 30  # of the rows among which neighbours are searched
_BLOCK_BYTES = 32 << 20


class Graph(NamedTuple):
    """The edges of a fit.

    Attributes
    ----------
    edges : Edges
        The neighbours of each row.
    n_rows : int
        The rows among which neighbours were searched: all, or a sample of more than 2 GB.
    recall : float or None
        The share of the nearest rows that were found, on a sample of 500; None where the graph was given.
    """

    edges: Edges
    n_rows: int
    recall: float | None


def graph_of(prepared: Prepared, n_neighbors: int, metric: str, seed: int) -> Graph:
    """Return the nearest neighbours of the rows of a fit, in scaled units, a missing cell being its column's mean.

    A category's columns are divided so that it counts as one column.
    """
    loader = prepared.loader
    chosen = _sample(loader.n_rows, loader.source.schema.n_features, seed)
    rows = scaled_rows(loader, chosen)
    if np.isnan(rows).any():
        rows = np.where(np.isnan(rows), _column_means(rows), rows)
    if prepared.error_scale is not None:
        rows /= prepared.error_scale.astype(np.float32)
    return _nearest(rows, chosen, loader.n_rows, n_neighbors, metric, seed)


def graph_of_codes(codes: Iterable[NDArray[Any]], n_rows: int, n_neighbors: int, seed: int) -> Graph:
    """Return the nearest neighbours of the rows of a fit by the directions of their codes.

    Parameters
    ----------
    codes : iterable of ndarray of shape (n, K)
        The codes of all rows, in blocks.
    n_rows : int
        The number of rows.
    n_neighbors : int
        Neighbours of each.
    seed : int
        The seed.
    """
    kept, chosen, first = [], None, 0
    for block in codes:
        chosen = _sample(n_rows, block.shape[1], seed) if chosen is None else chosen
        inside = chosen[(chosen >= first) & (chosen < first + len(block))] - first
        kept.append(block[inside].astype(np.float32))
        first += len(block)
    assert chosen is not None
    return _nearest(np.concatenate(kept), chosen, n_rows, n_neighbors, "cosine", seed)


def _sample(n_rows: int, width: int, seed: int) -> NDArray[np.integer]:
    """Return the numbers of the rows among which neighbours are searched."""
    most = max(SAMPLE_BYTES // (4 * width), 2)
    if n_rows <= most:
        return np.arange(n_rows)
    return np.sort(generator(seed, Stream.NEIGHBORS).permutation(n_rows)[:most])


def _nearest(
    rows: NDArray[np.float32], chosen: NDArray[np.integer], n_rows: int, n_neighbors: int, metric: str, seed: int
) -> Graph:
    """Return the graph of a sample of rows, of which `chosen` are the numbers among all `n_rows`."""
    k = min(n_neighbors, len(rows) - 1)
    found = neighbors.nearest(rows, k, metric, seed)
    is_exact = len(rows) <= neighbors.EXACT_ROWS
    share = 1.0 if is_exact else neighbors.recall(rows, found, metric)
    every = found
    if len(rows) < n_rows:
        every = np.full((n_rows, k), -1, np.int64)
        every[chosen] = chosen[found]
    return Graph(Edges.of(every, seed), len(rows), share)


def scaled_rows(loader: RowLoader, numbers: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return the scaled rows of a loader with these numbers, (n, D) float32, NaN in missing cells."""
    width = loader.source.schema.n_features
    rows = np.empty((len(numbers), width), np.float32)
    step = max(1, _BLOCK_BYTES // (8 * width))
    for first in range(0, len(numbers), step):
        part = numbers[first : first + step]
        raw = np.empty((len(part), width), loader.source.dtype)
        loader.source.take(part, raw)
        rows[first : first + step] = loader.scaler.scaled(raw, np.dtype(np.float32))
    return rows


def _column_means(rows: NDArray[np.float32]) -> NDArray[Any]:
    seen = ~np.isnan(rows)
    means: NDArray[Any] = np.where(seen, rows, 0).sum(axis=0, dtype=np.float64) / np.maximum(seen.sum(axis=0), 1)
    return means


def given_graph(graph: Any, given: FitRows, seed: int) -> Graph:
    """Return a graph as the user gave it, without the rows of weight 0.

    Parameters
    ----------
    graph : array-like of int of shape (n, k) or sparse matrix of shape (n, n)
        Neighbours by number, negative ones being none; or a matrix whose nonzero cells are edges.
    given : FitRows
        The rows.
    seed : int
        The seed of the edges' order.

    Raises
    ------
    InvalidDataError
        With one line.
    """
    n_rows = given.n_given
    edges = _sparse_edges(graph, n_rows, seed) if issparse(graph) else _listed_edges(graph, n_rows, seed)
    if not len(edges.ends):
        raise InvalidDataError("graph has no edge between two different rows; nothing can be learned from it")
    numbers = given.kept(np.arange(n_rows))
    if len(numbers) < n_rows:
        matrix = csr_matrix((np.ones(len(edges.ends), bool), edges.ends, edges.starts), (n_rows, n_rows))
        part = matrix[numbers][:, numbers]
        edges = Edges(part.indptr.astype(np.int64), part.indices, seed)
    return Graph(edges, len(numbers), None)


def digest_of(graph: Any) -> str:
    """Return a hash of a graph that was given."""
    parts = (graph.tocsr().indptr, graph.tocsr().indices) if issparse(graph) else (np.asarray(graph),)
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(repr(part.shape).encode() + np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def _sparse_edges(graph: Any, n_rows: int, seed: int) -> Edges:
    if graph.shape != (n_rows, n_rows):
        raise InvalidDataError(f"graph has the shape {graph.shape}, but X has {n_rows} rows; it must be (n, n)")
    matrix = csr_matrix(graph, copy=True)
    matrix.setdiag(0)
    matrix.eliminate_zeros()
    return Edges(matrix.indptr.astype(np.int64), matrix.indices, seed)


def _listed_edges(graph: Any, n_rows: int, seed: int) -> Edges:
    listed = np.asarray(graph)
    if listed.ndim != 2 or len(listed) != n_rows:
        raise InvalidDataError(
            f"graph has the shape {listed.shape}, but X has {n_rows} rows; it must be (n, k), the numbers of each "
            "row's neighbours, or a sparse matrix (n, n)"
        )
    if listed.dtype.kind not in "iu":
        raise InvalidDataError(f"graph has the type {listed.dtype}; the numbers of neighbours must be integers")
    if listed.size and listed.max() >= n_rows:
        row = int(np.argmax((listed >= n_rows).any(axis=1)))
        raise InvalidDataError(f"graph has the neighbour {listed[row].max()} in row {row}; rows are 0 to {n_rows - 1}")
    return Edges.of(listed.astype(np.int64), seed)
