import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from isthmus.core.errors import InvalidParameterError
from isthmus.losses import LIKELIHOODS
from isthmus.losses.likelihoods import Bernoulli, Gaussian, Laplace, NegativeBinomial, StudentT, resolve

rng = np.random.default_rng(0)
OUTPUT = rng.normal(0.5, 1.2, (6, 5))
REAL = rng.normal(0, 2, (6, 5))
COUNTS = rng.poisson(4, (6, 5)).astype(float)
OWN = {"log_scale": rng.normal(0, 0.5, 5), "log_theta": rng.normal(0, 1, 5), "zero_logit": rng.normal(0, 1, 5)}
SCALE, THETA, ZERO = np.exp(OWN["log_scale"]), np.exp(OWN["log_theta"]), 1 / (1 + np.exp(-OWN["zero_logit"]))
MEAN = np.exp(OUTPUT)


def binomial(x, mean):
    return stats.nbinom.pmf(x, THETA, THETA / (THETA + mean))


def inflated(x, probability):
    return np.log(np.where(x == 0, ZERO, 0) + (1 - ZERO) * probability)


EXPECTED = {
    "gaussian": (REAL, stats.norm.logpdf(REAL, OUTPUT, SCALE)),
    "laplace": (REAL, stats.laplace.logpdf(REAL, OUTPUT, SCALE)),
    "student_t": (REAL, stats.t.logpdf(REAL, 4, OUTPUT, SCALE)),
    "bernoulli": (COUNTS > 3, stats.bernoulli.logpmf(COUNTS > 3, 1 / (1 + np.exp(-OUTPUT)))),
    "poisson": (COUNTS, stats.poisson.logpmf(COUNTS, MEAN)),
    "negative_binomial": (COUNTS, np.log(binomial(COUNTS, MEAN))),
    "zero_inflated_poisson": (COUNTS, inflated(COUNTS, stats.poisson.pmf(COUNTS, MEAN / (1 - ZERO)))),
    "zero_inflated_negative_binomial": (COUNTS, inflated(COUNTS, binomial(COUNTS, MEAN / (1 - ZERO)))),
}


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_log_densities_equal_scipy(name):
    x, expected = EXPECTED[name]
    with jax.enable_x64(True):
        found = resolve(name).log_density(jnp.asarray(x, float), jnp.asarray(OUTPUT), OWN)
    assert_allclose(found, expected, rtol=1e-6)
    single = resolve(name).log_density(jnp.asarray(x, jnp.float32), jnp.asarray(OUTPUT, jnp.float32), OWN)
    assert_allclose(single, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("log_theta", [-3.0, 2.0, 2.2, 5.0, 9.0, 14.0])
def test_a_negative_binomial_that_is_nearly_poisson_keeps_its_digits(log_theta):
    counts, theta = np.arange(60.0), np.exp(log_theta)
    mean = np.float64(np.float32(np.log(7.0)))

    def total(own, x, output):
        return jnp.sum(NegativeBinomial().log_density(x, output, {"log_theta": own}))

    with jax.enable_x64(True):
        exact = jax.grad(total)(jnp.float64(log_theta), jnp.asarray(counts), jnp.full(60, mean))
    single = jnp.asarray(counts, jnp.float32), jnp.full(60, mean, jnp.float32)
    found = NegativeBinomial().log_density(*single, {"log_theta": np.float32(log_theta)})
    expected = stats.nbinom.logpmf(counts, theta, theta / (theta + np.exp(mean)))
    assert_allclose(found, expected, rtol=3e-6, atol=3e-5)
    assert_allclose(jax.grad(total)(jnp.float32(log_theta), *single), exact, rtol=1e-3, atol=1e-3)


def test_a_gaussian_has_one_variance_one_by_column_or_a_fixed_one():
    assert {name: leaf.shape for name, leaf in Gaussian().init(7).items()} == {"log_scale": ()}
    assert Gaussian("feature").init(7)["log_scale"].shape == (7,)
    assert Gaussian(0.25).init(7) == {}
    found = Gaussian(0.25).log_density(jnp.asarray(REAL), jnp.asarray(OUTPUT), {})
    assert_allclose(found, stats.norm.logpdf(REAL, OUTPUT, 0.5), rtol=1e-5)


def test_a_student_t_has_its_degrees():
    found = StudentT(2.5).log_density(jnp.asarray(REAL), jnp.asarray(OUTPUT), OWN)
    assert_allclose(found, stats.t.logpdf(REAL, 2.5, OUTPUT, SCALE), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_draws_have_the_mean_and_variance_of_the_density(name):
    kind, draws = resolve(name), np.random.default_rng(1)
    mean = np.tile(np.array([0.2, 0.4, 0.5, 0.7, 0.9]), (40_000, 1))
    own = {"log_scale": np.log([0.1, 0.2, 0.3, 0.4, 0.5]), "log_theta": np.full(5, 0.7), "zero_logit": np.full(5, -1.0)}
    drawn = kind.draw(draws, mean, own)
    assert_allclose(drawn.mean(axis=0), mean[0], atol=0.03)
    if kind.discrete:
        assert ((drawn >= 0) & (drawn == np.round(drawn))).all()
    variances = {
        "gaussian": np.exp(2 * own["log_scale"]),
        "laplace": 2 * np.exp(2 * own["log_scale"]),
        "bernoulli": mean[0] * (1 - mean[0]),
        "poisson": mean[0],
        "negative_binomial": mean[0] + mean[0] ** 2 / np.exp(0.7),
    }
    if name in variances:
        assert_allclose(drawn.var(axis=0), variances[name], rtol=0.1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gaussian("row"), "variance='row' must be 'scalar', 'feature' or a number > 0"),
        (lambda: Gaussian(-1.0), "variance=-1.0 must be 'scalar', 'feature' or a number > 0"),
        (lambda: StudentT(0), "degrees=0 must be a number > 0"),
        (lambda: resolve(3), "likelihood=3 must be a name or an object of isthmus.likelihoods"),
    ],
)
def test_a_wrong_setting_is_one_line(make, message):
    with pytest.raises(InvalidParameterError, match=message.replace(".", r"\.")):
        make()


def test_likelihoods_are_hashed_by_value():
    assert Gaussian("feature") == Gaussian("feature") != Gaussian()
    assert hash(Laplace()) == hash(Laplace())
    assert NegativeBinomial().counts
    assert Bernoulli().shares


def test_settings_that_are_changed_later_do_not_reach_what_was_resolved():
    given = Gaussian(0.5)
    found = resolve(given)
    given.set_params(variance="feature")
    assert (given, found) == (Gaussian("feature"), Gaussian(0.5))
