"""Which row comes when: a function of a seed and row numbers, never of how rows are stored or who asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import gcd
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from isthmus.counters import Order, key_words, permute_digits, row_bits, walk_home
from isthmus.held_back import NOTHING_HELD, Held, on_host

_NUMBERS = 1 << 14  # made at a time
# Up to so many cells (268 MB of float32) any row may follow any other; beyond, the caches and pages that far-away rows
# need cost more than the arithmetic of a narrow network.
GLOBAL_CELLS = 1 << 26
_BLOCK_CELLS = 1 << 14
_WINDOW_BLOCKS = 256
# The most processes none of which reads another's rows; each stratum then mixes four of a window's blocks.
_STRATA = 64

Numbers = NDArray[np.uint32]


@partial(jax.jit, static_argnums=2)
def _shuffled(order: Order, start: Any, count: int) -> Any:
    # The low digit may overflow into the high one. Their sum is exact in float32, and dividing there and mending the
    # last unit vectorises, which dividing integers does not.
    overflow = start % order.low + jnp.arange(count, dtype=jnp.uint32)
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
        Blocks of a window; each batch is drawn from all of them alike, see `Strata`.
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
        return True if setting == "global" else Window.for_width(width)
    return Window.for_width(width) if setting and n_rows * width > GLOBAL_CELLS else setting


class Epoch(NamedTuple):
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
    held_back : HeldBack or HeldMask
        The rows that are passed over.
    validation : bool
        Whether they alone are given instead.
    """

    n_rows: int
    batch_size: int = 1
    seed: int = 0
    number: int = 0
    shuffle: Shuffle = False
    held_back: Held = NOTHING_HELD
    validation: bool = False


def row_numbers(epoch: Epoch) -> Iterator[Numbers]:
    """Yield the numbers of an epoch's rows in the order in which they are used; held-back ones only as they lie."""
    if isinstance(epoch.shuffle, Window):
        strata = Strata(epoch, epoch.shuffle)
        left = strata.n_rows
        for numbers in strata.batches(0, epoch.batch_size):
            yield numbers.reshape(-1)[:left]
            left -= numbers.size
        return
    held_back, validation = epoch.held_back, epoch.validation
    for rows in _positions(Order.draw(epoch.n_rows, epoch.seed, epoch.number), shuffled=epoch.shuffle):
        if held_back.share:
            yield rows[held_back.holds(rows) == validation]
        else:
            yield rows[:0] if validation else rows


def batches(epoch: Epoch, low: int, high: int, first: int = 0) -> Iterator[Numbers]:
    """Yield the row numbers at places `low` to `high` of an epoch's batches, several batches at a time.

    Parameters
    ----------
    epoch : Epoch
        Whose order it is.
    low, high : int
        Of the places of a batch.
    first : int
        The batch to begin with.

    Yields
    ------
    numbers : array of uint32 of shape (n_batches, high - low)
        Arbitrary rows where there is none: past the last of the epoch, or at a place that a batch has not.
    """
    size = epoch.batch_size
    if isinstance(epoch.shuffle, Window):
        # Where all places are padding, the last that is none is asked for and cut off.
        inner = min(low, size - 1)
        strata = Strata(epoch, epoch.shuffle).batches(inner, min(high, size), first)
        pieces = (numbers[:, low - inner :] for numbers in strata)
    else:
        pieces = (numbers[:, low:high] for numbers in _regrouped(epoch, first))
    for numbers in pieces:
        lacking = high - low - numbers.shape[1]
        yield np.pad(numbers, ((0, 0), (0, lacking))) if lacking else numbers


def _regrouped(epoch: Epoch, first: int) -> Iterator[Numbers]:
    """Yield whole batches of row numbers, the last one filled up."""
    size, left = epoch.batch_size, np.empty(0, np.uint32)
    passed = first * size
    for numbers in row_numbers(epoch):
        skipped = min(passed, len(numbers))
        passed -= skipped
        left = np.concatenate([left, numbers[skipped:]]) if len(left) else numbers[skipped:]
        whole = len(left) // size * size
        if whole:
            yield left[:whole].reshape(-1, size)
            left = left[whole:]
    if len(left):
        yield np.pad(left, (0, size - len(left)))[None]


class Strata:
    """An epoch of windows, dealt out so that whoever fills some places of every batch reads some of the blocks.

    Blocks in random order, put end to end, make one sequence of rows. It is cut into strata, stretches of one length
    (but for the last batch), and each of them fills the same places of every batch; within a stratum, rows are mixed
    window by window. So a batch has rows of all of a window's blocks, evenly, and the order is the same however many
    processes share its places out.

    Parameters
    ----------
    epoch : Epoch
        Whose order it is.
    window : Window
        How far a row may move.

    Attributes
    ----------
    n_rows : int
        The rows of the epoch, those that are held back not among them.
    """

    def __init__(self, epoch: Epoch, window: Window) -> None:
        self.epoch, self.block = epoch, window.block
        drawn = Order.draw(-(-epoch.n_rows // window.block), epoch.seed, epoch.number, 0)
        self.blocks: Numbers = np.concatenate([*_positions(drawn), np.empty(0, np.uint32)])
        self.left = epoch.held_back.left(epoch.n_rows, window.block)[self.blocks]
        self.ends = np.cumsum(self.left)
        self.n_rows = int(self.left.sum())
        self.count = gcd(epoch.batch_size, _STRATA)
        self.each = epoch.batch_size // self.count
        whole, rest = divmod(self.n_rows, epoch.batch_size)
        lengths = whole * self.each + np.clip(rest - self.each * np.arange(self.count), 0, self.each)
        self.bounds = np.append(0, np.cumsum(lengths))
        self.longest = int(lengths.max())
        self.reach = self.each * max(1, window.block * window.blocks // epoch.batch_size)

    def batches(self, low: int, high: int, first: int = 0) -> Iterator[Numbers]:
        """Yield the row numbers at places `low` to `high`, (n_batches, high - low), from a batch on."""
        strata = np.arange(low // self.each, -(-high // self.each))
        start = first * self.each
        skipped = low - strata[0] * self.each
        for number in range(start // self.reach, -(-self.longest // self.reach)):
            for numbers in self._window(number, strata, max(start - number * self.reach, 0)):
                yield numbers[:, skipped : skipped + high - low]

    def _window(self, number: int, strata: NDArray[np.int64], start: int) -> Iterator[Numbers]:
        begins = np.minimum(self.bounds[strata] + number * self.reach, self.bounds[strata + 1])
        lengths = np.minimum(self.bounds[strata + 1] - begins, self.reach)
        rows, offsets = self._rows(begins, begins + lengths)
        order = _orders(lengths, key_words(self.epoch.seed, 1, self.epoch.number, 1), strata, number)
        longest = min(self.longest - number * self.reach, self.reach)
        at_once = self.each * max(1, _NUMBERS // len(strata) // self.each)
        for low in range(start, longest, at_once):
            width = min(at_once, longest - low)
            width += -width % self.each
            places = _stacked_positions(order, low, width)
            if low + width > lengths.min():
                places[np.arange(low, low + width) >= lengths[:, None]] = 0
            walk_home(order, places)
            by_batch = (places + offsets).reshape(len(strata), -1, self.each).transpose(1, 0, 2)
            yield rows[by_batch.reshape(len(by_batch), -1)]

    def _rows(self, begins: NDArray[np.int64], ends: NDArray[np.int64]) -> tuple[Numbers, NDArray[np.uint32]]:
        """Return the rows of the blocks that stretches of the sequence lie in, and where among them each begins."""
        first = np.searchsorted(self.ends, begins, "right")
        n_blocks = np.where(ends > begins, np.searchsorted(self.ends, ends) - first + 1, 0)
        firsts = np.cumsum(n_blocks) - n_blocks
        which = np.repeat(first - firsts, n_blocks) + np.arange(n_blocks.sum())
        starts = self.blocks[which] * np.uint32(self.block)
        rows = (starts[:, None] + np.arange(self.block, dtype=np.uint32)).reshape(-1)
        # Only the source's last block may be shorter.
        n_rows, held_back = self.epoch.n_rows, self.epoch.held_back
        rows = rows[rows < n_rows] if n_rows % self.block and starts.max(initial=0) + self.block > n_rows else rows
        rows = rows[~held_back.holds(rows)] if held_back.share else rows
        before = np.append(0, np.cumsum(self.left[which]))[firsts]
        nearest = np.minimum(first, len(self.ends) - 1)
        offsets = before + begins - (self.ends[nearest] - self.left[nearest])
        # A stratum that has no more rows begins nowhere.
        return np.append(rows, np.uint32(0)), np.minimum(offsets, len(rows)).astype(np.uint32)[:, None]


def _orders(lengths: NDArray[np.int64], key: NDArray[np.uint32], strata: NDArray[np.int64], window: int) -> Order:
    """Return the orders of the strata's rows in one window, one above the other."""
    names = np.stack([strata, np.full_like(strata, window)], axis=1).astype(np.uint32)
    keys = np.stack([row_bits(key ^ np.uint32(word), names) for word in range(2)])[..., None]
    return Order.sized(np.maximum(lengths, 1)[:, None], keys)


def _stacked_positions(order: Order, low: int, width: int) -> Numbers:
    # Powers of two, so that few programs are compiled.
    count = min(max(_NUMBERS // len(order.low), 1), 1 << (width - 1).bit_length())
    with on_host():
        pieces = [np.asarray(_shuffled(order, np.uint32(low + at), count)) for at in range(0, width, count)]
    return np.concatenate(pieces, axis=1)[:, :width]


def _positions(order: Order, *, shuffled: bool = True) -> Iterator[Numbers]:
    """Yield all numbers below the order's count, in its order or as they lie."""
    n_rows = int(order.n_rows)
    for start in range(0, n_rows, _NUMBERS):
        if not shuffled:
            yield np.arange(start, min(start + _NUMBERS, n_rows), dtype=np.uint32)
            continue
        with on_host():
            rows = np.array(_shuffled(order, np.uint32(start), _NUMBERS))[: n_rows - start]
        walk_home(order, rows)
        yield rows
