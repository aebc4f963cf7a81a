"""The softmax over each category's columns in rows of numbers and one-hot categories."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

Groups = tuple[tuple[int, int], ...]  # the first column of each category, and the column after its last

# A probability below it counts as it where the start of the logits is chosen.
_LEAST_SHARE = 1e-3
# The start follows PCA to first order; below this probability the logits would be far too steep.
_LEAST_SLOPE_SHARE = 0.1


def is_category(groups: Groups, width: int) -> NDArray[np.bool_]:
    """Return which of the columns of a row belong to a category, (width,)."""
    mask = np.zeros(width, bool)
    for start, stop in groups:
        mask[start:stop] = True
    return mask


def log_probabilities(pre_output: Array, groups: Groups) -> Array:
    """Return the log-softmax over each category's columns; other columns are 0.

    Parameters
    ----------
    pre_output : Array of shape (B, D)
        The output before its activation.
    groups : tuple of (int, int)
        The columns of each category.

    Returns
    -------
    log_probabilities : Array of shape (B, D)
    """
    member, places, real = _layout(groups, pre_output.shape[1])
    # Products with a constant matrix: the CPU's compiler takes minutes for 64 groups that are sliced one by one.
    largest = jnp.max(jnp.where(real, jax.lax.stop_gradient(pre_output)[:, places], -jnp.inf), axis=2)
    shifted = jnp.where(is_category(groups, pre_output.shape[1]), pre_output - _spread(largest, member), 0.0)
    total = jnp.dot(jnp.exp(shifted), member.astype(shifted.dtype), precision="highest")
    return jnp.where(is_category(groups, pre_output.shape[1]), shifted - _spread(jnp.log(total), member), 0.0)


def with_probabilities(reconstruction: Array, pre_output: Array, groups: Groups) -> Array:
    """Return a reconstruction (B, D) whose categories' columns are the probabilities of their levels."""
    probabilities = jnp.exp(log_probabilities(pre_output, groups))
    return jnp.where(is_category(groups, pre_output.shape[1]), probabilities, reconstruction)


def starting_logits(mean: NDArray[np.float64], groups: Groups) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the output's bias and the slope of its logits, each (D,), that follow a linear reconstruction.

    Where the linear reconstruction of a level's column is ``p + d``, logits of ``log(p) + d / p`` have the softmax
    ``p + d``, to first order in d.

    Parameters
    ----------
    mean : ndarray of shape (D,)
        The mean row: of a category's columns, the shares of its levels.
    groups : tuple of (int, int)
        The columns of each category.
    """
    bias, slope = mean.copy(), np.ones(len(mean))
    chosen = is_category(groups, len(mean))
    bias[chosen] = np.log(np.maximum(mean[chosen], _LEAST_SHARE))
    slope[chosen] = 1 / np.maximum(mean[chosen], _LEAST_SLOPE_SHARE)
    return bias, slope


def _layout(groups: Groups, width: int) -> tuple[NDArray[np.float32], NDArray[np.intp], NDArray[np.bool_]]:
    """Return the matrix (width, G) of members, and each group's columns (G, L) with a mask of those that are real."""
    member = np.zeros((width, len(groups)), np.float32)
    longest = max(stop - start for start, stop in groups)
    places = np.zeros((len(groups), longest), np.intp)
    real = np.zeros((len(groups), longest), bool)
    for number, (start, stop) in enumerate(groups):
        member[start:stop, number] = 1
        places[number, : stop - start] = np.arange(start, stop)
        real[number, : stop - start] = True
    return member, places, real


def _spread(values: Array, member: NDArray[np.float32]) -> Array:
    """Return one value per group (B, G) at each of the group's columns (B, D), and 0 at the others."""
    return jnp.dot(values, member.T.astype(values.dtype), precision="highest")
