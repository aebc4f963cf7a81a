import numpy as np
import pytest
from numpy.testing import assert_allclose

from isthmus.engine.gaussian import Gaussian, _expectation, factors, fit_gaussian


def covariance(rng, width):
    mixing = rng.normal(size=(width, width))
    found = mixing @ mixing.T + 0.1 * np.eye(width)
    deviation = np.sqrt(np.diag(found))
    return found / np.outer(deviation, deviation)


@pytest.fixture
def gaussian():
    rng = np.random.default_rng(0)
    return Gaussian(rng.normal(size=5), covariance(rng, 5))


def test_the_conditional_mean_is_the_regression_on_the_observed_cells(gaussian):
    row = np.array([0.3, np.nan, -1.0, np.nan, 2.0])
    observed, missing = [0, 2, 4], [1, 3]
    mean, spread = gaussian
    gradient = spread[np.ix_(missing, observed)] @ np.linalg.inv(spread[np.ix_(observed, observed)])
    filled, _ = _expectation(gaussian, np.stack([row, np.full(5, np.nan), np.arange(5.0)]))
    np.testing.assert_allclose(
        filled[0, missing], mean[missing] + gradient @ (row[observed] - mean[observed]), rtol=1e-10
    )
    np.testing.assert_array_equal(filled[0, observed], row[observed])
    np.testing.assert_allclose(filled[1], mean, rtol=1e-10)
    np.testing.assert_array_equal(filled[2], np.arange(5.0))


def test_the_covariance_is_estimated_from_incomplete_rows():
    rng = np.random.default_rng(1)
    truth = covariance(rng, 4)
    rows = rng.multivariate_normal(np.zeros(4), truth, size=4000)
    rows[rng.random(rows.shape) < 0.3] = np.nan
    found = fit_gaussian(rows)
    np.testing.assert_allclose(found.covariance, truth, atol=0.08)
    np.testing.assert_allclose(found.mean, 0, atol=0.06)


def test_complete_rows_give_the_sample_covariance_shrunk_by_five_rows():
    rows = np.random.default_rng(2).normal(size=(50, 3))
    sample = np.cov(rows.T, bias=True)
    expected = (50 * sample + 5 * np.diag(np.diag(sample))) / 55 + 1e-4 * np.eye(3)
    np.testing.assert_allclose(fit_gaussian(rows).covariance, expected, rtol=1e-10)


def test_one_factor_fewer_than_columns_is_exact(gaussian):
    directions, noise = factors(gaussian, 10)
    assert directions.shape == (4, 5)
    np.testing.assert_allclose(directions.T @ directions + noise * np.eye(5), gaussian.covariance, atol=1e-10)


def test_few_factors_keep_the_leading_variances_and_the_trace(gaussian):
    directions, noise = factors(gaussian, 2)
    together = directions.T @ directions + noise * np.eye(5)
    leading = np.linalg.eigvalsh(gaussian.covariance)[-2:]
    np.testing.assert_allclose(np.linalg.eigvalsh(together)[-2:], leading, rtol=1e-10)
    assert np.trace(together) == pytest.approx(np.trace(gaussian.covariance))


@pytest.mark.slow
def test_wide_tables_use_pairs_of_columns():
    rng = np.random.default_rng(3)
    hidden = rng.normal(size=(400, 2))
    rows = hidden @ rng.normal(size=(2, 150)) / np.sqrt(2) + 0.1 * rng.normal(size=(400, 150))
    missing = rng.random(rows.shape) < 0.2
    filled, _ = _expectation(fit_gaussian(np.where(missing, np.nan, rows)), np.where(missing, np.nan, rows))
    assert np.sqrt(np.mean((filled - rows)[missing] ** 2)) < 0.3 * rows[missing].std()


@pytest.mark.parametrize("width", [4, 130])
def test_weights_equal_repeated_rows(width):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(90, 2)) @ rng.normal(size=(2, width)) + 0.3 * rng.normal(size=(90, width))
    rows[rng.random(rows.shape) < 0.2] = np.nan
    times = 1 + np.arange(90) % 3
    weighted, repeated = fit_gaussian(rows, weights=times.astype(float)), fit_gaussian(rows.repeat(times, axis=0))
    assert_allclose(weighted.mean, repeated.mean, atol=1e-9)
    assert_allclose(weighted.covariance, repeated.covariance, atol=1e-9)
