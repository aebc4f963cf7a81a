"""Wide codes with few active units: exact selection, and decoding and gradients of the active units alone.

With a dense decoder most products are with zeros. Here the decoder adds up k rows for each input, and gradients are
added to the rows of the active units.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from isthmus.sparsity.ranking import top_k


class SparseCode(NamedTuple):
    """The active units of each row."""

    values: Array  # (B, k), at least 0
    units: Array  # (B, k)


def _active(x: Array, weight: Array, bias: Array, k: int) -> SparseCode:
    # relu after the selection: the order of values above 0 is the same, and a pass over all units is saved.
    values, units = top_k(x @ weight + bias, k)
    return SparseCode(jnp.maximum(values, 0), units)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def encode_top(x: Array, weight: Array, bias: Array, k: int) -> SparseCode:
    """Return the k largest of ``relu(x @ weight + bias)`` for rows x (B, H) and a matrix (H, K)."""
    return _active(x, weight, bias, k)


def _encode_forward(x: Array, weight: Array, bias: Array, k: int) -> tuple[SparseCode, tuple[Array, Array, SparseCode]]:
    code = _active(x, weight, bias, k)
    return code, (x, weight, code)


def _encode_backward(
    k: int, kept: tuple[Array, Array, SparseCode], cotangent: SparseCode
) -> tuple[Array, Array, Array]:
    x, weight, code = kept
    gradient = jnp.where(code.values > 0, cotangent.values, 0)
    size = weight.shape[1]
    at_weight = _rows_added(gradient, code.units, x, size).T
    at_bias = jnp.zeros(size, x.dtype).at[code.units.reshape(-1)].add(gradient.reshape(-1))
    # The transposed copy is made only if the layer below is trained: otherwise this gradient is not used.
    return _rows_summed(gradient, code.units, weight.T), at_weight, at_bias


encode_top.defvjp(_encode_forward, _encode_backward)


@jax.custom_vjp
def decode_top(values: Array, units: Array, weight: Array) -> Array:
    """Return ``sum_j values[:, j] * weight[units[:, j]]`` (B, H) for a matrix (K, H)."""
    return _rows_summed(values, units, weight)


def _decode_forward(values: Array, units: Array, weight: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    return _rows_summed(values, units, weight), (values, units, weight)


def _decode_backward(kept: tuple[Array, Array, Array], cotangent: Array) -> tuple[Array, None, Array]:
    values, units, weight = kept
    at_values = jax.lax.map(lambda row: weight[row[1]] @ row[0], (cotangent, units))
    return at_values, None, _rows_added(values, units, cotangent, len(weight))


decode_top.defvjp(_decode_forward, _decode_backward)


def _rows_summed(values: Array, units: Array, weight: Array) -> Array:
    """Return what `decode_top` does; unit by unit, each a gather that fuses with its sum."""
    total = jnp.zeros((len(values), weight.shape[1]), weight.dtype)
    for place in range(values.shape[1]):
        total = total + values[:, place, None] * weight[units[:, place]]
    return total


def _rows_added(values: Array, units: Array, rows: Array, size: int) -> Array:
    """Return the (size, H) matrix whose row u is the sum of ``values[b, j] * rows[b]`` over all units[b, j] = u."""
    added = (values[:, :, None] * rows[:, None, :]).reshape(-1, rows.shape[1])
    return jnp.zeros((size, rows.shape[1]), rows.dtype).at[units.reshape(-1)].add(added)
