"""The base class of corruptions: settings, schedules, and random draws by counter."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from isthmus.core.draws import share_of
from isthmus.core.errors import InvalidParameterError
from isthmus.core.parameters import Integer, Kind, Number
from isthmus.core.random import cell_bits, mix, row_bits
from isthmus.core.settings import Settings
from isthmus.core.types import Batch, Columns, Corrupted, Noise, Schedule, Scheduled

LevelSchedule = Callable[[float], float]  # share of training done, 0 to 1, to a number
Level = float | LevelSchedule
Levels = Level | tuple[float, float]  # a pair: drawn uniformly between its ends, for each row and epoch

PREFIX = "corruption_"  # of the names of scheduled values
_STREAM = 0x2545F491  # separates these draws from those of the row order and of dropout


@dataclass(frozen=True)
class Corruption(Settings, ABC):
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
    level_kind : Number
        What a value of a traced setting must be.
    takes_pairs : bool
        Whether a traced setting may be a pair (low, high).
    """

    untouched_weight: float = field(default=1.0, kw_only=True)

    kinds: ClassVar[Mapping[str, Kind]] = {"untouched_weight": Number(0, 1)}
    main: ClassVar[str] = ""
    level_kind: ClassVar[Number] = Number(0)
    takes_pairs: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.check_settings()
        for name in self.traced:
            self._check_numbers(name, getattr(self, name))

    @abstractmethod
    def __call__(self, noise: Noise, batch: Batch, columns: Columns, scheduled: Scheduled) -> Corrupted:
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

    @property
    def in_units(self) -> bool:
        """Whether its settings are in the input's units, which rows lose if the scaling mixes columns."""
        return False

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
        return self.with_defaults((*self.traced, "untouched_weight"))

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

    def _row_levels(self, noise: Noise, batch: Batch, scheduled: Scheduled) -> Array:
        """Return the main setting's value for each row (B,), drawn uniformly between its low and high end."""
        low, high = scheduled[f"{PREFIX}{self.main}_low"], scheduled[f"{PREFIX}{self.main}_high"]
        return low + (high - low) * share_of(jnp.asarray(row_bits(stream(noise, 0), batch.row)), batch.x.dtype)

    def _check_numbers(self, name: str, value: Any) -> None:
        kind = self.level_kind
        is_pair = self.takes_pairs and isinstance(value, tuple) and len(value) == 2 and all(map(kind.accepts, value))
        if is_pair and value[0] >= value[1]:
            raise InvalidParameterError(f"{name}={value!r} must be a pair (low, high) with low < high")
        if not (is_pair or callable(value) or kind.accepts(value)):
            words = kind.words + (", a pair (low, high)" if self.takes_pairs else "")
            raise InvalidParameterError(
                f"{name}={value!r} must be {words} or a function from the share of training done to a number"
            )

    def _schedule(self, name: str, value: Level) -> Schedule:
        if not callable(value):
            return lambda share: np.full_like(share, value)

        def schedule(share: Any) -> NDArray[np.float64]:
            numbers, kind = [value(float(done)) for done in np.asarray(share)], self.level_kind
            for done, number in zip(np.asarray(share), numbers, strict=True):
                if not kind.accepts(number):
                    raise InvalidParameterError(f"{name}={number!r} at {done:.0%} of training must be {kind.words}")
            return np.array(numbers, np.float64)

        return schedule


@dataclass(frozen=True)
class PictureCorruption(Corruption, ABC):
    """Base class of corruptions of images, whose rows have a shape: their own, or that of the fitted rows."""

    image_shape: tuple[int, ...] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        shape: Any = self.image_shape
        right = isinstance(shape, tuple) and len(shape) in (2, 3) and all(map(Integer(1).accepts, shape))
        if shape is not None and not right:
            raise InvalidParameterError(f"image_shape={shape!r} must be (height, width) or (height, width, channels)")

    @property
    def sides(self) -> tuple[int, int, int]:
        """Height, width and number of channels of the images.

        Raises
        ------
        InvalidParameterError
            If the shape is not known.
        """
        if self.image_shape is None:
            name = type(self).__name__
            raise InvalidParameterError(
                f"{name} needs images, and these rows have no image shape; write {name}(image_shape=(height, width)) "
                "or fit an array of images"
            )
        height, width, *channels = self.image_shape
        return height, width, *(channels or (1,))

    def check(self, n_features: int, by_column: bool) -> None:
        """Check that rows are images of this shape."""
        super().check(n_features, by_column)
        if math.prod(self.sides) != n_features:
            raise InvalidParameterError(
                f"image_shape={self.image_shape!r} of {type(self).__name__} has {math.prod(self.sides)} values, but "
                f"rows have {n_features}; use the shape of the rows"
            )

    def bound(self, image_shape: tuple[int, ...] | None) -> Self:
        """Return this corruption for images of a shape; its own image_shape takes precedence."""
        if self.image_shape is not None or image_shape is None:
            return self
        return replace(self, image_shape=tuple(image_shape))


def stream(noise: Noise, number: int) -> Array:
    """Return the key (2,) uint32 of one of a corruption's random streams in an epoch."""
    words: Array = noise.seed ^ mix(noise.epoch + jnp.uint32((_STREAM + 0x9E3779B9 * number) % 2**32))
    return words


def cell_words(noise: Noise, batch: Batch, number: int, columns: Array | None = None) -> Array:
    """Return one random uint32 for each cell, (B, D), the same for columns with one number; None: one each."""
    numbers = jnp.arange(batch.x.shape[1], dtype=jnp.uint32) if columns is None else columns
    return jnp.asarray(cell_bits(stream(noise, number), batch.row, numbers))


def replace_cells(
    batch: Batch, noisy: Array, corrupted: Array, level: Array | None = None, *, as_missing: bool = False
) -> Corrupted:
    """Return `noisy` where `corrupted` and not missing, and the batch's own values elsewhere, equal to the bit."""
    if batch.observed is not None:
        corrupted = corrupted & batch.observed
    return Corrupted(jnp.where(corrupted, noisy, batch.x), corrupted, corrupted if as_missing else None, level)
