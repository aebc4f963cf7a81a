"""Sparse by a term of the loss: relative entropy and L1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from isthmus.core.errors import InvalidParameterError
from isthmus.core.reductions import weighted_mean
from isthmus.core.types import ModelState, Output, Schedule
from isthmus.sparsity.base import Sparsity, Step, check_number, check_whole, decoder_norms, ramp


def relative_entropy(target: Array, mean: Array) -> Array:
    """Return ``rho log(rho / m) + (1 - rho) log((1 - rho) / (1 - m))``, elementwise; 0 exactly where they are equal."""
    # A unit that has rounded to 0 or 1 has a slope of 0 there: the floor costs no gradient, and spares an infinity.
    floor = np.finfo(mean.dtype).eps
    mean = jnp.clip(mean, floor, 1 - floor)
    return target * jnp.log(target / mean) + (1 - target) * jnp.log((1 - target) / (1 - mean))


@dataclass(frozen=True)
class KL(Sparsity):
    """Relative entropy between a target and each unit's mean activation: ``weight * sum_j KL(target || mean_j)``.

    Parameters
    ----------
    target : float
        Rho, the wanted mean activation of a unit, above 0 and below 1; of ``(tanh + 1) / 2`` for a tanh code.
    weight : float
        Beta, at least 0.
    memory : float
        Share of the mean that is remembered from the batches before, at least 0 and below 1; 0 takes the batch's own.
        The penalty's gradient is that of the batch, at the remembered mean.
    warm_up : float
        Share of training over which the weight rises from 0.

    References
    ----------
    Ng, "Sparse autoencoder", CS294A lecture notes, Stanford, 2011.
    """

    target: float = 0.05
    weight: float = 3.0
    memory: float = 0.0
    warm_up: float = 0.0

    traced: ClassVar[tuple[str, ...]] = ("target", "weight")
    code_activation: ClassVar[str] = "sigmoid"
    loss_reduction: ClassVar[str] = "half_sum"
    dictionary: ClassVar[bool] = False
    counts_dead: ClassVar[bool] = False  # a sigmoid is never 0

    def __post_init__(self) -> None:
        check_number("target", self.target, 0, 1)
        check_number("weight", self.weight, 0, open_ends=False)
        check_number("memory", self.memory, 0, 1 - 1e-9, open_ends=False)
        check_number("warm_up", self.warm_up, 0, 1, open_ends=False)

    def check(self, network: Any) -> None:
        """Refuse a code without bounds."""
        if network.code_activation not in ("sigmoid", "tanh"):
            raise InvalidParameterError(
                "sparsity='kl' compares mean activations with a share, and a code through "
                f"{network.code_activation!r} has no bounds; use code_activation='sigmoid' or 'tanh'"
            )

    def wanted_activation(self, code_activation: str) -> float | None:
        """Return rho, in the code's units."""
        return 2 * self.target - 1 if code_activation == "tanh" else self.target

    def schedules(self, n_components: int, n_rows: int) -> dict[str, Schedule]:
        """Return target and weight over a run."""
        return super().schedules(n_components, n_rows) | {"weight": ramp(self.weight, self.warm_up)}

    def init(self, n_components: int) -> dict[str, Any]:
        """Return the remembered mean, and how much of it is there yet."""
        return {"mean": np.zeros(n_components, np.float32), "known": np.zeros((), np.float32)} if self.memory else {}

    def forward(self, step: Step) -> tuple[Output, Array, ModelState]:
        """Return the output, and the means remembered."""
        output, pre_output, state = super().forward(step)
        if self.memory:
            mean = jax.lax.stop_gradient(self._mean(step, output))
            state = {
                "mean": self.memory * state["mean"] + (1 - self.memory) * mean.astype(np.float32),
                "known": self.memory * state["known"] + (1 - self.memory),
            }
        return output, pre_output, state

    def penalties(self, step: Step, output: Output, pre_output: Array) -> dict[str, Array]:
        """Return beta times the sum of the units' relative entropies."""
        mean = self._mean(step, output)
        if self.memory:
            known = self.memory * step.state["known"] + (1 - self.memory)
            remembered = (self.memory * step.state["mean"] + (1 - self.memory) * mean) / known
            mean = mean + jax.lax.stop_gradient(remembered - mean)
        return {"kl": step.scheduled["weight"] * jnp.sum(relative_entropy(step.scheduled["target"], mean))}

    def _mean(self, step: Step, output: Output) -> Array:
        weight = step.batch.weight
        mean: Array = weight @ output.code / jnp.maximum(jnp.sum(weight), 1)
        return (mean + 1) / 2 if step.network.code_activation == "tanh" else mean


@dataclass(frozen=True)
class L1(Sparsity):
    """L1 of the code, each unit weighed by the length of its decoder row: ``weight * mean_rows sum_j |f_j| |d_j|``.

    Weighed so, shrinking codes while growing the decoder wins nothing, and the decoder needs no fixed length.

    Parameters
    ----------
    weight : float
        Lambda, at least 0.
    warm_up : float
        Share of training over which the weight rises from 0, so that units are not put to sleep before they mean
        something.
    dead_after : int or None
        Rows without activation after which a unit counts as dead; None is two epochs' rows.

    References
    ----------
    Bricken et al., "Towards monosemanticity", Anthropic, 2023; Conerly et al., "Update on how we train SAEs",
    Anthropic, April 2024.
    """

    weight: float = 1.0
    warm_up: float = 0.05
    dead_after: int | None = None

    traced: ClassVar[tuple[str, ...]] = ("weight", "dead_after")
    unit_norm: ClassVar[bool] = False  # lengths are weighed instead
    loss_reduction: ClassVar[str] = "sum"

    def __post_init__(self) -> None:
        check_number("weight", self.weight, 0, open_ends=False)
        check_number("warm_up", self.warm_up, 0, 1, open_ends=False)
        if self.dead_after is not None:
            check_whole("dead_after", self.dead_after)

    def schedules(self, n_components: int, n_rows: int) -> dict[str, Schedule]:
        """Return the weight over a run."""
        return {"weight": ramp(self.weight, self.warm_up)} | self._dead_after(n_rows)

    def penalties(self, step: Step, output: Output, pre_output: Array) -> dict[str, Array]:
        """Return lambda times the mean over rows of the weighed L1."""
        norms = decoder_norms(step.network, step.params)
        size = jnp.abs(output.code) if norms is None else jnp.abs(output.code) * norms
        return {"l1": step.scheduled["weight"] * weighted_mean(jnp.sum(size, axis=1), step.batch.weight)}
