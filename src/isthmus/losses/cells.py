"""Losses of cells, and their reductions to a loss of each row."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from isthmus.core.functions import Function
from isthmus.losses import LOSSES, CellLoss


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


def cell_loss(loss: str | Function) -> CellLoss:
    """Return the loss of cells that a name of the table, or a user's function of two or three arrays, stands for."""
    if isinstance(loss, str):
        return LOSSES[loss]
    return (
        loss
        if n_arrays(loss.function) == 3
        else lambda reconstruction, pre_output, target: loss(reconstruction, target)
    )


def n_arrays(function: Callable[..., Any]) -> int:
    """Return how many arrays a loss takes: 3 where it needs as many, as the losses of the table do, else 2."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # of a function in C there is none
        return 2
    needed = [
        one
        for one in parameters
        if one.default is one.empty and one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
    ]
    return 3 if len(needed) == 3 else 2


def mean(cells: Array) -> Array:
    """Return the mean of each row."""
    return jnp.mean(cells, axis=1)


def total(cells: Array) -> Array:
    """Return the sum of each row."""
    return jnp.sum(cells, axis=1)


def half_sum(cells: Array) -> Array:
    """Return half the sum of each row."""
    return 0.5 * jnp.sum(cells, axis=1)
