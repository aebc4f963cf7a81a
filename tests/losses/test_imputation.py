import jax
import jax.numpy as jnp
import numpy as np
import pytest

from isthmus.core.types import Batch
from isthmus.losses.imputation import ImputationLoss
from isthmus.networks.mixed import Mixed

NETWORK = Mixed((0, 3), 2, (4,), 1)
START = {
    "center": np.array([0, 0.5, 0.25, 0.25]),
    "scale": np.ones(4),
    "mean": np.zeros(4),
    "factors": np.zeros((1, 4)),
    "noise": np.ones(()),
}
X = jnp.array([[0.5, 2.0], [2.0, 0.0], [3.0, 1.0], [9.0, 1.0]])


def batch(condition, observed, weight=(1, 1, 1, 1)):
    rows = jnp.zeros((4, 2), jnp.uint32)
    return Batch(
        X, jnp.array(weight, jnp.float32), rows, jnp.array(observed), condition=jnp.array(condition, jnp.float32)
    )


def loss_of(params, given):
    return ImputationLoss(NETWORK)(params, (), given, given.x, None, {})[0]


@pytest.mark.slow
def test_only_hidden_cells_with_a_value_count():
    params = NETWORK.init(0, START)
    condition = [[1, 0], [0, 1], [1, 1], [1, 1]]
    observed = [[True, True], [True, True], [False, True], [True, True]]
    # The columns are independent, so that a missing cell has the mean 0 and the frequencies of the levels.
    expected = (0.5**2 - np.log(0.5) - np.log(0.25)) / 3
    np.testing.assert_allclose(loss_of(params, batch(condition, observed, (1, 1, 1, 0))), expected, rtol=1e-5)


def test_without_hidden_cells_the_loss_is_0():
    params = NETWORK.init(0, START)
    value, gradients = jax.value_and_grad(loss_of)(params, batch(np.zeros((4, 2)), np.ones((4, 2), bool)))
    assert value == 0
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))


def test_the_gaussian_is_not_trained():
    params = NETWORK.init(0, START)
    gradients = jax.grad(loss_of)(params, batch(np.ones((4, 2)), np.ones((4, 2), bool)))
    assert all((np.asarray(leaf) == 0).all() for leaf in jax.tree.leaves(gradients["start"]))
    assert np.abs(gradients["decoder"][-1]["bias"]).max() > 0
