import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from isthmus.networks.draws import draw_bias, draw_layer
from isthmus.networks.initializers import INITIALIZERS

FAN_IN, FAN_OUT = 300, 200
# The variance of a unit normal truncated at 2: 1 - 4 phi(2) / (2 Phi(2) - 1).
CUT_VARIANCE = 0.7737413
VARIANCES = {
    "glorot": 2 / (FAN_IN + FAN_OUT),
    "he": 2 / FAN_IN,
    "lecun": 1 / FAN_IN,
    "orthogonal": 1 / FAN_IN,
    "truncated_normal": CUT_VARIANCE,
}


def drawn(name, fan_in=FAN_IN, fan_out=FAN_OUT, seed=0):
    return INITIALIZERS[name](np.random.default_rng(seed), fan_in, fan_out)


def test_every_initializer_has_a_formula():
    assert set(VARIANCES) == set(INITIALIZERS)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_contract(name):
    weights = drawn(name)
    assert (weights.shape, weights.dtype) == ((FAN_IN, FAN_OUT), np.float64)
    assert_array_equal(weights, drawn(name))
    assert (weights != drawn(name, seed=1)).any()
    for shape in ((1, 1), (1, 5), (5, 1)):
        assert drawn(name, *shape).shape == shape


@pytest.mark.parametrize("name", INITIALIZERS)
def test_moments(name):
    weights = drawn(name)
    deviation, count = np.sqrt(VARIANCES[name]), FAN_IN * FAN_OUT
    assert abs(weights.mean()) < 5 * deviation / np.sqrt(count)
    # The variance of a normal sample's variance is 2 sigma^4 / n, and less for the others.
    assert_allclose(weights.var(), VARIANCES[name], rtol=5 * np.sqrt(2 / count))


def test_bounds():
    bound = np.sqrt(6 / (FAN_IN + FAN_OUT))
    assert 0.999 * bound < np.abs(drawn("glorot")).max() <= bound
    assert 1.99 < np.abs(drawn("truncated_normal")).max() <= 2


@pytest.mark.parametrize("shape", [(30, 20), (20, 30), (20, 20), (1, 4)])
def test_orthogonal(shape):
    weights = drawn("orthogonal", *shape)
    gram = weights.T @ weights if shape[0] >= shape[1] else weights @ weights.T
    assert_allclose(gram, np.eye(min(shape)), atol=1e-12)


def test_orthogonal_is_uniform_in_sign():
    # Plain QR would fix the signs of R's diagonal instead.
    determinants = [np.linalg.det(drawn("orthogonal", 2, 2, seed)) for seed in range(400)]
    assert 140 < sum(d > 0 for d in determinants) < 260


@pytest.mark.parametrize("name", INITIALIZERS)
def test_biases(name):
    biases = draw_bias(name, np.random.default_rng(0), 10_000)
    if name == "truncated_normal":
        assert abs(biases.mean()) < 0.05
        assert abs(biases.std() - 1) < 0.04
        assert np.abs(biases).max() > 3
    else:
        assert not biases.any()


def test_a_layer_has_the_draws_of_its_initializer_and_biases_of_0():
    layer = draw_layer("he", np.random.default_rng(3), 5, 4)
    assert_array_equal(layer["weight"], drawn("he", 5, 4, seed=3))
    assert_array_equal(layer["bias"], np.zeros(4))
