"""The contractive penalty: how much the code changes with the row."""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from isthmus.core.functions import Function
from isthmus.core.random import cell_bits, mix
from isthmus.core.types import Noise, Output
from isthmus.losses import Penalty
from isthmus.networks.activations import function_of
from isthmus.sparsity.base import Step

# The narrower side of a Jacobian up to which all of it is computed, one derivative of the encoder for each unit.
_EXACT = 8
_STREAM = 0x3C6EF372  # apart from the draws of dropout, corruptions and other codes
_FIXED = Noise(np.zeros(2, np.uint32), np.uint32(0))  # the draws outside training, the same after every epoch


def contractive(step: Step, output: Output) -> Array:
    """Return the squared Frobenius norm of each row's Jacobian (B,) of the code with respect to the encoder's input.

    Of an encoder of one layer it is the closed form of the paper, the squared slopes of the units times the squared
    lengths of their weights. Of a deeper one the whole Jacobian is computed where code or rows have at most eight
    columns; else it is estimated by the derivative of the code in one random direction of signs, whose mean it is
    (Hutchinson, "A stochastic estimator of the trace of the influence matrix", 1990). The direction is a function of
    seed, epoch and row.

    References
    ----------
    Rifai, Vincent, Muller, Glorot and Bengio, "Contractive auto-encoders: explicit invariance during feature
    extraction", ICML 2011.
    """
    network, params, batch = step.network, step.params, step.batch
    matrix = network.encoder_matrix(params)
    if matrix is not None and _by_unit(network.code_activation):
        slopes = jax.jvp(network.activate_code, (output.pre_code,), (jnp.ones_like(output.pre_code),))[1]
        closed: Array = slopes**2 @ jnp.sum(matrix**2, axis=0)
        return closed

    def encoded(x: Array) -> Array:
        pre_code = network.encode(params, x, batch.row, step.noise, batch.condition)
        code: Array = network.activate_code(pre_code)
        return code

    def squared(derivative: Array) -> Array:
        return jnp.sum(derivative**2, axis=1)

    n_units, n_features, dtype = network.n_components, network.n_features, step.x.dtype
    if n_features < min(n_units, _EXACT + 1) and not network.reverse_only:
        return _summed(n_features, step.x, lambda each: squared(jax.jvp(encoded, (step.x,), (each,))[1]))
    code, pull = jax.vjp(encoded, step.x)
    if n_units <= _EXACT:
        return _summed(n_units, code, lambda each: squared(pull(each)[0]))
    return squared(pull(_signs(batch.row, step.noise, n_units).astype(dtype))[0])


def _summed(width: int, like: Array, squares_along: Callable[[Array], Array]) -> Array:
    """Return the sum of a function of directions (B, width) over the axes, the same for all rows."""
    axes = jnp.eye(width, dtype=like.dtype)
    return jnp.sum(jax.vmap(lambda axis: squares_along(jnp.broadcast_to(axis, like.shape)))(axes), axis=0)


def _signs(row: Array, noise: Noise | None, n_units: int) -> Array:
    """Return 1 or -1 for each row and unit, (B, K)."""
    seed, epoch = _FIXED if noise is None else noise
    key = jnp.asarray(seed) ^ mix(epoch + jnp.uint32(_STREAM))
    bits = cell_bits(key, row, jnp.arange(n_units, dtype=jnp.uint32))
    return jnp.where(bits >> 31, 1.0, -1.0)


@functools.lru_cache(maxsize=64)
def _by_unit(activation: str | Function) -> bool:
    """Return whether an activation computes each unit from itself alone; a softmax does not."""
    with jax.ensure_compile_time_eval():
        points = jnp.asarray([[-1.5, -0.4, 0.3, 1.1]])
        slopes = np.asarray(jax.jacobian(function_of(activation))(points))[0, :, 0, :]
    return bool(np.all(slopes[~np.eye(len(slopes), dtype=bool)] == 0))


# The paper's loss is a sum over the cells of a row.
CONTRACTIVE = Penalty(contractive, weight=0.1, loss_reduction="sum", of_scale=True, differentiates=True)
