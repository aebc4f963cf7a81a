"""Which row comes when: a function of a seed and row numbers, never of how rows are stored or who asks for them."""

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
from isthmus.core.random import MAX_ROWS, Order, cycle_walk, key_words, mix, number_type, permute_digits, row_bits
from isthmus.data.splitting import NO_HOLDOUT, Holdout, on_host

_NUMBERS = 1 << 14  # made at a time
_SORTED = 1 << 16  # at a time
# Up to so many cells (268 MB of float32) any row may follow any other; beyond, the caches and pages that far-away rows
# need cost more than the arithmetic of a narrow network.
GLOBAL_CELLS = 1 << 26
_BLOCK_CELLS = 1 << 14
_WINDOW_BLOCKS = 256
# The most processes none of which reads another's rows; each stratum then mixes four of a window's blocks.
_STRATA = 64

Numbers = NDArray[Any]  # of the type that `number_type` gives


@jax.jit
def _shuffled(order: Order, start: Any) -> Any:
    # The low digit may overflow into the high one. Their sum is exact in float32, and dividing there and mending the
    # last unit vectorises, which dividing integers does not.
    overflow = start % order.low + jnp.arange(_NUMBERS, dtype=jnp.uint32)
    carry = jnp.floor(overflow.astype(jnp.float32) / order.low.astype(jnp.float32)).astype(jnp.uint32)
    carry = jnp.where(carry * order.low > overflow, carry - 1, carry)
    carry = jnp.where(overflow - carry * order.low >= order.low, carry + 1, carry)
    return permute_digits(order, start // order.low + carry, overflow - carry * order.low, jnp)


class Window(NamedTuple):
    """A shuffle of bounded reach: whole blocks of neighbouring rows in random order, their rows mixed window by window.

    Attributes
    ----------
    block : int
        Neighbouring rows that stay in one window, a power of two.
    blocks : int
        Blocks of a window; each batch is drawn from all of them alike, see `WindowSampler`.
    """

    block: int
    blocks: int = _WINDOW_BLOCKS

    @classmethod
    def for_width(cls, width: int) -> Window:
        """Return the window for rows of so many cells: 256 blocks of about 64 KB of float32 each, 16 MB in all."""
        return cls(1 << max(0, (_BLOCK_CELLS // width).bit_length() - 1))


Shuffle = Window | bool  # False leaves rows as they lie; with True any row may follow any other


def shuffle_for(setting: bool | str, n_rows: int, width: int) -> Shuffle:
    """Return what a setting means for rows of a number and a width: "global", "window", True for one of them, False."""
    if isinstance(setting, str):
        if setting == "global" and n_rows > MAX_ROWS:
            raise InvalidParameterError(
                f"shuffle='global' orders at most {MAX_ROWS:,} rows, not {n_rows:,}; take 'window'"
            )
        return True if setting == "global" else Window.for_width(width)
    return Window.for_width(width) if setting and n_rows * width > GLOBAL_CELLS else setting


class EpochOrder(NamedTuple):
    """What decides the order of an epoch's rows.

    Attributes
    ----------
    n_rows : int
        The rows of the source.
    batch_size : int
        Rows of a step, to each of which the strata of windows give alike; any other shuffle is the same for all.
    seed, number : int
        Of the run and of the epoch.
    shuffle : bool or Window
        How far a row may move.
    held_back : HashHoldout or MaskHoldout
        The rows that are passed over.
    validation : bool
        Whether they alone are given instead.
    """

    n_rows: int
    batch_size: int = 1
    seed: int = 0
    number: int = 0
    shuffle: Shuffle = False
    holdout: Holdout = NO_HOLDOUT
    validation: bool = False


def row_numbers(epoch: EpochOrder) -> Iterator[Numbers]:
    """Yield the numbers of an epoch's rows in the order in which they are used; held-back ones only as they lie."""
    if isinstance(epoch.shuffle, Window):
        strata = WindowSampler(epoch)
        left = strata.n_rows
        for numbers in strata.batches(0, epoch.batch_size):
            yield numbers.reshape(-1)[:left]
            left -= numbers.size
        return
    holdout, validation = epoch.holdout, epoch.validation
    drawn = (
        _positions(Order.draw(epoch.n_rows, epoch.seed, epoch.number)) if epoch.shuffle else _as_they_lie(epoch.n_rows)
    )
    for rows in drawn:
        if holdout.share:
            yield rows[holdout.holds(rows) == validation]
        else:
            yield rows[:0] if validation else rows


class BatchSampler:
    """The row numbers at some places of an epoch's batches; several threads may ask at a time.

    Parameters
    ----------
    epoch : Epoch
        Whose order it is.
    low, high : int
        Of the places of a batch.
    first : int
        The batch to begin with.
    threads : int
        How many ask at a time.
    """

    def __init__(self, epoch: EpochOrder, low: int, high: int, first: int = 0, threads: int = 1) -> None:
        # Where all places are padding, the last that is none is asked for and cut off.
        self.low, self.high = min(low, epoch.batch_size - 1), min(high, epoch.batch_size)
        self.cut = low - self.low
        self.strata = WindowSampler(epoch, threads) if isinstance(epoch.shuffle, Window) else None
        self.left: Numbers = np.empty((0, epoch.batch_size), number_type(epoch.n_rows))
        self.following = _regrouped(epoch, first)
        self.next = first
        self.turn = threading.Condition()

    def write(self, out: Numbers, batch: int) -> None:
        """Write the numbers of the rows of so many batches, from one of them on.

        Windows give any at any time. In other orders a batch must have been asked for before those after it, and is
        waited for where another thread is at it.

        Parameters
        ----------
        out : array of uint32 of shape (n_batches, high - low)
            Gets arbitrary rows where there is none: past the last of the epoch, or at a place that a batch has not.
        batch : int
            The first of them.
        """
        if not len(out):
            return
        if self.strata is not None:
            self._copy(self.strata.batches(self.low, self.high, batch), out)
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
            self.left = self.left if len(self.left) else next(self.following)
            part, self.left = self.left[:n_batches], self.left[n_batches:]
            n_batches -= len(part)
            yield part[:, self.low : self.high]


def _regrouped(epoch: EpochOrder, first: int) -> Iterator[Numbers]:
    """Yield whole batches of row numbers, the last one filled up."""
    size, passed = epoch.batch_size, first * epoch.batch_size
    parts: list[Numbers] = []
    waiting = 0
    for numbers in row_numbers(epoch):
        skipped = min(passed, len(numbers))
        passed -= skipped
        parts.append(numbers[skipped:])
        waiting += len(numbers) - skipped
        if waiting >= size:
            joined = np.concatenate(parts)
            waiting = len(joined) % size
            yield joined[: len(joined) - waiting].reshape(-1, size)
            parts = [joined[len(joined) - waiting :]]
    if waiting:
        yield np.pad(np.concatenate(parts), (0, size - waiting))[None]


class WindowSampler:
    """An epoch of windows, dealt out so that whoever fills some places of every batch reads some of the blocks.

    Blocks in random order, put end to end, make one sequence of rows. It is cut into strata, stretches of one length
    (but for the last batch), and each of them fills the same places of every batch; within a stratum, rows are mixed
    window by window. So a batch has rows of all of a window's blocks, evenly, and the order is the same however many
    processes share its places out.

    Parameters
    ----------
    epoch : Epoch
        Whose order it is, shuffled in windows.
    threads : int
        How many windows are kept, so that threads at work on several find theirs.

    Attributes
    ----------
    n_rows : int
        The rows of the epoch, those that are held back not among them.
    """

    def __init__(self, epoch: EpochOrder, threads: int = 1) -> None:
        window = epoch.shuffle
        assert isinstance(window, Window), "other orders have no strata"
        self.epoch, self.block, self.type = epoch, window.block, number_type(epoch.n_rows)
        drawn = Order.draw(-(-epoch.n_rows // window.block), epoch.seed, epoch.number, 0)
        self.blocks: Numbers = np.concatenate([*_positions(drawn), np.empty(0, np.uint32)])
        self.left = epoch.holdout.left(epoch.n_rows, window.block)[self.blocks]
        self.ends = np.cumsum(self.left)
        self.n_rows = int(self.left.sum())
        self.count = gcd(epoch.batch_size, _STRATA)
        self.each = epoch.batch_size // self.count
        whole, rest = divmod(self.n_rows, epoch.batch_size)
        lengths = whole * self.each + np.clip(rest - self.each * np.arange(self.count), 0, self.each)
        self.bounds = np.append(0, np.cumsum(lengths))
        self.longest = int(lengths.max())
        self.reach = self.each * max(1, window.block * window.blocks // epoch.batch_size)
        self.threads, self.lock = threads, threading.Lock()
        self.kept: dict[tuple[int, range], Future[Numbers]] = {}

    def batches(self, low: int, high: int, first: int = 0) -> Iterator[Numbers]:
        """Yield the row numbers at places `low` to `high`, (n_batches, high - low), from a batch on."""
        strata = range(low // self.each, -(-high // self.each))
        start = first * self.each
        skipped = low - strata.start * self.each
        at_once = max(1, _NUMBERS // (len(strata) * self.each))
        for number in range(start // self.reach, -(-self.longest // self.reach)):
            mixed = self._window(number, strata)[:, max(start - number * self.reach, 0) :]
            # The last batch need not be a whole one.
            mixed = np.pad(mixed, ((0, 0), (0, -mixed.shape[1] % self.each))) if mixed.shape[1] % self.each else mixed
            by_batch = mixed.reshape(len(strata), -1, self.each).transpose(1, 0, 2)
            for at in range(0, len(by_batch), at_once):
                numbers = by_batch[at : at + at_once].reshape(-1, len(strata) * self.each)
                yield numbers[:, skipped : skipped + high - low]

    def _window(self, number: int, strata: range) -> Numbers:
        """Return the rows that strata have in a window, (n_strata, length), mixed; whoever comes first makes them."""
        with self.lock:
            found = self.kept.get((number, strata))
            if found is None:
                mine = self.kept[number, strata] = Future()
                # Several chunks lie in one window, and several threads are at work in a few of them.
                for old in list(self.kept)[: -self.threads]:
                    del self.kept[old]
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
        key = key_words(self.epoch.seed, 1, self.epoch.number, 1)
        names = np.array([(stratum, number) for stratum in strata], np.uint32)
        own = [row_bits(key ^ np.uint32(word), names)[:, None] for word in range(2)]
        place = np.arange(mixed.shape[1], dtype=np.uint32)
        # Few enough to stay in cache.
        at_once = max(1, _SORTED // mixed.shape[1])
        for first in range(0, len(strata), at_once):
            few = slice(first, first + at_once)
            # Rows in the order of a hash. Sorted with it, those of 32 bits need no index; the sort is a vectorised one.
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
        """Return the rows of the blocks that strata have in a window, where among them each begins, and its length."""
        bounds = self.bounds[strata.start : strata.stop + 1]
        begins = np.minimum(bounds[:-1] + number * self.reach, bounds[1:])
        ends = np.minimum(begins + self.reach, bounds[1:])
        first = np.searchsorted(self.ends, begins, "right")
        n_blocks = np.where(ends > begins, np.searchsorted(self.ends, ends) - first + 1, 0)
        firsts = np.cumsum(n_blocks) - n_blocks
        which = np.repeat(first - firsts, n_blocks) + np.arange(n_blocks.sum())
        starts = self.blocks[which].astype(self.type) * self.type.type(self.block)
        rows = (starts[:, None] + np.arange(self.block, dtype=self.type)).reshape(-1)
        # Only the source's last block may be shorter.
        n_rows, holdout = self.epoch.n_rows, self.epoch.holdout
        rows = rows[rows < n_rows] if n_rows % self.block and int(starts.max(initial=0)) + self.block > n_rows else rows
        rows = rows[~holdout.holds(rows)] if holdout.share else rows
        before = np.append(0, np.cumsum(self.left[which]))[firsts]
        nearest = np.minimum(first, len(self.ends) - 1)
        return rows, before + begins - (self.ends[nearest] - self.left[nearest]), ends - begins


def _as_they_lie(n_rows: int) -> Iterator[Numbers]:
    for start in range(0, n_rows, _NUMBERS):
        yield np.arange(start, min(start + _NUMBERS, n_rows), dtype=number_type(n_rows))


def _positions(order: Order) -> Iterator[Numbers]:
    """Yield all numbers below the order's count, in its order."""
    n_rows = int(order.n_rows)
    for start in range(0, n_rows, _NUMBERS):
        with on_host():
            rows = np.array(_shuffled(order, np.uint32(start)))[: n_rows - start]
        cycle_walk(order, rows)
        yield rows
