import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.sparse import random as random_matrix

from isthmus.core.types import Batch, Noise
from isthmus.data.sources import CsrSource
from isthmus.engine.slicing import layout_of, sliced_batches
from isthmus.losses.factored import squared_lengths
from isthmus.losses.reconstruction import Reconstruction
from isthmus.networks.dense import Dense
from isthmus.networks.sparse_rows import SparseRows

B, D = 24, 90


def both_forms(dtype):
    """Return the same rows as sparse ones and as an array; the last is padding."""
    cells = random_matrix(B - 1, D, 0.2, "csr", dtype, random_state=0)
    offset = np.random.default_rng(0).normal(size=D).astype(dtype)
    layout = layout_of(CsrSource(cells), B, cells.dtype.itemsize)
    pieces = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), sliced_batches([cells], B, 1, layout))
    dense = np.zeros((B, D), dtype)
    dense[:-1] = cells.toarray()
    return SparseRows(*pieces, jnp.asarray(offset)), jnp.asarray(dense - offset)


@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "settings",
    [
        {"linear_path": True, "dropout": 0.2, "tied": True},
        {"linear_path": True, "layer_norm": True},
        {"encoder_sizes": (), "decoder_sizes": (), "pre_bias": True},
    ],
)
def test_loss_and_gradients_of_sparse_rows_are_those_of_the_same_rows_made_dense(dtype, settings):
    with jax.enable_x64(dtype == "float64"):
        x, dense = both_forms(np.dtype(dtype))
        network = Dense(D, 3, precision=dtype, **{"encoder_sizes": (7,), "decoder_sizes": (7,), **settings})
        rng = np.random.default_rng(1)
        params = jax.tree.map(
            lambda leaf: jnp.asarray(leaf + 0.1 * rng.normal(size=leaf.shape), dtype), network.init(0)
        )
        weights = tuple(rng.uniform(0.1, 2, D)) if network.layer_norm else None
        reduction = "half_sum" if network.pre_bias else "mean"
        objective = Reconstruction(network, "mse", reduction, None, network.linear_path, True, feature_weights=weights)
        assert objective.takes_sparse_rows
        present = jnp.asarray(np.arange(B) < B - 1, dtype)
        numbers = jnp.zeros((B, 2), jnp.uint32).at[:, 0].set(jnp.arange(B, dtype=jnp.uint32))
        noise = Noise(jnp.zeros(2, jnp.uint32), jnp.uint32(1))
        scheduled = {"linear": jnp.asarray(0.7, dtype), "l2": jnp.asarray(0.01, dtype)}

        def loss(params, x):
            return objective(params, (), Batch(x, present, numbers), x, noise, scheduled)[0]

        found, expected = (jax.jit(jax.value_and_grad(loss))(params, rows) for rows in (x, dense))
        tol = 1e-9 if dtype == "float64" else 2e-5
        for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(one, other, tol, tol * float(jnp.abs(other).max()))
        rows = [np.asarray(objective.row_losses(params, Batch(x, present, numbers), {})) for x in (x, dense)]
        np.testing.assert_allclose(rows[0][:-1], rows[1][:-1], 10 * tol)


def test_squared_lengths():
    rng = np.random.default_rng(0)
    code, matrix = rng.normal(size=(5, 3)).astype("f"), rng.normal(size=(3, 8)).astype("f")
    np.testing.assert_allclose(squared_lengths(code, matrix), np.square(code @ matrix).sum(axis=1), 1e-5)


@pytest.mark.parametrize("change", [{"loss": "huber"}, {"network": "sigmoid"}, {"network": "bfloat16"}])
def test_what_needs_every_cell_takes_no_sparse_rows(change):
    networks = {"sigmoid": {"output_activation": "sigmoid"}, "bfloat16": {"precision": "bfloat16"}}
    network = Dense(D, 3, **networks.get(change.pop("network", ""), {}))
    assert not Reconstruction(network, **change).takes_sparse_rows
