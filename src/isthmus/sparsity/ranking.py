"""Exact selection of the largest values, and wide codes of which the active units alone are computed with."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

# Below this width one pass of `lax.top_k` is as fast as two.
_LONG_ROW = 1024
_GROUP = 32


def top_k(values: Array, k: int) -> tuple[Array, Array]:
    """Return the k largest of each row (B, k) and their columns, largest first, ties by column: as `lax.top_k`.

    Long rows take two stages: the k groups of 32 columns with the largest maxima contain the k largest values, because
    each of these groups has a value that is larger than all of the other groups, or equal and in an earlier column.
    """
    rows, width = values.shape
    if width < _LONG_ROW or width % _GROUP or width < 2 * _GROUP * k:
        return jax.lax.top_k(values, k)
    grouped = values.reshape(rows, width // _GROUP, _GROUP)
    # Sorted, so that the first column is chosen among equal candidates.
    groups = jnp.sort(jax.lax.top_k(jnp.max(grouped, axis=2), k)[1], axis=1)
    candidates = jnp.take_along_axis(grouped, groups[:, :, None], axis=1).reshape(rows, k * _GROUP)
    largest, place = jax.lax.top_k(candidates, k)
    return largest, jnp.take_along_axis(groups, place // _GROUP, axis=1) * _GROUP + place % _GROUP


def keep_top(values: Array, k: int, rank: Array | None = None) -> Array:
    """Return values (B, K) with 0 for all but the k largest of each row, or the `rank` largest, traced and at most k.

    Only the values that are kept have gradients.
    """
    # Without the barrier XLA sorts whole rows to find the last of the k: 35 ms for 256 x 1,000 instead of 1.3.
    largest, columns = jax.lax.optimization_barrier(jax.lax.stop_gradient(top_k(values, k)))
    if rank is None:
        least, last = largest[:, -1:], columns[:, -1:]
    else:
        at = jnp.broadcast_to(rank.astype(jnp.int32) - 1, (len(values), 1))
        least, last = (jnp.take_along_axis(each, at, axis=1) for each in (largest, columns))
    # Of values equal to the last one kept, those in earlier columns are kept too.
    column = jnp.arange(values.shape[1], dtype=columns.dtype)
    kept = (values > least) | ((values == least) & (column <= last))
    return jnp.where(kept, values, 0)


def nth_largest(values: Array, n: Array, axis: int | None = None) -> Array:
    """Return the n-th largest value along an axis or of all, or the smallest if there are fewer; n is traced, >= 1.

    It is found bit by bit: the bits of floats, inverted for negative ones, are integers in the same order, and the
    result is the largest integer that at least n of them reach.
    """
    n = jnp.minimum(n, values.size if axis is None else values.shape[axis])
    bits, whole = (32, jnp.uint32) if values.dtype.itemsize == 4 else (64, jnp.uint64)
    raw = jax.lax.bitcast_convert_type(values, whole)
    top = whole(1) << whole(bits - 1)
    keys = jnp.where(raw & top != 0, ~raw, raw | top)

    def narrowed(step: Array, reached: Array) -> Array:
        trial = reached | (whole(1) << (bits - 1 - step).astype(whole))
        against = trial if axis is None else jnp.expand_dims(trial, axis)
        enough = jnp.sum(keys >= against, axis=axis, dtype=jnp.int32) >= n
        return jnp.where(enough, trial, reached)

    shape = () if axis is None else tuple(np.delete(values.shape, axis))
    key = jax.lax.fori_loop(0, bits, narrowed, jnp.zeros(shape, whole))
    return jax.lax.bitcast_convert_type(jnp.where(key & top != 0, key ^ top, ~key), values.dtype)


class SparseCode(NamedTuple):
    """The active units of each row of a wide code.

    With a dense decoder most products are with zeros. `decode_top` adds up k rows of the decoder for each input, and
    gradients are added to the rows of the active units.
    """

    values: Array  # (B, k), at least 0
    units: Array  # (B, k)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def encode_top(x: Array, weight: Array, bias: Array, k: int) -> SparseCode:
    """Return the k largest of ``relu(x @ weight + bias)`` for rows x (B, H) and a matrix (H, K)."""
    # relu after the selection: the order of values above 0 is the same, and a pass over all units is saved.
    values, units = top_k(x @ weight + bias, k)
    return SparseCode(jnp.maximum(values, 0), units)


def _encode_forward(x: Array, weight: Array, bias: Array, k: int) -> tuple[SparseCode, tuple[Array, Array, SparseCode]]:
    code = encode_top(x, weight, bias, k)
    return code, (x, weight, code)


def _encode_backward(k: int, kept: Any, cotangent: SparseCode) -> tuple[Array, Array, Array]:
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
