import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit

from isthmus.counters import key_words
from isthmus.networks.activations import ACTIVATIONS
from isthmus.networks.dense import Dense
from isthmus.objective import LOSSES, Reconstruction, weighted_mean
from isthmus.types import Batch, Noise

rng = np.random.default_rng(0)
X = rng.random((5, 4))
WEIGHT = np.array([1.0, 1, 1, 0, 0])
ROWS = np.stack([np.arange(5, dtype=np.uint32), np.zeros(5, np.uint32)], axis=1)
NOISE = Noise(key_words(1, 4), np.uint32(2))


def gradients_agree(network, losses=("mse",)):
    """Compare the gradients of several losses of one network, in one program, with central differences."""
    params = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape), network.init(0))
    flat, unravel = ravel_numpy(params)

    def totals(flat):
        batch = Batch(jnp.asarray(X), jnp.asarray(WEIGHT), jnp.asarray(ROWS))
        each = [Reconstruction(network, loss)(unravel(flat), (), batch, batch.x, NOISE)[0] for loss in losses]
        return jnp.stack(each)

    with jax.enable_x64(True):
        both = jax.jit(lambda flat: (totals(flat), jax.jacrev(totals)(flat)))
        found = np.asarray(both(flat)[1])
        steps = 1e-5 * np.eye(len(flat))
        differences = np.array([(both(flat + step)[0] - both(flat - step)[0]) / 2e-5 for step in steps]).T
    assert found.dtype == np.float64
    assert (np.abs(found).max(axis=1) > 1e-3).all()
    assert_allclose(found, differences, rtol=1e-5, atol=1e-8)


def ravel_numpy(params):
    leaves, tree = jax.tree.flatten(params)
    cuts = np.cumsum([leaf.size for leaf in leaves])[:-1]

    def unravel(flat):
        parts = jnp.split(flat, cuts)
        return tree.unflatten([part.reshape(leaf.shape) for part, leaf in zip(parts, leaves, strict=True)])

    return np.concatenate([leaf.ravel() for leaf in leaves]), unravel


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_equal_finite_differences(activation, tied):
    gradients_agree(Dense(4, 2, (3,), (3,), activation, activation, "sigmoid", tied=tied), LOSSES)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("linear_path", [False, True])
def test_gradients_of_the_other_parts(tied, linear_path):
    options = {"tied": tied, "linear_path": linear_path, "dropout": 0.4, "layer_norm": True}
    gradients_agree(Dense(4, 2, (4, 3), (3, 4), "tanh", **options))


BY_HAND = {
    "mse": lambda z, p, x: (z - x) ** 2,
    "bce": lambda z, p, x: -x * np.log(expit(p)) - (1 - x) * np.log(expit(-p)),
    "huber": lambda z, p, x: np.where(np.abs(z - x) <= 1, (z - x) ** 2 / 2, np.abs(z - x) - 0.5),
}


def test_every_loss_has_a_closed_form():
    assert set(BY_HAND) == set(LOSSES)


@pytest.mark.parametrize("loss", LOSSES)
def test_closed_form(loss):
    pre_output = rng.normal(size=(50, 3)) * 4
    reconstruction = expit(pre_output) if loss == "bce" else pre_output
    target = rng.random((50, 3))
    cells = LOSSES[loss](reconstruction, pre_output, target)
    assert_allclose(cells, BY_HAND[loss](reconstruction, pre_output, target), rtol=1e-5, atol=1e-5)
    assert cells.shape == (50, 3)


def test_cross_entropy_is_exact_where_the_sigmoid_has_rounded():
    cells = LOSSES["bce"](np.ones(2), np.array([80.0, -80.0]), np.array([0.0, 1.0]))
    assert_allclose(cells, [80, 80])


def test_padding_has_no_part_in_the_mean():
    network = Dense(4, 2, (3,), (3,))
    params, objective = network.init(0), Reconstruction(network)
    short = Batch(X[:3].astype("f4"), WEIGHT[:3].astype("f4"), ROWS[:3])
    padded = Batch(np.where(WEIGHT[:, None] > 0, X, 1e6).astype("f4"), WEIGHT.astype("f4"), ROWS)
    (a, (state, terms)), (b, _) = (objective(params, ("kept",), batch, batch.x, None) for batch in (short, padded))
    assert_allclose(a, b, rtol=1e-6)
    output, _ = objective.forward(params, X[:3].astype("f4"), None, None)
    assert_allclose(a, np.mean((output.reconstruction - X[:3]) ** 2), rtol=1e-5)
    assert (state, terms) == (("kept",), {})


def test_the_network_sees_the_noisy_rows_and_the_loss_the_clean_ones():
    network = Dense(4, 4)
    identity = {"encoder": [{"weight": np.eye(4, dtype="f4"), "bias": np.zeros(4, "f4")}]}
    identity["decoder"] = identity["encoder"]
    clean, noisy = X.astype("f4"), (X + 2).astype("f4")
    batch = Batch(clean, np.ones(5, "f4"), ROWS)
    assert_allclose(Reconstruction(network)(identity, (), batch, noisy, None)[0], 4, rtol=1e-5)


def test_weighted_mean_over_a_mesh_axis():
    values, weight = rng.normal(size=(2, 5)).astype("f4"), np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]], "f4")
    means = jax.vmap(lambda v, w: weighted_mean(v, w, "hosts"), axis_name="hosts")(values, weight)
    assert_allclose(means, [values[weight > 0].mean()] * 2, rtol=1e-5)
    assert float(weighted_mean(values[0], np.zeros(5, "f4"))) == 0


def test_equal_objectives_are_one():
    assert hash(Reconstruction(Dense(4, 2), "mse")) == hash(Reconstruction(Dense(4, 2), "mse"))
    assert Reconstruction(Dense(4, 2), "mse") == Reconstruction(Dense(4, 2))
