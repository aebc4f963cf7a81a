import functools

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from numpy.testing import assert_allclose

from isthmus.core.functions import Function
from isthmus.losses import LOSSES
from isthmus.losses.cells import cell_loss, huber, n_arrays

X, Y, PRE = np.random.default_rng(0).normal(size=(3, 5, 4)).astype(np.float32)


def two(reconstruction, target):
    return reconstruction - target


def three(reconstruction, pre_output, target):
    return pre_output + 0 * (reconstruction - target)


@pytest.mark.parametrize(
    ("function", "number"),
    [
        (two, 2),
        (three, 3),
        (huber, 3),
        (lambda x, y, delta=1.0: x, 2),
        (lambda x, y, *, delta: x, 2),
        (lambda *arrays: arrays[0], 2),
        (functools.partial(three, pre_output=1.0), 2),
        (optax.losses.huber_loss, 2),
        (optax.losses.squared_error, 2),
        (jnp.subtract, 2),
        (max, 2),
    ],
)
def test_how_many_arrays_a_loss_takes(function, number):
    assert n_arrays(function) == number


def test_losses_by_name_and_by_function():
    assert cell_loss("mse") is LOSSES["mse"]
    assert_allclose(cell_loss(Function(two))(X, PRE, Y), X - Y)
    assert_allclose(cell_loss(Function(three))(X, PRE, Y), PRE)
    assert_allclose(cell_loss(Function(huber))(X, PRE, Y), LOSSES["huber"](X, PRE, Y))
    # Optax's has its corner at 1 too: an independent statement of the same loss.
    assert_allclose(cell_loss(Function(optax.losses.huber_loss))(X, PRE, Y), LOSSES["huber"](X, PRE, Y), rtol=1e-6)
