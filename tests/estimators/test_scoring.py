import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import r2_score

from isthmus import Autoencoder
from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.estimators import scoring
from isthmus.estimators.scoring import explained_variance
from sae_folders import randomized

RNG = np.random.default_rng(0)
ROWS = RNG.normal(5, 2, (150, 5)) * [1, 10, 100, 1, 1]
REBUILT = ROWS + RNG.normal(0, 0.5, ROWS.shape)
PAIRS = [(ROWS[:7], REBUILT[:7]), (ROWS[7:8], REBUILT[7:8]), (ROWS[8:], REBUILT[8:])]


@pytest.fixture(scope="module")
def model():
    return randomized(Autoencoder(2, hidden_layer_sizes=(4,), missing="mask", random_state=0), ROWS)


def test_errors_are_means_over_observed_cells_in_scaled_units(model):
    holes = ROWS.copy()
    holes[::4, 1], holes[3] = np.nan, np.nan
    expected = np.square((holes - model.reconstruct(holes)) / model.scaler_.scale)
    cells = model.reconstruction_error(holes, per="cell")
    assert_allclose(cells, expected, rtol=1e-4, atol=1e-9)
    assert_allclose(model.reconstruction_error(holes, per="feature"), np.nanmean(cells, axis=0))
    by_row = model.reconstruction_error(holes)
    assert np.isnan(by_row[3])  # a row without any cell has no error
    known = np.arange(150) != 3
    assert_allclose(by_row[known], np.nanmean(cells[known], axis=1))


def test_errors_by_column_need_no_more_memory_for_more_rows(model, monkeypatch):
    block = np.ones((1, 2000))
    monkeypatch.setattr(scoring, "open_stream", lambda model, X: X)
    monkeypatch.setattr(scoring, "pairs", lambda model, source: ((block, 3 * block) for _ in range(1000)))
    tracemalloc.start()
    try:
        found = scoring.squared_errors(model, None, "feature")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert_allclose(found, 4)
    assert peak < 2_000_000  # the sums of all blocks are 32 MB


def test_other_directions_are_refused(model):
    with pytest.raises(InvalidParameterError, match="per='rows' must be one of 'row', 'feature', 'cell'"):
        model.reconstruction_error(ROWS, per="rows")


@pytest.mark.parametrize("weights", [None, RNG.integers(0, 4, 150).astype(float), RNG.uniform(0.1, 3, 150)])
def test_explained_variance_is_scikit_learns(weights):
    expected = r2_score(ROWS, REBUILT, sample_weight=weights, multioutput="variance_weighted")
    assert_allclose(explained_variance("X", PAIRS, 150, weights), expected, rtol=1e-12)
    assert_allclose(explained_variance("X", PAIRS, None, weights), expected, rtol=1e-12)


def test_a_weight_is_a_number_of_rows():
    counts = RNG.integers(0, 3, 150)
    repeated = [(np.repeat(ROWS, counts, axis=0), np.repeat(REBUILT, counts, axis=0))]
    assert_allclose(
        explained_variance("X", PAIRS, 150, counts.astype(float)), explained_variance("X", repeated, None, None)
    )


@pytest.mark.parametrize(("n_weights", "found"), [(149, "more"), (151, "150")])
def test_weights_of_another_number_of_rows(n_weights, found):
    with pytest.raises(InvalidDataError, match=f"has {n_weights} numbers, but there are {found} rows"):
        explained_variance("X", PAIRS, None, np.ones(n_weights))


def test_too_few_rows():
    with pytest.warns(UndefinedMetricWarning):
        assert np.isnan(explained_variance("X", PAIRS[1:2], None, None))
    with pytest.raises(InvalidDataError, match="X has no rows; a score needs at least two"):
        explained_variance("X", [], None, None)
