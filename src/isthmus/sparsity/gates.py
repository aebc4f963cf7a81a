"""Sparsity by learned gates: JumpReLU's thresholds and gated units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from isthmus.core.errors import InvalidParameterError
from isthmus.core.parameters import Number
from isthmus.core.reductions import batch_mean
from isthmus.core.types import ModelState, Output, Params, Schedule
from isthmus.sparsity.base import KINDS, RESTART_INTERVALS, Sparsity, Step, constant

# How far all thresholds move after a step, of the logarithm of L0 over its target. They follow within ten steps,
# and chance in a batch moves them by less than the optimizer does.
_GAIN = 0.3
# The most that a step moves them: a factor of e^0.5.
_MOST = 0.5
_KINDS = {**KINDS, "target": Number(above=0)}


def _with_inputs(function: Callable[..., Array]) -> Callable[..., Any]:
    """Return the forward rule of a function whose derivative needs its inputs."""
    return lambda *inputs: (function(*inputs), inputs)


def _window(distance: Array) -> Array:
    # The rectangle kernel of the paper's equation 11: 1 within half a bandwidth of the threshold.
    return (jnp.abs(distance) < 0.5).astype(distance.dtype)


@jax.custom_vjp
def jump(values: Array, threshold: Array, bandwidth: Array) -> Array:
    """Return values (B, K) above their threshold (K,), else 0; the threshold's gradient is estimated in a window."""
    return jnp.where(values > threshold, values, 0)


def _jump_backward(kept: tuple[Array, Array, Array], cotangent: Array) -> tuple[Array, Array, None]:
    values, threshold, bandwidth = kept
    at_values = jnp.where(values > threshold, cotangent, 0)
    estimated = -(threshold / bandwidth) * _window((values - threshold) / bandwidth) * cotangent
    return at_values, jnp.sum(estimated, axis=0), None


jump.defvjp(_with_inputs(jump), _jump_backward)


@jax.custom_vjp
def passes(values: Array, threshold: Array, bandwidth: Array) -> Array:
    """Return 1 for values (B, K) above their threshold (K,), else 0, with the same kind of estimated gradient."""
    return (values > threshold).astype(values.dtype)


def _passes_backward(kept: tuple[Array, Array, Array], cotangent: Array) -> tuple[Array, Array, None]:
    values, threshold, bandwidth = kept
    estimated = -_window((values - threshold) / bandwidth) / bandwidth * cotangent
    return jnp.zeros_like(values), jnp.sum(estimated, axis=0), None


passes.defvjp(_with_inputs(passes), _passes_backward)


@dataclass(frozen=True, repr=False)
class JumpReLU(Sparsity):
    """A learned threshold for each unit, and a penalty on the number of units above theirs (L0).

    With a target, all thresholds are moved by a common factor after each step, up where more units are active in the
    batch than asked for and down where fewer are, and the penalty's gradient moves single ones.

    Parameters
    ----------
    weight : float
        Lambda, >= 0: the penalty per active unit or, with a target, the factor of the squared relative distance.
    target : float or None
        The target number of active units per row, > 0: the penalty's gradient is then that of
        ``weight * (L0 / target - 1)^2``. Its value is this times the loss of the mean row, so that early stopping does
        not prefer an epoch whose code is denser than asked for.
    threshold : float
        The initial threshold of every unit, > 0.
    bandwidth : float
        Width of the window around the threshold in which gradients are estimated, > 0, in units of the code.
    warm_up : float
        Fraction of training over which the weight rises from 0, 0 to 1.
    dead_after : int or None
        Rows without an activation after which a unit counts as dead, >= 1; None is the rows of two epochs.
    resample_dead, pre_bias, unit_norm_decoder, transposed_start, bias_start
        As in `Sparsity`.

    References
    ----------
    Rajamanoharan et al., "Jumping ahead: improving reconstruction fidelity with JumpReLU sparse autoencoders", 2024.
    """

    weight: float = 1.0
    target: float | None = None
    threshold: float = 0.1
    bandwidth: float = 0.1
    warm_up: float = 0.05
    dead_after: int | None = None

    kinds = _KINDS
    traced: ClassVar[tuple[str, ...]] = ("weight", "bandwidth", "dead_after")
    loss_reduction: ClassVar[str] = "sum"

    def check(self, network: Any) -> None:
        """Raise InvalidParameterError unless codes are relu and the target is at most their width."""
        _needs_relu("jumprelu", network)
        if self.target is not None and self.target > network.n_components:
            raise InvalidParameterError(
                f"sparsity_target={self.target:g} must be at most the code's {network.n_components} units"
            )

    def static(self) -> Self:
        """Return this method with what a compiled program depends on; of the target, whether there is one."""
        return super().static().replaced(target=None if self.target is None else 1.0)

    def schedules(self, n_components: int, n_rows: int) -> dict[str, Schedule]:
        """Return the schedules of the traced settings."""
        target = {} if self.target is None else {"target": constant(self.target)}
        return super().schedules(n_components, n_rows) | target

    @property
    def restart_scale(self) -> float:
        """1 with a target, whose thresholds a unit with shorter weights would not reach."""
        return super().restart_scale if self.target is None else 1.0

    def restarted(self, own: dict[str, Any], dead: NDArray[np.bool_]) -> None:
        """Give reinitialised units the first threshold or, with a target, the active units' mean one."""
        super().restarted(own, dead)
        if self.target is not None:
            own["log_threshold"][dead] = own["log_threshold"][~dead].mean()

    def restarts_after(self, n_components: int, dead_after: float) -> float:
        """Return the rows without an activation after which a unit is reinitialised, as for k units per row."""
        if self.dead_after is not None or self.target is None:
            return dead_after
        return min(dead_after, RESTART_INTERVALS * n_components / self.target)

    def wanted_l0(self, n_components: int) -> float | None:
        """Return the target."""
        return self.target

    def init(self, n_components: int) -> dict[str, Any]:
        """Return the initial state, with a target the step's movement of all thresholds."""
        return super().init(n_components) | ({} if self.target is None else {"shift": np.zeros((), np.float32)})

    def forward(self, step: Step) -> tuple[Output, Array, ModelState]:
        """Return the output, and with a target a state that moves the thresholds."""
        output, pre_output, state = super().forward(step)
        if self.target is not None:
            active = jnp.sum(jax.lax.stop_gradient(output.code) > 0, axis=1).astype(pre_output.dtype)
            mean = batch_mean(active, step.batch)
            excess = jnp.log(jnp.maximum(mean, 1e-6) / step.scheduled["target"])
            state = {**state, "shift": jnp.clip(_GAIN * excess, -_MOST, _MOST).astype(np.float32)}
        return output, pre_output, state

    def adjusted(self, params: Params, state: ModelState) -> Params:
        """Return the parameters with all thresholds moved by the same factor."""
        if self.target is None:
            return params
        thresholds = params["sparsity"]["log_threshold"]
        own = {**params["sparsity"], "log_threshold": thresholds + state["shift"].astype(thresholds.dtype)}
        return {**params, "sparsity": own}

    def learned(self, n_components: int) -> dict[str, Any]:
        """Return the logarithms of the initial thresholds, which keep these above 0."""
        return {"log_threshold": np.full(n_components, np.log(self.threshold))}

    def select(self, step: Step) -> tuple[Array, ModelState]:
        """Return the code, with 0 for units that are not above their threshold."""
        threshold = jnp.exp(step.params["sparsity"]["log_threshold"])
        bandwidth = step.scheduled["bandwidth"] if step.train else jnp.ones(())
        return jump(step.network.activate_code(step.pre_code), threshold, bandwidth), step.state

    def penalties(self, step: Step, output: Output, pre_output: Array) -> dict[str, Array]:
        """Return lambda times the mean L0, or times its squared distance from the target."""
        threshold = jnp.exp(step.params["sparsity"]["log_threshold"])
        active = passes(step.network.activate_code(output.pre_code), threshold, step.scheduled["bandwidth"])
        mean = batch_mean(jnp.sum(active, axis=1), step.batch)
        if self.target is None:
            return {"l0_loss": step.scheduled["weight"] * mean}
        loss = step.scheduled["weight"] * (mean / step.scheduled["target"] - 1) ** 2
        network, row = step.network, step.batch.row
        empty = network.decode(step.params, jnp.zeros_like(output.code[:1]), None if row is None else row[:1], None)
        unit = step.loss_of(jnp.broadcast_to(empty, pre_output.shape))
        return {"l0_loss": loss + jax.lax.stop_gradient((unit - 1) * loss)}


@dataclass(frozen=True, repr=False)
class Gated(Sparsity):
    """Units with a gate, which decides whether they are active, and a magnitude, from one product.

    With ``p = W (x - b)``: the gate is ``p + b_gate > 0``, the magnitude ``relu(exp(r) p + b_mag)``, the code their
    product. The L1 of ``relu(p + b_gate)`` makes gates sparse, and a second reconstruction from it, through a decoder
    that this term does not train, makes them useful. The L1 does not shrink the magnitudes.

    Parameters
    ----------
    weight : float
        Lambda of the L1 of the gates, >= 0.
    warm_up : float
        Fraction of training over which the weight rises from 0, 0 to 1.
    dead_after : int or None
        Rows without an activation after which a unit counts as dead, >= 1; None is the rows of two epochs.
    resample_dead, pre_bias, unit_norm_decoder, transposed_start, bias_start
        As in `Sparsity`.

    References
    ----------
    Rajamanoharan et al., "Improving dictionary learning with gated sparse autoencoders", 2024.
    """

    weight: float = 1.0
    warm_up: float = 0.05
    dead_after: int | None = None

    kinds = KINDS
    traced: ClassVar[tuple[str, ...]] = ("weight", "dead_after")
    loss_reduction: ClassVar[str] = "sum"

    def check(self, network: Any) -> None:
        """Raise InvalidParameterError unless codes are relu, as the magnitude is."""
        _needs_relu("gated", network)

    def learned(self, n_components: int) -> dict[str, Any]:
        """Return the magnitude's initial log scale r and bias; the gate's bias is the encoder's."""
        return {"log_scale": np.zeros(n_components), "magnitude_bias": np.zeros(n_components)}

    def select(self, step: Step) -> tuple[Array, ModelState]:
        """Return the magnitude of units with an open gate."""
        own, pre_code = step.params["sparsity"], step.pre_code
        # Where the gate's bias is not known and so not subtracted, the magnitude's bias learns the difference.
        product = pre_code - step.network.code_bias(step.params)
        magnitude = jax.nn.relu(jnp.exp(own["log_scale"]) * product + own["magnitude_bias"])
        return jnp.where(pre_code > 0, magnitude, 0), step.state

    def penalties(self, step: Step, output: Output, pre_output: Array) -> dict[str, Array]:
        """Return the gates' L1, and the loss of their reconstruction by a decoder without a gradient."""
        gate = jax.nn.relu(output.pre_code)
        l1 = batch_mean(jnp.sum(gate, axis=1), step.batch)
        fixed = jax.lax.stop_gradient(step.params)
        pre_reconstruction = step.network.decode(fixed, gate, step.batch.row, step.noise)
        return {"gate_l1": step.scheduled["weight"] * l1, "gate_reconstruction": step.loss_of(pre_reconstruction)}


def _needs_relu(name: str, network: Any) -> None:
    if network.code_activation != "relu":
        raise InvalidParameterError(
            f"sparsity={name!r} needs relu codes, not {network.code_activation}; use code_activation='relu'"
        )
