"""The edges of a graph of rows, and which of them an epoch has: a pure function of seed, epoch and row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from isthmus.core.random import Stream, key_words, row_bits


@dataclass(frozen=True, eq=False)
class Edges:
    """The neighbours of each row.

    An epoch has one edge of each row: from the row to one of its k neighbours. The neighbours take turns, so that each
    edge occurs once in k epochs; a hash of seed and row chooses the first. A row without neighbours is its own.

    Parameters
    ----------
    starts : ndarray of int of shape (n_rows + 1,)
        Row i has the neighbours ``ends[starts[i] : starts[i + 1]]``.
    ends : ndarray of int of shape (n_edges,)
        Numbers of rows.
    seed : int
        The seed.
    """

    starts: NDArray[np.integer]
    ends: NDArray[np.integer]
    seed: int = 0

    @classmethod
    def of(cls, neighbors: NDArray[np.integer], seed: int = 0) -> Self:
        """Return the edges of an array (n_rows, k) of neighbours; a row's own number and negative ones are none."""
        own = np.arange(len(neighbors))[:, None]
        real = (neighbors >= 0) & (neighbors != own)
        starts = np.concatenate([[0], np.cumsum(real.sum(axis=1))])
        return cls(starts, neighbors[real], seed)

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return len(self.starts) - 1

    def pairs(self, rows: NDArray[np.integer], epoch: int) -> NDArray[Any]:
        """Return rows (n,), each with its neighbour of an epoch, (n, 2)."""
        first, count = self.starts[rows], self.starts[rows + 1] - self.starts[rows]
        numbers = np.stack([rows.astype(np.uint32), np.zeros(len(rows), np.uint32)], axis=-1)
        begins = row_bits(key_words(self.seed, Stream.NEIGHBORS), numbers).astype(np.int64)
        turn = (begins + epoch) % np.maximum(count, 1)
        pairs = np.stack([rows, rows], axis=1)
        some = count > 0
        pairs[some, 1] = self.ends[(first + turn)[some]]
        return pairs
