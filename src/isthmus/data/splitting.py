"""The choice of validation rows, by row number: it does not depend on how rows are stored."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

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
    """Return a context in which JAX runs on the CPU, whatever the device of the fit."""
    keep_programs()
    scope: contextlib.AbstractContextManager[Any] = jax.default_device(jax.local_devices(backend="cpu")[0])
    return scope


@dataclass(frozen=True)
class HashHoldout:
    """Validation rows drawn by a hash of seed and row number, so that the number of rows need not be known.

    Parameters
    ----------
    seed : int
        The seed of the hash.
    share : float
        The probability that a row is held out, in [0, 1].
    """

    seed: int
    share: float
    groups: ClassVar[None] = None  # single rows are held out

    def mask(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Return which of the rows `start` to `stop` are held out."""
        if not self.share:
            return np.zeros(stop - start, bool)
        return self.holds(np.arange(start, stop, dtype=number_type(stop)))

    def holds(self, rows: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Return which of the numbered rows are held out."""
        # In pieces of one size, so that one program is compiled; NumPy takes five times as long.
        held = np.empty(len(rows), bool)
        key, below = key_words(self.seed, Stream.HOLDOUT), chance(self.share)
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
        """Return the number of the first `n_rows` rows that are held out."""
        return n_rows - int(self.left(n_rows, _HASHED).sum())

    def left(self, n_rows: int, block: int) -> NDArray[np.int64]:
        """Return the number of training rows in each block of `block` rows, a power of two."""
        return _training_rows(self, n_rows, block)


@lru_cache(maxsize=4)  # called once per epoch
def _training_rows(holdout: HashHoldout, n_rows: int, block: int) -> NDArray[np.int64]:
    if not holdout.share:
        counts = np.full(-(-n_rows // block), block)
        counts[-1:] -= -n_rows % block
        return counts
    pieces = range(0, n_rows, max(block, _COUNTED))
    parts = [_by_block(~holdout.mask(start, min(start + pieces.step, n_rows)), block) for start in pieces]
    return np.concatenate([*parts, np.empty(0, np.int64)])


def _by_block(chosen: NDArray[np.bool_], block: int) -> NDArray[np.int64]:
    whole = len(chosen) // block * block
    counts = chosen[:whole].reshape(-1, block).sum(axis=1, dtype=np.int64)
    return np.append(counts, chosen[whole:].sum()) if whole < len(chosen) else counts


class MaskHoldout:
    """Validation rows given by a mask.

    Parameters
    ----------
    mask : array of bool of shape (n_rows,)
        True where a row is held out.
    groups : array of int of shape (n_rows,), optional
        The group of each row, where groups are held out whole.
    """

    def __init__(self, mask: NDArray[np.bool_], groups: NDArray[np.integer] | None = None) -> None:
        self.held = mask
        self.groups = groups
        self.share = float(mask.mean()) if len(mask) else 0.0

    def mask(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Return which of the rows `start` to `stop` are held out."""
        return self.held[start:stop]

    def holds(self, rows: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Return which of the numbered rows are held out."""
        return np.asarray(self.held[rows])

    def count(self, n_rows: int) -> int:
        """Return the number of the first `n_rows` rows that are held out."""
        return int(self.held[:n_rows].sum())

    def left(self, n_rows: int, block: int) -> NDArray[np.int64]:
        """Return the number of training rows in each block of `block` rows."""
        return _by_block(~self.held[:n_rows], block)


Holdout = HashHoldout | MaskHoldout
NO_HOLDOUT = HashHoldout(0, 0.0)
