"""Noise: Gaussian, uniform and photon counts."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import jax.numpy as jnp
from jax import Array

from isthmus.core.draws import normal, share_of, signed_share
from isthmus.core.parameters import Kind, Name, Number
from isthmus.core.types import Batch, Columns, Corrupted, Noise, Scheduled
from isthmus.corruption.base import Corruption, Level, Levels, cell_words, replace_cells

Unit = Literal["deviation", "input"]


class _Additive(Corruption):
    unit: Unit  # not a dataclass field here: it would come before the subclass's own
    _draw: Callable[[Array, Any], Array]  # random words to numbers of mean 0
    _number: int  # of the random stream

    kinds: ClassVar[Mapping[str, Kind]] = {**Corruption.kinds, "unit": Name(("deviation", "input"))}

    @property
    def in_units(self) -> bool:
        """Whether `unit` is ``"input"``."""
        return self.unit == "input"

    def __call__(self, noise: Noise, batch: Batch, columns: Columns, scheduled: Scheduled) -> Corrupted:
        level = self._row_levels(noise, batch, scheduled)
        size = level[:, None] * (columns.spread if self.unit == "deviation" else columns.unit)
        drawn = self._draw(cell_words(noise, batch, self._number), batch.x.dtype)
        return replace_cells(batch, batch.x + size * drawn, size != 0, level)


@dataclass(frozen=True)
class Gaussian(_Additive):
    """Normal noise on every cell: ``x + scale * N(0, 1)``.

    Parameters
    ----------
    scale : float, tuple of float or callable
        Standard deviation of the noise, >= 0: a number; a pair (low, high), from which each row draws its own value in
        each epoch; or a function from the share of training done, 0 to 1, to a number.
    unit : {"deviation", "input"}
        Unit of `scale`: standard deviations of each column, or units of the rows before scaling.
    untouched_weight : float, keyword-only
        Weight in the loss of cells that were not corrupted, 0 to 1; corrupted cells have weight 1.

    References
    ----------
    Vincent, Larochelle, Lajoie, Bengio and Manzagol, "Stacked denoising autoencoders", 2010.
    """

    scale: Levels = 0.5
    unit: Unit = "deviation"

    traced: ClassVar[tuple[str, ...]] = ("scale",)
    main: ClassVar[str] = "scale"
    _draw, _number = staticmethod(normal), 1


@dataclass(frozen=True)
class Uniform(_Additive):
    """Uniform noise on every cell: ``x + U(-width, width)``.

    Parameters
    ----------
    width : float, tuple of float or callable
        Largest size of the noise, >= 0; its standard deviation is ``width / sqrt(3)``. As `scale` of `Gaussian`.
    unit : {"deviation", "input"}
        Unit of `width`: standard deviations of each column, or units of the rows before scaling.
    untouched_weight : float, keyword-only
        Weight in the loss of cells that were not corrupted, 0 to 1; corrupted cells have weight 1.
    """

    width: Levels = 0.5
    unit: Unit = "deviation"

    traced: ClassVar[tuple[str, ...]] = ("width",)
    main: ClassVar[str] = "width"
    _draw, _number = staticmethod(signed_share), 2


_SMALL_MEAN = 4.0  # up to this mean, counts are drawn by inversion
_MAX_COUNT = 17  # the largest count of such a mean at a probability below 1 - 2^-20


@dataclass(frozen=True)
class Poisson(Corruption):
    """Photon counts: a value v before scaling becomes ``Poisson(v * peak) / peak``.

    Its mean is v and its variance ``v / peak``; values below 0 count as 0. Counts of mean up to 4 are drawn by
    inversion, exact to 20 bits of probability. Larger ones come from a normal number by the third-order expansion of
    the inverse: fewer than one draw in a thousand is off by a count, and mean and variance are right to a thousandth.

    Parameters
    ----------
    peak : float or callable
        Mean count at a value of 1, > 0: 30 is strong noise for values in [0, 1]; 30 / 255 is as strong for values up
        to 255. A number, or a function from the share of training done, 0 to 1, to a number.
    untouched_weight : float, keyword-only
        Weight in the loss of cells that were not corrupted, 0 to 1; corrupted cells have weight 1.

    References
    ----------
    Giles, "Algorithm 955: approximation of the inverse Poisson cumulative distribution function", 2016.
    """

    peak: Level = 30.0

    traced: ClassVar[tuple[str, ...]] = ("peak",)
    main: ClassVar[str] = "peak"
    level_kind: ClassVar[Number] = Number(above=0)
    takes_pairs: ClassVar[bool] = False

    @property
    def in_units(self) -> bool:
        """True: counts need the input's units."""
        return True

    def __call__(self, noise: Noise, batch: Batch, columns: Columns, scheduled: Scheduled) -> Corrupted:
        """Return the rows with their values replaced by counts."""
        peak = self._row_levels(noise, batch, scheduled)
        mean = jnp.maximum((batch.x - columns.zero) / columns.unit, 0) * peak[:, None]
        words = cell_words(noise, batch, 7)
        counts = jnp.where(
            mean <= _SMALL_MEAN,
            _small_counts(words, jnp.minimum(mean, _SMALL_MEAN)),
            _large_counts(words, jnp.maximum(mean, _SMALL_MEAN)),
        )
        return replace_cells(batch, columns.zero + counts / peak[:, None] * columns.unit, mean > 0, peak)


def _small_counts(words: Array, mean: Array) -> Array:
    # The rounded terms add up to slightly less than 1; a larger share would return the largest count.
    share = jnp.minimum(share_of(words, mean.dtype), 1 - 2.0**-20)
    term = jnp.exp(-mean)
    reached, count = term, jnp.zeros_like(mean)
    for number in range(1, _MAX_COUNT + 1):
        term = term * mean * (1 / number)
        count = count + (share >= reached)
        reached = reached + term
    return count


def _large_counts(words: Array, mean: Array) -> Array:
    z, root = normal(words, mean.dtype), jnp.sqrt(mean)
    square = z * z
    # Coefficients of 1, 1 / root, 1 / mean and 1 / (mean * root); the last is fitted at means of 30 to 220.
    orders = (
        1 / 3 + square / 6,
        -z * (1 / 36 + square / 72),
        -8 / 405 + square * (7 / 810 + square / 270),
        z * (0.01726335 - square * (0.00352931 + square * 0.00133062)),
    )
    tail = functools.reduce(lambda smaller, larger: larger + smaller / root, reversed(orders))
    return jnp.maximum(jnp.floor(mean + root * z + tail), 0)
