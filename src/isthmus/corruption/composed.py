"""A sequence of corruptions, and a corruption from a user's function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from isthmus.core.errors import InvalidParameterError
from isthmus.core.random import mix, row_bits
from isthmus.core.types import Batch, Columns, Corrupted, Noise, Schedule, Scheduled
from isthmus.corruption.base import PREFIX, Corruption, replace_cells, stream


@dataclass(frozen=True)
class Chain(Corruption):
    """Applies corruptions in sequence, each to the result of the one before; their random draws are independent.

    A cell counts as corrupted if any part corrupted it. A cell that one part marks as missing is not changed by the
    parts after it. The level of a row is that of the first part that has one.

    Parameters
    ----------
    parts : sequence of Corruption
        At least one; each with ``untouched_weight=1``.
    untouched_weight : float, keyword-only
        Weight in the loss of cells that were not corrupted, 0 to 1; corrupted cells have weight 1.
    """

    parts: tuple[Corruption, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        parts: Any = self.parts
        if not isinstance(parts, tuple) or not parts:
            raise InvalidParameterError(f"parts={parts!r} must be a sequence of one or more corruptions")
        for position, part in enumerate(parts):
            if not isinstance(part, Corruption):
                raise InvalidParameterError(f"parts[{position}]={part!r} must be an object of isthmus.corruption")
            if part.untouched_weight != 1:
                raise InvalidParameterError(
                    f"untouched_weight={part.untouched_weight!r} of parts[{position}] has no effect in a Chain; write "
                    f"Chain(parts, untouched_weight={part.untouched_weight!r})"
                )

    @property
    def in_units(self) -> bool:
        """Whether the settings of any part are in the input's units."""
        return any(part.in_units for part in self.parts)

    def check(self, n_features: int, by_column: bool) -> None:
        """Check each part."""
        for part in self.parts:
            part.check(n_features, by_column)

    def bound(self, image_shape: tuple[int, ...] | None) -> Self:
        """Return this chain with its parts for images of a shape."""
        return replace(self, parts=tuple(part.bound(image_shape) for part in self.parts))

    def static(self) -> Self:
        """Return this chain with default values of the scheduled settings of its parts."""
        return replace(super().static(), parts=tuple(part.static() for part in self.parts))

    def schedules(self) -> dict[str, Schedule]:
        """Return the schedules of the parts, under names with their position, and the chain's own weight."""
        schedules = {
            f"{PREFIX}{position}_{name.removeprefix(PREFIX)}": schedule
            for position, part in enumerate(self.parts)
            for name, schedule in part.schedules().items()
        }
        return schedules | self._weight_schedule()

    def __call__(self, noise: Noise, batch: Batch, columns: Columns, scheduled: Scheduled) -> Corrupted:
        """Return the rows after the last part."""
        x, corrupted = batch.x, jnp.zeros(batch.x.shape, bool)
        hidden, level, observed = None, None, batch.observed
        for position, part in enumerate(self.parts):
            prefix = f"{PREFIX}{position}_"
            own = {f"{PREFIX}{n.removeprefix(prefix)}": value for n, value in scheduled.items() if n.startswith(prefix)}
            independent = noise._replace(seed=noise.seed ^ mix(jnp.uint32(0x632BE5AB + position)))
            result = part(independent, batch._replace(x=x, observed=observed), columns, own)
            x, corrupted = result.x, corrupted | result.corrupted
            level = result.level if level is None else level
            if result.hidden is not None:
                hidden = result.hidden if hidden is None else hidden | result.hidden
                observed = ~hidden if batch.observed is None else batch.observed & ~hidden
        return Corrupted(x, corrupted, hidden, level)


@dataclass(frozen=True)
class Function(Corruption):
    """A user's function ``(key, x) -> x``.

    Unlike with the other corruptions, its random draws depend on how rows are batched: the key comes from the seed, the
    epoch and the number of the batch's first row. A cell counts as corrupted if its value changed.

    Parameters
    ----------
    function : callable
        From a JAX random key and scaled rows (B, D) to rows of the same shape. It must use JAX operations, since it is
        compiled into the training step.
    untouched_weight : float, keyword-only
        Weight in the loss of cells that were not corrupted, 0 to 1; corrupted cells have weight 1.
    """

    function: Callable[[Any, Array], Array] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(self.function):
            raise InvalidParameterError(f"function={self.function!r} must be a function (key, x) -> x")

    def check(self, n_features: int, by_column: bool) -> None:
        """Check that the function accepts rows of this width and keeps their shape."""
        rows = jax.ShapeDtypeStruct((4, n_features), np.float32)
        try:
            result = jax.eval_shape(lambda x: self._apply(jax.random.key(0), x), rows)
        except InvalidParameterError:
            raise
        except Exception as error:
            message = (str(error).splitlines() or [""])[0]
            raise InvalidParameterError(
                f"{self._name} failed on (key, x) with x of shape {rows.shape}: {type(error).__name__}: {message}"
            ) from error
        self._check_shape(result, rows)

    def __call__(self, noise: Noise, batch: Batch, columns: Columns, scheduled: Scheduled) -> Corrupted:
        """Return the function's result."""
        words = row_bits(stream(noise, 0x1000), batch.row[0]), row_bits(stream(noise, 0x1001), batch.row[0])
        result = self._apply(jax.random.wrap_key_data(jnp.stack(words), impl="threefry2x32"), batch.x)
        self._check_shape(result, batch.x)
        result = result.astype(batch.x.dtype)
        return replace_cells(batch, result, result != batch.x)

    @property
    def _name(self) -> str:
        return f"corruption={getattr(self.function, '__qualname__', type(self.function).__name__)}"

    def _apply(self, key: Array, x: Array) -> Array:
        assert self.function is not None
        return jnp.asarray(self.function(key, x))

    def _check_shape(self, result: Any, x: Any) -> None:
        if result.shape != x.shape:
            raise InvalidParameterError(
                f"{self._name} returned shape {result.shape} for rows of shape {x.shape}; it must keep the shape"
            )
