"""The objective of a classifier: cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from isthmus.core.reductions import batch_mean
from isthmus.core.types import Batch, Evaluated, ModelState, Noise, Params, Scheduled
from isthmus.losses.base import Objective
from isthmus.networks.classifying import Classifying


@dataclass(frozen=True)
class CrossEntropy(Objective):
    """The mean negative log probability of the rows' own classes, and ``l2 / 2`` times the head's squared weights.

    `Batch.extras` has ``labels``, the number of each row's class.

    Parameters
    ----------
    network : Classifying
        What computes the logits of rows.
    freezes : bool
        Whether the head alone is trained.
    """

    network: Classifying
    freezes: bool = False

    extras = ("labels",)

    def __call__(
        self, params: Params, state: ModelState, batch: Batch, noisy: Array, noise: Noise | None, scheduled: Scheduled
    ) -> Evaluated:
        """Return the loss, the state as it was, and the accuracy."""
        logits = self.network.encode(params, noisy, batch.row, noise, batch.condition)
        labels = batch.extras["labels"]
        own = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)[:, 0]
        correct = (jnp.argmax(logits, axis=1) == labels).astype(own.dtype)
        loss = -batch_mean(own, batch)
        penalty = scheduled["l2"] / 2 * jnp.sum(params["head"]["weight"] ** 2)
        return loss + penalty, (state, {"accuracy": batch_mean(correct, batch)})

    def constrain_gradients(self, params: Params, gradients: Params) -> Params:
        """Return the gradients, 0 for the encoder if it is frozen."""
        return {**jax.tree.map(jnp.zeros_like, gradients), "head": gradients["head"]} if self.freezes else gradients
