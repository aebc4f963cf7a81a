"""What every corruption has in common: its settings, its numbers over a run, and how a cell draws by counter."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from isthmus.core.errors import InvalidParameterError
from isthmus.core.random import cell_bits, mix, row_bits
from isthmus.core.types import Batch, Columns, Corrupted, Noise, Schedule

LevelSchedule = Callable[[float], float]  # share of training done, 0 to 1, to a number
Number = float | LevelSchedule
Numbers = Number | tuple[float, float]  # a pair: drawn uniformly between its ends, for each row and epoch

PREFIX = "corruption_"  # of the names of a run's numbers
_STREAM = 0x2545F491  # keeps these words apart from those of the order and of dropout


@dataclass(frozen=True)
class Corruption(ABC):
    """Clean rows to corrupted ones: frozen, hashed by value, its settings reached by scikit-learn's searches.

    What a cell draws depends on the seed, the epoch, the row's number and the column alone. The numbers named in
    `traced` are arguments of the compiled program: another level compiles nothing. Missing cells stay as they are.
    """

    traced: ClassVar[tuple[str, ...]] = ()
    main: ClassVar[str] = ""  # the number that corruption_level sets
    limit: ClassVar[float] = math.inf  # the most a traced number may be
    takes_pairs: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name in self.traced:
            value = getattr(self, name)
            if isinstance(value, list):
                object.__setattr__(self, name, value := tuple(value))
            self._check_numbers(name, value)

    @abstractmethod
    def __call__(self, noise: Noise, batch: Batch, columns: Columns, scheduled: Mapping[str, Array]) -> Corrupted:
        """Return the corrupted rows, which cells were touched, and what there is to tell the network."""

    # Settings --------------------------------------------------------------------------------------------------

    @property
    def in_units(self) -> bool:
        """Whether it is told in the input's own units, which a scaling that mixes columns does not have."""
        return False

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings by name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def set_params(self, **settings: Any) -> Self:
        """Change settings in place, as scikit-learn does on a clone of its own before it fits it."""
        known = self.get_params()
        for name in settings:
            if name not in known:
                raise InvalidParameterError(f"{type(self).__name__} has no setting {name!r}; it has {', '.join(known)}")
        changed = dataclasses.replace(self, **settings)
        for name in settings:
            object.__setattr__(self, name, getattr(changed, name))
        return self

    def check(self, n_features: int, by_column: bool) -> None:
        """Refuse, in one line, rows that cannot be corrupted so, and a schedule that leaves its range.

        Rows that are scaled column by column have units; others do not.
        """
        if self.in_units and not by_column:
            remedy = " or unit='deviation'" if "unit" in self.get_params() else ""
            raise InvalidParameterError(
                f"{type(self).__name__} is told in the input's own units, which rows have lost after a scaling that "
                f"mixes columns; use scaling='standard'{remedy}"
            )
        for schedule in self.schedules().values():
            schedule(np.linspace(0, 1, 11))

    def bound(self, image_shape: tuple[int, ...] | None) -> Self:
        """Return this corruption as it is for rows that are pictures of a shape."""
        return self

    def static(self) -> Self:
        """Return this corruption without its traced numbers: what a compiled program depends on."""
        unseen = {f.name: f.default for f in dataclasses.fields(self) if f.name in self.traced}
        return dataclasses.replace(self, **unseen)

    def schedules(self) -> dict[str, Schedule]:
        """Return the least and the greatest of each traced number over a run; equal where it is no pair."""
        ends: dict[str, Schedule] = {}
        for name in self.traced:
            value = getattr(self, name)
            low, high = value if isinstance(value, tuple) else (value, value)
            ends |= {f"{PREFIX}{name}_low": self._dial(name, low), f"{PREFIX}{name}_high": self._dial(name, high)}
        return ends

    # Checks ----------------------------------------------------------------------------------------------------

    def _check_numbers(self, name: str, value: Any) -> None:
        if callable(value):
            return
        if self.takes_pairs and isinstance(value, tuple) and len(value) == 2 and all(map(self._is_legal, value)):
            if value[0] < value[1]:
                return
            raise InvalidParameterError(f"{name}={value!r} is not legal; a pair (low, high) grows")
        if not self._is_legal(value):
            pair = ", a pair (low, high) of them" if self.takes_pairs else ""
            raise InvalidParameterError(
                f"{name}={value!r} is not legal; it takes a number {self._range()}{pair} or a function from the share "
                "of training done to one"
            )

    def _is_legal(self, value: Any) -> bool:
        return is_number(value) and 0 <= float(value) <= self.limit

    def _range(self) -> str:
        return "at least 0" if math.isinf(self.limit) else f"at least 0 and at most {self.limit:g}"

    def _dial(self, name: str, value: Number) -> Schedule:
        if not callable(value):
            return lambda share: np.full_like(share, value)

        def schedule(share: Any) -> NDArray[np.float64]:
            numbers = [value(float(done)) for done in np.asarray(share)]
            for done, number in zip(np.asarray(share), numbers, strict=True):
                if not self._is_legal(number):
                    raise InvalidParameterError(
                        f"{name} is {number!r} at {done:.0%} of training; it takes a number {self._range()}"
                    )
            return np.array(numbers, np.float64)

        return schedule


# What a cell draws -------------------------------------------------------------------------------------------------


def is_number(value: Any) -> bool:
    """Whether a setting is a finite number."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(float(value))


def is_whole(value: Any) -> bool:
    """Whether a setting is a whole number."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def stream(noise: Noise, number: int) -> Array:
    """Return the key words (2,) of one of a corruption's uses of chance in an epoch."""
    words: Array = noise.seed ^ mix(noise.epoch + jnp.uint32((_STREAM + 0x9E3779B9 * number) % 2**32))
    return words


def cell_words(noise: Noise, batch: Batch, number: int) -> Array:
    """Return one uint32 for each cell, (B, D)."""
    return jnp.asarray(cell_bits(stream(noise, number), batch.row, jnp.arange(batch.x.shape[1], dtype=jnp.uint32)))


def share_of(words: Array, dtype: Any) -> Array:
    """Return words as numbers of at least 0 and below 1, from their upper 24 bits: what float32 holds exactly."""
    # Through int32: vector units turn signed integers into floats, and unsigned ones only by a detour.
    return (words >> 8).astype(jnp.int32).astype(dtype) * jnp.asarray(2.0**-24, dtype)


def signed_share(words: Array, dtype: Any) -> Array:
    """Return words as odd multiples of 2^-24 between -1 and 1: symmetric, and never 0."""
    odd = (words >> 8).astype(jnp.int32) * 2 + (1 - 2**24)
    return odd.astype(dtype) * jnp.asarray(2.0**-24, dtype)


def row_level(noise: Noise, batch: Batch, scheduled: Mapping[str, Array], name: str) -> Array:
    """Return a traced number for each row (B,), between its ends."""
    low, high = scheduled[f"{PREFIX}{name}_low"], scheduled[f"{PREFIX}{name}_high"]
    return low + (high - low) * share_of(jnp.asarray(row_bits(stream(noise, 0), batch.row)), batch.x.dtype)


def settled(
    batch: Batch, noisy: Array, corrupted: Array, level: Array | None = None, *, as_missing: bool = False
) -> Corrupted:
    """Return corrupted rows in which missing and untouched cells are as they were, to the bit."""
    if batch.observed is not None:
        corrupted = corrupted & batch.observed
    return Corrupted(jnp.where(corrupted, noisy, batch.x), corrupted, corrupted if as_missing else None, level)
