"""The objective of imputation: the loss of the cells that were hidden from the network."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from isthmus.core.types import Batch, Evaluated, ModelState, Noise, Params, Scheduled
from isthmus.losses.base import Objective
from isthmus.networks.mixed import Mixed


@dataclass(frozen=True)
class ImputationLoss(Objective):
    """The mean loss of hidden cells: squared error of numbers, cross-entropy of categories.

    Parameters
    ----------
    network : Mixed
        What imputes.
    """

    network: Mixed

    def __call__(
        self, params: Params, state: ModelState, batch: Batch, noisy: Array, noise: Noise | None, scheduled: Scheduled
    ) -> Evaluated:
        """Return the loss, the state as it was, and no terms."""
        assert batch.condition is not None
        assert batch.observed is not None
        output = self.network.fill(params, noisy, batch.condition, batch.row, noise)
        hidden = (batch.condition > 0) & batch.observed & (batch.weight > 0)[:, None]
        numeric = np.asarray(self.network.n_levels) == 0
        cells = jnp.where(numeric, (output.reconstruction - batch.x) ** 2, 0.0)
        for column, logits in zip(np.flatnonzero(~numeric), output.logits, strict=True):
            code = batch.x[:, column].astype(jnp.int32)[:, None]
            log_probability = jnp.take_along_axis(jax.nn.log_softmax(logits), code, axis=1)[:, 0]
            cells = cells.at[:, column].set(-log_probability)
        cells = jnp.where(hidden, cells, 0.0)
        if batch.sample_weight is not None:
            cells = batch.sample_weight[:, None] * cells
        loss = jnp.sum(cells) / jnp.maximum(jnp.sum(hidden), 1)
        return loss, (state, {})
