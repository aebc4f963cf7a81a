import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax

from isthmus.networks.convolutional import Convolutional
from isthmus.networks.dense import Dense
from isthmus.networks.variational import VARIATIONAL, VariationalConvolutional, VariationalDense

rng = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("network", "plain"),
    [
        (VariationalDense(6, 3, (5,), (5,)), Dense(6, 3, (5,), (5,))),
        (VariationalDense(6, 3, indicator=True), Dense(6, 3, indicator=True)),
        (VariationalDense(6, 3, (5,), (5,), precision="bfloat16"), Dense(6, 3, (5,), (5,), precision="bfloat16")),
        (VariationalConvolutional((6, 6, 1), 3, (4,)), Convolutional((6, 6, 1), 3, (4,))),
    ],
    ids=["dense", "one layer", "bfloat16", "convolutional"],
)
def test_means_and_outputs_are_those_of_the_plain_network(network, plain):
    params, x = network.init(1), jnp.asarray(rng.normal(size=(4, network.n_features)), jnp.float32)
    mask = (x > 1).astype(x.dtype) if network.indicator else None
    shared = plain.init(1)
    assert_array_equal(network.encode(params, x, condition=mask), plain.encode(shared, x, condition=mask))
    code = network.encode(params, x)
    assert_array_equal(network.decode(params, code), plain.decode(shared, code))
    mean, log_variance = network.posterior(params, x)
    assert_array_equal(log_variance, np.zeros((4, 3)))
    assert_array_equal(mean, code)
    both = type(network)(**{**vars(network), "spread": True}).encode(params, x)
    assert_array_equal(both, np.concatenate([mean, np.ones((4, 3))], axis=1))


def test_conditions_are_no_part_of_the_mean_output():
    network = VariationalConvolutional((4, 3, 2), 2, (3, 5), conditions=(0, 7, 26), output_activation="sigmoid")
    plain = Convolutional((4, 3, 2), 2, (3, 5), output_activation="sigmoid")
    mean = np.random.default_rng(0).uniform(0.1, 0.9, size=24)
    found = network.with_mean_output(network.init(0), np.insert(mean, (0, 6, 24), 50.0))
    expected = plain.with_mean_output(plain.init(0), mean)
    np.testing.assert_array_equal(found["decoder"][-1]["bias"], expected["decoder"][-1]["bias"])


def test_units_move_with_their_variances():
    network = VariationalDense(6, 3, (5,), (5,))
    params = network.init(0)
    params["spread"] = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), params["spread"])
    x = jnp.asarray(rng.normal(size=(4, 6)), jnp.float32)
    order, signs = np.array([2, 0, 1]), np.array([1, -1, 1], np.float32)
    moved = network.reordered(params, order, signs)
    for one, other, sign in zip(network.posterior(params, x), network.posterior(moved, x), (signs, 1), strict=True):
        assert_allclose(other, np.asarray(one)[:, order] * sign, rtol=1e-6)
    code = network.encode(params, x)
    assert_allclose(network.decode(moved, code[:, order] * signs), network.decode(params, code), rtol=1e-5, atol=1e-6)


def test_counts_are_shares_of_their_sum():
    network = VariationalDense(5, 2, (4,), (4,), counts=True)
    params, x = network.init(0), jnp.asarray(rng.poisson(3, (6, 5)), jnp.float32)
    code, context = network.encode(params, x), network.context(x)
    assert_allclose(context[:, 0], np.log(x.sum(axis=1)), rtol=1e-6)
    output = network.decode(params, jnp.concatenate([code, context], axis=1))
    assert_allclose(network.activate_output(output).sum(axis=1), x.sum(axis=1), rtol=1e-5)
    plain = Dense(5, 2, (4,), (4,)).decode(params, code)
    assert_allclose(output, log_softmax(plain, axis=1) + context, rtol=1e-5, atol=1e-5)
    params["context"] = np.array([2.0], np.float32)
    assert_allclose(np.exp(network.decode(params, code)).sum(axis=1), np.exp(2.0), rtol=1e-5)
    params["likelihood"] = {"zero_logit": np.zeros(5, np.float32)}
    assert_allclose(np.exp(network.decode(params, code)).sum(axis=1), np.exp(2.0) / 2, rtol=1e-5)


@pytest.mark.parametrize(
    "network",
    [
        VariationalDense(5, 2, (4,), (4,), categories=((3, 5),), conditions=(3, 4)),
        VariationalConvolutional((1, 3, 1), 2, (4,), categories=((3, 5),), conditions=(3, 4)),
    ],
    ids=["dense", "convolutional"],
)
def test_conditions_reach_the_decoder_and_come_back_as_they_were(network):
    params, x = network.init(0), np.abs(rng.normal(size=(6, 5))).astype(np.float32)
    x[:, 3:] = np.eye(2)[[0, 1, 0, 1, 1, 0]]
    code, context = network.encode(params, x), network.context(jnp.asarray(x))
    assert_array_equal(context, x[:, 3:])
    rows = network.activate_output(network.decode(params, jnp.concatenate([code, context], axis=1)))
    assert_allclose(rows[:, 3:], x[:, 3:], atol=1e-5)
    other = network.activate_output(network.decode(params, jnp.concatenate([code, 1 - context], axis=1)))
    assert (np.abs(other - rows)[:, :3] > 1e-4).all()
    moved = np.concatenate([x[:, :3], 1 - x[:, 3:]], axis=1)
    assert (np.abs(network.encode(params, moved) - code) > 1e-5).all()


def test_conditions_of_pictures_are_biases_of_the_plain_network():
    network = VariationalConvolutional((4, 3, 2), 2, (3, 5), conditions=(0, 7, 26))
    plain = Convolutional((4, 3, 2), 2, (3, 5))
    params, x = network.init(0), rng.normal(size=(4, 27)).astype(np.float32)
    code, context = network.encode(params, x), network.context(jnp.asarray(x))
    rows = network.decode(params, jnp.concatenate([code, context], axis=1))
    pixels = np.delete(np.arange(27), [0, 7, 26])
    for number, given in enumerate(np.asarray(context)):
        own = {"encoder": [dict(layer) for layer in params["encoder"]]}
        own["decoder"] = [dict(layer) for layer in params["decoder"]]
        own["encoder"][0]["bias"] = own["encoder"][0]["bias"] + given @ params["encoder_conditioned"]
        own["decoder"][0]["bias"] = own["decoder"][0]["bias"] + given @ params["conditioned"]
        expected = plain.encode(own, x[number : number + 1, pixels])
        assert_allclose(code[number : number + 1], expected, rtol=1e-5, atol=1e-6)
        assert_allclose(rows[number, pixels], plain.decode(own, expected)[0], rtol=1e-4, atol=1e-5)
        assert_array_equal(rows[number, [0, 7, 26]], x[number, [0, 7, 26]])


def test_every_family_has_a_variational_network():
    assert list(VARIATIONAL) == ["dense", "convolutional"]
