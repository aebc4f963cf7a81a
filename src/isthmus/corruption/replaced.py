"""Replaced cells: by 0, by the column's minimum or maximum, or by another row's value; rectangles of an image by 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp
from jax import Array, lax

from isthmus.core.draws import share_of
from isthmus.core.errors import InvalidParameterError
from isthmus.core.parameters import Integer, Kind, Number
from isthmus.core.random import mix, row_bits
from isthmus.core.types import Batch, Columns, Corrupted, Noise, Scheduled
from isthmus.corruption.base import (
    Corruption,
    Level,
    Levels,
    PictureCorruption,
    cell_words,
    replace_cells,
    stream,
)


@dataclass(frozen=True)
class _Replacing(Corruption):
    rate: Levels = 0.25

    traced: ClassVar[tuple[str, ...]] = ("rate",)
    main: ClassVar[str] = "rate"
    level_kind: ClassVar[Number] = Number(0, 1)

    def _chosen(
        self, noise: Noise, batch: Batch, columns: Columns, scheduled: Scheduled, number: int
    ) -> tuple[Array, Array, Array]:
        """Return each row's rate, the chosen cells, and the random words whose upper 24 bits chose them."""
        level, words = self._row_levels(noise, batch, scheduled), cell_words(noise, batch, number, columns.number)
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

    def __call__(self, noise: Noise, batch: Batch, columns: Columns, scheduled: Scheduled) -> Corrupted:
        """Return the rows with cells set to 0."""
        level, chosen, _ = self._chosen(noise, batch, columns, scheduled, 3)
        return replace_cells(batch, jnp.zeros_like(batch.x), chosen, level, as_missing=self.as_missing)


@dataclass(frozen=True)
class SaltAndPepper(_Replacing):
    """Sets each cell, with probability `rate`, to the minimum or the maximum of its column, equally likely.

    Parameters
    ----------
    rate : float, tuple of float or callable
        Probability for each cell, 0 to 1, as in `Masking`.
    untouched_weight : float, keyword-only
        Weight in the loss of cells that were not corrupted, 0 to 1; corrupted cells have weight 1.

    References
    ----------
    Vincent, Larochelle, Lajoie, Bengio and Manzagol, "Stacked denoising autoencoders", 2010.
    """

    def __call__(self, noise: Noise, batch: Batch, columns: Columns, scheduled: Scheduled) -> Corrupted:
        """Return the rows with cells set to the minimum or maximum of their column."""
        level, chosen, words = self._chosen(noise, batch, columns, scheduled, 4)
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
        Probability for each cell, 0 to 1, as in `Masking`.
    untouched_weight : float, keyword-only
        Weight in the loss of cells that were not corrupted, 0 to 1; corrupted cells have weight 1.
    """

    def __call__(self, noise: Noise, batch: Batch, columns: Columns, scheduled: Scheduled) -> Corrupted:
        """Return the rows with cells from other rows."""
        level, chosen, words = self._chosen(noise, batch, columns, scheduled, 5)
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
        def packed_rows(values: Array) -> Any:
            return lax.cond(n_rows == len(real), lambda: values, lambda: values[jnp.argsort(~real, stable=True)])

        def others(values: Array) -> Any:
            return lax.cond(
                n_rows > 1,
                lambda: packed_rows(values).reshape(-1).at[cell].get(mode="promise_in_bounds"),
                lambda: values,
            )

        if batch.observed is not None:
            chosen = chosen & others(batch.observed)
        return replace_cells(batch, others(batch.x), chosen, level)


@dataclass(frozen=True)
class Blockout(PictureCorruption):
    """Sets rectangles of an image to 0 after scaling, in all channels; each rectangle is inside the image.

    Parameters
    ----------
    size : float or callable
        Side of a rectangle: below 1 a share of the image's height and width, rounded, at least one pixel; from 1 on
        pixels; 0 is none. A number, or a function from the share of training done, 0 to 1, to a number.
    number : int
        Rectangles in each image, >= 1; they may overlap.
    image_shape : tuple of int or None
        Height, width and optionally channels of the image in each row; None takes the shape of the fitted images, which
        a table of pixels does not have.
    untouched_weight : float, keyword-only
        Weight in the loss of cells that were not corrupted, 0 to 1; corrupted cells have weight 1.

    References
    ----------
    DeVries and Taylor, "Improved regularization of convolutional neural networks with cutout", 2017.
    """

    size: Level = 0.25
    number: int = 1

    kinds: ClassVar[Mapping[str, Kind]] = {**PictureCorruption.kinds, "number": Integer(1)}
    traced: ClassVar[tuple[str, ...]] = ("size",)
    main: ClassVar[str] = "size"
    takes_pairs: ClassVar[bool] = False

    def check(self, n_features: int, by_column: bool) -> None:
        """Check that rows are images, and not smaller than the rectangles."""
        super().check(n_features, by_column)
        height, width, _ = self.sides
        if not callable(self.size) and self.size > min(height, width):
            raise InvalidParameterError(
                f"size={self.size!r} of Blockout is larger than an image of {height} x {width} pixels; use a "
                "smaller size"
            )

    def __call__(self, noise: Noise, batch: Batch, columns: Columns, scheduled: Scheduled) -> Corrupted:
        """Return the images with rectangles set to 0."""
        height, width, channels = self.sides
        size = self._row_levels(noise, batch, scheduled)
        inside = jnp.zeros((len(size), height, width), bool)
        for number in range(self.number):
            down = self._spans(noise, batch, size, height, 8 + 2 * number)
            across = self._spans(noise, batch, size, width, 9 + 2 * number)
            inside = inside | (down[:, :, None] & across[:, None, :])
        corrupted = jnp.repeat(inside.reshape(len(size), -1), channels, axis=1)
        return replace_cells(batch, jnp.zeros_like(batch.x), corrupted, size)

    def _spans(self, noise: Noise, batch: Batch, size: Array, side: int, number: int) -> Array:
        """Return which pixels along one side are in each row's rectangle, (B, side)."""
        pixels = jnp.where(size < 1, jnp.where(size > 0, jnp.maximum(jnp.round(size * side), 1), 0), jnp.round(size))
        pixels = jnp.minimum(pixels, side)
        share = share_of(jnp.asarray(row_bits(stream(noise, number), batch.row)), batch.x.dtype)
        first = jnp.floor(share * (side - pixels + 1))[:, None]
        place = jnp.arange(side, dtype=batch.x.dtype)
        return (place >= first) & (place < first + pixels[:, None])
