import numpy as np
import pytest
from numpy.testing import assert_allclose

from isthmus.engine.gaussian import Gaussian, _by_pairs, _expectation, factors, fit_gaussian


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


def filled_with(gaussian, rows):
    """Return the conditional means of all missing cells."""
    return _expectation(gaussian, rows)[0]


@pytest.mark.parametrize(("n_rows", "share", "most"), [(100, 0.5, 1.0), (300, 0.5, 0.75)])
def test_few_rows_of_many_columns_are_filled_better_than_by_means(n_rows, share, most):
    # Eight factors and noise; with all of them known, the error would be about 0.53 of a deviation.
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(n_rows + 60, 8)) @ rng.normal(size=(8, 150)) + 1.5 * rng.normal(size=(n_rows + 60, 150))
    rows = (rows - rows[:n_rows].mean(axis=0)) / rows[:n_rows].std(axis=0)
    holes = rng.random(rows.shape) < share
    known = np.where(holes, np.nan, rows)
    error = (filled_with(fit_gaussian(known[:n_rows]), known[n_rows:]) - rows[n_rows:])[holes[n_rows:]]
    assert np.sqrt(np.mean(error**2)) < most


def test_complete_wide_rows_have_the_loadings_of_probabilistic_components():
    # Tipping and Bishop: the noise is the mean of the variances that no factor has, the rest are the leading ones.
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(1500, 4)) @ rng.normal(size=(4, 130)) + rng.normal(size=(1500, 130))
    rows -= rows.mean(axis=0)
    found = np.linalg.eigvalsh(fit_gaussian(rows).covariance)[::-1]
    truth = np.linalg.eigvalsh(np.cov(rows.T, bias=True))[::-1]
    assert_allclose(found[:4], truth[:4], rtol=0.05)
    assert_allclose(found[64:], truth[64:].mean(), rtol=0.1)


def test_pairs_of_columns_keep_each_column_s_variance():
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(40, 3)) * [1.0, 2.0, 3.0]
    rows[rng.random(rows.shape) < 0.1] = np.nan
    assert_allclose(np.diag(_by_pairs(rows, np.ones(40)).covariance), np.nanvar(rows, axis=0))
    both = ~np.isnan(rows[:, :2]).any(axis=1)
    centered = rows - np.nanmean(rows, axis=0)
    products = np.sum(centered[both, 0] * centered[both, 1])
    assert_allclose(_by_pairs(rows, np.ones(40)).covariance[0, 1], products / (both.sum() + 5))


@pytest.mark.parametrize("width", [4, 130])
def test_weights_equal_repeated_rows(width):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(90, 2)) @ rng.normal(size=(2, width)) + 0.3 * rng.normal(size=(90, width))
    rows[rng.random(rows.shape) < 0.2] = np.nan
    times = 1 + np.arange(90) % 3
    weighted, repeated = fit_gaussian(rows, weights=times.astype(float)), fit_gaussian(rows.repeat(times, axis=0))
    assert_allclose(weighted.mean, repeated.mean, atol=1e-9)
    assert_allclose(weighted.covariance, repeated.covariance, atol=1e-9)
