"""The base class of corruptions: settings, schedules, and random draws by counter."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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

PREFIX = "corruption_"  # of the names of scheduled values
_STREAM = 0x2545F491  # separates these draws from those of the row order and of dropout


@dataclass(frozen=True)
class Corruption(ABC):
    """Base class: replaces values of the rows at the network's input; the target of the loss stays clean.

    A corruption is frozen and hashed by value, and scikit-learn's searches reach its settings. Its random draws depend
    only on the seed, the epoch, the row's number and the column. Missing cells stay as they are. A subclass is a
    frozen dataclass that defines ``__call__``.

    Parameters
    ----------
    untouched_weight : float
        Weight in the loss of the cells that were not corrupted, 0 to 1; corrupted cells have weight 1 (Vincent et al.,
        "Stacked denoising autoencoders", 2010, section 4.4).

    Attributes
    ----------
    traced : tuple of str
        Settings that are arguments of the compiled program: other values need no compilation.
    main : str
        The setting that an estimator's ``corruption_level`` stands for; empty if there is none.
    limit : float
        The largest value of a traced setting; the smallest is 0.
    takes_pairs : bool
        Whether a traced setting may be a pair (low, high).
    """

    untouched_weight: float = field(default=1.0, kw_only=True)

    traced: ClassVar[tuple[str, ...]] = ()
    main: ClassVar[str] = ""
    limit: ClassVar[float] = math.inf
    takes_pairs: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not (is_number(self.untouched_weight) and 0 <= self.untouched_weight <= 1):
            raise InvalidParameterError(f"untouched_weight={self.untouched_weight!r} must be a number >= 0 and <= 1")
        for name in self.traced:
            value = getattr(self, name)
            if isinstance(value, list):
                object.__setattr__(self, name, value := tuple(value))
            self._check_numbers(name, value)

    @abstractmethod
    def __call__(self, noise: Noise, batch: Batch, columns: Columns, scheduled: Mapping[str, Array]) -> Corrupted:
        """Return the corrupted rows and which of their cells were corrupted.

        Parameters
        ----------
        noise : Noise
            Seed and epoch.
        batch : Batch
            The clean rows, scaled.
        columns : Columns
            Range, unit and spread of the scaled columns.
        scheduled : mapping of str to Array
            The values of `schedules` at this step.
        """

    # Settings --------------------------------------------------------------------------------------------------

    @property
    def in_units(self) -> bool:
        """Whether its settings are in the input's units, which rows lose if the scaling mixes columns."""
        return False

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings by name, the keyword-only ones last."""
        fields = sorted(dataclasses.fields(self), key=lambda field: bool(field.kw_only))
        return {field.name: getattr(self, field.name) for field in fields}

    def set_params(self, **settings: Any) -> Self:
        """Change settings in place, as scikit-learn's searches do on their clones."""
        known = self.get_params()
        for name in settings:
            if name not in known:
                raise InvalidParameterError(f"{type(self).__name__} has no setting {name!r}; it has {', '.join(known)}")
        changed = dataclasses.replace(self, **settings)
        for name in settings:
            object.__setattr__(self, name, getattr(changed, name))
        return self

    def check(self, n_features: int, by_column: bool) -> None:
        """Check this corruption against the rows to be fitted, and its schedules against their range.

        Parameters
        ----------
        n_features : int
            Width of the rows.
        by_column : bool
            Whether the scaling treats each column separately, so that rows have the input's units.

        Raises
        ------
        InvalidParameterError
            If such rows cannot be corrupted, or a schedule leaves its range.
        """
        if self.in_units and not by_column:
            remedy = " or unit='deviation'" if "unit" in self.get_params() else ""
            raise InvalidParameterError(
                f"{type(self).__name__} uses the input's units, which rows lose in a scaling that mixes columns; "
                f"use scaling='standard'{remedy}"
            )
        for schedule in self.schedules().values():
            schedule(np.linspace(0, 1, 11))

    def bound(self, image_shape: tuple[int, ...] | None) -> Self:
        """Return this corruption for rows that are images of a shape (height, width, channels), None if unknown."""
        return self

    def static(self) -> Self:
        """Return this corruption with default values of its scheduled settings: the part a compiled program has."""
        scheduled = (*self.traced, "untouched_weight")
        defaults: dict[str, Any] = {f.name: f.default for f in dataclasses.fields(self) if f.name in scheduled}
        return dataclasses.replace(self, **defaults)

    def schedules(self) -> dict[str, Schedule]:
        """Return the schedule of each low and high end of the traced settings, equal if the setting is no pair.

        ``"untouched_weight"`` is among them if it is not 1.
        """
        schedules: dict[str, Schedule] = {}
        for name in self.traced:
            value = getattr(self, name)
            low, high = value if isinstance(value, tuple) else (value, value)
            schedules[f"{PREFIX}{name}_low"] = self._schedule(name, low)
            schedules[f"{PREFIX}{name}_high"] = self._schedule(name, high)
        return schedules | self._weight_schedule()

    def _weight_schedule(self) -> dict[str, Schedule]:
        weight = self.untouched_weight
        return {} if weight == 1 else {"untouched_weight": lambda share: np.full_like(share, weight)}

    # Checks ----------------------------------------------------------------------------------------------------

    def _check_numbers(self, name: str, value: Any) -> None:
        if callable(value):
            return
        if self.takes_pairs and isinstance(value, tuple) and len(value) == 2 and all(map(self._in_range, value)):
            if value[0] < value[1]:
                return
            raise InvalidParameterError(f"{name}={value!r} must be a pair (low, high) with low < high")
        if not self._in_range(value):
            pair = ", a pair (low, high)" if self.takes_pairs else ""
            raise InvalidParameterError(
                f"{name}={value!r} must be a number {self._range()}{pair} or a function from the share of training "
                "done to a number"
            )

    def _in_range(self, value: Any) -> bool:
        return is_number(value) and 0 <= float(value) <= self.limit

    def _range(self) -> str:
        return ">= 0" if math.isinf(self.limit) else f">= 0 and <= {self.limit:g}"

    def _schedule(self, name: str, value: Number) -> Schedule:
        if not callable(value):
            return lambda share: np.full_like(share, value)

        def schedule(share: Any) -> NDArray[np.float64]:
            numbers = [value(float(done)) for done in np.asarray(share)]
            for done, number in zip(np.asarray(share), numbers, strict=True):
                if not self._in_range(number):
                    raise InvalidParameterError(
                        f"{name}={number!r} at {done:.0%} of training must be a number {self._range()}"
                    )
            return np.array(numbers, np.float64)

        return schedule


# Random draws of a cell ------------------------------------------------------------------------------------------


def is_number(value: Any) -> bool:
    """Whether a value is a finite number."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(float(value))


def is_integer(value: Any) -> bool:
    """Whether a value is an integer."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def stream(noise: Noise, number: int) -> Array:
    """Return the key (2,) uint32 of one of a corruption's random streams in an epoch."""
    words: Array = noise.seed ^ mix(noise.epoch + jnp.uint32((_STREAM + 0x9E3779B9 * number) % 2**32))
    return words


def cell_words(noise: Noise, batch: Batch, number: int) -> Array:
    """Return one random uint32 for each cell, (B, D)."""
    return jnp.asarray(cell_bits(stream(noise, number), batch.row, jnp.arange(batch.x.shape[1], dtype=jnp.uint32)))


def share_of(words: Array, dtype: Any) -> Array:
    """Return the upper 24 bits of uint32 words as numbers in [0, 1), all of which float32 represents exactly."""
    # By way of int32: CPUs have vector instructions that convert signed integers to floats, not unsigned ones.
    return (words >> 8).astype(jnp.int32).astype(dtype) * jnp.asarray(2.0**-24, dtype)


def signed_share(words: Array, dtype: Any) -> Array:
    """Return uint32 words as odd multiples of 2^-24 in (-1, 1): symmetric, and never 0."""
    odd = (words >> 8).astype(jnp.int32) * 2 + (1 - 2**24)
    return odd.astype(dtype) * jnp.asarray(2.0**-24, dtype)


def row_level(noise: Noise, batch: Batch, scheduled: Mapping[str, Array], name: str) -> Array:
    """Return the value of a traced setting for each row (B,), drawn uniformly between its low and high end."""
    low, high = scheduled[f"{PREFIX}{name}_low"], scheduled[f"{PREFIX}{name}_high"]
    return low + (high - low) * share_of(jnp.asarray(row_bits(stream(noise, 0), batch.row)), batch.x.dtype)


def replace_cells(
    batch: Batch, noisy: Array, corrupted: Array, level: Array | None = None, *, as_missing: bool = False
) -> Corrupted:
    """Return `noisy` where `corrupted` and not missing, and the batch's own values elsewhere, equal to the bit."""
    if batch.observed is not None:
        corrupted = corrupted & batch.observed
    return Corrupted(jnp.where(corrupted, noisy, batch.x), corrupted, corrupted if as_missing else None, level)
