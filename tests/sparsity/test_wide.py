import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from isthmus.sparsity.ranking import keep_top
from isthmus.sparsity.wide import decode_top, encode_top

rng = np.random.default_rng(0)
X, ENCODER, BIAS = rng.normal(size=(7, 5)), rng.normal(size=(5, 12)), rng.normal(size=12)
DECODER, PULL = rng.normal(size=(12, 4)), rng.normal(size=(7, 4))


def dense(x, encoder, bias, decoder, k):
    return keep_top(jax.nn.relu(x @ encoder + bias), k) @ decoder


def sparse(x, encoder, bias, decoder, k):
    return decode_top(*encode_top(x, encoder, bias, k), decoder)


# The last has rows with fewer than k units above 0, and units that are never selected.
@pytest.mark.parametrize("bias", [BIAS, BIAS - 3, np.where(np.arange(12) % 3, BIAS - 1, -np.inf)])
@pytest.mark.parametrize("k", [1, 4, 12])
def test_values_and_gradients_are_those_of_dense_products(k, bias):
    with jax.enable_x64(True):
        both = [
            jax.jit(jax.value_and_grad(lambda *args, f=f: jnp.vdot(PULL, f(*args, k)), argnums=(0, 1, 2, 3)))(
                X, ENCODER, bias, DECODER
            )
            for f in (sparse, dense)
        ]
        assert_allclose(sparse(X, ENCODER, bias, DECODER, k), dense(X, ENCODER, bias, DECODER, k), atol=1e-12)
    jax.tree.map(lambda a, b: assert_allclose(a, b, atol=1e-12), *both)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(both))


def test_active_units_largest_first():
    code = encode_top(X, ENCODER, BIAS, 3)
    pre_code = np.maximum(X @ ENCODER + BIAS, 0)
    columns = np.argsort(-pre_code, axis=1, kind="stable")[:, :3]
    assert_array_equal(
        np.where(np.asarray(code.values) > 0, code.units, -1),
        np.where(np.take_along_axis(pre_code, columns, axis=1) > 0, columns, -1),
    )
    assert_allclose(code.values, np.take_along_axis(pre_code, columns, axis=1), rtol=1e-5, atol=1e-6)


def test_repeated_units_are_added():
    values, units = np.array([[1.0, 2.0]]), np.array([[3, 3]])
    with jax.enable_x64(True):
        assert_allclose(decode_top(values, units, DECODER)[0], 3 * DECODER[3])
        gradient = jax.grad(lambda weight: decode_top(values, units, weight).sum())(jnp.asarray(DECODER))
    assert_array_equal(gradient, 3 * (np.arange(12) == 3)[:, None] * np.ones(4))
