"""Photon noise: light arrives in whole counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp
from jax import Array

from isthmus.corruption.additive import normal
from isthmus.corruption.base import Corruption, Number, cell_words, is_number, row_level, settled, share_of
from isthmus.types import Batch, Columns, Corrupted, Noise

_FEW = 8.0  # means up to this are counted out
_MOST = 28  # of which a count beyond this has a chance of 1e-8


@dataclass(frozen=True)
class Poisson(Corruption):
    """Photon counts: a value v of the rows as they came in becomes ``Poisson(v * peak) / peak``.

    Its mean is v and its variance ``v / peak``; values below 0 count as 0. Counts of mean up to 8 are drawn by
    inversion, exact to the 24 bits of chance behind them; larger ones from a normal number by the expansion of the
    inverse to second order, which errs by less than a count in a thousand draws and leaves mean and variance to a
    thousandth.

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

    def __call__(self, noise: Noise, batch: Batch, columns: Columns, dials: Mapping[str, Array]) -> Corrupted:
        """Return the rows as counted."""
        peak = row_level(noise, batch, dials, "peak")
        mean = jnp.maximum((batch.x - columns.zero) / columns.unit, 0) * peak[:, None]
        words = cell_words(noise, batch, 7)
        counts = jnp.where(mean <= _FEW, _few(words, jnp.minimum(mean, _FEW)), _many(words, jnp.maximum(mean, _FEW)))
        return settled(batch, columns.zero + counts / peak[:, None] * columns.unit, mean > 0, peak)

    def _is_legal(self, value: Any) -> bool:
        return is_number(value) and value > 0

    def _range(self) -> str:
        return "above 0"


def _few(words: Array, mean: Array) -> Array:
    share = share_of(words, mean.dtype)
    term = jnp.exp(-mean)
    reached, count = term, jnp.zeros_like(mean)
    for number in range(1, _MOST + 1):
        term = term * mean * (1 / number)
        # A term finer than the share's own steps is past the end, where sums that round would count on for ever.
        count = count + ((share >= reached) & (term > 2.0**-26))
        reached = reached + term
    return count


def _many(words: Array, mean: Array) -> Array:
    z, root = normal(words, mean.dtype), jnp.sqrt(mean)
    square = z * z
    second = (-8 / 405 + square * (7 / 810 + square / 270)) / mean
    return jnp.floor(mean + root * z + (1 / 3 + square / 6) - z * (1 / 36 + square / 72) / root + second)
