import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.sparse import csr_matrix

from isthmus.engine.slicing import Lengths, SparseLayout, sliced_batches
from isthmus.networks.sparse_rows import SparseRows, multiplied


def matrix(n=9, m=31):
    rng = np.random.default_rng(0)
    cells = rng.normal(size=(n, m)) * (rng.random((n, m)) < 0.3)
    cells[2] = 0
    cells[4] = rng.normal(size=m)  # more cells than a first piece has
    return cells.astype(np.float32)


def sparse(cells, first=8, more=8):
    layout = SparseLayout(Lengths(first, more), Lengths(first, more), 0)
    return jax.tree.map(lambda leaf: leaf[0], sliced_batches([csr_matrix(cells)], len(cells), 1, layout))


@pytest.mark.parametrize("first", [0, 4, 32])
def test_products_and_their_gradients(first):
    cells, offset = matrix(), np.linspace(-1, 1, 31, dtype=np.float32)
    x = SparseRows(*sparse(cells, first), jnp.asarray(offset))
    weights = np.random.default_rng(1).normal(size=(31, 5)).astype(np.float32)
    np.testing.assert_allclose(x @ jnp.asarray(weights), (cells - offset) @ weights, 1e-5, 1e-5)
    found = jax.grad(lambda w: jnp.sum(jnp.sin(x @ w)))(jnp.asarray(weights))
    expected = (cells - offset).T @ np.cos((cells - offset) @ weights)
    np.testing.assert_allclose(found, expected, 1e-4, 1e-4)


def test_a_row_is_subtracted_from_every_row():
    cells, bias = matrix(), np.arange(31, dtype=np.float32)
    x = SparseRows(*sparse(cells), jnp.zeros(31)) - jnp.asarray(bias)
    np.testing.assert_allclose(x @ jnp.eye(31), cells - bias, 1e-5, 1e-5)
    assert len(x) == 9


@pytest.mark.parametrize("weights", [None, np.linspace(0, 2, 31, dtype=np.float32)])
def test_squares(weights):
    cells = matrix()
    x = SparseRows(*sparse(cells), jnp.ones(31))
    expected = (cells**2 if weights is None else cells**2 * weights).sum(axis=1)
    np.testing.assert_allclose(x.squares(None if weights is None else jnp.asarray(weights)), expected, 1e-5)


def test_no_further_pieces():
    cells = matrix()
    np.testing.assert_allclose(multiplied(sparse(cells, 32, 0)[0], jnp.eye(31)), cells, 1e-6)
