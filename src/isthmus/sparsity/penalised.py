"""Sparsity by a penalty: relative entropy and L1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from isthmus.core.errors import InvalidParameterError
from isthmus.core.reductions import batch_mean
from isthmus.core.types import ModelState, Output
from isthmus.sparsity.base import KINDS, Sparsity, Step, decoder_norms


def relative_entropy(target: Array, mean: Array) -> Array:
    """Return ``rho log(rho / m) + (1 - rho) log((1 - rho) / (1 - m))``, elementwise; 0 exactly where they are equal."""
    # A unit that has rounded to 0 or 1 has no gradient there: the floor loses none, and avoids an infinity.
    floor = np.finfo(mean.dtype).eps
    mean = jnp.clip(mean, floor, 1 - floor)
    return target * jnp.log(target / mean) + (1 - target) * jnp.log((1 - target) / (1 - mean))


@dataclass(frozen=True, repr=False)
class KL(Sparsity):
    """Relative entropy between a target and each unit's mean activation: ``weight * sum_j KL(target || mean_j)``.

    Parameters
    ----------
    target : float
        Rho, the target mean activation of a unit, > 0 and < 1; of ``(tanh + 1) / 2`` for a tanh code.
    weight : float
        Beta, >= 0.
    memory : float
        Fraction of the running mean that comes from earlier batches, >= 0 and < 1; 0 takes the batch's own mean. The
        penalty's gradient is that of the batch, at the running mean.
    warm_up : float
        Fraction of training over which the weight rises from 0, 0 to 1.
    resample_dead, pre_bias, unit_norm_decoder, transposed_start, bias_start
        As in `Sparsity`.

    References
    ----------
    Ng, "Sparse autoencoder", CS294A lecture notes, Stanford, 2011.
    """

    target: float = 0.05
    weight: float = 3.0
    memory: float = 0.0
    warm_up: float = 0.0

    kinds = KINDS
    traced: ClassVar[tuple[str, ...]] = ("target", "weight")
    code_activation: ClassVar[str] = "sigmoid"
    loss_reduction: ClassVar[str] = "half_sum"
    dictionary: ClassVar[bool] = False
    counts_dead: ClassVar[bool] = False  # a sigmoid is never 0

    def check(self, network: Any) -> None:
        """Raise InvalidParameterError for a code without bounds."""
        if network.code_activation not in ("sigmoid", "tanh"):
            raise InvalidParameterError(
                f"sparsity='kl' needs a code with bounds, and that of {network.code_activation!r} has none; use "
                "code_activation='sigmoid' or 'tanh'"
            )

    def wanted_activation(self, code_activation: str) -> float | None:
        """Return rho, in the code's units."""
        return 2 * self.target - 1 if code_activation == "tanh" else self.target

    def init(self, n_components: int) -> dict[str, Any]:
        """Return the running mean, and the sum of its weights."""
        return {"mean": np.zeros(n_components, np.float32), "known": np.zeros((), np.float32)} if self.memory else {}

    def forward(self, step: Step) -> tuple[Output, Array, ModelState]:
        """Return the output and the running means."""
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
        batch = step.batch
        mean: Array = batch.shares @ output.code / jnp.maximum(jnp.sum(batch.weight), 1)
        return (mean + 1) / 2 if step.network.code_activation == "tanh" else mean


@dataclass(frozen=True, repr=False)
class L1(Sparsity):
    """L1 of the code, each unit weighted by the length of its decoder row: ``weight * mean_rows sum_j |f_j| |d_j|``.

    With these weights the penalty cannot be lowered by smaller codes and a larger decoder, so that decoder rows need no
    fixed length.

    Parameters
    ----------
    weight : float
        Lambda, >= 0.
    warm_up : float
        Fraction of training over which the weight rises from 0, 0 to 1, so that units do not die before they have
        learned a direction.
    dead_after : int or None
        Rows without an activation after which a unit counts as dead, >= 1; None is the rows of two epochs.
    resample_dead, pre_bias, unit_norm_decoder, transposed_start, bias_start
        As in `Sparsity`.

    References
    ----------
    Bricken et al., "Towards monosemanticity", Anthropic, 2023; Conerly et al., "Update on how we train SAEs",
    Anthropic, April 2024.
    """

    weight: float = 1.0
    warm_up: float = 0.05
    dead_after: int | None = None

    kinds = KINDS
    traced: ClassVar[tuple[str, ...]] = ("weight", "dead_after")
    unit_norm: ClassVar[bool] = False  # the penalty is weighted by the lengths instead
    loss_reduction: ClassVar[str] = "sum"

    def penalties(self, step: Step, output: Output, pre_output: Array) -> dict[str, Array]:
        """Return lambda times the mean over rows of the weighted L1."""
        norms = decoder_norms(step.network, step.params)
        size = jnp.abs(output.code) if norms is None else jnp.abs(output.code) * norms
        return {"l1": step.scheduled["weight"] * batch_mean(jnp.sum(size, axis=1), step.batch)}
