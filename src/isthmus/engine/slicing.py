"""Batches of sparse rows as arrays of few shapes: pieces of the rows' cells, and of the columns' for gradients."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from isthmus.data.sources.base import Source
from isthmus.data.sources.sparse import csr_blocks
from isthmus.networks.sparse_rows import UNROLLED, Slices

MORE = 16  # cells of a further piece
_FEWEST_PIECES = 8
_PIECE_COST = 8.0  # of adding a further piece to its row, in cells
_MARGIN = 4.0  # standard deviations that a batch may have more than the mean batch


class Lengths(NamedTuple):
    """The shape of pieces: cells in each row's first one, and the number of further ones."""

    first: int
    more: int


@dataclass(frozen=True)
class SparseLayout:
    """The shapes of a source's batches."""

    rows: Lengths
    columns: Lengths
    batch_bytes: int


def layout_of(source: Source, batch_size: int, itemsize: int) -> SparseLayout:
    """Return the shapes that fit a sparse source's batches of so many rows, with values of so many bytes."""
    width = source.schema.n_features
    by_column, by_row = np.zeros(width), [np.empty(0)]
    for rows, _ in csr_blocks(source):
        by_column += np.bincount(rows.indices, minlength=width)
        by_row.append(np.diff(rows.indptr).astype(np.float64))
    counts = np.concatenate(by_row)
    share = min(1.0, batch_size / max(len(counts), 1))
    by_column *= share
    lengths = _lengths(counts, share)
    columns = _lengths(by_column + _MARGIN / 2 * np.sqrt(by_column), 1.0)
    cells = batch_size * lengths.first + width * columns.first + MORE * (lengths.more + columns.more)
    return SparseLayout(lengths, columns, cells * (4 + itemsize))


def _lengths(counts: NDArray[np.float64], share: float) -> Lengths:
    """Return the lengths of least work for rows with so many cells, of which a batch has a share."""
    most = max(UNROLLED, -(-int(counts.max(initial=0)) // UNROLLED) * UNROLLED)
    candidates = [length for length in _steps() if length < most] + [most]
    work = [
        len(counts) * share * length + (MORE + _PIECE_COST) * _pieces(counts, share, length) for length in candidates
    ]
    first = candidates[int(np.argmin(work))]
    return Lengths(first, _rounded(_pieces(counts, share, first)))


def _steps() -> list[int]:
    """Return lengths of pieces: multiples of the unrolled cells, each at most a quarter more than the last."""
    steps = [UNROLLED]
    while steps[-1] < 1 << 16:
        steps.append(max(steps[-1] + UNROLLED, steps[-1] * 5 // 4 // UNROLLED * UNROLLED))
    return steps


def _pieces(counts: NDArray[np.float64], share: float, length: int) -> float:
    pieces = np.ceil(np.maximum(counts - length, 0) / MORE)
    return float(share * pieces.sum() + (_MARGIN * math.sqrt(share * np.square(pieces).sum()) if share < 1 else 0))


def _rounded(pieces: float) -> int:
    """Return a number of pieces, at most a quarter more, of which there are few, so that programs are shared."""
    if not pieces:
        return 0
    unit = max(_FEWEST_PIECES, (1 << math.ceil(math.log2(pieces))) // 8)
    return math.ceil(pieces / unit) * unit


class Pool:
    """Arrays that are filled again, since arrays of tens of megabytes that come and go leave holes in the memory."""

    def __init__(self) -> None:
        self._arrays: dict[Any, NDArray[Any]] = {}

    def filled(self, name: object, shape: tuple[int, ...], dtype: Any, value: int = 0) -> NDArray[Any]:
        """Return an array of one value: that of the last call with this name, if it has the shape."""
        array = self._arrays.get(name)
        if array is None or array.shape != shape:
            array = self._arrays[name] = aligned(shape, np.dtype(dtype))
        array.fill(value)
        return array


def sliced_batches(
    batches: list[Any], n_rows: int, n_batches: int, layout: SparseLayout, pool: Pool | None = None
) -> tuple[Slices, Slices]:
    """Return the pieces of batches' rows and of their columns, each array with an axis for the batches in front.

    Parameters
    ----------
    batches : list of scipy.sparse.csr_matrix
        The scaled rows of each; the last may have fewer.
    n_rows : int
        The rows of a whole batch.
    n_batches : int
        The length of the first axis, at least the number of batches.
    layout : SparseLayout
        The shapes; a batch with more pieces has larger ones.
    pool : Pool or None
        Has the arrays to fill; None makes new ones.
    """
    pool = pool or Pool()
    width = batches[0].shape[1]
    turned = [batch.T.tocsr() for batch in batches]
    rows = _sliced(batches, (n_batches, n_rows), layout.rows, pool, "rows")
    return rows, _sliced(turned, (n_batches, width), layout.columns, pool, "columns")


def sliced_rows(batch: Any, n_rows: int, more: int = 0) -> Slices:
    """Return rows' cells all in pieces of the same length, so that a row's sum depends on that row alone."""
    slices = _sliced([batch], (1, n_rows), Lengths(0, more), Pool(), "")
    return Slices(*(leaf[0] for leaf in slices))


def _sliced(batches: list[Any], shape: tuple[int, int], lengths: Lengths, pool: Pool, name: str) -> Slices:
    first, more = lengths
    counts = [np.diff(batch.indptr) for batch in batches]
    pieces = [-(-np.maximum(count - first, 0) // MORE) for count in counts]
    most = max(int(piece.sum()) for piece in pieces)
    more = more if most <= more else _rounded(most)
    n_batches, n = shape
    kind = batches[0].data.dtype
    slices = Slices(
        pool.filled((name, 0), (n_batches, n, first), np.int32),
        pool.filled((name, 1), (n_batches, n, first), kind),
        pool.filled((name, 2), (n_batches, more, MORE), np.int32),
        pool.filled((name, 3), (n_batches, more, MORE), kind),
        pool.filled((name, 4), (n_batches, more), np.int32, n - 1),
    )
    for number, (batch, count, piece) in enumerate(zip(batches, counts, pieces, strict=True)):
        _fill(Slices(*(leaf[number] for leaf in slices)), batch, count, piece)
    return slices


def _fill(out: Slices, batch: Any, counts: NDArray[np.integer], pieces: NDArray[np.integer]) -> None:
    first = out.columns.shape[1]
    # The place of each cell within its row.
    place = np.arange(len(batch.data), dtype=np.int64) - np.repeat(batch.indptr[:-1].astype(np.int64), counts)
    flat = np.repeat(np.arange(len(counts), dtype=np.int64) * first, counts) + place
    if not pieces.any():
        out.columns.reshape(-1)[flat], out.values.reshape(-1)[flat] = batch.indices, batch.data
        return
    inside = place < first
    out.columns.reshape(-1)[flat[inside]], out.values.reshape(-1)[flat[inside]] = (
        batch.indices[inside],
        batch.data[inside],
    )
    owners = np.repeat(np.arange(len(pieces)), pieces)
    out.owners[: len(owners)] = owners
    starts = (np.cumsum(pieces) - pieces) * MORE - first
    beyond = (np.repeat(starts, counts) + place)[~inside]
    out.more_columns.reshape(-1)[beyond], out.more_values.reshape(-1)[beyond] = (
        batch.indices[~inside],
        batch.data[~inside],
    )


def scaled_cells(batch: Any, scale: NDArray[np.float64], dtype: Any) -> Any:
    """Return a CSR matrix with its cells divided by the scale of their columns, in a type."""
    values = (batch.data.astype(np.float64) / scale[batch.indices]).astype(dtype)
    return csr_matrix((values, batch.indices, batch.indptr), shape=batch.shape)


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an uninitialised array on a 64-byte boundary, which JAX takes over on the CPU without a copy."""
    size = int(np.prod(shape)) * dtype.itemsize
    raw = np.empty(size + 64, np.uint8)
    offset = -raw.ctypes.data % 64
    return raw[offset : offset + size].view(dtype).reshape(shape)
