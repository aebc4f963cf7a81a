"""Photon noise: Poisson counts."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp
from jax import Array

from isthmus.core.types import Batch, Columns, Corrupted, Noise
from isthmus.corruption.additive import normal
from isthmus.corruption.base import Corruption, Number, cell_words, is_number, replace_cells, row_level, share_of

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

    peak: Number = 30.0

    traced: ClassVar[tuple[str, ...]] = ("peak",)
    main: ClassVar[str] = "peak"
    takes_pairs: ClassVar[bool] = False

    @property
    def in_units(self) -> bool:
        """True: counts need the input's units."""
        return True

    def __call__(self, noise: Noise, batch: Batch, columns: Columns, scheduled: Mapping[str, Array]) -> Corrupted:
        """Return the rows with their values replaced by counts."""
        peak = row_level(noise, batch, scheduled, "peak")
        mean = jnp.maximum((batch.x - columns.zero) / columns.unit, 0) * peak[:, None]
        words = cell_words(noise, batch, 7)
        counts = jnp.where(
            mean <= _SMALL_MEAN,
            _small_counts(words, jnp.minimum(mean, _SMALL_MEAN)),
            _large_counts(words, jnp.maximum(mean, _SMALL_MEAN)),
        )
        return replace_cells(batch, columns.zero + counts / peak[:, None] * columns.unit, mean > 0, peak)

    def _in_range(self, value: Any) -> bool:
        return is_number(value) and value > 0

    def _range(self) -> str:
        return "> 0"


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
