import jax
import jax.numpy as jnp
import numpy as np
import pytest

from isthmus.core.random import Stream, key_words
from isthmus.core.types import Noise
from isthmus.engine.gaussian import Gaussian, _expectation, factors
from isthmus.networks.mixed import Mixed


@pytest.fixture(scope="module")
def started():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(5, 5))
    gaussian = Gaussian(rng.normal(size=5) * 0.1, mixing @ mixing.T / 5 + 0.2 * np.eye(5))
    directions, noise = factors(gaussian, 10)
    network = Mixed((0, 3, 0), 4, (8, 6), len(directions), dropout=0.5)
    center, scale = np.array([0, 0.2, 0.5, 0.3, 0]), np.array([1, 0.4, 0.5, 0.45, 1])
    start = {"center": center, "scale": scale, "mean": gaussian.mean, "factors": directions, "noise": np.array(noise)}
    return network, network.init(0, start), gaussian


ROWS = np.array([[0.3, 2, -1.0], [0.0, 1, 0.5], [0.7, 0, 0.0]], np.float32)
MISSING = np.array([[0, 1, 0], [1, 0, 1], [0, 0, 0]], np.float32)


def widened(network, params):
    wide = np.array([[0.3, 0, 0, 1, -1], [0, 0, 1, 0, 0.5], [0.7, 1, 0, 0, 0]])
    missing = MISSING[:, network.wide_of] > 0
    start = params["start"]
    return np.where(missing, np.nan, (wide - start["center"]) / start["scale"])


def test_it_starts_at_the_conditional_mean(started):
    network, params, gaussian = started
    expected = _expectation(gaussian, widened(network, params))[0] * params["start"]["scale"]
    expected += params["start"]["center"]
    output = jax.jit(network.fill)(params, jnp.asarray(ROWS), jnp.asarray(MISSING))
    np.testing.assert_allclose(output.reconstruction[:, [0, 2]], expected[:, [0, 4]], atol=1e-5)
    share = np.clip(expected[:, 1:4], 1e-3, 1)
    probabilities = np.exp(output.logits[0])
    np.testing.assert_allclose(probabilities, share / share.sum(axis=1, keepdims=True), atol=1e-5)


def test_the_value_of_a_missing_cell_has_no_effect(started):
    network, params, _ = started
    other = np.where(MISSING > 0, 1 - ROWS, ROWS)
    here, there = (jax.jit(network.fill)(params, jnp.asarray(rows), jnp.asarray(MISSING)) for rows in (ROWS, other))
    np.testing.assert_array_equal(here.reconstruction, there.reconstruction)
    np.testing.assert_array_equal(here.logits[0], there.logits[0])


def test_dropout_in_training_alone_and_by_row(started):
    network, params, _ = started
    params = {**params, "decoder": [{k: v + 0.1 for k, v in layer.items()} for layer in params["decoder"]]}
    rows = jnp.stack([jnp.arange(3, dtype=jnp.uint32), jnp.zeros(3, jnp.uint32)], axis=1)
    noise = Noise(jnp.asarray(key_words(0, Stream.NOISE)), jnp.uint32(1))
    plain = jax.jit(network.fill)(params, jnp.asarray(ROWS), jnp.asarray(MISSING), rows)
    dropped = jax.jit(network.fill)(params, jnp.asarray(ROWS), jnp.asarray(MISSING), rows, noise)
    alone = jax.jit(network.fill)(params, jnp.asarray(ROWS[1:2]), jnp.asarray(MISSING[1:2]), rows[1:2], noise)
    assert np.abs(dropped.reconstruction - plain.reconstruction).max() > 1e-3
    np.testing.assert_allclose(alone.reconstruction[0], dropped.reconstruction[1], rtol=1e-4, atol=1e-5)


def test_shapes(started):
    network, params, _ = started
    assert params["embeddings"][0].shape == (3, 2)
    assert [layer["weight"].shape for layer in params["encoder"]] == [(7, 8), (8, 6), (6, 4)]
    assert [layer["weight"].shape for layer in params["decoder"]] == [(4, 6), (6, 8), (8, 5)]
    assert network.wide_of.tolist() == [0, 1, 1, 1, 2]
