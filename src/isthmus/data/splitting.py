"""Which rows are held back for validation: a function of row numbers, never of how rows are stored."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from isthmus.core.compilation import keep_programs
from isthmus.core.random import Stream, chance, key_words, number_type, row_bits

_HASHED = 1 << 14  # at a time
_COUNTED = 1 << 20  # at a time


@jax.jit
def _held(key: Any, below: Any, low: Any, high: Any) -> Any:
    return row_bits(key, jnp.stack([low, high], axis=-1)) < below


def on_host() -> contextlib.AbstractContextManager[Any]:
    """Return the scope in which small programs run on the host, whatever the device of the run is."""
    keep_programs()
    scope: contextlib.AbstractContextManager[Any] = jax.default_device(jax.local_devices(backend="cpu")[0])
    return scope


@dataclass(frozen=True)
class HashHoldout:
    """Which rows are held back for validation: a hash of seed and row number decides, so streams can tell too."""

    seed: int
    share: float

    @property
    def key(self) -> NDArray[np.uint32]:
        """The hash's key."""
        return key_words(self.seed, Stream.HOLDOUT)

    def mask(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Return which of the rows `start` to `stop` are held back."""
        if not self.share:
            return np.zeros(stop - start, bool)
        return self.holds(np.arange(start, stop, dtype=number_type(stop)))

    def holds(self, rows: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Return which of the numbered rows are held back."""
        # In pieces of one size, so that one program serves all; numpy takes five times as long.
        held = np.empty(len(rows), bool)
        key, below = self.key, chance(self.share)
        for first in range(0, len(rows), _HASHED):
            piece = rows[first : first + _HASHED]
            low, high = np.zeros((2, _HASHED), np.uint32)
            low[: len(piece)] = piece if piece.itemsize == 4 else piece & 0xFFFFFFFF
            if piece.itemsize > 4:
                high[: len(piece)] = piece >> 32
            with on_host():
                held[first : first + len(piece)] = np.asarray(_held(key, below, low, high))[: len(piece)]
        return held

    def count(self, n_rows: int) -> int:
        """Return how many of the first `n_rows` rows are held back."""
        return n_rows - int(self.left(n_rows, _HASHED).sum())

    def left(self, n_rows: int, block: int) -> NDArray[np.int64]:
        """Return how many rows of each block of so many, a power of two, are left to learn from."""
        return _left_by_hash(self, n_rows, block)


@lru_cache(maxsize=4)  # each epoch asks
def _left_by_hash(held: HashHoldout, n_rows: int, block: int) -> NDArray[np.int64]:
    if not held.share:
        counts = np.full(-(-n_rows // block), block)
        counts[-1:] -= -n_rows % block
        return counts
    pieces = range(0, n_rows, max(block, _COUNTED))
    parts = [_by_block(~held.mask(start, min(start + pieces.step, n_rows)), block) for start in pieces]
    return np.concatenate([*parts, np.empty(0, np.int64)])


def _by_block(chosen: NDArray[np.bool_], block: int) -> NDArray[np.int64]:
    whole = len(chosen) // block * block
    counts = chosen[:whole].reshape(-1, block).sum(axis=1, dtype=np.int64)
    return np.append(counts, chosen[whole:].sum()) if whole < len(chosen) else counts


class MaskHoldout:
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

    def holds(self, rows: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Return which of the numbered rows are held back."""
        held: NDArray[np.bool_] = self.held[rows]
        return held

    def count(self, n_rows: int) -> int:
        """Return how many of the first `n_rows` rows are held back."""
        return int(self.held[:n_rows].sum())

    def left(self, n_rows: int, block: int) -> NDArray[np.int64]:
        """Return how many rows of each block of so many are left to learn from."""
        return _by_block(~self.held[:n_rows], block)


Holdout = HashHoldout | MaskHoldout
NO_HOLDOUT = HashHoldout(0, 0.0)
