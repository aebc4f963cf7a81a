"""What every way to a sparse code has in common: its settings, what it remembers, and the count of dead units."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple, Self

import jax.numpy as jnp
import numpy as np
from jax import Array

from isthmus.core.errors import InvalidParameterError
from isthmus.core.reductions import weighted_mean
from isthmus.core.types import Batch, ModelState, Noise, Output, Params, Schedule

# Rows without a single activation after which a unit counts as dead, where nothing else is said: epochs' worth.
_DEAD_EPOCHS = 2


class Step(NamedTuple):
    """What a method may know of one training step."""

    network: Any
    params: Params
    state: ModelState
    batch: Batch
    x: Array  # (B, D) what the encoder sees
    noise: Noise | None
    scheduled: Mapping[str, Array]  # the numbers of the run at this step
    loss_of: Callable[[Array], Array]  # an output before its activation (B, D) -> the batch's reconstruction loss
    rare: bool | None = None  # whether terms that are mostly 0 are needed; None is not yet known


@dataclass(frozen=True)
class Sparsity:
    """A way to keep few code units awake: frozen, hashed by value, its settings reached by scikit-learn's searches.

    The numbers named in `traced` are arguments of the compiled program: another weight or target compiles nothing.
    """

    traced: ClassVar[tuple[str, ...]] = ()
    host_only: ClassVar[tuple[str, ...]] = ("warm_up", "anneal", "threshold")  # known to dials and starts alone
    code_activation: ClassVar[str] = "relu"  # what code_activation="auto" means
    loss_reduction: ClassVar[str] = "mean"  # what loss_reduction="auto" means: the convention of the paper
    # What "auto" means for pre_bias, unit_norm_decoder, transposed_start and bias_start, for a one-layer network.
    dictionary: ClassVar[bool] = True
    unit_norm: ClassVar[bool] = True
    counts_dead: ClassVar[bool] = True  # whether a code unit is ever exactly 0

    # Settings --------------------------------------------------------------------------------------------------

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

    def check(self, network: Any) -> None:
        """Refuse, in one line, a network whose code this method cannot make sparse."""

    def static(self) -> Self:
        """Return this method without its traced numbers: what a compiled program depends on."""
        unseen = {*self.traced, *self.host_only}
        return dataclasses.replace(self, **{f.name: f.default for f in dataclasses.fields(self) if f.name in unseen})

    def schedules(self, n_components: int, n_rows: int) -> dict[str, Schedule]:
        """Return the traced numbers over a run whose epochs have `n_rows` rows."""
        return {name: constant(getattr(self, name)) for name in self.traced} | self._dead_after(n_rows)

    def _dead_after(self, n_rows: int) -> dict[str, Schedule]:
        if not self.counts_dead:
            return {}
        after = getattr(self, "dead_after", None)
        return {"dead_after": constant(_DEAD_EPOCHS * n_rows if after is None else after)}

    # What is learned and remembered ----------------------------------------------------------------------------

    def learned(self, n_components: int) -> dict[str, Any]:
        """Return the method's own parameters at the start, each (K,)."""
        return {}

    def init(self, n_components: int) -> dict[str, Any]:
        """Return what is remembered between batches, at the start."""
        return {"idle": np.zeros(n_components, np.uint32)} if self.counts_dead else {}

    def wanted_activation(self, code_activation: str) -> float | None:
        """Return the mean activation asked of each unit, in the code's units, where one is asked for."""
        return None

    def prefixes_of(self, n_components: int) -> tuple[int, ...]:
        """Return where groups of units end within which their order is free."""
        return (n_components,)

    # Computation -----------------------------------------------------------------------------------------------

    def forward(self, step: Step) -> tuple[Output, Array, ModelState]:
        """Return a network's output for a step's rows, its value before the output activation, and the new state."""
        network, params, row = step.network, step.params, step.batch.row
        pre_code = network.encode(params, step.x, row, step.noise, step.batch.condition)
        code, state = self.select(network, params, step.state, pre_code, step.batch.weight, step.scheduled, train=True)
        pre_output = network.decode(params, code, row, step.noise)
        state = self._aged(state, jnp.any((code != 0) & (step.batch.weight[:, None] > 0), axis=0), step.batch.weight)
        return Output(pre_code, code, network.activate_output(pre_output)), pre_output, state

    def select(
        self,
        network: Any,
        params: Params,
        state: ModelState,
        pre_code: Array,
        weight: Array | None,
        scheduled: Mapping[str, Array],
        *,
        train: bool,
    ) -> tuple[Array, ModelState]:
        """Return the code (B, K) of a pre-code, and the new state; outside training there are no weights or dials."""
        return network.activate_code(pre_code), state

    def penalties(self, step: Step, output: Output, pre_output: Array) -> dict[str, Array]:
        """Return named terms to add to the loss."""
        return {}

    def branches(self, network: Any) -> bool:
        """Whether some terms are mostly 0, and the weights so many that zeros for their slopes would cost time."""
        return False

    def rarely(self, state: ModelState, scheduled: Mapping[str, Array]) -> Array:
        """Return whether such terms are needed now."""
        raise NotImplementedError

    def measures(self, output: Output, weight: Array) -> dict[str, Array]:
        """Return named numbers to write down for a batch, beside the loss."""
        if not self.counts_dead:
            return {}
        active = jnp.sum(output.code != 0, axis=1).astype(weight.dtype)
        return {"l0": weighted_mean(active, weight)}

    def _aged(self, state: ModelState, fired: Array, weight: Array) -> ModelState:
        """Return the state with each unit's rows since it was last active; whole numbers, so exact."""
        if not self.counts_dead:
            return state
        rows = jnp.sum(weight).astype(jnp.uint32)
        idle = jnp.where(fired, jnp.uint32(0), jnp.minimum(state["idle"], jnp.uint32(1 << 31)) + rows)
        return {**state, "idle": idle}


def constant(value: float) -> Schedule:
    """Return a number that stays."""
    return lambda share: np.full_like(share, value)


def ramp(value: float, over: float, start: float = 0.0) -> Schedule:
    """Return a number that goes straight from `start` to `value` over the first share `over` of training."""
    return lambda share: start + (value - start) * np.minimum(share / over, 1.0) if over else np.full_like(share, value)


def check_number(name: str, value: object, low: float, high: float = math.inf, *, open_ends: bool = True) -> None:
    """Refuse a setting that is no number between its ends."""
    if isinstance(value, Real) and not isinstance(value, bool):
        number = float(value)
        if math.isfinite(number) and (low < number < high if open_ends else low <= number <= high):
            return
    lower = f"{'above' if open_ends else 'at least'} {low:g}"
    upper = "" if math.isinf(high) else f" and {'below' if open_ends else 'at most'} {high:g}"
    raise InvalidParameterError(f"{name}={value!r} is not legal; it takes a number {lower}{upper}")


def check_whole(name: str, value: object, low: int = 1) -> None:
    """Refuse a setting that is no whole number of at least `low`."""
    if not isinstance(value, Integral) or isinstance(value, bool) or int(value) < low:
        raise InvalidParameterError(f"{name}={value!r} is not legal; it takes a whole number of at least {low}")


def decoder_norms(network: Any, params: Params) -> Array | None:
    """Return the length of each unit's row of the decoder's first matrix, (K,); None where a network has no such."""
    if not hasattr(network, "decoder_weights"):
        return None
    weight = network.decoder_weights(params)[0]
    # A row that an L2 penalty has shrunk to nothing: the root of 0 has no slope, and one NaN would end the run.
    return jnp.sqrt(jnp.maximum(jnp.sum(weight**2, axis=1), np.finfo(weight.dtype).tiny))
