import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.metrics import log_loss

from isthmus.core.errors import InvalidParameterError
from isthmus.data.scaling import ColumnStatistics
from isthmus.data.scaling.maps import Scaler, Whitening
from isthmus.data.sources.base import Column, Schema
from isthmus.estimators.fit.balancing import balanced, unscaled_categories

RNG = np.random.default_rng(0)
N = 500
LEVELS = RNG.choice(3, N, p=[0.6, 0.3, 0.1])
ONE_HOT = np.eye(3)[LEVELS]
# A number, a category of three levels, a category of one level, and a date of two cells.
ROWS = np.column_stack([RNG.normal(5, 3, N), ONE_HOT, np.ones(N), RNG.normal(2, 0.5, (N, 2))])
SCHEMA = Schema(tuple(Column(f"x{i}") for i in range(7)), categories=((1, 4), (4, 5)), column_of=(0, 1, 1, 1, 2, 3, 3))


@pytest.fixture(scope="module")
def statistics():
    found = ColumnStatistics(7, ROWS.dtype)
    found.update(ROWS)
    return found


def scaler(scale):
    return unscaled_categories(Scaler("standard", ROWS.mean(axis=0), np.full(7, scale)), SCHEMA.categories)


def test_one_hot_columns_are_not_scaled():
    scaled = scaler(2.0).scaled(ROWS, np.float64)
    assert_array_equal(scaled[:, 1:5], ROWS[:, 1:5])
    assert_allclose(scaled[:, 0], (ROWS[:, 0] - ROWS[:, 0].mean()) / 2)


def test_predicting_a_columns_marginal_costs_1_whatever_the_column(statistics):
    cell, _ = balanced(SCHEMA, statistics, scaler(2.0), squared=True)
    scaled = scaler(2.0).scaled(ROWS, np.float64)
    assert_allclose((cell * (scaled - scaled.mean(axis=0)) ** 2)[:, [0, 5, 6]].mean(axis=0), 1)
    shares = np.broadcast_to(ONE_HOT.mean(axis=0), (N, 3))
    # The cross-entropy of a category is divided among its cells, of which the loss is the mean.
    assert_allclose(cell[1] * log_loss(LEVELS, shares) / 3, 1)
    assert_array_equal(cell[1:4], cell[1])
    assert cell[4] == 1  # one level costs nothing


def test_losses_other_than_the_squared_error_leave_numbers_as_they_are(statistics):
    cell, _ = balanced(SCHEMA, statistics, scaler(2.0), squared=False)
    assert_array_equal(cell[[0, 5, 6]], 1)
    assert_allclose(cell[1], 3 / stats.entropy(np.bincount(LEVELS)))


def test_a_columns_cells_have_a_variance_of_1_together(statistics):
    found = Scaler("standard", ROWS.mean(axis=0), ROWS.std(axis=0).clip(1e-300))
    _, error = balanced(SCHEMA, statistics, unscaled_categories(found, SCHEMA.categories), squared=True)
    scaled = np.column_stack(
        [(ROWS[:, :1] - 5) / ROWS[:, 0].std(), ROWS[:, 1:5], ROWS[:, 5:] / ROWS[:, 5:].std(axis=0)]
    )
    variances = np.var(scaled / error, axis=0)
    sums = np.bincount(SCHEMA.column_of, variances)
    assert_allclose(sums, [1, 1, 0, 1], atol=1e-9)


def test_a_scaling_that_mixes_columns_is_refused(statistics):
    with pytest.raises(InvalidParameterError, match=r"scaling='zca' mixes the columns of a row.*use 'standard'"):
        unscaled_categories(Whitening(np.zeros(7), np.eye(7), np.eye(7)), SCHEMA.categories)
