"""What all sparsity methods have in common: settings, schedules, state, and the count of inactive rows per unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any, ClassVar, Literal, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from isthmus.core.errors import unknown_name
from isthmus.core.parameters import Boolean, Instance, Integer, Kind, Number
from isthmus.core.reductions import batch_mean
from isthmus.core.settings import Settings
from isthmus.core.types import Batch, ModelState, Noise, Output, Params, Schedule, Scheduled

_DEAD_EPOCHS = 2  # without an activation, after which a unit counts as dead by default
# A unit restarts if it was inactive for this many times the rows between two activations of an average unit: by chance
# that happens to an average one with probability exp(-32), and to one that is active a twentieth as often with 0.2.
# With 128 two of 64 planted atoms shared a unit in two of seven data sets, next to a unit that was active in 0.2 % of
# the rows.
RESTART_INTERVALS = 32
_BIAS_STARTS = ("auto", "zeros", "mean", "geometric_median")
_SWITCHES = ("pre_bias", "unit_norm_decoder", "transposed_start")
_SWITCH = Instance("True, False or 'auto'", lambda value: value == "auto" or Boolean().accepts(value))
# What the methods' settings must be.
KINDS: dict[str, Kind] = {
    **dict.fromkeys(_SWITCHES, _SWITCH),
    "resample_dead": Instance(
        "an integer >= 1, None or 'auto'", lambda value: value in (None, "auto") or Integer(1).accepts(value)
    ),
    **dict.fromkeys(("dead_after", "k", "k_start", "auxiliary_k"), Integer(1)),
    **dict.fromkeys(("weight", "auxiliary"), Number(0)),
    **dict.fromkeys(("threshold", "bandwidth"), Number(above=0)),
    **dict.fromkeys(("warm_up", "anneal"), Number(0, 1)),
    "memory": Number(0, below=1),
    "target": Number(above=0, below=1),
}

Switch = bool | Literal["auto"]


class Step(NamedTuple):
    """The inputs of one training step; outside training, batch, rows, noise and scheduled values are None."""

    network: Any  # an isthmus.networks.base.Network
    params: Params
    state: ModelState
    batch: Any = None  # a Batch
    x: Any = None  # (B, D) what the encoder sees
    noise: Noise | None = None
    scheduled: Mapping[str, Array] = {}  # the scheduled values at this step
    pre_code: Any = None  # (B, K), from the time it is known
    train: bool = True
    loss_of: Any = None  # a function: output before its activation (B, D) -> the batch's reconstruction loss
    rare: bool | None = None  # whether the terms that are mostly 0 are computed; None is undecided


@dataclass(frozen=True, repr=False)
class Sparsity(Settings):
    """A method that keeps few code units active: frozen, hashed by value, with `get_params` and `set_params`.

    The settings in `traced` are arguments of the compiled program: another weight or target needs no compilation.

    Parameters
    ----------
    resample_dead : int, None or "auto"
        Reinitialise dead units every so many epochs, >= 1; None never does; "auto" does after each epoch for a
        dictionary, that is between one-layer halves that are not tied.
    pre_bias : bool or "auto"
        Subtract the decoder's bias from the rows before they are encoded.
    unit_norm_decoder : bool or "auto"
        Keep the decoder's rows at length 1.
    transposed_start : bool or "auto"
        Start the encoder as the decoder's transpose.
    bias_start : {"auto", "zeros", "mean", "geometric_median"}
        The decoder's initial bias: zeros, or the mean or geometric median of the training rows. "auto" is the
        geometric median for a one-layer network with linear outputs, each channel's mean for a convolutional one with
        sigmoid outputs, and zeros otherwise.
    """

    _: KW_ONLY
    resample_dead: int | Literal["auto"] | None = "auto"
    pre_bias: Switch = "auto"
    unit_norm_decoder: Switch = "auto"
    transposed_start: Switch = "auto"
    bias_start: str = "auto"

    kinds: ClassVar[Mapping[str, Kind]] = {name: KINDS[name] for name in ("resample_dead", *_SWITCHES)}
    # Settings that a compiled program does not depend on.
    host_only: ClassVar[tuple[str, ...]] = (*_SWITCHES, "bias_start", "resample_dead", "warm_up", "anneal", "threshold")
    code_activation: ClassVar[str] = "relu"  # what code_activation="auto" means
    loss_reduction: ClassVar[str] = "mean"  # what loss_reduction="auto" means: the convention of the paper
    # What "auto" means for pre_bias, unit_norm_decoder, transposed_start and bias_start, for a one-layer network.
    dictionary: ClassVar[bool] = True
    unit_norm: ClassVar[bool] = True
    counts_dead: ClassVar[bool] = True  # whether a code unit is ever exactly 0
    sparse: ClassVar[bool] = True  # whether the code is read unit by unit, by which of them are active
    reorders: ClassVar[bool] = True  # whether the units may be put into another order after training

    def __post_init__(self) -> None:
        self.check_settings()
        if self.bias_start not in _BIAS_STARTS:
            raise unknown_name("bias_start", self.bias_start, _BIAS_STARTS)

    def __repr__(self) -> str:
        changed = [f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if getattr(self, f.name) != f.default]
        return f"{type(self).__name__}({', '.join(changed)})"

    def check(self, network: Any) -> None:
        """Raise InvalidParameterError for a network whose code this method cannot make sparse."""

    def static(self) -> Self:
        """Return this method with the settings that a compiled program does not depend on at their defaults."""
        return self.with_defaults((*self.traced, *self.host_only))

    def schedules(self, n_components: int, n_rows: int) -> dict[str, Schedule]:
        """Return the schedules of the traced settings, for epochs of `n_rows` rows."""
        settings = self.get_params()
        schedules = {name: constant(settings[name]) for name in self.traced}
        if "weight" in schedules:
            schedules["weight"] = ramp(settings["weight"], settings.get("warm_up", 0))
        if self.counts_dead:
            after = settings.get("dead_after")
            schedules["dead_after"] = constant(_DEAD_EPOCHS * n_rows if after is None else after)
        return schedules

    @property
    def unit_rows(self) -> bool:
        """What "auto" means for unit_norm_decoder, for a dictionary."""
        return self.unit_norm

    @property
    def restart_scale(self) -> float:
        """The length of a reinitialised unit's encoder weights, in units of the active ones' mean."""
        return 0.2  # Bricken et al. 2023

    def restarted(self, own: dict[str, NDArray[Any]], dead: NDArray[np.bool_]) -> None:
        """Give reinitialised units (K,) their own parameters, in place: those of the start."""
        for name, start in self.learned(len(dead)).items():
            own[name][dead] = start[dead]

    def restarts_after(self, n_components: int, dead_after: float) -> float:
        """Return the rows without an activation after which a unit is reinitialised, at most `dead_after`."""
        return dead_after

    def learned(self, n_components: int) -> dict[str, Any]:
        """Return the method's own initial parameters, each (K,)."""
        return {}

    def init(self, n_components: int) -> dict[str, Any]:
        """Return the initial state: what is remembered between batches."""
        return {"idle": np.zeros(n_components, np.uint32)} if self.counts_dead else {}

    def wanted_activation(self, code_activation: str) -> float | None:
        """Return the target mean activation of each unit, in the code's units, or None without a target."""
        return None

    def wanted_l0(self, n_components: int) -> float | None:
        """Return how many units are to be active in a mean row outside training, or None where that is free."""
        return None

    def prefixes_of(self, n_components: int) -> tuple[int, ...]:
        """Return the ends of the groups of units within which units may be reordered."""
        return (n_components,)

    def reordered(self, tree: Any, order: NDArray[np.integer]) -> Any:
        """Return the method's state or parameters, host arrays, with the code's units in another order (K,)."""
        return jax.tree.map(lambda leaf: leaf[order] if np.ndim(leaf) else leaf, tree)

    def forward(self, step: Step) -> tuple[Output, Array, ModelState]:
        """Return the network's output for a training step, the output before its activation, and the new state."""
        network, params, batch = step.network, step.params, step.batch
        pre_code = network.encode(params, step.x, batch.row, step.noise, batch.condition)
        code, state = self.select(step._replace(pre_code=pre_code))
        pre_output = network.decode(params, code, batch.row, step.noise)
        state = self._aged(state, jnp.any((code != 0) & (batch.weight[:, None] > 0), axis=0), batch.weight)
        return Output(pre_code, code, network.activate_output(pre_output)), pre_output, state

    def select(self, step: Step) -> tuple[Array, ModelState]:
        """Return the code (B, K) of a step's pre-code, and the new state."""
        return step.network.activate_code(step.pre_code), step.state

    def penalties(self, step: Step, output: Output, pre_output: Array) -> dict[str, Array]:
        """Return named terms that are added to the loss."""
        return {}

    def branches(self, network: Any) -> bool:
        """Whether some terms are mostly 0, and the weights so many that gradients of zeros would take time."""
        return False

    def rarely(self, state: ModelState, scheduled: Scheduled) -> Array:
        """Return whether the terms that are mostly 0 are needed now."""
        raise NotImplementedError

    def adjusted(self, params: Params, state: ModelState) -> Params:
        """Return the parameters after an update, changed by what the new state has of the step."""
        return params

    def measures(self, output: Output, batch: Batch) -> dict[str, Array]:
        """Return named numbers of a batch to record, which are no part of the loss."""
        if not self.counts_dead:
            return {}
        active = jnp.sum(output.code != 0, axis=1).astype(batch.weight.dtype)
        return {"l0": batch_mean(active, batch)}

    def report(self, state: ModelState, scheduled: Scheduled) -> dict[str, float]:
        """Return named numbers of the state to record at the end of an epoch: the number of dead units."""
        if not self.counts_dead:
            return {}
        return {"dead_units": float(np.sum(np.asarray(state["idle"], np.float64) >= float(scheduled["dead_after"])))}

    def _aged(self, state: ModelState, fired: Array, weight: Array) -> ModelState:
        """Return the state with the number of rows since each unit was last active; integers, so exact."""
        if not self.counts_dead:
            return state
        rows = jnp.sum(weight).astype(jnp.uint32)
        idle = jnp.where(fired, jnp.uint32(0), jnp.minimum(state["idle"], jnp.uint32(1 << 31)) + rows)
        return {**state, "idle": idle}


def constant(value: float) -> Schedule:
    """Return the schedule of a constant value."""
    return lambda share: np.full_like(share, value)


def ramp(value: float, over: float, start: float = 0.0) -> Schedule:
    """Return the schedule that is linear from `start` to `value` over the first fraction `over` of training."""
    return lambda share: start + (value - start) * np.minimum(share / over, 1.0) if over else np.full_like(share, value)


def decoder_norms(network: Any, params: Params) -> Array | None:
    """Return the length of each unit's row of the decoder's first matrix, (K,), or None without one."""
    weight = network.decoder_rows(params)
    if weight is None:
        return None
    # The square root has no gradient at 0, which an L2 penalty can reach: one NaN would end the run.
    return jnp.sqrt(jnp.maximum(jnp.sum(weight**2, axis=1), np.finfo(weight.dtype).tiny))
