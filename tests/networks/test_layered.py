import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from isthmus.networks.convolutional import Convolutional
from isthmus.networks.dense import Dense
from isthmus.networks.layered import with_layer

rng = np.random.default_rng(0)
NETWORKS = [Dense(6, 3, (5,), (5,)), Dense(6, 3, (5,), (5,), tied=True), Convolutional((4, 4, 1), 3, (2,))]


@pytest.mark.parametrize("network", NETWORKS, ids=["dense", "tied", "convolutional"])
def test_codes_are_shifted_and_scaled_by_the_last_layer(network):
    params, x = network.init(1), jnp.asarray(rng.normal(size=(4, network.n_features)), jnp.float32)
    shift, scale = np.array([0.5, -1.0, 2.0]), np.array([2.0, 0.5, 3.0])
    found = network.encode(network.with_codes_scaled(params, shift, scale), x)
    assert_allclose(found, (np.asarray(network.encode(params, x)) - shift) / scale, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("network", NETWORKS, ids=["dense", "tied", "convolutional"])
def test_units_in_another_order_compute_the_same(network):
    params, x = network.init(1), jnp.asarray(rng.normal(size=(4, network.n_features)), jnp.float32)
    order, signs = np.array([2, 0, 1]), np.array([1, -1, 1], np.float32)
    moved, code = network.reordered(params, order, signs), np.asarray(network.encode(params, x))
    assert_allclose(network.encode(moved, x), code[:, order] * signs, rtol=1e-5, atol=1e-6)
    rebuilt = network.decode(params, jnp.asarray(code))
    assert_allclose(network.decode(moved, network.encode(moved, x)), rebuilt, rtol=1e-4, atol=1e-5)


def test_one_layer_is_replaced_in_a_copy():
    params = NETWORKS[0].init(1)
    before = params["decoder"][-1]["bias"].copy()
    other = with_layer(params, "decoder", -1, {"bias": before + 1})
    assert_array_equal(params["decoder"][-1]["bias"], before)
    assert_array_equal(other["decoder"][-1]["bias"], before + 1)
    assert other["decoder"][-1]["weight"] is params["decoder"][-1]["weight"]
    assert other["decoder"][0] is params["decoder"][0]
