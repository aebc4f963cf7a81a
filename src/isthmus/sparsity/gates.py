"""Sparse by what each unit has learned to let through: JumpReLU's thresholds and gated units."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from isthmus.core.errors import InvalidParameterError
from isthmus.core.reductions import weighted_mean
from isthmus.core.types import ModelState, Output, Params, Schedule
from isthmus.sparsity.base import Sparsity, Step, check_number, check_whole, constant, ramp


def _window(distance: Array) -> Array:
    # The rectangle kernel of the paper's equation 11: 1 within half a bandwidth of the threshold.
    return (jnp.abs(distance) < 0.5).astype(distance.dtype)


@jax.custom_vjp
def jump(values: Array, threshold: Array, bandwidth: Array) -> Array:
    """Return values above their threshold and 0 for the others; the threshold's gradient is estimated in a window."""
    return jnp.where(values > threshold, values, 0)


def _jump_forward(values: Array, threshold: Array, bandwidth: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    return jump(values, threshold, bandwidth), (values, threshold, bandwidth)


def _jump_backward(kept: tuple[Array, Array, Array], cotangent: Array) -> tuple[Array, Array, None]:
    values, threshold, bandwidth = kept
    at_values = jnp.where(values > threshold, cotangent, 0)
    estimated = -(threshold / bandwidth) * _window((values - threshold) / bandwidth) * cotangent
    return at_values, jnp.sum(estimated, axis=0), None


jump.defvjp(_jump_forward, _jump_backward)


@jax.custom_vjp
def passes(values: Array, threshold: Array, bandwidth: Array) -> Array:
    """Return 1 where values are above their threshold, else 0; the threshold's gradient is estimated in a window."""
    return (values > threshold).astype(values.dtype)


def _passes_forward(values: Array, threshold: Array, bandwidth: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    return passes(values, threshold, bandwidth), (values, threshold, bandwidth)


def _passes_backward(kept: tuple[Array, Array, Array], cotangent: Array) -> tuple[Array, Array, None]:
    values, threshold, bandwidth = kept
    estimated = -_window((values - threshold) / bandwidth) / bandwidth * cotangent
    return jnp.zeros_like(values), jnp.sum(estimated, axis=0), None


passes.defvjp(_passes_forward, _passes_backward)


@dataclass(frozen=True)
class JumpReLU(Sparsity):
    """A learned threshold for each unit, and a penalty on the number of units that pass theirs (L0).

    Parameters
    ----------
    weight : float
        Lambda: the loss of one active unit more per row or, with a target, of being wholly beside it. At least 0.
    target : float or None
        The wanted number of active units per row: the penalty is then ``weight * (L0 / target - 1)^2``.
    threshold : float
        Every unit's threshold at the start, above 0.
    bandwidth : float
        Width of the window around the threshold in which gradients are estimated, above 0, in units of the code.
    warm_up : float
        Share of training over which the weight rises from 0.
    dead_after : int or None
        Rows without activation after which a unit counts as dead; None is two epochs' rows.

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

    traced: ClassVar[tuple[str, ...]] = ("weight", "bandwidth", "dead_after")
    loss_reduction: ClassVar[str] = "sum"

    def __post_init__(self) -> None:
        check_number("weight", self.weight, 0, open_ends=False)
        check_number("threshold", self.threshold, 0)
        check_number("bandwidth", self.bandwidth, 0)
        check_number("warm_up", self.warm_up, 0, 1, open_ends=False)
        if self.target is not None:
            check_number("target", self.target, 0)
        if self.dead_after is not None:
            check_whole("dead_after", self.dead_after)

    def check(self, network: Any) -> None:
        """Refuse a code that may be negative: no threshold above 0 would let it through."""
        _needs_relu("jumprelu", network)
        if self.target is not None and self.target > network.n_components:
            raise InvalidParameterError(f"target={self.target:g} is more than the code's {network.n_components} units")

    def static(self) -> Self:
        """Return this method without its traced numbers; of the target it is left whether there is one."""
        return dataclasses.replace(super().static(), target=None if self.target is None else 1.0)

    def schedules(self, n_components: int, n_rows: int) -> dict[str, Schedule]:
        """Return the numbers over a run."""
        target = {} if self.target is None else {"target": constant(self.target)}
        return super().schedules(n_components, n_rows) | target | {"weight": ramp(self.weight, self.warm_up)}

    def learned(self, n_components: int) -> dict[str, Any]:
        """Return the logarithms of the thresholds, which keeps them above 0."""
        return {"log_threshold": np.full(n_components, np.log(self.threshold))}

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
        """Return the code, units below their threshold 0."""
        threshold = jnp.exp(params["sparsity"]["log_threshold"])
        return jump(
            network.activate_code(pre_code), threshold, scheduled["bandwidth"] if train else jnp.ones(())
        ), state

    def penalties(self, step: Step, output: Output, pre_output: Array) -> dict[str, Array]:
        """Return lambda times the mean L0, or times its squared distance from the target."""
        threshold = jnp.exp(step.params["sparsity"]["log_threshold"])
        active = passes(step.network.activate_code(output.pre_code), threshold, step.scheduled["bandwidth"])
        mean = weighted_mean(jnp.sum(active, axis=1), step.batch.weight)
        extra = mean if self.target is None else (mean / step.scheduled["target"] - 1) ** 2
        return {"l0_penalty": step.scheduled["weight"] * extra}


@dataclass(frozen=True)
class Gated(Sparsity):
    """Whether a unit is awake, and how much, by two functions of one product: a gate and a magnitude.

    With ``p = W (x - b)``: the gate is ``p + b_gate > 0``, the magnitude ``relu(exp(r) p + b_mag)``, the code their
    product. An L1 of ``relu(p + b_gate)`` makes gates sparse, and a second reconstruction from it, through a decoder
    that this term does not train, makes them useful: shrinkage then touches no magnitude.

    Parameters
    ----------
    weight : float
        Lambda of the L1 of the gates, at least 0.
    warm_up : float
        Share of training over which the weight rises from 0.
    dead_after : int or None
        Rows without activation after which a unit counts as dead; None is two epochs' rows.

    References
    ----------
    Rajamanoharan et al., "Improving dictionary learning with gated sparse autoencoders", 2024.
    """

    weight: float = 1.0
    warm_up: float = 0.05
    dead_after: int | None = None

    traced: ClassVar[tuple[str, ...]] = ("weight", "dead_after")
    loss_reduction: ClassVar[str] = "sum"

    def __post_init__(self) -> None:
        check_number("weight", self.weight, 0, open_ends=False)
        check_number("warm_up", self.warm_up, 0, 1, open_ends=False)
        if self.dead_after is not None:
            check_whole("dead_after", self.dead_after)

    def check(self, network: Any) -> None:
        """Refuse another activation than relu, which the magnitude is made of."""
        _needs_relu("gated", network)

    def schedules(self, n_components: int, n_rows: int) -> dict[str, Schedule]:
        """Return the numbers over a run."""
        return super().schedules(n_components, n_rows) | {"weight": ramp(self.weight, self.warm_up)}

    def learned(self, n_components: int) -> dict[str, Any]:
        """Return the magnitude's log scale r and bias; the gate's bias is the encoder's."""
        return {"log_scale": np.zeros(n_components), "magnitude_bias": np.zeros(n_components)}

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
        """Return the magnitude of units whose gate is open."""
        own = params["sparsity"]
        # A network of one's own has no bias to tell apart; the magnitude's own bias then makes up for it.
        gate_bias = network.code_bias(params) if hasattr(network, "code_bias") else 0.0
        magnitude = jax.nn.relu(jnp.exp(own["log_scale"]) * (pre_code - gate_bias) + own["magnitude_bias"])
        return jnp.where(pre_code > 0, magnitude, 0), state

    def penalties(self, step: Step, output: Output, pre_output: Array) -> dict[str, Array]:
        """Return the gates' L1 and the loss of the rows rebuilt from them by a decoder held still."""
        gate = jax.nn.relu(output.pre_code)
        l1 = weighted_mean(jnp.sum(gate, axis=1), step.batch.weight)
        still = jax.lax.stop_gradient(step.params)
        rebuilt = step.network.decode(still, gate, step.batch.row, step.noise)
        return {"gate_l1": step.scheduled["weight"] * l1, "gate_reconstruction": step.loss_of(rebuilt)}


def _needs_relu(name: str, network: Any) -> None:
    if network.code_activation != "relu":
        raise InvalidParameterError(
            f"sparsity={name!r} is defined on relu codes, not {network.code_activation}; use code_activation='relu'"
        )
