import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit

from isthmus.core.errors import InvalidParameterError
from isthmus.networks.custom import Custom


def linear(n_features, n_components, key):
    one, other = jax.random.split(key)
    return eqx.nn.Linear(n_features, n_components, key=one), eqx.nn.MLP(n_components, n_features, 7, 1, key=other)


def module(scale):
    class Scaled(eqx.Module):
        weight: jax.Array
        times: int = eqx.field(static=True)

        def __call__(self, x):
            return self.weight @ x * self.times

    return lambda n_features, n_components, key: (
        Scaled(jnp.ones((n_components, n_features)), scale),
        Scaled(jnp.ones((n_features, n_components)), scale),
    )


@pytest.fixture(scope="module")
def network():
    return Custom(linear, 5, 2, "tanh", "sigmoid")


def test_it_computes_row_by_row_what_the_modules_do(network):
    x = np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32)
    params = network.init(3)
    encoder, decoder = linear(5, 2, jax.random.key(3))
    pre_code = network.encode(params, x)
    assert_allclose(pre_code, x @ np.asarray(encoder.weight).T + np.asarray(encoder.bias), rtol=1e-5, atol=1e-6)
    code = network.activate_code(pre_code)
    assert_allclose(code, np.tanh(pre_code), rtol=1e-5)
    pre_output = network.decode(params, code)
    assert_allclose(pre_output, np.stack([decoder(row) for row in code]), rtol=1e-5, atol=1e-6)
    assert_allclose(network.activate_output(pre_output), expit(np.asarray(pre_output)), rtol=1e-5)


def test_parameters_are_drawn_by_seed(network):
    leaves = jax.tree.leaves(network.init(1))
    assert len(leaves) == 6
    assert all(isinstance(leaf, np.ndarray) and leaf.dtype == np.float32 for leaf in leaves)
    for one, same in zip(leaves, jax.tree.leaves(network.init(1)), strict=True):
        assert_array_equal(one, same)
    assert any((a != b).any() for a, b in zip(leaves, jax.tree.leaves(network.init(2)), strict=True))


def test_equal_networks_are_one(network):
    assert network == Custom(linear, 5, 2, "tanh", "sigmoid")
    assert hash(network) == hash(Custom(linear, 5, 2, "tanh", "sigmoid"))
    assert network != Custom(linear, 5, 3, "tanh", "sigmoid")


def test_static_fields_are_kept():
    network = Custom(module(3), 4, 2)
    x = np.ones((1, 4), np.float32)
    assert_allclose(network.encode(network.init(0), x), [[12, 12]])


def test_float64_parameters():
    network = Custom(linear, 5, 2, precision="float64")
    assert network.dtype == np.float64
    assert {leaf.dtype for leaf in jax.tree.leaves(network.init(0))} == {np.dtype(np.float64)}
    with jax.enable_x64(True):
        assert network.encode(network.init(0), np.zeros((2, 5))).dtype == np.float64


def silent(x):
    raise ValueError


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        (lambda n, k, key: eqx.nn.Linear(n, k, key=key), r"must return a pair of callables, \(encoder, decoder\)"),
        (lambda n, k, key: (1, 2), "must return a pair of callables"),
        (lambda n, k, key: (eqx.nn.Linear(n, k + 1, key=key),) * 2, r"encoder returns shape \(3,\), not \(2,\)"),
        (lambda n, k, key: (eqx.nn.Linear(n + 1, k, key=key),) * 2, "encoder cannot take a row of 5 values: .+"),
        (lambda n, k, key: (lambda x: x[:k], lambda x: x), r"decoder returns shape \(2,\), not \(5,\)"),
        (lambda n, k, key: (silent, silent), "encoder cannot take a row of 5 values: ValueError$"),
    ],
)
def test_refused_factories(factory, said):
    with pytest.raises(InvalidParameterError, match=f"^network(?:'s)? {said}") as caught:
        Custom(factory, 5, 2)
    assert "\n" not in str(caught.value)


def with_closures(n_features, n_components, key):
    """Modules whose functions are new at each call, so that no two structures compare equal."""

    def scaled(by):
        return jax.tree_util.Partial(lambda weight, x: by * (weight @ x), jax.random.normal(key, (n_components, 5)))

    return scaled(2.0), eqx.nn.Sequential(
        [eqx.nn.Linear(n_components, n_features, key=key), eqx.nn.Lambda(lambda x: x + 1)]
    )


def test_new_functions_are_the_same_network():
    network = Custom(with_closures, 5, 2)
    x = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    params = network.init(7)
    encoder, decoder = with_closures(5, 2, jax.random.key(7))
    code = network.encode(params, x)
    assert_allclose(code, np.stack([encoder(row) for row in x]), rtol=1e-6)
    assert_allclose(network.decode(params, code), np.stack([decoder(row) for row in code]), rtol=1e-6)
