"""The squared error of outputs in factors, without computing one of them."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from isthmus.networks.sparse_rows import SparseRows


class SquaredErrors(NamedTuple):
    """The squared errors of rows whose outputs share one matrix and bias.

    With the row's sparse cells s and ``u V`` for its output, the offset of the cells in it, a row's sum is
    ``u V V' u' - 2 u V s' + s s'``: the first product needs V alone, and the others only the cells that are not 0.
    """

    gram: Array  # (R + 1, R + 1)
    joint: Array  # (B, R + 1)
    own: Array  # (B,)

    @classmethod
    def of(cls, matrix: Array, bias: Array, x: SparseRows, weights: Array | None) -> SquaredErrors:
        """Return the errors of rows, each column's times its weight (D,)."""
        whole = jnp.concatenate([matrix, (bias + x.offset)[None]])
        joint = x.product((whole if weights is None else whole * weights).T)
        return cls(_gram(whole if weights is None else whole * jnp.sqrt(weights)), joint, x.squares(weights))

    def of_last(self, n: int) -> SquaredErrors:
        """Return the errors of outputs that are products with the matrix's last rows alone."""
        return SquaredErrors(self.gram[-n - 1 :, -n - 1 :], self.joint[:, -n - 1 :], self.own)

    def sums(self, code: Array) -> Array:
        """Return the sum over each row's cells (B,) for ``code @ matrix + bias``, a code (B, R)."""
        code = jnp.concatenate([code, jnp.ones_like(code[:, :1])], axis=1)
        return jnp.sum((code @ self.gram) * code, axis=1) - 2 * jnp.sum(code * self.joint, axis=1) + self.own


def squared_lengths(code: Array, matrix: Array) -> Array:
    """Return the sums of squares of each row of ``code @ matrix``, (B,), for factors (B, R) and (R, D)."""
    return jnp.sum((code @ _gram(matrix)) * code, axis=1)


@jax.custom_vjp
def _gram(matrix: Array) -> Array:
    return matrix @ matrix.T


def _gram_backward(matrix: Array, gradient: Array) -> tuple[Array]:
    # One product: differentiation would compute two.
    return ((gradient + gradient.T) @ matrix,)


_gram.defvjp(lambda matrix: (matrix @ matrix.T, matrix), _gram_backward)
