"""Replaced cells: by 0, by the column's minimum or maximum, or by another row's value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
from jax import Array, lax

from isthmus.core.random import mix
from isthmus.core.types import Batch, Columns, Corrupted, Noise
from isthmus.corruption.base import Corruption, Numbers, cell_words, replace_cells, row_level, share_of


@dataclass(frozen=True)
class _Replacing(Corruption):
    rate: Numbers = 0.25

    traced: ClassVar[tuple[str, ...]] = ("rate",)
    main: ClassVar[str] = "rate"
    limit: ClassVar[float] = 1

    def _chosen(
        self, noise: Noise, batch: Batch, scheduled: Mapping[str, Array], number: int
    ) -> tuple[Array, Array, Array]:
        """Return each row's rate, the chosen cells, and the random words whose upper 24 bits chose them."""
        level, words = row_level(noise, batch, scheduled, "rate"), cell_words(noise, batch, number)
        return level, share_of(words, batch.x.dtype) < level[:, None], words


@dataclass(frozen=True)
class Masking(_Replacing):
    """Sets each cell to 0 after scaling, independently, with probability `rate`.

    0 is the mean of a standardised column, and black in an image scaled to [0, 1], as in the paper.

    Parameters
    ----------
    rate : float, tuple of float or callable
        Probability for each cell, 0 to 1: a number; a pair (low, high), from which each row draws its own value in
        each epoch; or a function from the share of training done, 0 to 1, to a number.
    as_missing : bool
        Whether these cells are marked in the network's missing mask, if it has one (``missing="mask"``): it then
        learns to impute from complete rows.
    untouched_weight : float, keyword-only
        Weight in the loss of cells that were not corrupted, 0 to 1; corrupted cells have weight 1.

    References
    ----------
    Vincent, Larochelle, Bengio and Manzagol, "Extracting and composing robust features with denoising autoencoders",
    2008.
    """

    as_missing: bool = False

    def __call__(self, noise: Noise, batch: Batch, columns: Columns, scheduled: Mapping[str, Array]) -> Corrupted:
        """Return the rows with cells set to 0."""
        level, chosen, _ = self._chosen(noise, batch, scheduled, 3)
        return replace_cells(batch, jnp.zeros_like(batch.x), chosen, level, as_missing=self.as_missing)


@dataclass(frozen=True)
class SaltAndPepper(_Replacing):
    """Sets each cell, with probability `rate`, to the minimum or the maximum of its column, equally likely.

    Parameters
    ----------
    rate : float, tuple of float or callable
        Probability for each cell, 0 to 1: a number; a pair (low, high), from which each row draws its own value in
        each epoch; or a function from the share of training done, 0 to 1, to a number.
    untouched_weight : float, keyword-only
        Weight in the loss of cells that were not corrupted, 0 to 1; corrupted cells have weight 1.

    References
    ----------
    Vincent, Larochelle, Lajoie, Bengio and Manzagol, "Stacked denoising autoencoders", 2010.
    """

    def __call__(self, noise: Noise, batch: Batch, columns: Columns, scheduled: Mapping[str, Array]) -> Corrupted:
        """Return the rows with cells set to the minimum or maximum of their column."""
        level, chosen, words = self._chosen(noise, batch, scheduled, 4)
        # The lowest bit: the upper 24 chose the cell.
        end = jnp.where(words & 1, columns.high, columns.low).astype(batch.x.dtype)
        return replace_cells(batch, end, chosen, level)


@dataclass(frozen=True)
class Swap(_Replacing):
    """Replaces each cell, with probability `rate`, by the same column's value in another row of the batch.

    The other row is drawn for each cell. Columns keep their distribution, which suits tables. Unlike with other
    corruptions, the result depends on the batch. A cell stays if the other row's cell is missing or there is no other
    row.

    Parameters
    ----------
    rate : float, tuple of float or callable
        Probability for each cell, 0 to 1: a number; a pair (low, high), from which each row draws its own value in
        each epoch; or a function from the share of training done, 0 to 1, to a number.
    untouched_weight : float, keyword-only
        Weight in the loss of cells that were not corrupted, 0 to 1; corrupted cells have weight 1.
    """

    def __call__(self, noise: Noise, batch: Batch, columns: Columns, scheduled: Mapping[str, Array]) -> Corrupted:
        """Return the rows with cells from other rows."""
        level, chosen, words = self._chosen(noise, batch, scheduled, 5)
        real = batch.weight > 0
        n_rows, place = jnp.sum(real), jnp.cumsum(real) - 1
        # That many rows further on among the real ones, modulo their number: any of them but the row itself.
        share = share_of(mix(words), batch.x.dtype)
        further = 1 + jnp.minimum((share * (n_rows - 1)).astype(jnp.int32), n_rows - 2)
        position = place[:, None] + further
        position = jnp.where(position >= n_rows, position - n_rows, position)
        n_columns = batch.x.shape[1]
        cell = position * n_columns + jnp.arange(n_columns, dtype=position.dtype)
        chosen = chosen & real[:, None] & (n_rows > 1)

        # A branch is compiled separately. Fused with the gather, hashes would be computed cell by cell, which doubles
        # the time of a step.
        def packed_rows(values: Array) -> Array:
            packed: Array = lax.cond(
                n_rows == len(real), lambda: values, lambda: values[jnp.argsort(~real, stable=True)]
            )
            return packed

        def others(values: Array) -> Array:
            found: Array = lax.cond(
                n_rows > 1,
                lambda: packed_rows(values).reshape(-1).at[cell].get(mode="promise_in_bounds"),
                lambda: values,
            )
            return found

        if batch.observed is not None:
            chosen = chosen & others(batch.observed)
        return replace_cells(batch, others(batch.x), chosen, level)
