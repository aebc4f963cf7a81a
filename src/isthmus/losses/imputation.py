"""What a network that fills holes is trained on: the cells that it was not shown, and which were there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from isthmus.core.types import Batch, ModelState, Noise, Params
from isthmus.networks.mixed import Mixed


@dataclass(frozen=True)
class ImputationLoss:
    """The mean loss of hidden cells: squared error of numbers, cross-entropy of categories.

    Parameters
    ----------
    network : Mixed
        What fills.
    """

    network: Mixed

    @property
    def condition_kind(self) -> str:
        """What the network is told beside the row."""
        return "missing"

    def __call__(
        self,
        params: Params,
        state: ModelState,
        batch: Batch,
        noisy: Array,
        noise: Noise | None,
        scheduled: Mapping[str, Array] | None = None,
    ) -> tuple[Array, tuple[ModelState, dict[str, Array]]]:
        """Return the batch's loss, the state as it was, and no further terms."""
        assert batch.condition is not None
        assert batch.observed is not None
        output = self.network.fill(params, noisy, batch.condition, batch.row, noise)
        hidden = (batch.condition > 0) & batch.observed & (batch.weight > 0)[:, None]
        counted = np.asarray(self.network.n_levels) == 0
        cells = jnp.where(counted, (output.reconstruction - batch.x) ** 2, 0.0)
        for column, logits in zip(np.flatnonzero(~counted), output.logits, strict=True):
            code = batch.x[:, column].astype(jnp.int32)[:, None]
            chance = jnp.take_along_axis(jax.nn.log_softmax(logits), code, axis=1)[:, 0]
            cells = cells.at[:, column].set(-chance)
        loss = jnp.sum(jnp.where(hidden, cells, 0.0)) / jnp.maximum(jnp.sum(hidden), 1)
        return loss, (state, {})

    def constrain_gradients(self, params: Params, gradients: Params) -> Params:
        """Return the gradients as they are."""
        return gradients

    def constrain_parameters(self, params: Params) -> Params:
        """Return the parameters as they are."""
        return params

    def report(self, state: ModelState, scheduled: Mapping[str, Any]) -> dict[str, float]:
        """Return nothing: there is no state."""
        return {}
