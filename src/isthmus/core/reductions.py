"""The mean over the rows of a batch, without padding and over several devices."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from isthmus.core.types import Batch


def weighted_mean(values: Array, weight: Array, axis_name: str | None = None) -> Array:
    """Return the weighted mean of one value per row (B,); over all devices of a mesh axis where one is named."""
    total, count = jnp.sum(values * weight), jnp.sum(weight)
    if axis_name is not None:
        total, count = jax.lax.psum((total, count), axis_name)
    return total / jnp.maximum(count, 1)


def batch_mean(values: Array, batch: Batch) -> Array:
    """Return the mean over a batch's rows of one value per row (B,), each times the row's sample weight.

    It is divided by the number of rows rather than by the sum of their weights, so that a row has the same influence in
    every batch.
    """
    return weighted_mean(values if batch.sample_weight is None else values * batch.sample_weight, batch.weight)
