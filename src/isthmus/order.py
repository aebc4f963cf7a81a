"""Which row comes when, and which are held back: functions of a seed and row numbers, never of how rows are stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from isthmus.counters import Order, chance, key_words, permute_digits, row_bits, walk_home

_NUMBERS = 1 << 14  # made at a time
# Up to so many cells (268 MB of float32) any row may follow any other; beyond, the caches and pages that far-away rows
# need cost more than the arithmetic of a narrow network.
GLOBAL_CELLS = 1 << 26
_BLOCK_CELLS = 1 << 14
_WINDOW_BLOCKS = 256


@jax.jit
def _shuffled(order: Order, start: Any) -> Any:
    # The low digit may overflow into the high one. Their sum is exact in float32, and dividing there and mending the
    # last unit vectorises, which dividing integers does not.
    overflow = start % order.low + jnp.arange(_NUMBERS, dtype=jnp.uint32)
    carry = jnp.floor(overflow.astype(jnp.float32) / order.low.astype(jnp.float32)).astype(jnp.uint32)
    carry = jnp.where(carry * order.low > overflow, carry - 1, carry)
    carry = jnp.where(overflow - carry * order.low >= order.low, carry + 1, carry)
    return permute_digits(order, start // order.low + carry, overflow - carry * order.low, jnp)


@jax.jit
def _held(key: Any, below: Any, rows: Any) -> Any:
    return row_bits(key, jnp.stack([rows, jnp.zeros_like(rows)], axis=-1)) < below


def _host() -> Any:
    return jax.default_device(jax.local_devices(backend="cpu")[0])


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
        # In pieces of one size, so that one program serves all; numpy takes five times as long.
        held = np.empty(len(rows), bool)
        key, below = self.key, chance(self.share)
        for first in range(0, len(rows), _NUMBERS):
            piece = rows[first : first + _NUMBERS]
            padded = np.zeros(_NUMBERS, np.uint32)
            padded[: len(piece)] = piece
            with _host():
                held[first : first + len(piece)] = np.asarray(_held(key, below, padded))[: len(piece)]
        return held

    def count(self, n_rows: int) -> int:
        """Return how many of the first `n_rows` rows are held back."""
        if not self.share:
            return 0
        return sum(int(self.mask(s, min(s + (1 << 20), n_rows)).sum()) for s in range(0, n_rows, 1 << 20))


class HeldMask:
    """Which rows are held back, row by row.

    Parameters
    ----------
    mask : array of bool of shape (n_rows,)
        True where a row is held back.
    """

    def __init__(self, mask: NDArray[np.bool_]) -> None:
        self.held = mask
        self.share = float(mask.mean()) if len(mask) else 0.0

    def mask(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Return which of the rows `start` to `stop` are held back."""
        return self.held[start:stop]

    def holds(self, rows: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Return which of the numbered rows are held back."""
        return self.held[rows]

    def count(self, n_rows: int) -> int:
        """Return how many of the first `n_rows` rows are held back."""
        return int(self.held[:n_rows].sum())


Held = HeldBack | HeldMask
NOTHING_HELD = HeldBack(0, 0.0)


class Window(NamedTuple):
    """A shuffle of bounded reach: whole blocks of neighbouring rows in random order, their rows mixed window by window.

    Attributes
    ----------
    block : int
        Neighbouring rows that stay in one window.
    blocks : int
        Blocks of a window. Within it the order is a permutation of all its rows.
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


def row_numbers(
    n_rows: int,
    *,
    seed: int = 0,
    epoch: int = 0,
    shuffle: Shuffle = False,
    held_back: Held = NOTHING_HELD,
    validation: bool = False,
) -> Iterator[NDArray[np.uint32]]:
    """Yield the numbers of the rows of one epoch in the order in which they are used.

    The order is a function of the seed, the epoch, the number of rows and the kind of shuffle alone; rows held back are
    passed over, or, with ``validation=True``, they alone are given.
    """
    for rows in _all_numbers(n_rows, seed, epoch, shuffle):
        if held_back.share:
            yield rows[held_back.holds(rows) == validation]
        else:
            yield rows[:0] if validation else rows


def _all_numbers(n_rows: int, seed: int, epoch: int, shuffle: Shuffle) -> Iterator[NDArray[np.uint32]]:
    if not isinstance(shuffle, Window):
        yield from _positions(Order.draw(n_rows, seed, epoch), shuffled=shuffle)
        return
    n_blocks = -(-n_rows // shuffle.block)
    blocks = np.concatenate([*_positions(Order.draw(n_blocks, seed, epoch, 0)), np.empty(0, np.uint32)])
    within = np.arange(shuffle.block, dtype=np.uint32)
    for number, first in enumerate(range(0, n_blocks, shuffle.blocks)):
        starts = blocks[first : first + shuffle.blocks] * np.uint32(shuffle.block)
        rows = (starts[:, None] + within).reshape(-1)
        # Only the source's last block may be shorter, and it is in one of the windows.
        rows = rows[rows < n_rows] if n_rows % shuffle.block and starts.max() + shuffle.block > n_rows else rows
        for positions in _positions(Order.draw(len(rows), seed, epoch, number + 1)):
            yield rows[positions]


def _positions(order: Order, *, shuffled: bool = True) -> Iterator[NDArray[np.uint32]]:
    """Yield all numbers below the order's count, in its order or as they lie."""
    n_rows = int(order.n_rows)
    for start in range(0, n_rows, _NUMBERS):
        if not shuffled:
            yield np.arange(start, min(start + _NUMBERS, n_rows), dtype=np.uint32)
            continue
        with _host():
            rows = np.array(_shuffled(order, np.uint32(start)))[: n_rows - start]
        walk_home(order, rows)
        yield rows
