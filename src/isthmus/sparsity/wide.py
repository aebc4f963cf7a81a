"""A code layer so wide that its k active units are a sliver: select exactly, decode and differentiate those alone.

A dense decoder and both weights' gradients spend their products on zeros. Here the decoder adds up k rows for each
input, and a gradient is added into the rows of the units that were awake.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from isthmus.sparsity.ranking import top_k


class SparseCode(NamedTuple):
    """The awake units of each row."""

    values: Array  # (B, k), at least 0
    units: Array  # (B, k)


def _awake(x: Array, weight: Array, bias: Array, k: int) -> SparseCode:
    # relu only after the selection: it changes no order among those above 0, and a pass over all units is saved.
    values, units = top_k(x @ weight + bias, k)
    return SparseCode(jnp.maximum(values, 0), units)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def encode_top(x: Array, weight: Array, bias: Array, k: int) -> SparseCode:
    """Return the k largest of ``relu(x @ weight + bias)`` for rows x (B, H) and a matrix (H, K)."""
    return _awake(x, weight, bias, k)


def _encode_forward(x: Array, weight: Array, bias: Array, k: int) -> tuple[SparseCode, tuple[Array, Array, SparseCode]]:
    code = _awake(x, weight, bias, k)
    return code, (x, weight, code)


def _encode_backward(
    k: int, kept: tuple[Array, Array, SparseCode], cotangent: SparseCode
) -> tuple[Array, Array, Array]:
    x, weight, code = kept
    gradient = jnp.where(code.values > 0, cotangent.values, 0)
    size = weight.shape[1]
    at_weight = _rows_added(gradient, code.units, x, size).T
    at_bias = jnp.zeros(size, x.dtype).at[code.units.reshape(-1)].add(gradient.reshape(-1))
    # The transposed copy is made only where the layer below is trained: otherwise nothing asks for this gradient.
    return _rows_summed(gradient, code.units, weight.T), at_weight, at_bias


encode_top.defvjp(_encode_forward, _encode_backward)


@jax.custom_vjp
def decode_top(values: Array, units: Array, weight: Array) -> Array:
    """Return the sum of each row's units' rows of a matrix (K, H), times their values: (B, H)."""
    return _rows_summed(values, units, weight)


def _decode_forward(values: Array, units: Array, weight: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    return _rows_summed(values, units, weight), (values, units, weight)


def _decode_backward(kept: tuple[Array, Array, Array], cotangent: Array) -> tuple[Array, None, Array]:
    values, units, weight = kept
    at_values = jax.lax.map(lambda row: weight[row[1]] @ row[0], (cotangent, units))
    return at_values, None, _rows_added(values, units, cotangent, len(weight))


decode_top.defvjp(_decode_forward, _decode_backward)


def _rows_summed(values: Array, units: Array, weight: Array) -> Array:
    """Return ``sum_j values[:, j] * weight[units[:, j]]``; unit by unit, each a gather that fuses with its sum."""
    total = jnp.zeros((len(values), weight.shape[1]), weight.dtype)
    for place in range(values.shape[1]):
        total = total + values[:, place, None] * weight[units[:, place]]
    return total


def _rows_added(values: Array, units: Array, rows: Array, size: int) -> Array:
    """Return the (size, H) matrix whose row u is the sum of ``values[b, j] * rows[b]`` over all units[b, j] = u."""
    added = (values[:, :, None] * rows[:, None, :]).reshape(-1, rows.shape[1])
    return jnp.zeros((size, rows.shape[1]), rows.dtype).at[units.reshape(-1)].add(added)
