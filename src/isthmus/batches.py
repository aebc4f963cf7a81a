"""Source to order to chunks: arrays of one fixed shape, filled one ahead of the computation on another thread."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from isthmus.counters import Order, chance, key_words, permute_digits, row_bits, walk_home
from isthmus.scaling import Scaling, scaled_in_program
from isthmus.sources.base import Source

# A chunk stays in the last cache level between the thread that fills it and the program that walks it: with 8 MB
# the 4-2-4 network walks 33 M rows/s, with 32 MB 28.
CHUNK_BYTES = 8 << 20
_CHUNK_BATCHES = 1 << 15
_ORDER_BLOCK = 1 << 14


class Chunk(NamedTuple):
    """Whole batches of rows; always the same shape, the rows past `count` zero up to the end of their batch."""

    values: NDArray[Any]  # (chunk_rows, D) in the source's type where that is narrow, else scaled
    rows: NDArray[np.uint32]  # (chunk_rows,) numbers of the rows in their source
    count: int  # type: ignore[assignment]  # a tuple has a method of that name


@functools.partial(jax.jit, static_argnames=("size", "shuffle", "holds"))
def _order_block(
    order: Order, hold_key: Any, hold_below: Any, start: Any, *, size: int, shuffle: bool, holds: bool
) -> tuple[Any, Any]:
    offset = jnp.arange(size, dtype=jnp.uint32)
    row = start + offset
    if shuffle:
        # The low digit may overflow into the high one. Their sum is exact in float32, and dividing there and mending
        # the last unit vectorises, which dividing integers does not.
        overflow = start % order.low + offset
        carry = jnp.floor(overflow.astype(jnp.float32) / order.low.astype(jnp.float32)).astype(jnp.uint32)
        carry = jnp.where(carry * order.low > overflow, carry - 1, carry)
        carry = jnp.where(overflow - carry * order.low >= order.low, carry + 1, carry)
        row = permute_digits(order, start // order.low + carry, overflow - carry * order.low, jnp)
    if not holds:
        return row, None
    return row, row_bits(hold_key, jnp.stack([row, jnp.zeros_like(row)], axis=-1)) < hold_below


def _host() -> Any:
    return jax.default_device(jax.devices("cpu")[0])


@dataclass(frozen=True)
class HeldBack:
    """Which rows are held back for validation: a hash of seed and row number decides, so streams can tell too."""

    seed: int
    share: float

    @property
    def key(self) -> NDArray[np.uint32]:
        """The hash's key."""
        return key_words(self.seed, 3)

    def mask(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Return which of the rows `start` to `stop` are held back."""
        if not self.share:
            return np.zeros(stop - start, bool)
        return self.holds(np.arange(start, stop, dtype=np.uint32))

    def holds(self, rows: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Return which of the numbered rows are held back."""
        key = self.key[:, None]
        words = np.stack([rows, np.zeros_like(rows)], axis=-1)
        held: NDArray[np.bool_] = row_bits(key, words) < chance(self.share)
        return held

    def count(self, n_rows: int) -> int:
        """Return how many of the first `n_rows` rows are held back."""
        if not self.share:
            return 0
        return sum(int(self.mask(s, min(s + (1 << 20), n_rows)).sum()) for s in range(0, n_rows, 1 << 20))


NOTHING_HELD = HeldBack(0, 0.0)


def row_numbers(
    n_rows: int,
    *,
    seed: int = 0,
    epoch: int = 0,
    shuffle: bool = False,
    held_back: HeldBack = NOTHING_HELD,
    validation: bool = False,
) -> Iterator[NDArray[np.uint32]]:
    """Yield the numbers of the rows of one epoch in the order in which they are used.

    The order is a function of the seed, the epoch and the number of rows alone; rows held back are passed over, or,
    with ``validation=True``, they alone are given.
    """
    order = Order.draw(n_rows, seed, epoch)
    holds = held_back.share > 0
    key, below = held_back.key, chance(held_back.share) if holds else np.uint32(0)
    for start in range(0, n_rows, _ORDER_BLOCK):
        with _host():
            made = _order_block(order, key, below, np.uint32(start), size=_ORDER_BLOCK, shuffle=shuffle, holds=holds)
        rows, held = np.array(made[0])[: n_rows - start], made[1]
        astray = np.flatnonzero(rows >= n_rows)
        if len(astray):
            walk_home(order, rows)
        if holds:
            held = np.array(held)[: n_rows - start]
            held[astray] = held_back.holds(rows[astray])
            rows = rows[held == validation]
        elif validation:
            rows = rows[:0]
        yield rows


def chunk_rows(batch_size: int, row_bytes: int) -> int:
    """Return the rows of a chunk: whole batches, about 8 MB of them; the same for any number of rows."""
    batches = CHUNK_BYTES // max(1, batch_size * row_bytes)
    return batch_size * min(max(batches, 1), _CHUNK_BATCHES)


@dataclass(frozen=True)
class Walk:
    """How the rows of a source are walked: batch by batch, in chunks of one shape.

    Parameters
    ----------
    source : Source
        With random access.
    scaler : Scaling
        Left to the program where it goes column by column and the type is narrow, else applied here.
    batch_size : int
        Rows per step.
    compute : numpy.dtype
        The type of the computation, float32 or float64.
    held_back : HeldBack
        The rows left out of training.
    seed : int
        Of the order.
    shuffle : bool
        Whether each epoch has an order of its own.
    rows_per_chunk : int or None
        Whole batches; None takes as many as make about 8 MB.
    missing : bool
        Whether NaN is a missing cell.
    """

    source: Source
    scaler: Scaling
    batch_size: int
    compute: np.dtype[Any]
    held_back: HeldBack = NOTHING_HELD
    seed: int = 0
    shuffle: bool = False
    rows_per_chunk: int | None = None
    missing: bool = False

    @property
    def in_program(self) -> bool:
        """Whether rows reach the program raw."""
        return self.scaler.affine is not None and scaled_in_program(self.source.dtype, self.compute)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of a chunk's values."""
        return self.source.dtype if self.in_program else self.compute

    @property
    def n_rows(self) -> int:
        """The rows of the source."""
        if self.source.n_rows is None:
            raise ValueError("a walk needs a source that knows its number of rows")
        return self.source.n_rows

    @property
    def chunk_shape(self) -> tuple[int, int]:
        """The shape of a chunk's values."""
        width = self.source.schema.n_features
        rows = self.rows_per_chunk or chunk_rows(self.batch_size, width * self.dtype.itemsize)
        return rows, width

    def count(self, validation: bool = False) -> int:
        """Return how many rows an epoch uses."""
        held = self.held_back.count(self.n_rows)
        return held if validation else self.n_rows - held

    def affine(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return what the program subtracts and then multiplies by."""
        width = self.source.schema.n_features
        if self.scaler.affine is None or not self.in_program:
            return np.zeros(width, self.compute), np.ones(width, self.compute)
        center, scale = self.scaler.affine
        return center.astype(self.compute), (1 / scale).astype(self.compute)

    def chunks(self, epoch: int = 0, validation: bool = False) -> Iterator[Chunk]:
        """Yield an epoch's chunks; each is valid until the next is asked for."""
        filler = _Filler(self, epoch, validation)
        with ThreadPoolExecutor(1, thread_name_prefix="isthmus-read-ahead") as reader:
            ahead: Future[Chunk] = reader.submit(filler.fill, 0)
            turn = 0
            while (chunk := ahead.result()).count:
                turn += 1
                ahead = reader.submit(filler.fill, turn % 2)
                yield chunk


class _Filler:
    """Fills two chunks in turn with the rows of one epoch."""

    def __init__(self, walk: Walk, epoch: int, validation: bool) -> None:
        self.walk = walk
        self.numbers = row_numbers(
            walk.n_rows,
            seed=walk.seed,
            epoch=epoch,
            shuffle=walk.shuffle and not validation,
            held_back=walk.held_back,
            validation=validation,
        )
        self.left: NDArray[np.uint32] = np.empty(0, np.uint32)
        self.buffers: dict[int, tuple[NDArray[Any], NDArray[np.uint32]]] = {}

    def _buffer(self, turn: int) -> tuple[NDArray[Any], NDArray[np.uint32]]:
        if turn not in self.buffers:
            rows, width = self.walk.chunk_shape
            self.buffers[turn] = (
                aligned((rows, width), self.walk.dtype),
                aligned((rows,), np.dtype(np.uint32)),
            )
        return self.buffers[turn]

    def fill(self, turn: int) -> Chunk:
        values, rows = self._buffer(turn)
        count = 0
        while count < len(rows):
            if not len(self.left):
                self.left = next(self.numbers, np.empty(0, np.uint32))
                if not len(self.left):
                    if self._exhausted():
                        break
                    continue
            part, self.left = self.left[: len(rows) - count], self.left[len(rows) - count :]
            rows[count : count + len(part)] = part
            self._take(part, values[count : count + len(part)])
            count += len(part)
        padded = -(-count // self.walk.batch_size) * self.walk.batch_size
        values[count:padded] = 0
        rows[count:padded] = 0
        return Chunk(values, rows, count)

    def _exhausted(self) -> bool:
        # A block of numbers may be empty without being the last: none of its rows was held back.
        following = next(self.numbers, None)
        self.left = self.left if following is None else following
        return following is None

    def _take(self, part: NDArray[np.uint32], out: NDArray[Any]) -> None:
        source, walk = self.walk.source, self.walk
        if walk.in_program:
            source.take(part, out)
            return
        raw = np.empty(out.shape, source.dtype)
        source.take(part, raw)
        out[:] = walk.scaler.scaled(raw, walk.compute)


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an uninitialised array on a 64-byte boundary, which JAX takes over on the CPU without a copy."""
    size = int(np.prod(shape)) * dtype.itemsize
    raw = np.empty(size + 64, np.uint8)
    offset = -raw.ctypes.data % 64
    return raw[offset : offset + size].view(dtype).reshape(shape)
