import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from numpy.testing import assert_allclose

from isthmus.core.functions import Function
from isthmus.core.types import Batch
from isthmus.losses import LOSSES
from isthmus.losses.cells import cell_loss, huber, n_arrays
from isthmus.losses.reconstruction import Reconstruction
from isthmus.networks.dense import Dense

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


@pytest.mark.slow
def test_losses_by_name_and_by_function():
    assert cell_loss("mse") is LOSSES["mse"]
    assert_allclose(cell_loss(Function(two))(X, PRE, Y), X - Y)
    assert_allclose(cell_loss(Function(three))(X, PRE, Y), PRE)
    assert_allclose(cell_loss(Function(huber))(X, PRE, Y), LOSSES["huber"](X, PRE, Y))
    # Optax's has its corner at 1 too: an independent statement of the same loss.
    assert_allclose(cell_loss(Function(optax.losses.huber_loss))(X, PRE, Y), LOSSES["huber"](X, PRE, Y), rtol=1e-6)


def test_a_function_equal_to_a_loss_of_the_table_is_the_same_program():
    """So it takes the same time: what is compiled is the same text."""

    def squared(reconstruction, target):
        return (reconstruction - target) ** 2

    network, numbers = Dense(4, 2, (3,), (3,)), np.zeros((5, 2), np.uint32)
    params, batch = network.init(0), Batch(X, np.ones(5, np.float32), numbers)

    def lowered(loss):
        def total(params, batch):
            return Reconstruction(network, loss)(params, (), batch, batch.x, None, {})[0]

        return jax.jit(jax.value_and_grad(total)).lower(params, batch).as_text()

    assert lowered(Function(squared)) == lowered("mse") != lowered("huber")
