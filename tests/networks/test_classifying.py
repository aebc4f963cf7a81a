import jax.numpy as jnp
import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from isthmus.core.random import Stream, key_words
from isthmus.core.types import Noise
from isthmus.networks.classifying import Classifying
from isthmus.networks.dense import Dense

rng = np.random.default_rng(0)
X = rng.normal(size=(5, 4)).astype(np.float32)


def test_logits_are_a_linear_map_of_the_code():
    network = Classifying(Dense(4, 3, code_activation="relu"), 2)
    params = {**network.body.init(0), **network.init(1)}
    code = np.maximum(np.asarray(network.body.encode(params, X)), 0)
    logits = np.asarray(network.encode(params, X))
    assert_allclose(logits, code @ params["head"]["weight"] + params["head"]["bias"], rtol=1e-5, atol=1e-6)
    probabilities = np.asarray(network.activate_code(jnp.asarray(logits)))
    assert_allclose(probabilities, np.exp(logits) / np.exp(logits).sum(1, keepdims=True), rtol=1e-5)
    assert (network.n_features, network.n_components, network.dtype) == (4, 2, np.float32)


def test_dropout_of_the_code_in_training_alone():
    network = Classifying(Dense(4, 200, dropout=0.5), 1)
    params = {**network.body.init(0), "head": {"weight": np.ones((200, 1), np.float32), "bias": np.zeros(1)}}
    params["encoder"][0] = {"weight": np.zeros((4, 200), np.float32), "bias": np.ones(200, np.float32)}
    rows = jnp.stack([jnp.arange(5, dtype=jnp.uint32)] * 2, axis=1)
    dropped = np.asarray(network.encode(params, X, rows, Noise(key_words(0, Stream.NOISE), np.uint32(1))))[:, 0]
    assert_array_equal(np.asarray(network.encode(params, X))[:, 0], 200)
    assert len(set(dropped)) > 1
    assert_allclose(dropped.mean(), 200, rtol=0.1)
