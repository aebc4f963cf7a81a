"""Rows that are mostly zeros, and outputs in factors: products and gradients touch only the cells that are not 0."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

# Cells of a row that are added at a time: one by one takes twice as long on a CPU (2,048 rows of 100 cells
# times a matrix of 288 columns, 16 instead of 32 ms).
UNROLLED = 4


class Slices(NamedTuple):
    """A sparse matrix (n, m), whose rows' cells are in pieces of fixed lengths; unused places have the value 0.

    Each row has one piece of its first cells, and rows with more cells have further pieces.
    """

    columns: Any  # (n, L) int32
    values: Any  # (n, L)
    more_columns: Any  # (E, M) int32
    more_values: Any  # (E, M)
    owners: Any  # (E,) int32, ascending: the row of each further piece


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class SparseRows:
    """Scaled rows (B, D): a sparse matrix minus an offset of each column.

    Parameters
    ----------
    cells : Slices
        The sparse matrix.
    transposed : Slices or None
        The same matrix transposed, (D, B), for gradients.
    offset : Array of shape (D,)
        What a zero is after scaling, times -1.
    """

    cells: Slices
    transposed: Slices | None
    offset: Array

    def __len__(self) -> int:
        return int(self.cells.columns.shape[0])

    @property
    def dtype(self) -> Any:
        """The type of the values."""
        return self.offset.dtype

    def __matmul__(self, matrix: Array) -> Array:
        """Return the product (B, R) with a matrix (D, R)."""
        return self.product(matrix) - self.offset @ matrix

    def __sub__(self, bias: Array) -> SparseRows:
        """Return the rows minus one row (D,)."""
        return replace(self, offset=self.offset + bias)

    def product(self, matrix: Array) -> Array:
        """Return the product of the sparse matrix alone, (B, R), with a matrix (D, R)."""
        return _product(self.cells, self.transposed, matrix)

    def squares(self, weights: Array | None) -> Array:
        """Return the sums of the sparse matrix's squared cells, (B,), each times the weight (D,) of its column."""

        def squared(columns: Array, values: Array) -> Array:
            cells = values**2
            return jnp.sum(cells if weights is None else cells * weights[columns], axis=1)

        cells = self.cells
        first = squared(cells.columns, cells.values)
        return first.at[cells.owners].add(squared(cells.more_columns, cells.more_values))


class Factored(NamedTuple):
    """Outputs (B, D) in factors: ``code @ matrix + bias``."""

    code: Array  # (B, R)
    matrix: Array  # (R, D)
    bias: Array  # (D,)


@jax.custom_vjp
def _product(cells: Slices, transposed: Slices | None, matrix: Array) -> Array:
    return multiplied(cells, matrix)


def _product_forward(cells: Slices, transposed: Slices | None, matrix: Array) -> Any:
    return multiplied(cells, matrix), transposed


def _product_backward(transposed: Slices, gradient: Array) -> Any:
    # The gradient as a product too: scattering each cell's share takes six times as long on a CPU.
    return None, None, multiplied(transposed, gradient)


_product.defvjp(_product_forward, _product_backward)


def multiplied(cells: Slices, matrix: Array) -> Array:
    """Return the product (n, R) of a sparse matrix (n, m) and a matrix (m, R)."""
    alone = not cells.columns.shape[1]
    more = _summed(cells.more_columns, cells.more_values, matrix)
    first = jnp.zeros((len(cells.columns), matrix.shape[1]), more.dtype)
    if not alone:
        first = _summed(cells.columns, cells.values, matrix)
    if not len(cells.owners):
        return first
    return first.at[cells.owners].add(more, mode="promise_in_bounds", indices_are_sorted=True)


def _summed(columns: Array, values: Array, matrix: Array) -> Array:
    """Return the sums (n, R) of rows of a matrix (m, R), given by their numbers (n, L), times values (n, L)."""

    def add(number: Array, total: Array) -> Array:
        for place in range(UNROLLED):
            here = number * UNROLLED + place
            rows = matrix.at[jax.lax.dynamic_index_in_dim(columns, here, 1, keepdims=False)]
            value = jax.lax.dynamic_index_in_dim(values, here, 1, keepdims=False)
            total = total + value[:, None] * rows.get(mode="promise_in_bounds")
        return total

    zeros = jnp.zeros((len(columns), matrix.shape[1]), jnp.result_type(values, matrix))
    total: Array = jax.lax.fori_loop(0, columns.shape[1] // UNROLLED, add, zeros)
    return total
