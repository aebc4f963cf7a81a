"""The number that training lowers: reconstruction loss and, where a method has them, weighted penalties."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from isthmus.types import Batch, ModelState, Network, Noise, Output, Params

# (reconstruction, output before its activation, target) -> loss of each cell
CellLoss = Callable[[Array, Array, Array], Array]


def _squared(reconstruction: Array, pre_output: Array, target: Array) -> Array:
    return (reconstruction - target) ** 2


def _cross_entropy(reconstruction: Array, pre_output: Array, target: Array) -> Array:
    # From the logit rather than the probability: exact where the sigmoid has rounded to 0 or 1.
    return jax.nn.softplus(pre_output) - target * pre_output


def _huber(reconstruction: Array, pre_output: Array, target: Array) -> Array:
    # Huber, "Robust estimation of a location parameter", 1964, with its corner at 1.
    error = jnp.abs(reconstruction - target)
    return jnp.where(error < 1, 0.5 * error**2, error - 0.5)


LOSSES: dict[str, CellLoss] = {"mse": _squared, "bce": _cross_entropy, "huber": _huber}


def weighted_mean(values: Array, weight: Array, axis_name: str | None = None) -> Array:
    """Return the mean of one value per row, padding left out; over all devices of a mesh axis where one is named."""
    total, count = jnp.sum(values * weight), jnp.sum(weight)
    if axis_name is not None:
        total, count = jax.lax.psum((total, count), axis_name)
    return total / jnp.maximum(count, 1)


@dataclass(frozen=True)
class Reconstruction:
    """The mean over cells of a reconstruction loss.

    Parameters
    ----------
    network : Network
        What encodes and decodes.
    loss : str
        A name in `LOSSES`.
    """

    network: Network
    loss: str = "mse"

    def forward(self, params: Params, x: Array, row: Array | None, noise: Noise | None) -> tuple[Output, Array]:
        """Return the network's output for rows, and its value before the output activation."""
        pre_code = self.network.encode(params, x, row, noise)
        code = self.network.activate(pre_code)
        pre_output = self.network.decode(params, code, row, noise)
        return Output(pre_code, code, self.network.finish(pre_output)), pre_output

    def __call__(
        self, params: Params, state: ModelState, batch: Batch, noisy: Array, noise: Noise | None
    ) -> tuple[Array, tuple[ModelState, dict[str, Array]]]:
        """Return the batch's loss, the state and the named terms beside the loss itself."""
        output, pre_output = self.forward(params, noisy, batch.row, noise)
        cells = LOSSES[self.loss](output.reconstruction, pre_output, batch.x)
        terms: dict[str, Any] = {}
        return weighted_mean(jnp.mean(cells, axis=1), batch.weight), (state, terms)
