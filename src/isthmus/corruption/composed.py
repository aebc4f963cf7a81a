"""Corruptions made of other things: several one after another, and a function of your own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from isthmus.core.errors import InvalidParameterError
from isthmus.core.random import mix, row_bits
from isthmus.core.types import Batch, Columns, Corrupted, Noise, Schedule
from isthmus.corruption.base import PREFIX, Corruption, settled, stream


@dataclass(frozen=True)
class Chain(Corruption):
    """Corruptions one after another, each on what the one before it left; two of a kind draw apart.

    A cell is touched where any of them touched it. A cell that the network is told is missing is left alone by those
    that follow. The level that a network is told is that of the first part which has one.

    Parameters
    ----------
    parts : sequence of Corruption
        At least one.
    """

    parts: tuple[Corruption, ...] = ()

    def __post_init__(self) -> None:
        parts: Any = self.parts
        if isinstance(parts, list):
            object.__setattr__(self, "parts", parts := tuple(parts))
        if not isinstance(parts, tuple) or not parts:
            raise InvalidParameterError(f"parts={parts!r} is not legal; it takes corruptions, at least one")
        for part in parts:
            if not isinstance(part, Corruption):
                raise InvalidParameterError(f"parts has {part!r}, which is no object of isthmus.corruption")

    @property
    def in_units(self) -> bool:
        """Whether a part is told in the input's own units."""
        return any(part.in_units for part in self.parts)

    def check(self, n_features: int, by_column: bool) -> None:
        """Refuse rows that a part cannot corrupt."""
        for part in self.parts:
            part.check(n_features, by_column)

    def bound(self, image_shape: tuple[int, ...] | None) -> Self:
        """Return this chain with each part as it is for pictures of a shape."""
        return replace(self, parts=tuple(part.bound(image_shape) for part in self.parts))

    def static(self) -> Self:
        """Return this chain without its parts' traced numbers."""
        return replace(self, parts=tuple(part.static() for part in self.parts))

    def schedules(self) -> dict[str, Schedule]:
        """Return the parts' numbers over a run, under names that tell the position."""
        return {
            f"{PREFIX}{position}_{name.removeprefix(PREFIX)}": schedule
            for position, part in enumerate(self.parts)
            for name, schedule in part.schedules().items()
        }

    def __call__(self, noise: Noise, batch: Batch, columns: Columns, scheduled: Mapping[str, Array]) -> Corrupted:
        """Return the rows after the last part."""
        x, corrupted = batch.x, jnp.zeros(batch.x.shape, bool)
        hidden, level, observed = None, None, batch.observed
        for position, part in enumerate(self.parts):
            prefix = f"{PREFIX}{position}_"
            own = {f"{PREFIX}{n.removeprefix(prefix)}": value for n, value in scheduled.items() if n.startswith(prefix)}
            apart = noise._replace(seed=noise.seed ^ mix(jnp.uint32(0x632BE5AB + position)))
            made = part(apart, batch._replace(x=x, observed=observed), columns, own)
            x, corrupted = made.x, corrupted | made.corrupted
            level = made.level if level is None else level
            if made.hidden is not None:
                hidden = made.hidden if hidden is None else hidden | made.hidden
                observed = ~hidden if batch.observed is None else batch.observed & ~hidden
        return Corrupted(x, corrupted, hidden, level)


@dataclass(frozen=True)
class Function(Corruption):
    """A function of your own: ``(key, x) -> x``.

    Unlike the other corruptions, what it draws may depend on how rows are batched: its key is made of the seed, the
    epoch and the number of the batch's first row. A cell counts as touched where its value changed.

    Parameters
    ----------
    function : callable
        From a JAX random key and scaled rows (B, D) to rows of the same shape; of JAX operations, since it becomes
        part of a compiled program.
    """

    function: Callable[[Any, Array], Array] | None = None

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise InvalidParameterError(f"function={self.function!r} is not legal; it takes a function (key, x) -> x")

    def check(self, n_features: int, by_column: bool) -> None:
        """Refuse a function that fails on rows of this width or changes their shape."""
        rows = jax.ShapeDtypeStruct((4, n_features), np.float32)
        try:
            made = jax.eval_shape(lambda x: self._made(jax.random.key(0), x), rows)
        except InvalidParameterError:
            raise
        except Exception as error:
            said = (str(error).splitlines() or [""])[0]
            raise InvalidParameterError(
                f"{self._name} failed on (key, x) with x of shape {rows.shape}: {type(error).__name__}: {said}"
            ) from error
        self._check_shape(made, rows)

    def __call__(self, noise: Noise, batch: Batch, columns: Columns, scheduled: Mapping[str, Array]) -> Corrupted:
        """Return what the function makes of the rows."""
        words = row_bits(stream(noise, 0x1000), batch.row[0]), row_bits(stream(noise, 0x1001), batch.row[0])
        made = self._made(jax.random.wrap_key_data(jnp.stack(words), impl="threefry2x32"), batch.x)
        self._check_shape(made, batch.x)
        made = made.astype(batch.x.dtype)
        return settled(batch, made, made != batch.x)

    @property
    def _name(self) -> str:
        return f"corruption={getattr(self.function, '__qualname__', type(self.function).__name__)}"

    def _made(self, key: Array, x: Array) -> Array:
        assert self.function is not None
        return jnp.asarray(self.function(key, x))

    def _check_shape(self, made: Any, x: Any) -> None:
        if made.shape != x.shape:
            raise InvalidParameterError(f"{self._name} made an array of shape {made.shape} of rows of shape {x.shape}")
