"""The number that a classifier's training lowers: cross-entropy, with the labels looked up by row number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from isthmus.core.reductions import weighted_mean
from isthmus.core.types import Batch, ModelState, Noise, Params
from isthmus.networks.classifying import Classifying


@dataclass(frozen=True)
class CrossEntropy:
    """The mean negative log probability of the rows' own classes, and half `l2` times the head's squared weights.

    Parameters
    ----------
    network : Classifying
        What makes logits of rows.
    freezes : bool
        Whether the head alone is trained.

    The model state holds ``labels``, one whole number for each row of the source, whatever the order it is walked in.
    """

    network: Classifying
    freezes: bool = False

    @property
    def condition_kind(self) -> str | None:
        """What the network is told beside the row."""
        return "missing" if self.network.indicator else None

    def __call__(
        self,
        params: Params,
        state: ModelState,
        batch: Batch,
        noisy: Array,
        noise: Noise | None,
        scheduled: Mapping[str, Array],
    ) -> tuple[Array, tuple[ModelState, dict[str, Array]]]:
        """Return the loss, the state, and the share of rows that are told rightly."""
        logits = self.network.encode(params, noisy, batch.row, noise, batch.condition)
        labels = state["labels"][batch.row[:, 0]]
        own = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)[:, 0]
        right = (jnp.argmax(logits, axis=1) == labels).astype(own.dtype)
        loss = -weighted_mean(own, batch.weight)
        penalty = scheduled["l2"] / 2 * jnp.sum(params["head"]["weight"] ** 2)
        return loss + penalty, (state, {"accuracy": weighted_mean(right, batch.weight)})

    def constrain_gradients(self, params: Params, gradients: Params) -> Params:
        """Return gradients without the encoder's, where that is frozen."""
        if not self.freezes:
            return gradients
        still = jax.tree.map(jnp.zeros_like, gradients)
        return {**still, "head": gradients["head"]}

    def constrain_parameters(self, params: Params) -> Params:
        """Return parameters as they are."""
        return params

    def report(self, state: ModelState, scheduled: Mapping[str, Any]) -> dict[str, float]:
        """Return nothing."""
        return {}
