"""Sparsity by learned gates: JumpReLU's thresholds and gated units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from isthmus.core.errors import InvalidParameterError
from isthmus.core.parameters import Number
from isthmus.core.reductions import weighted_mean
from isthmus.core.types import ModelState, Output, Schedule
from isthmus.sparsity.base import KINDS, Sparsity, Step, constant

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

    Parameters
    ----------
    weight : float
        Lambda, >= 0: the penalty per active unit or, with a target, the factor of the squared relative distance.
    target : float or None
        The target number of active units per row, > 0: the penalty is then ``weight * (L0 / target - 1)^2``.
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
        mean = weighted_mean(jnp.sum(active, axis=1), step.batch.weight)
        extra = mean if self.target is None else (mean / step.scheduled["target"] - 1) ** 2
        return {"l0_penalty": step.scheduled["weight"] * extra}


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
        l1 = weighted_mean(jnp.sum(gate, axis=1), step.batch.weight)
        fixed = jax.lax.stop_gradient(step.params)
        pre_reconstruction = step.network.decode(fixed, gate, step.batch.row, step.noise)
        return {"gate_l1": step.scheduled["weight"] * l1, "gate_reconstruction": step.loss_of(pre_reconstruction)}


def _needs_relu(name: str, network: Any) -> None:
    if network.code_activation != "relu":
        raise InvalidParameterError(
            f"sparsity={name!r} needs relu codes, not {network.code_activation}; use code_activation='relu'"
        )
