import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from isthmus.networks.convolutional import Convolutional

rng = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(8, 8, 1), (7, 5, 3), (1, 9, 1), (1, 1, 1)])
@pytest.mark.parametrize("channels", [(), (4,), (4, 6)])
def test_images_of_any_size(shape, channels):
    network = Convolutional(shape, 3, channels)
    params = network.init(0)
    x = rng.normal(size=(5, network.n_features)).astype(np.float32)
    code = network.encode(params, x)
    assert code.shape == (5, 3)
    assert network.decode(params, code).shape == x.shape
    assert jax.tree.structure(params) == jax.tree.structure(network.init(1))


def test_without_levels_it_is_one_dense_layer():
    network = Convolutional((2, 3, 1), 2, ())
    params, x = network.init(0), rng.normal(size=(4, 6)).astype(np.float32)
    layer = params["encoder"][0]
    assert_allclose(network.encode(params, x), x @ layer["weight"] + layer["bias"], rtol=1e-5)


@pytest.mark.slow
def test_gradients_equal_finite_differences():
    network = Convolutional((5, 4, 2), 2, (3, 4), activation="tanh", precision="float64")
    x = rng.normal(size=(3, 40))

    def loss(params):
        code = network.activate_code(network.encode(params, jnp.asarray(x)))
        return jnp.mean((network.decode(params, code) - x) ** 2)

    with jax.enable_x64(True):
        leaves, tree = jax.tree.flatten(jax.tree.map(jnp.asarray, network.init(0)))
        found = jax.tree.leaves(jax.grad(loss)(tree.unflatten(leaves)))
        value = jax.jit(loss)
        for number, leaf in enumerate(leaves):
            place = np.unravel_index(np.abs(found[number]).argmax(), leaf.shape)
            ends = [
                float(value(tree.unflatten([*leaves[:number], leaf.at[place].add(side), *leaves[number + 1 :]])))
                for side in (1e-5, -1e-5)
            ]
            assert_allclose(found[number][place], (ends[0] - ends[1]) / 2e-5, rtol=1e-6)


def test_reordering_changes_the_code_and_not_the_network():
    network = Convolutional((6, 6, 1), 4, (3,))
    params, x = network.init(0), rng.normal(size=(3, 36)).astype(np.float32)
    order, signs = np.array([2, 0, 3, 1]), np.array([1, -1, 1, -1], np.float32)
    moved = network.reordered(params, order, signs)
    code = np.asarray(network.encode(params, x))
    assert_allclose(network.encode(moved, x), code[:, order] * signs, rtol=1e-5, atol=1e-6)
    again = network.decode(moved, network.encode(moved, x))
    assert_allclose(again, network.decode(params, code), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(7, 5, 3), (8, 8, 1)])
def test_the_output_can_start_at_the_mean_of_each_channel(shape):
    network = Convolutional(shape, 3, (4, 6), output_activation="sigmoid")
    mean = rng.uniform(0.05, 0.3, size=shape)
    params = network.init(0)
    silent = [{**layer, "weight": 0 * layer["weight"]} for layer in params["decoder"]]
    started = network.with_mean_output({**params, "decoder": silent}, mean.ravel())
    output = network.activate_output(network.decode(started, rng.normal(size=(2, 3)).astype(np.float32)))
    expected = np.broadcast_to(mean.mean(axis=(0, 1)), (2, *shape))
    assert_allclose(np.asarray(output).reshape(expected.shape), expected, rtol=1e-5)


def test_the_bias_of_black_or_white_pictures_is_finite():
    network = Convolutional((4, 4, 1), 2, (3,), output_activation="sigmoid")
    for value in (0.0, 1.0):
        assert np.isfinite(network.with_mean_output(network.init(0), np.full(16, value))["decoder"][-1]["bias"]).all()


def test_what_starts_at_the_mean():
    assert Convolutional((4, 4, 1), 2, (3,), output_activation="sigmoid").starts_at_mean
    assert not Convolutional((4, 4, 1), 2, (), output_activation="sigmoid").starts_at_mean  # each pixel has a bias
    assert not Convolutional((4, 4, 1), 2, (3,)).starts_at_mean
