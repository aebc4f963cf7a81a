"""The mean over the rows of a batch, without padding and over several devices."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array


def weighted_mean(values: Array, weight: Array, axis_name: str | None = None) -> Array:
    """Return the weighted mean of one value per row (B,); over all devices of a mesh axis where one is named."""
    total, count = jnp.sum(values * weight), jnp.sum(weight)
    if axis_name is not None:
        total, count = jax.lax.psum((total, count), axis_name)
    return total / jnp.maximum(count, 1)
