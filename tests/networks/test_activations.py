import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit

from isthmus.networks.activations import ACTIVATIONS, ODD

CLOSED_FORMS = {
    "sigmoid": expit,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x < 0, 0.01 * x, x),
    "elu": lambda x: np.where(x < 0, np.expm1(x), x),
    # The tanh form: Hendrycks and Gimpel, "Gaussian error linear units", 2016.
    "gelu": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "silu": lambda x: x * expit(x),
    "softplus": lambda x: np.logaddexp(0, x),
    "identity": lambda x: x,
}
x = np.concatenate([np.linspace(-6, 6, 121), [-40.0, 40.0]])


def test_every_activation_has_a_closed_form():
    assert set(CLOSED_FORMS) == set(ACTIVATIONS)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_closed_form(name):
    with jax.enable_x64(True):
        assert_allclose(ACTIVATIONS[name](jax.numpy.asarray(x)), CLOSED_FORMS[name](x), rtol=1e-12, atol=1e-14)
    single = ACTIVATIONS[name](jax.numpy.asarray(x, np.float32))
    assert single.dtype == np.float32
    assert_allclose(single, CLOSED_FORMS[name](x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_odd_functions(name):
    odd = np.allclose(CLOSED_FORMS[name](-x), -CLOSED_FORMS[name](x))
    assert odd == (name in ODD)
