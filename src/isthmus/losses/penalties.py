"""Penalties that are added to a reconstruction loss: by name from `PENALTIES`, or a user's function."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array

from isthmus.core.functions import Function
from isthmus.core.reductions import batch_mean
from isthmus.core.types import Batch, Output
from isthmus.losses import PENALTIES
from isthmus.sparsity.base import Step
from isthmus.sparsity.ranking import SparseCode

# The name of the weight among the scheduled values, and of a user's function among the terms of the loss.
WEIGHT, OWN = "penalty_weight", "penalty"


def weighted(penalty: str | Function, step: Step, output: Output) -> dict[str, Array]:
    """Return the term that a penalty adds to the loss, times its weight, by name.

    Parameters
    ----------
    penalty : str or Function
        A name in `PENALTIES`, or a function ``(code, params) -> scalar``, which has the codes (B, K) of a batch's rows.
        A batch with fewer rows than places repeats them, each about equally often, so that a mean over the batch is
        close to the mean over its rows.
    step : Step
        The inputs of the training step.
    output : Output
        What the network computed.
    """
    weight = step.scheduled[WEIGHT]
    if isinstance(penalty, str):
        return {penalty: weight * batch_mean(PENALTIES[penalty].of_rows(step, output), step.batch)}
    code = _rows_alone(_whole(output.code, step.network.n_components), step.batch)
    return {OWN: weight * penalty(code, step.params)}


def _whole(code: Any, n_units: int) -> Array:
    """Return a code as a matrix (B, K), also where only the values of its active units are stored."""
    if not isinstance(code, SparseCode):
        whole: Array = code
        return whole
    rows = jnp.arange(len(code.values))[:, None]
    return jnp.zeros((len(code.values), n_units), code.values.dtype).at[rows, code.units].add(code.values)


def _rows_alone(code: Array, batch: Batch) -> Array:
    """Return codes in which the places after a batch's last row have those of its rows, each equally often."""
    places, rows = len(code), jnp.sum(batch.weight).astype(jnp.int32)
    # Not a product of integers, which 65,536 places would overflow.
    share = rows.astype(code.dtype) / places
    repeated = jnp.minimum((jnp.arange(places) * share).astype(jnp.int32), rows - 1)
    return code[jnp.where(rows == places, jnp.arange(places), repeated)]
