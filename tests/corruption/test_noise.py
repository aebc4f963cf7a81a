import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kstest, norm, poisson

from corrupting import columns_of, corrupted
from isthmus.core.random import mix
from isthmus.corruption import Gaussian, Poisson, Uniform
from isthmus.corruption.noise import _large_counts, _small_counts

X = np.random.default_rng(0).normal([0, 5, -1], [1, 0.1, 10], (350_000, 3)).astype(np.float32)
UNITS = columns_of(X, unit=0.25)


@pytest.mark.parametrize(("unit", "size"), [("deviation", X.std(0)), ("input", 0.25)])
@pytest.mark.parametrize(
    ("kind", "distribution"),
    [(Gaussian, ("norm", (0, 1.5))), (Uniform, ("uniform", (-1.5, 3.0)))],
    ids=["gaussian", "uniform"],
)
def test_noise_has_its_distribution(kind, distribution, unit, size):
    # On zeros: float32 rounds what is added to larger numbers.
    result = corrupted(kind(1.5, unit=unit), 0 * X, columns=UNITS)
    drawn = result.x / size
    assert result.corrupted.all()
    assert kstest(drawn.ravel(), *distribution).pvalue > 1e-3
    assert abs(np.corrcoef(drawn[1:, 0], drawn[:-1, 0])[0, 1]) < 0.01
    assert np.abs(np.corrcoef(drawn.T) - np.eye(3)).max() < 0.01
    assert np.abs(np.corrcoef(drawn.T**2) - np.eye(3)).max() < 0.01
    assert_allclose(corrupted(kind(1.5, unit=unit), X, columns=UNITS).x, X + result.x, rtol=1e-6, atol=1e-5)


def test_a_constant_column_gets_no_noise():
    x = np.column_stack([np.full(50, 3.0), np.arange(50)])
    result = corrupted(Gaussian(1.0), x)
    assert_array_equal(result.x[:, 0], x[:, 0])
    assert_array_equal(result.corrupted, np.broadcast_to([False, True], x.shape))


MEANS = [0.01, 0.5, 3.0, 3.9, 4.1, 8.0, 12.0, 30.0, 400.0]
WORDS = np.random.default_rng(0).integers(0, 2**32, 200_000, dtype=np.uint32)


@pytest.mark.parametrize("mean", MEANS)
def test_a_million_counts_have_the_distribution(mean):
    result = corrupted(Poisson(mean / 0.5), np.full((1000, 1000), 0.5))
    counts = result.x.ravel().astype(float) * (mean / 0.5)
    assert_allclose(counts, np.round(counts), atol=0.01)
    assert abs(counts.mean() - mean) < 5 * np.sqrt(mean / 1e6) + 1e-5 * mean
    assert_allclose(counts.var(), mean, rtol=5 * np.sqrt((2 + 1 / mean) / 1e6))
    values, found = np.unique(np.round(counts), return_counts=True)
    expected = 1e6 * poisson.pmf(values, mean)
    likely = expected > 20
    # Five standard deviations, and the error of the expansion.
    assert (np.abs(found - expected) < 5 * np.sqrt(expected) + 100 * (mean > 4))[likely].all()


@pytest.mark.parametrize("mean", [0.01, 0.5, 3.0, 4.0])
def test_small_counts_equal_the_inverse(mean):
    count = np.asarray(_small_counts(jnp.asarray(WORDS), jnp.full(len(WORDS), mean, jnp.float32)))
    exact = poisson.ppf(((WORDS >> 8) + 0.5) / 2**24, np.float32(mean))
    # Float32 sums round the boundaries.
    assert (count != exact).mean() < 1e-5
    assert np.abs(count - exact).max() <= 1


@pytest.mark.parametrize("mean", [4.0, 8.0, 20.0, 300.0])
def test_large_counts_are_close_to_the_inverse(mean):
    radius = np.sqrt(-2 * np.log(((WORDS >> 8) + 0.5) / 2**24))
    angle = np.pi / 2 * (2 * (mix(WORDS ^ np.uint32(0x51ED270B)) >> 8).astype(float) + 1 - 2**24) / 2**24
    exact = poisson.ppf(norm.cdf(radius * np.sin(angle)), mean)
    off = np.asarray(_large_counts(jnp.asarray(WORDS), jnp.full(len(WORDS), mean, jnp.float32))) - exact
    assert (off != 0).mean() < 1e-3
    assert np.abs(off).max() <= 1


def test_values_of_at_most_0_stay():
    result = corrupted(Poisson(5), np.array([[0.0, -2.0, 1.0]]))
    assert_array_equal(result.corrupted, [[False, False, True]])
    assert_array_equal(result.x[:, :2], [[0, -2]])


def test_counts_are_in_the_inputs_units():
    raw = np.full((1000, 100), 4.0)
    scaled = (raw - 10) / 2
    columns = columns_of(scaled, unit=0.5, zero=-5.0)
    back = corrupted(Poisson(3.0), scaled, columns=columns).x * 2 + 10
    assert_allclose(back * 3, np.round(back * 3), atol=1e-4)
    assert_allclose([back.mean(), back.var()], [4, 4 / 3], rtol=0.02)
