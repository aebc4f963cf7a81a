"""The order of rows: a function of the seed and the row numbers, not of the storage, threads or processes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from math import gcd
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidParameterError
from isthmus.core.random import (
    MAX_ROWS,
    Order,
    Stream,
    cycle_walk,
    key_words,
    mix,
    number_type,
    permute_digits,
    row_bits,
)
from isthmus.data.splitting import NO_HOLDOUT, Holdout, on_host

_NUMBERS_PER_BLOCK = 1 << 14
_SORTED_PER_BLOCK = 1 << 16
# Up to so many cells (268 MB of float32) rows are shuffled globally. Beyond, reading distant rows takes longer than the
# arithmetic of a narrow network.
GLOBAL_CELLS = 1 << 26
_BLOCK_CELLS = 1 << 14
_WINDOW_BLOCKS = 256
# Up to this many processes read disjoint blocks; each stratum then mixes four of a window's blocks.
_MAX_STRATA = 64

Numbers = NDArray[Any]  # of the type that `number_type` gives


@jax.jit
def _shuffled(order: Order, start: Any) -> Any:
    # The low digit may overflow into the high one. It is exact in float32; dividing there and correcting by one
    # vectorises, unlike integer division.
    overflow = start % order.low + jnp.arange(_NUMBERS_PER_BLOCK, dtype=jnp.uint32)
    carry = jnp.floor(overflow.astype(jnp.float32) / order.low.astype(jnp.float32)).astype(jnp.uint32)
    carry = jnp.where(carry * order.low > overflow, carry - 1, carry)
    carry = jnp.where(overflow - carry * order.low >= order.low, carry + 1, carry)
    return permute_digits(order, start // order.low + carry, overflow - carry * order.low, jnp)


class Window(NamedTuple):
    """A local shuffle: blocks of consecutive rows in random order, whose rows are mixed within windows of blocks."""

    block: int  # consecutive rows that stay in one window, a power of two
    blocks: int = _WINDOW_BLOCKS  # of a window; each batch has rows from all of them, see `WindowSampler`

    @classmethod
    def for_width(cls, width: int) -> Window:
        """Return the window for rows of a width: 256 blocks of about 64 KB of float32 each, 16 MB in all."""
        return cls(1 << max(0, (_BLOCK_CELLS // width).bit_length() - 1))


Shuffle = Window | bool  # False: rows in file order; True: a global shuffle


def shuffle_for(setting: bool | str, n_rows: int, width: int) -> Shuffle:
    """Return the shuffle of a setting, for a number and width of rows.

    Parameters
    ----------
    setting : bool, "global" or "window"
        True takes ``"global"`` up to 67 million cells and ``"window"`` beyond.

    Raises
    ------
    InvalidParameterError
        If there are too many rows for ``"global"``.
    """
    if setting == "global":
        if n_rows > MAX_ROWS:
            raise InvalidParameterError(
                f"shuffle='global' takes at most {MAX_ROWS:,} rows, not {n_rows:,}; use 'window'"
            )
        return True
    if setting == "window" or (setting and n_rows * width > GLOBAL_CELLS):
        return Window.for_width(width)
    return bool(setting)


class EpochOrder(NamedTuple):
    """The order of an epoch's rows, given by these values alone."""

    n_rows: int  # of the source
    batch_size: int = 1  # rows of a step; a windowed order depends on it, others do not
    seed: int = 0  # of the run
    number: int = 0  # of the epoch
    shuffle: Shuffle = False
    holdout: Holdout = NO_HOLDOUT  # the rows to leave out
    validation: bool = False  # whether to take the rows of the holdout instead of all others


def row_numbers(epoch: EpochOrder) -> Iterator[Numbers]:
    """Yield the row numbers of an epoch in order, in pieces."""
    if isinstance(epoch.shuffle, Window):
        sampler = WindowSampler(epoch)
        left = sampler.n_rows
        for numbers in sampler.batches(0, epoch.batch_size):
            yield numbers.reshape(-1)[:left]
            left -= numbers.size
        return
    holdout, validation = epoch.holdout, epoch.validation
    pieces = (
        _positions(Order.draw(epoch.n_rows, epoch.seed, epoch.number))
        if epoch.shuffle
        else _in_file_order(epoch.n_rows)
    )
    for rows in pieces:
        if holdout.share:
            yield rows[holdout.holds(rows) == validation]
        else:
            yield rows[:0] if validation else rows


class BatchSampler:
    """The row numbers at some places of an epoch's batches; several threads may call `write` at a time.

    Parameters
    ----------
    epoch : EpochOrder
        The order.
    low, high : int
        The range of places in each batch.
    first : int
        The first batch.
    threads : int
        The number of calling threads.
    """

    def __init__(self, epoch: EpochOrder, low: int, high: int, first: int = 0, threads: int = 1) -> None:
        # If all places are padding, the last place of the batch is read and then cut off.
        self.low, self.high = min(low, epoch.batch_size - 1), min(high, epoch.batch_size)
        self.cut = low - self.low
        self.windows = WindowSampler(epoch, threads) if isinstance(epoch.shuffle, Window) else None
        self.ready: Numbers = np.empty((0, epoch.batch_size), number_type(epoch.n_rows))
        self.following = _regrouped(epoch, first)
        self.next = first
        self.turn = threading.Condition()

    def write(self, out: Numbers, batch: int) -> None:
        """Write the row numbers of consecutive batches.

        Windowed orders give any batch at any time. In other orders batches are written in their order: a call waits
        for those of other threads that write earlier batches.

        Parameters
        ----------
        out : array of uint32 or int64 of shape (n_batches, high - low)
            Places without a row, after the epoch's last row or beyond the batch size, get arbitrary row numbers.
        batch : int
            The first batch.
        """
        if not len(out):
            return
        if self.windows is not None:
            self._copy(self.windows.batches(self.low, self.high, batch), out)
            return
        with self.turn:
            self.turn.wait_for(lambda: self.next == batch)
            try:
                self._copy(self._in_order(len(out)), out)
            finally:
                self.next += len(out)
                self.turn.notify_all()

    def _copy(self, pieces: Iterator[Numbers], out: Numbers) -> None:
        filled = 0
        while filled < len(out):
            part = next(pieces)[: len(out) - filled, self.cut :]
            out[filled : filled + len(part), : part.shape[1]] = part
            out[filled : filled + len(part), part.shape[1] :] = 0
            filled += len(part)

    def _in_order(self, n_batches: int) -> Iterator[Numbers]:
        while n_batches:
            self.ready = self.ready if len(self.ready) else next(self.following)
            part, self.ready = self.ready[:n_batches], self.ready[n_batches:]
            n_batches -= len(part)
            yield part[:, self.low : self.high]


def _regrouped(epoch: EpochOrder, first: int) -> Iterator[Numbers]:
    """Yield row numbers in whole batches, the last one padded."""
    size, passed = epoch.batch_size, first * epoch.batch_size
    parts: list[Numbers] = []
    n_rest = 0
    for numbers in row_numbers(epoch):
        skipped = min(passed, len(numbers))
        passed -= skipped
        parts.append(numbers[skipped:])
        n_rest += len(numbers) - skipped
        if n_rest >= size:
            joined = np.concatenate(parts)
            n_rest = len(joined) % size
            yield joined[: len(joined) - n_rest].reshape(-1, size)
            parts = [joined[len(joined) - n_rest :]]
    if n_rest:
        yield np.pad(np.concatenate(parts), (0, size - n_rest))[None]


class WindowSampler:
    """A windowed order in which each range of places of the batches reads only some of the blocks.

    The blocks in random order form one sequence of rows. It is divided into strata of equal length (except for the last
    batch), each of which fills the same places of every batch; within a stratum, rows are mixed window by window. So
    each batch has rows from all blocks of a window, evenly, and the order does not depend on the number of processes.

    Parameters
    ----------
    epoch : EpochOrder
        The order, with a `Window`.
    threads : int
        How many windows are kept for threads that work on several.

    Attributes
    ----------
    n_rows : int
        The rows of the epoch, without the holdout.
    """

    def __init__(self, epoch: EpochOrder, threads: int = 1) -> None:
        window = epoch.shuffle
        assert isinstance(window, Window), "only windowed orders have strata"
        self.epoch, self.block, self.type = epoch, window.block, number_type(epoch.n_rows)
        block_order = Order.draw(-(-epoch.n_rows // window.block), epoch.seed, epoch.number, 0)
        self.blocks: Numbers = np.concatenate([*_positions(block_order), np.empty(0, np.uint32)])
        self.kept = epoch.holdout.left(epoch.n_rows, window.block)[self.blocks]
        self.ends = np.cumsum(self.kept)
        self.n_rows = int(self.kept.sum())
        self.count = gcd(epoch.batch_size, _MAX_STRATA)
        self.each = epoch.batch_size // self.count
        whole, rest = divmod(self.n_rows, epoch.batch_size)
        lengths = whole * self.each + np.clip(rest - self.each * np.arange(self.count), 0, self.each)
        self.bounds = np.append(0, np.cumsum(lengths))
        self.longest = int(lengths.max())
        self.reach = self.each * max(1, window.block * window.blocks // epoch.batch_size)
        self.threads, self.lock = threads, threading.Lock()
        self.windows: dict[tuple[int, range], Future[Numbers]] = {}

    def batches(self, low: int, high: int, first: int = 0) -> Iterator[Numbers]:
        """Yield the row numbers at places `low` to `high`, (n_batches, high - low), starting with a batch."""
        strata = range(low // self.each, -(-high // self.each))
        start = first * self.each
        skipped = low - strata.start * self.each
        at_once = max(1, _NUMBERS_PER_BLOCK // (len(strata) * self.each))
        for number in range(start // self.reach, -(-self.longest // self.reach)):
            mixed = self._window(number, strata)[:, max(start - number * self.reach, 0) :]
            # The last batch may be shorter.
            mixed = np.pad(mixed, ((0, 0), (0, -mixed.shape[1] % self.each))) if mixed.shape[1] % self.each else mixed
            by_batch = mixed.reshape(len(strata), -1, self.each).transpose(1, 0, 2)
            for at in range(0, len(by_batch), at_once):
                numbers = by_batch[at : at + at_once].reshape(-1, len(strata) * self.each)
                yield numbers[:, skipped : skipped + high - low]

    def _window(self, number: int, strata: range) -> Numbers:
        """Return the mixed rows of strata in a window, (n_strata, length); the first thread to ask computes them."""
        with self.lock:
            found = self.windows.get((number, strata))
            if found is None:
                mine = self.windows[number, strata] = Future()
                # A window has several chunks, and several threads work in a few windows.
                for old in list(self.windows)[: -self.threads]:
                    del self.windows[old]
        if found is not None:
            return found.result()
        try:
            mine.set_result(self._mixed(number, strata))
        except BaseException as error:
            mine.set_exception(error)
        return mine.result()

    def _mixed(self, number: int, strata: range) -> Numbers:
        rows, starts, lengths = self._rows(number, strata)
        mixed = np.zeros((len(strata), min(self.longest - number * self.reach, self.reach)), self.type)
        for stratum, (start, length) in enumerate(zip(starts, lengths, strict=True)):
            mixed[stratum, :length] = rows[start : start + length]
        key = key_words(self.epoch.seed, Stream.ORDER, self.epoch.number, 1)
        names = np.array([(stratum, number) for stratum in strata], np.uint32)
        own = [row_bits(key ^ np.uint32(word), names)[:, None] for word in range(2)]
        place = np.arange(mixed.shape[1], dtype=np.uint32)
        # A block stays in the CPU's cache.
        at_once = max(1, _SORTED_PER_BLOCK // mixed.shape[1])
        for first in range(0, len(strata), at_once):
            few = slice(first, first + at_once)
            # Rows in the order of a hash. Row numbers of 32 bits are sorted with it, which needs no index and
            # vectorises.
            tagged = mix(place * (own[1][few] | np.uint32(1)) + own[0][few]).astype(np.uint64)
            tagged <<= np.uint64(32)
            tagged |= mixed[few] if self.type == np.uint32 else place
            if lengths[few].min() < mixed.shape[1]:
                tagged[place >= lengths[few, None]] = np.iinfo(np.uint64).max
            tagged.sort(axis=1)
            low = tagged.astype(np.uint32)
            if self.type != np.uint32:
                low = np.take_along_axis(mixed[few], np.minimum(low, mixed.shape[1] - 1).astype(np.intp), axis=1)
            mixed[few] = low
        return mixed

    def _rows(self, number: int, strata: range) -> tuple[Numbers, NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows of the blocks of strata in a window, and each stratum's start among them and length."""
        bounds = self.bounds[strata.start : strata.stop + 1]
        starts_at = np.minimum(bounds[:-1] + number * self.reach, bounds[1:])
        ends = np.minimum(starts_at + self.reach, bounds[1:])
        first = np.searchsorted(self.ends, starts_at, "right")
        n_blocks = np.where(ends > starts_at, np.searchsorted(self.ends, ends) - first + 1, 0)
        firsts = np.cumsum(n_blocks) - n_blocks
        which = np.repeat(first - firsts, n_blocks) + np.arange(n_blocks.sum())
        starts = self.blocks[which].astype(self.type) * self.type.type(self.block)
        rows = (starts[:, None] + np.arange(self.block, dtype=self.type)).reshape(-1)
        # Only the source's last block may be shorter.
        n_rows, holdout = self.epoch.n_rows, self.epoch.holdout
        rows = rows[rows < n_rows] if n_rows % self.block and int(starts.max(initial=0)) + self.block > n_rows else rows
        rows = rows[~holdout.holds(rows)] if holdout.share else rows
        before = np.append(0, np.cumsum(self.kept[which]))[firsts]
        nearest = np.minimum(first, len(self.ends) - 1)
        return rows, before + starts_at - (self.ends[nearest] - self.kept[nearest]), ends - starts_at


def _in_file_order(n_rows: int) -> Iterator[Numbers]:
    for start in range(0, n_rows, _NUMBERS_PER_BLOCK):
        yield np.arange(start, min(start + _NUMBERS_PER_BLOCK, n_rows), dtype=number_type(n_rows))


def _positions(order: Order) -> Iterator[Numbers]:
    """Yield all row numbers of an order, in its order."""
    n_rows = int(order.n_rows)
    for start in range(0, n_rows, _NUMBERS_PER_BLOCK):
        with on_host():
            rows = np.array(_shuffled(order, np.uint32(start)))[: n_rows - start]
        cycle_walk(order, rows)
        yield rows
