"""Photon noise: light arrives in whole counts."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp
from jax import Array

from isthmus.core.types import Batch, Columns, Corrupted, Noise
from isthmus.corruption.additive import normal
from isthmus.corruption.base import Corruption, Number, cell_words, is_number, row_level, settled, share_of

_FEW = 4.0  # means up to this are counted out
_MOST = 17  # of which no share below 1 - 2^-20 asks for more


@dataclass(frozen=True)
class Poisson(Corruption):
    """Photon counts: a value v of the rows as they came in becomes ``Poisson(v * peak) / peak``.

    Its mean is v and its variance ``v / peak``; values below 0 count as 0. Counts of mean up to 4 are drawn by
    inversion, exact to 20 bits of chance; larger ones from a normal number by the expansion of the inverse to third
    order, which errs by less than a count in a thousand draws and leaves mean and variance to a thousandth.

    Parameters
    ----------
    peak : float or callable
        Mean count at a value of 1, above 0: 30 is grainy for values in [0, 1]; values up to 255 are as grainy at
        30 / 255. A number, or a function from the share of training done, 0 to 1, to one.

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
        """Whether it is told in the input's own units: always."""
        return True

    def __call__(self, noise: Noise, batch: Batch, columns: Columns, scheduled: Mapping[str, Array]) -> Corrupted:
        """Return the rows as counted."""
        peak = row_level(noise, batch, scheduled, "peak")
        mean = jnp.maximum((batch.x - columns.zero) / columns.unit, 0) * peak[:, None]
        words = cell_words(noise, batch, 7)
        counts = jnp.where(mean <= _FEW, _few(words, jnp.minimum(mean, _FEW)), _many(words, jnp.maximum(mean, _FEW)))
        return settled(batch, columns.zero + counts / peak[:, None] * columns.unit, mean > 0, peak)

    def _is_legal(self, value: Any) -> bool:
        return is_number(value) and value > 0

    def _range(self) -> str:
        return "above 0"


def _few(words: Array, mean: Array) -> Array:
    # Terms that round add up to a little less than 1; a share beyond would count on to the end.
    share = jnp.minimum(share_of(words, mean.dtype), 1 - 2.0**-20)
    term = jnp.exp(-mean)
    reached, count = term, jnp.zeros_like(mean)
    for number in range(1, _MOST + 1):
        term = term * mean * (1 / number)
        count = count + (share >= reached)
        reached = reached + term
    return count


def _many(words: Array, mean: Array) -> Array:
    z, root = normal(words, mean.dtype), jnp.sqrt(mean)
    square = z * z
    # Of 1, 1 / root, 1 / mean and 1 / (mean * root); the last fitted to the exact inverse at means of 30 to 220.
    orders = (
        1 / 3 + square / 6,
        -z * (1 / 36 + square / 72),
        -8 / 405 + square * (7 / 810 + square / 270),
        z * (0.01726335 - square * (0.00352931 + square * 0.00133062)),
    )
    tail = functools.reduce(lambda smaller, larger: larger + smaller / root, reversed(orders))
    return jnp.maximum(jnp.floor(mean + root * z + tail), 0)
