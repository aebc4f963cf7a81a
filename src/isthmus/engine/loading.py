"""Chunks of rows: arrays of one fixed shape, filled in an epoch's order on other threads, ahead of the computation."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isthmus.core.random import number_type
from isthmus.data.scaling import Scaling
from isthmus.data.scaling.choosing import scaled_in_program
from isthmus.data.sources.base import Source
from isthmus.data.splitting import NO_HOLDOUT, Holdout
from isthmus.data.weights import RowWeights
from isthmus.engine.edges import Edges
from isthmus.engine.sampling import BatchSampler, EpochOrder, Shuffle
from isthmus.engine.slicing import Pool, SparseLayout, aligned, layout_of, scaled_cells, sliced_batches

# A chunk stays in the last cache level between the thread that fills it and the program that reads it: the 4-2-4
# network trains on 33 M rows/s with 8 MB, and on 28 with 32 MB.
CHUNK_BYTES = 8 << 20
_CHUNK_BATCHES = 1 << 15
_SPARSE_CHUNK_BYTES = 24 << 20  # the weights, which are copied once a chunk, are larger than a batch of sparse rows
_SCALED_ROWS = 1 << 14  # at a time
SAMPLE_WEIGHT = "sample_weight"  # the name of the rows' weights among the extras of a chunk


class Chunk(NamedTuple):
    """Whole batches of rows; always the same shape, the rows past `count` zero up to the end of their batch."""

    # (chunk_rows, D) in the source's type where that is narrow, else scaled; or the pieces of sparse rows and of their
    # columns, each array with an axis for the batches in front
    values: Any
    rows: NDArray[np.uint32]  # (chunk_rows,) low 32 bits of the rows' numbers in their source
    count: int  # type: ignore[assignment]  # a tuple has a method of that name
    waited: float = 0.0  # seconds that the computation waited for it
    uploaded: Any = None  # what the loader's `upload` returned for it
    extras: Mapping[str, NDArray[Any]] = {}  # (chunk_rows, ...) further values of each row, by name


class BatchShard(NamedTuple):
    """The places of a batch that one process fills: those from `low` to `high` of `total`.

    A batch that does not divide by the number of devices has more places than rows; the rest is padding.
    """

    total: int
    low: int
    high: int

    @property
    def size(self) -> int:
        """The number of places."""
        return self.high - self.low


def chunk_rows(batch_size: int, row_bytes: int, chunk_bytes: int | None = None) -> int:
    """Return the rows of a chunk: whole batches, about 8 MB of them; the same for any number of rows."""
    batches = (chunk_bytes or CHUNK_BYTES) // max(1, batch_size * row_bytes)
    return batch_size * min(max(batches, 1), _CHUNK_BATCHES)


@dataclass(frozen=True)
class RowLoader:
    """Loads the rows of a source batch by batch, in chunks of one shape."""

    source: Source  # with random access
    # Applied by the compiled program if it works column by column and the type is narrow, else by the loader.
    scaler: Scaling
    batch_size: int  # rows per step
    compute: np.dtype[Any]  # the type of the computation, float32 or float64
    holdout: Holdout = NO_HOLDOUT  # the rows left out of training
    seed: int = 0  # of the order
    shuffle: Shuffle = False  # whether each epoch has its own order, and how far a row may move in it
    rows_per_chunk: int | None = None  # a multiple of `batch_size`; None is as many as make about `chunk_bytes`
    missing: bool = False  # whether NaN is a missing cell
    shard: BatchShard | None = None  # the places of each batch that this process fills; None fills all
    readers: int = 1  # chunks that are filled at a time, each by a thread
    chunk_bytes: int | None = None  # the approximate size of a chunk; None is 8 MB
    # Called with each chunk on the thread that filled it; what it returns is the chunk's ``uploaded``.
    upload: Callable[[Chunk], Any] | None = None
    # (n_rows, ...) further values of each row, such as labels, gathered with the rows
    extras: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    weights: RowWeights | None = None  # of all rows; None weights all equally
    layout: SparseLayout | None = None  # the shapes of batches that stay sparse; None makes rows dense
    edges: Edges | None = None  # each row is followed by a neighbour of its own, another one in each epoch

    @property
    def ends(self) -> int:
        """The rows in one place of a batch: 2 where they are the ends of edges."""
        return 1 if self.edges is None else 2

    @property
    def _place_width(self) -> int:
        return self.ends * self.source.schema.n_features

    @property
    def in_program(self) -> bool:
        """Whether rows reach the program raw."""
        return scaled_in_program(self.scaler, self.source.dtype, self.compute)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of a chunk's values."""
        return self.source.dtype if self.in_program else self.compute

    @property
    def n_rows(self) -> int:
        """The rows of the source."""
        if self.source.n_rows is None:
            raise ValueError("a RowLoader needs a source with a known number of rows")
        return self.source.n_rows

    @property
    def chunk_rows(self) -> int:
        """The rows of a chunk, including those that other processes read."""
        if self.layout is not None:
            rows = chunk_rows(self.batch_size, self.layout.batch_bytes // self.batch_size, _SPARSE_CHUNK_BYTES)
            # Chunks of sparse rows are filled with zeros first, so those of a small table are small.
            batches = -(-self.n_rows // self.batch_size)
            return min(rows, self.batch_size << (batches - 1).bit_length())
        row_bytes = self._place_width * self.dtype.itemsize
        return self.rows_per_chunk or chunk_rows(self.batch_size, row_bytes, self.chunk_bytes)

    @property
    def chunk_shape(self) -> tuple[int, int]:
        """The shape of a chunk's values."""
        rows = self.chunk_rows if self.shard is None else self.chunk_rows // self.batch_size * self.shard.size
        return rows, self._place_width

    @property
    def chunk_bytes_used(self) -> int:
        """The bytes of a chunk's values."""
        if self.layout is not None:
            return self.chunk_rows // self.batch_size * self.layout.batch_bytes
        return int(np.prod(self.chunk_shape)) * self.dtype.itemsize

    def laid_out(self) -> RowLoader:
        """Return a loader whose batches stay sparse, where the rows and their scaling allow it."""
        scaler, plain = self.scaler, self.source.schema.sparse and not self.missing
        if not plain or scaler.affine is None or not scaler.exact_in(self.compute):
            return self
        return replace(self, layout=layout_of(self.source, self.batch_size, self.compute.itemsize))

    def count(self, validation: bool = False) -> int:
        """Return the number of training or validation rows."""
        held = self.holdout.count(self.n_rows)
        return held if validation else self.n_rows - held

    def affine(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return what the compiled program subtracts from a row, and what it then multiplies by, each (D,)."""
        width = self.source.schema.n_features
        if self.layout is not None and self.scaler.affine is not None:
            center, scale = self.scaler.affine
            return (center / scale).astype(self.compute), np.ones(width, self.compute)
        if self.scaler.affine is None or not self.in_program:
            return np.zeros(width, self.compute), np.ones(width, self.compute)
        center, scale = self.scaler.affine
        return center.astype(self.compute), (1 / scale).astype(self.compute)

    def chunks(self, epoch: int = 0, validation: bool = False, start: int = 0) -> Iterator[Chunk]:
        """Yield an epoch's chunks, from row `start` of its order on; each is valid until the next is asked for."""
        filler = _Filler(self, epoch, validation, start)
        if filler.n_left <= self.chunk_rows:
            # There is nothing to read ahead, and starting a thread takes longer than an epoch of few rows.
            began = time.perf_counter()
            chunk = filler.fill(0)
            if chunk.count:
                yield chunk._replace(waited=time.perf_counter() - began)
            return
        with ThreadPoolExecutor(self.readers, thread_name_prefix="isthmus-read-ahead") as readers:
            ahead: deque[Future[Chunk]] = deque(readers.submit(filler.fill, turn) for turn in range(self.readers))
            turn = self.readers
            while True:
                began = time.perf_counter()
                chunk = ahead.popleft().result()
                if not chunk.count:
                    return
                ahead.append(readers.submit(filler.fill, turn))
                turn += 1
                yield chunk._replace(waited=time.perf_counter() - began)


class _Filler:
    """Fills chunks with the rows of one epoch, in a ring of reused buffers."""

    def __init__(self, loader: RowLoader, epoch: int, validation: bool, start: int) -> None:
        self.loader = loader
        self.epoch = epoch
        size = loader.batch_size
        self.shard = loader.shard or BatchShard(size, 0, size)
        shuffle = False if validation else loader.shuffle
        order = EpochOrder(loader.n_rows, size, loader.seed, epoch, shuffle, loader.holdout, validation)
        self.first = start // size
        self.numbers = BatchSampler(order, self.shard.low, self.shard.high, self.first, loader.readers)
        self.n_left = loader.count(validation) - start
        self.factor = 1.0 if loader.weights is None else loader.weights.factor(loader.holdout, validation)
        # One for each reader, and one for the computation.
        self.buffers: list[Any] = [None] * (loader.readers + 1)

    def _buffer(self, turn: int) -> tuple[NDArray[Any], NDArray[np.uint32]]:
        turn %= len(self.buffers)
        if self.buffers[turn] is None:
            rows, width = self.loader.chunk_shape
            self.buffers[turn] = aligned((rows, width), self.loader.dtype), aligned((rows,), np.dtype(np.uint32))
        values, numbers = self.buffers[turn]
        return values, numbers

    def fill(self, turn: int) -> Chunk:
        """Return chunk number `turn`, without rows past the end of the epoch."""
        if self.loader.layout is not None:
            return self._fill_sparse(turn, self.loader.layout)
        values, rows = self._buffer(turn)
        loader, size = self.loader, self.loader.batch_size
        count = max(0, min(loader.chunk_rows, self.n_left - turn * loader.chunk_rows))
        if not count:
            return Chunk(values, rows, 0)
        n_batches = -(-count // size)
        kind = number_type(loader.n_rows)
        numbers = rows if kind == np.uint32 else np.empty(len(rows), kind)
        places = numbers.reshape(-1, self.shard.size)[:n_batches]
        self.numbers.write(places, self.first + turn * (loader.chunk_rows // size))
        padding = np.flatnonzero(self._padding(n_batches, count))
        # Padding reads row 0, so that gathering needs no second buffer.
        numbers[padding] = 0
        self._take(numbers[: places.size], values[: places.size])
        values[padding] = 0
        if kind != np.uint32:
            rows[: places.size] = numbers[: places.size] & 0xFFFFFFFF
        chunk = Chunk(values, rows, count, extras=self._extras(numbers, places.size))
        return chunk if loader.upload is None else chunk._replace(uploaded=loader.upload(chunk))

    def _fill_sparse(self, turn: int, layout: SparseLayout) -> Chunk:
        loader, size = self.loader, self.loader.batch_size
        count = max(0, min(loader.chunk_rows, self.n_left - turn * loader.chunk_rows))
        rows = np.zeros(loader.chunk_rows, np.uint32)
        source: Any = loader.source
        assert loader.scaler.affine is not None, "sparse rows are scaled by column"
        scale = loader.scaler.affine[1]
        if not count:
            return Chunk((), rows, 0)
        numbers = np.zeros(loader.chunk_rows, number_type(loader.n_rows))
        n_batches = -(-count // size)
        self.numbers.write(numbers.reshape(-1, size)[:n_batches], self.first + turn * (loader.chunk_rows // size))
        numbers[count:] = 0
        rows[:] = numbers & 0xFFFFFFFF
        batches = [
            scaled_cells(source.csr(numbers[first : min(first + size, count)]), scale, loader.compute)
            for first in range(0, count, size)
        ]
        place = turn % len(self.buffers)
        pool = self.buffers[place] = self.buffers[place] or Pool()
        values = sliced_batches(batches, size, loader.chunk_rows // size, layout, pool)
        chunk = Chunk(values, rows, count, extras=self._extras(numbers, n_batches * size))
        return chunk if loader.upload is None else chunk._replace(uploaded=loader.upload(chunk))

    def _extras(self, numbers: NDArray[np.integer], n_filled: int) -> dict[str, NDArray[Any]]:
        """Return the further values of a chunk's rows; those of padding are row 0's, and 0 past the last batch."""
        found = {}
        for name, values in self.loader.extras.items():
            found[name] = np.zeros((len(numbers), *values.shape[1:]), values.dtype)
            found[name][:n_filled] = values[numbers[:n_filled]]
        if (weights := self.loader.weights) is not None:
            found[SAMPLE_WEIGHT] = np.zeros(len(numbers), self.loader.compute)
            found[SAMPLE_WEIGHT][:n_filled] = weights.values[numbers[:n_filled]] * self.factor
        return found

    def _padding(self, n_batches: int, count: int) -> NDArray[np.bool_]:
        """Return the places without a row: at the end of the last batch, and past `batch_size` in every batch."""
        size, shard = self.loader.batch_size, self.shard
        place = np.arange(shard.low, shard.high)
        padding = np.zeros((n_batches, len(place)), bool)
        padding[:, place >= size] = True
        padding[-1:, place >= count - (n_batches - 1) * size] = True
        return padding

    def _take(self, part: NDArray[np.integer], out: NDArray[Any]) -> None:
        source, loader = self.loader.source, self.loader
        if loader.edges is not None:
            part = loader.edges.pairs(part, self.epoch).reshape(-1)
            out = out.reshape(len(part), -1)
        if loader.in_program:
            source.take(part, out)
            return
        # In pieces that stay in cache between reading and scaling.
        for first in range(0, len(part), _SCALED_ROWS):
            rows = part[first : first + _SCALED_ROWS]
            raw = np.empty((len(rows), out.shape[1]), source.dtype)
            source.take(rows, raw)
            out[first : first + len(rows)] = loader.scaler.scaled(raw, loader.compute)
