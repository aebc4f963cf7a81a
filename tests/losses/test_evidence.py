import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from isthmus.core.functions import Function
from isthmus.core.types import Batch, Noise
from isthmus.losses.evidence import EvidenceBound, divergence, draws
from isthmus.losses.likelihoods import Bernoulli, Gaussian, Poisson
from isthmus.networks.variational import VariationalConvolutional, VariationalDense

rng = np.random.default_rng(0)
X = rng.normal(size=(7, 4))
NUMBERS = np.stack([np.arange(7), np.zeros(7)], axis=1).astype(np.uint32)
NOISE = Noise(np.array([5, 9], np.uint32), np.uint32(3))
NETWORK = VariationalDense(4, 2, (5,), (5,), activation="tanh", precision="float64")


def batch_of(x=X, weight=None):
    return Batch(jnp.asarray(x), jnp.ones(len(x)) if weight is None else jnp.asarray(weight), jnp.asarray(NUMBERS))


def value(objective, params, scheduled, batch=None, x=X):
    """Return the loss and its terms, compiled."""
    batch = batch_of() if batch is None else batch
    loss, (_, terms) = jax.jit(objective)(params, (), batch, x, NOISE, scheduled)
    return loss, terms


def params_of(network=NETWORK, likelihood=None):
    params = network.init(0)
    params["spread"] = jax.tree.map(lambda leaf: rng.normal(0, 0.3, leaf.shape), params["spread"])
    own = Gaussian().init(network.n_features) if likelihood is None else likelihood.init(network.n_features)
    return {**params, "likelihood": own}


def by_hand(params, x, eps, *, variance=1.0):
    """Return means, log variances, codes and log densities, from the formulas."""
    (first, last), (up, out) = params["encoder"], params["decoder"]
    hidden = np.tanh(x @ first["weight"] + first["bias"])
    mean = hidden @ last["weight"] + last["bias"]
    log_variance = hidden @ params["spread"]["weight"] + params["spread"]["bias"]
    codes = mean + np.exp(log_variance / 2) * eps
    output = np.tanh(codes @ up["weight"] + up["bias"]) @ out["weight"] + out["bias"]
    return mean, log_variance, codes, stats.norm.logpdf(x, output, np.sqrt(variance)).sum(axis=-1)


def slanted(code, params):
    """A penalty of a user."""
    return jnp.mean(code[:, 0] ** 3) + jnp.sum(params["spread"]["bias"] ** 2)


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def test_the_divergence_of_gaussians_is_the_closed_form():
    mean, deviation = rng.normal(size=9), rng.uniform(0.3, 2, 9)
    expected = 0.5 * (deviation**2 + mean**2 - 1) - np.log(deviation)
    assert_allclose(divergence(mean, 2 * np.log(deviation)), expected, rtol=1e-9)
    assert divergence(0.0, 0.0) == 0


def test_the_bound_is_the_formula():
    params, beta = params_of(), 0.7
    eps = np.asarray(draws(NUMBERS, NOISE, jnp.arange(1, dtype=jnp.uint32), 2, np.float64))
    mean, log_variance, _, density = by_hand(params, X, eps)
    entropy = np.sum(0.5 * (np.exp(log_variance) + mean**2 - 1 - log_variance), axis=1)
    loss, terms = value(EvidenceBound(NETWORK, Gaussian()), params, {"beta": beta})
    assert_allclose(loss, -density.mean() + beta * entropy.mean(), rtol=1e-9)
    assert_allclose([terms["reconstruction"], terms["kl"]], [-density.mean(), entropy.mean()], rtol=1e-9)


def test_the_importance_weighted_bound_is_the_formula():
    params, n = params_of(), 5
    eps = np.asarray(draws(NUMBERS, NOISE, jnp.arange(n, dtype=jnp.uint32), 2, np.float64))
    mean, log_variance, codes, density = by_hand(params, X, eps)
    prior = stats.norm.logpdf(codes).sum(axis=-1)
    own = stats.norm.logpdf(codes, mean, np.exp(log_variance / 2)).sum(axis=-1)
    expected = np.log(np.mean(np.exp(density + prior - own), axis=0)).mean()
    objective = EvidenceBound(NETWORK, Gaussian(), n_samples=n)
    assert_allclose(value(objective, params, {"beta": 1.0})[0], -expected, rtol=1e-9)
    weights = jax.jit(objective.log_weights)(params, batch_of(), jnp.arange(n, dtype=jnp.uint32), NOISE)
    assert_allclose(weights, density + prior - own, rtol=1e-9)


@pytest.mark.parametrize(
    "objective",
    [
        EvidenceBound(NETWORK, Gaussian("feature"), l2=True),
        pytest.param(EvidenceBound(NETWORK, Gaussian(), n_samples=3), marks=pytest.mark.slow),
        pytest.param(EvidenceBound(NETWORK, Gaussian(0.3), free_bits=True), marks=pytest.mark.slow),
        pytest.param(EvidenceBound(NETWORK, Bernoulli()), marks=pytest.mark.slow),
        EvidenceBound(NETWORK, Gaussian(), penalty="contractive"),
        pytest.param(EvidenceBound(NETWORK, Gaussian(), 3, penalty=Function(slanted)), marks=pytest.mark.slow),
    ],
    ids=["one", "three", "free", "bernoulli", "contractive", "own"],
)
def test_gradients_equal_finite_differences(objective):
    scheduled = {"beta": 0.9, "free_bits": 0.05, "l2": 0.1, "penalty_weight": 0.6}
    params = params_of(likelihood=objective.likelihood)
    loss = jax.jit(lambda params: objective(params, (), batch_of(), X, NOISE, scheduled)[0])
    check_grads(loss, (params,), 1, ["rev"], 1e-6, 1e-6)


def test_free_bits_are_a_floor_of_each_units_mean():
    params = params_of()
    free = EvidenceBound(NETWORK, Gaussian(), free_bits=True)
    plain = EvidenceBound(NETWORK, Gaussian())
    mean, log_variance, *_ = by_hand(params, X, 0.0)
    units = (0.5 * (np.exp(log_variance) + mean**2 - 1 - log_variance)).mean(axis=0)
    floor = float(np.mean(units))
    reconstruction = value(plain, params, {"beta": 0.0})[0]
    expected = reconstruction + 2.0 * np.maximum(units, floor).sum()
    assert_allclose(value(free, params, {"beta": 2.0, "free_bits": floor})[0], expected, rtol=1e-9)


def test_draws_depend_on_seed_epoch_row_unit_and_sample_alone():
    drawn = jax.jit(draws, static_argnums=(3, 4))
    samples, many = np.arange(2, dtype=np.uint32), np.zeros((20_000, 2), np.uint32)
    many[:, 0] = np.arange(20_000)
    whole = np.asarray(drawn(many, NOISE, samples, 2, np.float64))
    assert len(np.unique(whole)) > 0.99 * whole.size
    assert_array_equal(drawn(many[2:5], NOISE, samples[1:2], 2, np.float64), whole[1:2, 2:5])
    for other in (NOISE._replace(epoch=np.uint32(4)), NOISE._replace(seed=np.array([5, 8], np.uint32))):
        assert np.mean(np.asarray(drawn(many, other, samples, 2, np.float64)) == whole) < 0.001
    columns = whole.transpose(1, 0, 2).reshape(20_000, 4)
    assert np.abs(np.corrcoef(columns.T) - np.eye(4)).max() < 0.03
    assert_allclose(columns.mean(axis=0), 0, atol=0.03)


def test_padding_and_missing_cells_do_not_count():
    params, objective = params_of(), EvidenceBound(NETWORK, Gaussian())
    scheduled = {"beta": 1.0}
    half = value(objective, params, scheduled, batch_of(weight=[1, 1, 1, 0, 0, 0, 0.0]))[0]
    part = Batch(jnp.asarray(X[:3]), jnp.ones(3), jnp.asarray(NUMBERS[:3]))
    assert_allclose(half, value(objective, params, scheduled, part, X[:3])[0], rtol=1e-12)
    observed = jnp.asarray(np.arange(4) < 3)[None].repeat(7, axis=0)
    found = jax.jit(objective.log_density)(params, batch_of()._replace(observed=observed), jnp.zeros((1, 7, 2)))
    whole = jax.jit(objective._cells)(params, batch_of(), NETWORK.decode(params, jnp.zeros((7, 2))))
    assert_allclose(found[0], whole[:, :3].sum(axis=1), rtol=1e-12)


def test_conditions_are_not_corrupted():
    network = VariationalDense(4, 2, (5,), (5,), precision="float64", conditions=(1,))
    params, noisy = params_of(network), X.copy()
    noisy[:, [1, 3]] = 0
    half = X.copy()
    half[:, 3] = 0
    scheduled = {"beta": 1.0}
    found = [value(EvidenceBound(network, Gaussian()), params, scheduled, x=x)[0] for x in (noisy, half, X)]
    assert found[0] == found[1] != found[2]


def test_a_penalty_has_the_means_of_the_codes():
    params, weights = params_of(), [1, 1, 1, 1, 1, 0, 0.0]
    mean = by_hand(params, X, 0.0)[0]
    plain, own = (EvidenceBound(NETWORK, Gaussian(), penalty=penalty) for penalty in (None, Function(slanted)))
    scheduled = {"beta": 0.7, "penalty_weight": 0.3}
    without, with_own = (value(one, params, scheduled) for one in (plain, own))
    expected = 0.3 * (np.mean(mean[:, 0] ** 3) + np.sum(params["spread"]["bias"] ** 2))
    assert_allclose(with_own[1]["penalty"], expected, rtol=1e-9)
    assert_allclose(with_own[0], without[0] + expected, rtol=1e-9)
    assert set(without[1]) == {"reconstruction", "kl"}
    (first, last) = params["encoder"]
    slopes = 1 - np.tanh(X @ first["weight"] + first["bias"]) ** 2
    jacobians = np.einsum("dh,bh,hk->bdk", first["weight"], slopes, last["weight"])
    squares = np.sum(jacobians**2, axis=(1, 2))
    contractive = EvidenceBound(NETWORK, Gaussian(), n_samples=3, penalty="contractive")
    found = value(contractive, params, scheduled, batch_of(weight=weights))[1]["contractive"]
    assert_allclose(found, 0.3 * squares[:5].mean(), rtol=1e-9)


@pytest.mark.parametrize(
    "network",
    [
        VariationalDense(6, 3, (), (), precision="float64", conditions=(2,)),
        VariationalDense(6, 3, (), (), precision="float64", counts=True),
        VariationalDense(6, 3, (4,), (), activation="tanh", precision="float64", counts=True, conditions=(1,)),
        pytest.param(
            VariationalConvolutional((2, 3, 1), 2, (2,), precision="float64", activation="tanh"), marks=pytest.mark.slow
        ),
    ],
    ids=["one layer", "counts", "conditions", "pictures"],
)
def test_the_contractive_penalty_is_the_change_of_the_mean(network):
    likelihood = Poisson() if network.counts else Gaussian()
    params = params_of(network, likelihood)
    x = rng.poisson(4.0, (5, 6)).astype(float)
    batch = Batch(jnp.asarray(x), jnp.ones(5), jnp.asarray(NUMBERS[:5]))
    objective = EvidenceBound(network, likelihood, penalty="contractive")
    found = value(objective, params, {"beta": 1.0, "penalty_weight": 1.0}, batch, x)[1]["contractive"]
    mean = jax.jit(lambda x: network.posterior(params, x)[0])
    steps = 1e-6 * np.eye(6)
    changes = [(mean(x + step) - mean(x - step)) / 2e-6 for step in steps]
    assert_allclose(found, np.sum(np.square(changes)) / 5, rtol=1e-6)


def test_what_kind_of_objective_a_penalty_makes():
    plain = EvidenceBound(NETWORK, Gaussian())
    assert plain.is_mean_over_rows
    assert EvidenceBound(NETWORK, Gaussian(), penalty="contractive").is_mean_over_rows
    own = EvidenceBound(NETWORK, Gaussian(), penalty=Function(slanted))
    assert not own.is_mean_over_rows
    assert (plain.own_functions, own.own_functions) == ((), ("penalty=slanted",))
