"""Counter-based random numbers: the order of rows, the holdout rows, the corrupted cells.

Each is a pure function of a seed and a position, so that nothing depends on chunk size, file format or number of
hosts. The arithmetic is on uint32 and the same in numpy and JAX; a function takes either kind of array.
"""

from __future__ import annotations

from enum import IntEnum
from math import isqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_ROWS = 2**32 - 2**17  # an order's two digits are 16 bits each; more rows are ordered by windows


class Stream(IntEnum):
    """The uses of one seed, each with random numbers of its own."""

    ORDER = 1
    WEIGHTS = 2
    HOLDOUT = 3
    NOISE = 4
    RESAMPLING = 5
    HEAD = 6
    NEIGHBORS = 7


def number_type(n_rows: int) -> np.dtype[Any]:
    """Return the integer type of row numbers: 32 bits where they suffice, which halves what is sorted and gathered."""
    return np.dtype(np.uint32 if n_rows <= 2**32 else np.int64)


def mix(x: Any) -> Any:
    """Scramble uint32 words, each bit of the result depending on every bit of `x`.

    The constants are those of the low-bias 32-bit mixer found by C. Wellons's search, "Prospecting for hash
    functions" (2018).
    """
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(0x7FEB352D)
    x = x ^ (x >> np.uint32(15))
    x = x * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def key_words(seed: int, *purpose: int) -> NDArray[np.uint32]:
    """Return two uint32 key words for a seed and a purpose: a `Stream` and any further integers."""
    return np.random.SeedSequence([seed, *purpose]).generate_state(2, np.uint32).astype(np.uint32, copy=False)


def generator(seed: int, *purpose: int) -> np.random.Generator:
    """Return numpy's generator for a seed and a purpose: a `Stream` and any further integers."""
    return np.random.default_rng(np.random.SeedSequence([seed, *purpose]))


def row_bits(key: Any, row: Any) -> Any:
    """Return one uint32 for each row number (..., 2)."""
    return mix(mix(row[..., 0] ^ key[0]) + mix(row[..., 1] + key[1]))


def cell_bits(key: Any, row: Any, columns: Any) -> Any:
    """Return one uint32 for each cell of rows (B, 2) by columns (D,)."""
    return mix(row_bits(key, row)[..., None] + columns * np.uint32(0x9E3779B9))


def chance(share: float) -> np.uint32:
    """Return the threshold below which this share of all uint32 words is."""
    return np.uint32(min(round(share * 2**32), 2**32 - 1))


class Order(NamedTuple):
    """A keyed bijection of ``0 .. n_rows - 1``: a Feistel network over two digits, with cycle walking.

    The product of the digits' radices is barely more than the number of rows, so that almost no position needs a
    second pass (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002).
    """

    n_rows: Any  # uint32
    high: Any  # uint32, radix of the high digit
    low: Any  # uint32, radix of the low digit
    keys: Any  # (2,) uint32

    @classmethod
    def draw(cls, n_rows: int, seed: int, *purpose: int) -> Order:
        """Return the order for a seed and any further integers, such as the epoch."""
        if n_rows > MAX_ROWS:
            raise ValueError(f"an order covers at most {MAX_ROWS} rows, not {n_rows}")
        high = isqrt(max(n_rows, 1) - 1) + 1
        low = -(-n_rows // high)
        return cls(np.uint32(n_rows), np.uint32(high), np.uint32(low), key_words(seed, Stream.ORDER, *purpose))


_ROUNDS = 6


def _digit(word: Any, radix: Any) -> Any:
    return ((word >> np.uint32(16)) * radix) >> np.uint32(16)


def _add(digit: Any, other: Any, radix: Any, xp: Any) -> Any:
    total = digit + other
    return xp.where(total >= radix, total - radix, total)


def permute_digits(order: Order, high: Any, low: Any, xp: Any) -> Any:
    """Apply the Feistel network once to positions, given as two digits; a result may be past the last row."""
    for number in range(_ROUNDS):
        key = order.keys[number % 2 : number % 2 + 1] + np.uint32((0x9E3779B9 * (number + 1)) % 2**32)
        if number % 2:
            low = _add(low, _digit(mix(high ^ key), order.low), order.low, xp)
        else:
            high = _add(high, _digit(mix(low ^ key), order.high), order.high, xp)
    return high * order.low + low


def cycle_walk(order: Order, rows: NDArray[np.uint32]) -> None:
    """Permute the few rows past the last again, in place, until all are in range."""
    while len(outside := np.flatnonzero(rows >= order.n_rows)):
        rows[outside] = permute_digits(order, rows[outside] // order.low, rows[outside] % order.low, np)
