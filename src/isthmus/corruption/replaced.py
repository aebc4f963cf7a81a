"""Some cells replaced: by nothing, by the column's ends, by another row's value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
from jax import Array, lax

from isthmus.core.random import mix
from isthmus.core.types import Batch, Columns, Corrupted, Noise
from isthmus.corruption.base import Corruption, Numbers, cell_words, row_level, settled, share_of


@dataclass(frozen=True)
class _Replacing(Corruption):
    rate: Numbers = 0.25

    traced: ClassVar[tuple[str, ...]] = ("rate",)
    main: ClassVar[str] = "rate"
    limit: ClassVar[float] = 1

    def _chosen(
        self, noise: Noise, batch: Batch, scheduled: Mapping[str, Array], number: int
    ) -> tuple[Array, Array, Array]:
        """Return each row's rate, which cells are chosen, and the words that chose them by their upper 24 bits."""
        level, words = row_level(noise, batch, scheduled, "rate"), cell_words(noise, batch, number)
        return level, share_of(words, batch.x.dtype) < level[:, None], words


@dataclass(frozen=True)
class Masking(_Replacing):
    """A share of the cells set to 0 of the scaled space, each by itself.

    That is the mean of a standardised column, and black in a picture whose values are scaled into [0, 1], as in the
    published work.

    Parameters
    ----------
    rate : float, tuple of float or callable
        Chance of each cell, 0 to 1: a number; a pair (low, high), between which each row draws its own in each epoch;
        or a function from the share of training done, 0 to 1, to a number.
    as_missing : bool
        Whether the network is told of these cells as of missing ones, where it has an input for that
        (``missing="mask"``): it then learns to fill holes from rows that have none.

    References
    ----------
    Vincent, Larochelle, Bengio and Manzagol, "Extracting and composing robust features with denoising autoencoders",
    2008.
    """

    as_missing: bool = False

    def __call__(self, noise: Noise, batch: Batch, columns: Columns, scheduled: Mapping[str, Array]) -> Corrupted:
        """Return the rows with cells set to 0."""
        level, chosen, _ = self._chosen(noise, batch, scheduled, 3)
        return settled(batch, jnp.zeros_like(batch.x), chosen, level, as_missing=self.as_missing)


@dataclass(frozen=True)
class SaltAndPepper(_Replacing):
    """A share of the cells set to the least or the greatest value of their column, with even chance.

    Parameters
    ----------
    rate : float, tuple of float or callable
        Chance of each cell, 0 to 1: a number; a pair (low, high), between which each row draws its own in each epoch;
        or a function from the share of training done, 0 to 1, to a number.

    References
    ----------
    Vincent, Larochelle, Lajoie, Bengio and Manzagol, "Stacked denoising autoencoders", 2010.
    """

    def __call__(self, noise: Noise, batch: Batch, columns: Columns, scheduled: Mapping[str, Array]) -> Corrupted:
        """Return the rows with cells set to their column's ends."""
        level, chosen, words = self._chosen(noise, batch, scheduled, 4)
        # The lowest bit: the choice was made by the others.
        end = jnp.where(words & 1, columns.high, columns.low).astype(batch.x.dtype)
        return settled(batch, end, chosen, level)


@dataclass(frozen=True)
class Swap(_Replacing):
    """A share of the cells take the same column's value of another row of the batch, each cell of a row of its own.

    Values stay legal and columns keep their distribution: the honest noise for tables. Unlike other corruption it
    depends on the batch. A cell stays as it is where the other row's is missing, or there is no other row.

    Parameters
    ----------
    rate : float, tuple of float or callable
        Chance of each cell, 0 to 1: a number; a pair (low, high), between which each row draws its own in each epoch;
        or a function from the share of training done, 0 to 1, to a number.
    """

    def __call__(self, noise: Noise, batch: Batch, columns: Columns, scheduled: Mapping[str, Array]) -> Corrupted:
        """Return the rows with cells of other rows."""
        level, chosen, words = self._chosen(noise, batch, scheduled, 5)
        alive = batch.weight > 0
        n_alive, place = jnp.sum(alive), jnp.cumsum(alive) - 1
        # So many rows further on among those alive, and round: any of them but the row itself.
        share = share_of(mix(words), batch.x.dtype)
        further = 1 + jnp.minimum((share * (n_alive - 1)).astype(jnp.int32), n_alive - 2)
        position = place[:, None] + further
        position = jnp.where(position >= n_alive, position - n_alive, position)
        n_columns = batch.x.shape[1]
        cell = position * n_columns + jnp.arange(n_columns, dtype=position.dtype)
        chosen = chosen & alive[:, None] & (n_alive > 1)

        # Branches are compiled apart: in one piece with the gathering, hashes are computed cell by cell, a step's time
        # again.
        def living(values: Array) -> Array:
            packed: Array = lax.cond(
                n_alive == len(alive), lambda: values, lambda: values[jnp.argsort(~alive, stable=True)]
            )
            return packed

        def others(values: Array) -> Array:
            found: Array = lax.cond(
                n_alive > 1, lambda: living(values).reshape(-1).at[cell].get(mode="promise_in_bounds"), lambda: values
            )
            return found

        if batch.observed is not None:
            chosen = chosen & others(batch.observed)
        return settled(batch, others(batch.x), chosen, level)
