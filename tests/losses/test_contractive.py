import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit

from isthmus.core.functions import Function
from isthmus.core.types import Batch, Noise
from isthmus.losses.contractive import contractive
from isthmus.losses.penalties import WEIGHT
from isthmus.losses.reconstruction import Reconstruction
from isthmus.networks.convolutional import Convolutional
from isthmus.networks.custom import Custom
from isthmus.networks.dense import Dense
from isthmus.sparsity.base import Step

rng = np.random.default_rng(0)
NOISE = Noise(np.array([5, 9], np.uint32), np.uint32(3))


def own(n_features, n_components, key):
    return (
        eqx.nn.MLP(n_features, n_components, 5, 1, jnp.tanh, key=key),
        eqx.nn.Linear(n_components, n_features, key=key),
    )


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def batch_of(x, weight=None, first=0):
    numbers = np.arange(first, first + len(x), dtype=np.uint32)
    weight = np.ones(len(x)) if weight is None else weight
    return Batch(jnp.asarray(x), jnp.asarray(weight), jnp.stack([numbers, 0 * numbers], axis=1))


def drawn(network):
    return jax.tree.map(lambda leaf: rng.normal(0, 0.5, np.shape(leaf)), network.init(0))


def penalty(network, params, x, noise=NOISE, first=0):
    """Return the penalty of each row (B,)."""

    def computed(params, x, noise):
        batch = batch_of(x, first=first)
        output, _ = Reconstruction(network).forward(params, x, batch.row, noise)
        return contractive(Step(network, params, (), batch, x, noise), output)

    return np.asarray(jax.jit(computed)(params, jnp.asarray(x), noise))


def jacobians(network, params, x):
    """Return the Jacobian (B, K, D) of each row's code, by reverse mode."""

    def code(row):
        return network.activate_code(network.encode(params, row[None]))[0]

    return np.asarray(jax.jit(jax.vmap(jax.jacrev(code)))(jnp.asarray(x)))


def test_one_layer_has_the_closed_form_of_the_paper():
    network = Dense(5, 12, code_activation="sigmoid", precision="float64")
    params, x = drawn(network), rng.normal(size=(6, 5))
    weight, bias = params["encoder"][0]["weight"], params["encoder"][0]["bias"]
    h = expit(x @ weight + bias)
    expected = ((h * (1 - h)) ** 2 * (weight**2).sum(axis=0)).sum(axis=1)
    assert_allclose(penalty(network, params, x), expected, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    "network",
    [
        Dense(4, 3, (6,), (6,), "tanh", "sigmoid", precision="float64"),
        Dense(4, 3, (6,), (6,), "gelu", linear_path=True, tied=True, layer_norm=True, precision="float64"),
        Dense(3, 12, (6,), (6,), "tanh", "tanh", precision="float64"),  # fewer columns than units: forward mode
        Dense(5, 12, code_activation="tanh", linear_path=True, pre_bias=True, precision="float64"),
        Dense(12, 10, code_activation=Function(jax.nn.softmax), precision="float64"),  # no closed form
        Convolutional((4, 4, 1), 3, (2,), "tanh", "sigmoid", precision="float64"),
        Custom(own, 4, 3, "tanh", precision="float64"),
    ],
    ids=["deep", "linear path", "narrow rows", "one layer", "softmax", "convolutional", "own"],
)
def test_it_is_the_squared_norm_of_the_jacobian(network):
    params, x = drawn(network), rng.normal(size=(4, network.n_features))
    expected = (jacobians(network, params, x) ** 2).sum(axis=(1, 2))
    if network.n_components == 10:
        noises = Noise(np.array([5, 9], np.uint32), np.arange(2000, dtype=np.uint32))
        found = jax.jit(jax.vmap(lambda epoch: penalties(network, params, x, epoch)))(noises.epoch).mean(axis=0)
        assert_allclose(found, expected, rtol=0.1)
        return
    assert_allclose(penalty(network, params, x), expected, rtol=1e-9)


def penalties(network, params, x, epoch):
    batch, noise = batch_of(x), Noise(NOISE.seed, epoch)
    output, _ = Reconstruction(network).forward(params, jnp.asarray(x), batch.row, noise)
    return contractive(Step(network, params, (), batch, jnp.asarray(x), noise), output)


@pytest.mark.slow
def test_finite_differences():
    network = Dense(4, 2, (5,), (5,), "tanh", "sigmoid", precision="float64")
    params, x = drawn(network), rng.normal(size=(3, 4))

    def codes(x):
        return np.asarray(network.activate_code(network.encode(params, x)))

    columns = [(codes(x + step) - codes(x - step)) / 2e-5 for step in 1e-5 * np.eye(4)]
    assert_allclose(penalty(network, params, x), (np.stack(columns) ** 2).sum(axis=(0, 2)), rtol=1e-7)


@pytest.mark.slow
def test_the_estimate_of_a_wide_code():
    network = Dense(12, 10, (6,), (6,), "tanh", "sigmoid", precision="float64")
    params, x = drawn(network), rng.normal(size=(4, 12))
    jacobian = jacobians(network, params, x)
    draws = np.asarray(
        jax.jit(jax.vmap(lambda epoch: penalties(network, params, x, epoch)))(np.arange(4000, dtype=np.uint32))
    )
    # The variance of Hutchinson's estimate with signs: twice the squares outside the diagonal of J J'.
    gram = jacobian @ jacobian.transpose(0, 2, 1)
    variance = 2 * ((gram**2).sum(axis=(1, 2)) - (np.diagonal(gram, axis1=1, axis2=2) ** 2).sum(axis=1))
    exact = (jacobian**2).sum(axis=(1, 2))
    assert (np.abs(draws.mean(axis=0) - exact) < 4 * np.sqrt(variance / 4000)).all()
    assert_allclose(draws.var(axis=0), variance, rtol=0.15)


@pytest.mark.slow
def test_the_estimate_depends_on_seed_epoch_and_row_alone():
    network = Dense(12, 10, (6,), (6,), "tanh", "sigmoid", precision="float64")
    params, x = drawn(network), rng.normal(size=(6, 12))
    whole = penalty(network, params, x)
    assert_allclose(penalty(network, params, x[2:5], first=2), whole[2:5], rtol=1e-12)
    assert not np.allclose(penalty(network, params, x, Noise(NOISE.seed, np.uint32(4))), whole)
    assert_array_equal(penalty(network, params, x, None), penalty(network, params, x, None))


@pytest.mark.slow
@pytest.mark.parametrize(
    "network",
    [
        Dense(3, 2, code_activation="sigmoid", tied=True, precision="float64"),
        Dense(3, 2, (4,), (4,), "tanh", "sigmoid", precision="float64"),
        Dense(10, 9, (3,), (3,), "tanh", "tanh", precision="float64"),
        Convolutional((4, 4, 1), 2, (2,), "tanh", precision="float64"),
    ],
    ids=["closed form", "exact", "estimate", "convolutional"],
)
def test_the_gradient_of_the_loss_equals_finite_differences(network):
    objective = Reconstruction(network, penalty="contractive")
    batch = batch_of(rng.normal(size=(4, network.n_features)), np.array([1.0, 1, 1, 0]))
    scheduled = {WEIGHT: jnp.asarray(0.7)}

    def loss(params):
        return objective(params, (), batch, batch.x, NOISE, scheduled)[0]

    check_grads(jax.jit(loss), (drawn(network),), order=1, modes=["rev"], rtol=1e-5, atol=1e-5)
