"""Losses of cells, and their reductions to a loss of each row."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array


def squared_error(reconstruction: Array, pre_output: Array, target: Array) -> Array:
    """Return the squared error."""
    return (reconstruction - target) ** 2


def binary_cross_entropy(reconstruction: Array, pre_output: Array, target: Array) -> Array:
    """Return the cross-entropy of targets in [0, 1], for a sigmoid output."""
    # From the logit rather than the probability: exact where the sigmoid has rounded to 0 or 1.
    return jax.nn.softplus(pre_output) - target * pre_output


def huber(reconstruction: Array, pre_output: Array, target: Array) -> Array:
    """Return Huber's loss with its corner at 1 (Huber, "Robust estimation of a location parameter", 1964)."""
    error = jnp.abs(reconstruction - target)
    return jnp.where(error < 1, 0.5 * error**2, error - 0.5)


def mean(cells: Array) -> Array:
    """Return the mean of each row."""
    return jnp.mean(cells, axis=1)


def total(cells: Array) -> Array:
    """Return the sum of each row."""
    return jnp.sum(cells, axis=1)


def half_sum(cells: Array) -> Array:
    """Return half the sum of each row."""
    return 0.5 * jnp.sum(cells, axis=1)
