"""The mean over the rows of a batch: one function, so that padding and several devices are right everywhere at once."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array


def weighted_mean(values: Array, weight: Array, axis_name: str | None = None) -> Array:
    """Return the mean of one value per row, padding left out; over all devices of a mesh axis where one is named."""
    total, count = jnp.sum(values * weight), jnp.sum(weight)
    if axis_name is not None:
        total, count = jax.lax.psum((total, count), axis_name)
    return total / jnp.maximum(count, 1)
