import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from sklearn.decomposition import PCA

from isthmus.data.scaling import Scaler
from isthmus.data.splitting import HashHoldout
from isthmus.data.weights import RowWeights
from isthmus.engine.pca import Principal, geometric_median, starting_bias
from isthmus.losses.reconstruction import Reconstruction
from isthmus.networks.dense import Dense

rng = np.random.default_rng(0)
TABLE = rng.normal(size=(200, 12)) @ np.diag(1.5 ** -np.arange(12.0)) @ rng.normal(size=(12, 12)) + 5
WIDE = rng.normal(size=(40, 8)) @ np.diag(2.0 ** -np.arange(8)) @ rng.normal(size=(8, 2100)) - 3


def same_directions(found, expected, tolerance=1e-6):
    assert_allclose(np.abs(np.sum(found * expected, axis=1)), 1, atol=tolerance)


@pytest.mark.parametrize("rows", [TABLE, WIDE], ids=["covariance", "Gram matrix"])
def test_the_spectrum_equals_scikit_learns(loader_of, rows):
    principal = Principal(loader_of(rows, compute=np.float64, rows_per_chunk=12))
    pca = PCA(6, svd_solver="full").fit(rows)
    assert_allclose(principal.mean, rows.mean(0), atol=1e-9)
    assert_allclose(principal.variances[:6], pca.explained_variance_ * (len(rows) - 1) / len(rows), rtol=1e-7)
    same_directions(principal.directions[:6], pca.components_)
    shares = principal.variances / principal.variances.sum()
    assert_allclose(shares[:6], pca.explained_variance_ratio_, rtol=1e-7)


def test_columns_divided_by_units_give_their_directions(loader_of):
    unit = np.arange(1.0, TABLE.shape[1] + 1)
    found, expected = Principal(loader_of(TABLE, compute=np.float64), unit=unit), PCA().fit(TABLE / unit)
    same_directions(found.directions, expected.components_)
    assert_allclose(found.variances, expected.explained_variance_ * (len(TABLE) - 1) / len(TABLE), rtol=1e-6)
    assert found.statistics(2).unit is unit


@pytest.mark.parametrize("share", [0.01, 0.5, 0.8, 0.95, 0.99, 0.9999])
@pytest.mark.parametrize("rows", [TABLE, WIDE], ids=["covariance", "Gram matrix"])
def test_a_share_needs_as_many_components_as_scikit_learns(loader_of, rows, share):
    found = Principal(loader_of(rows, compute=np.float64)).components_for(share)
    assert found == PCA(share, svd_solver="full").fit(rows).n_components_


def test_float32_sums_are_accurate_enough(loader_of, monkeypatch):
    monkeypatch.setattr("isthmus.engine.pca._MAX_FLOAT64_WORK", 0)
    rows = TABLE - TABLE.mean(0)
    principal = Principal(loader_of(rows, compute=np.float32, rows_per_chunk=12))
    pca = PCA(6).fit(rows)
    same_directions(principal.directions[:6], pca.components_, 1e-5)
    assert_allclose(principal.variances[:6], pca.explained_variance_ * 199 / 200, rtol=1e-4)


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_rows_are_scaled_and_validation_rows_left_out(loader_of, dtype):
    rows = rng.integers(0, 255, (150, 5)).astype(dtype)
    scaler = Scaler("minmax", np.arange(5.0), np.array([255.0, 10, 1, 300, 80]))
    holdout = HashHoldout(1, 0.3)
    principal = Principal(loader_of(rows, scaler=scaler, holdout=holdout))
    kept = scaler.scaled(rows, np.float64)[~holdout.mask(0, 150)]
    pca = PCA().fit(kept)
    assert_allclose(principal.mean, kept.mean(0), rtol=1e-5)
    same_directions(principal.directions, pca.components_, 1e-4)


def long_and_wide(n_rows=300):
    factors = rng.normal(size=(n_rows, 40)) * np.linspace(2, 0.3, 40)
    return factors @ rng.normal(size=(40, 90)) / 6 + 0.7 * rng.normal(size=(n_rows, 90)) + 3


def test_a_long_wide_table_uses_all_rows(loader_of, monkeypatch):
    monkeypatch.setattr("isthmus.engine.pca._MAX_WIDTH", 64)
    rows = long_and_wide()
    principal = Principal(loader_of(rows, 64, np.float64), 6)
    pca = PCA(90, svd_solver="full").fit(rows)
    assert_allclose(principal.mean, rows.mean(0), atol=1e-9)
    assert_allclose(principal.total, pca.explained_variance_.sum() * 299 / 300, rtol=1e-6)
    # The directions of a flat spectrum turn freely; what they explain together is within 1 % of the best.
    explained = np.var((rows - rows.mean(0)) @ principal.directions[:6].T, axis=0).sum()
    best = pca.explained_variance_[:6].sum() * 299 / 300
    assert 0.99 * best < explained <= best * (1 + 1e-6)
    assert_allclose(principal.directions @ principal.directions.T, np.eye(22), atol=1e-5)


@pytest.mark.parametrize("share", [0.3, 0.8, 0.97, 0.9999])
def test_a_share_of_a_long_wide_table_needs_more_directions_until_it_is_reached(loader_of, monkeypatch, share):
    monkeypatch.setattr("isthmus.engine.pca._MAX_WIDTH", 64)
    monkeypatch.setattr("isthmus.engine.pca._FIRST_DIRECTIONS", 4)
    rows = long_and_wide()
    found = Principal(loader_of(rows, 64, np.float64), share).components_for(share)
    exact = PCA(share, svd_solver="full").fit(rows).n_components_
    assert exact <= found <= exact + 2


def test_signs_are_fixed(loader_of):
    for rows in (TABLE, -TABLE + 1, WIDE):
        directions = Principal(loader_of(rows)).directions
        largest = np.abs(directions).argmax(1)
        assert (directions[np.arange(len(directions)), largest] > 0).all()


@pytest.mark.parametrize("rows", [np.ones((7, 3)), np.ones((1, 3)), np.ones((3, 2100)), np.ones((1, 2100))])
def test_rows_without_variance(loader_of, rows):
    principal = Principal(loader_of(rows))
    assert principal.components_for(0.95) == 1
    statistics = principal.statistics(2)
    assert statistics.components.shape == (2, rows.shape[1])
    assert np.isfinite(statistics.components).all()
    assert_allclose(statistics.mean, 1, rtol=1e-6)


def test_directions_beyond_the_rank_are_zero(loader_of):
    statistics = Principal(loader_of(WIDE)).statistics(50)
    assert statistics.n_components == 50
    assert statistics.components.shape == (50, 2100)
    assert not statistics.components[40:].any()
    assert_allclose(statistics.components[:8] @ statistics.components[:8].T, np.eye(8), atol=1e-8)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("sizes", [(), (9, 5)])
@pytest.mark.parametrize("n_components", [1, 3, 12])
def test_the_error_before_the_first_step_is_that_of_pca(loader_of, tied, sizes, n_components):
    rows = (TABLE - TABLE.mean(0)) / TABLE.std(0)
    network = Dense(12, n_components, sizes, sizes[::-1], linear_path=True, tied=tied)
    params = network.init(0, Principal(loader_of(rows)).statistics(n_components))
    output, _ = Reconstruction(network).forward(params, rows.astype(np.float32), None, None)
    pca = PCA(n_components).fit(rows)
    expected = np.mean((pca.inverse_transform(pca.transform(rows)) - rows) ** 2)
    assert abs(np.mean((output.reconstruction - rows) ** 2) - expected) < 1e-5


def test_columns_far_from_zero_keep_their_directions(loader_of):
    rows = rng.standard_normal((300, 4)) * [3, 2, 1, 0.5] + 1e7
    found = Principal(loader_of(rows, compute=np.float64))
    # scikit-learn's covariance solver is off by a percent here; the reference is NumPy's for the shifted rows.
    variances, vectors = np.linalg.eigh(np.cov((rows - 1e7).T, bias=True))
    assert_allclose(found.variances, variances[::-1], rtol=1e-6)
    assert_allclose(np.abs(found.directions @ vectors[:, ::-1]), np.eye(4), atol=1e-6)


# The output's initial bias ------------------------------------------------------------------------------------------

CORNERS = np.array([[0.0, 0], [1, 0], [0.5, np.sqrt(0.75)]])


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[2.0, 3]], [2, 3]),
        ([[2.0, 3]] * 4, [2, 3]),
        ([[1.0, 0], [-1, 0], [0, 1], [0, -1]], [0, 0]),
        (CORNERS, CORNERS.mean(axis=0)),
        # The intersection of the diagonals of a convex quadrilateral.
        ([[0.0, 0], [4, 4], [0, 2], [4, 0]], [4 / 3, 4 / 3]),
        # A corner of more than 120 degrees.
        ([[0.0, 0], [1, 0.1], [-1, 0.1]], [0, 0]),
        # On a line, the middle row.
        ([[0.0], [1], [2], [50], [1000]], [2]),
        # More than half of the rows are equal.
        ([[0.0, 0]] * 3 + [[9, 1], [5, 5]], [0, 0]),
        # The mean is one of the rows, but not the median.
        ([[0.0], [0], [0], [1], [4]], [0]),
    ],
)
def test_the_geometric_median_of_known_cases(rows, expected):
    rows = np.array(rows)
    spread = np.ptp(rows, axis=0).max()
    found = geometric_median(rows, steps=2000, tol=1e-9)
    assert_allclose(found, expected, atol=1e-3 * spread)
    distances = [np.linalg.norm(rows - point, axis=1).sum() for point in (geometric_median(rows), np.array(expected))]
    assert distances[0] <= distances[1] * 1.001


def test_the_geometric_median_minimises_the_sum_of_distances():
    rows = rng.standard_t(2, size=(300, 4))
    found = minimize(
        lambda point: np.linalg.norm(rows - point, axis=1).sum(), rows.mean(axis=0), method="BFGS", tol=1e-9
    ).x
    assert_allclose(geometric_median(rows), found, atol=1e-4)
    assert_allclose(geometric_median(1e6 * rows + 3), 1e6 * found + 3, rtol=1e-3)


def test_the_initial_bias_is_that_of_scaled_rows(loader_of):
    raw = rng.integers(0, 255, (90, 5)).astype(np.uint8)
    scaler = Scaler("minmax", np.arange(5.0), np.array([255.0, 10, 1, 300, 80]))
    loader, scaled = loader_of(raw, scaler=scaler), scaler.scaled(raw, np.float64)
    assert_allclose(starting_bias(loader, "mean"), scaled.mean(axis=0), rtol=1e-5)
    assert_allclose(starting_bias(loader, "geometric_median"), geometric_median(scaled), rtol=1e-4)


def test_the_initial_bias_uses_the_first_rows(loader_of, monkeypatch):
    monkeypatch.setattr("isthmus.engine.pca._MAX_WIDTH", 30)
    assert_allclose(starting_bias(loader_of(TABLE, compute=np.float64), "mean"), TABLE[:30].mean(axis=0))


@pytest.mark.parametrize(("rows", "widest"), [(TABLE, 2048), (WIDE, 2048), (TABLE, 4)], ids=["all", "Gram", "subspace"])
def test_weights_equal_repeated_rows(loader_of, monkeypatch, rows, widest):
    monkeypatch.setattr("isthmus.engine.pca._MAX_WIDTH", widest)
    times = 1 + np.arange(len(rows)) % 3
    weights = RowWeights(times / 2.0)
    given = Principal(loader_of(rows, 12, np.float64, weights=weights, rows_per_chunk=24), 3)
    repeated = Principal(loader_of(rows.repeat(times, axis=0), 12, np.float64), 3)
    assert_allclose(given.mean, repeated.mean, atol=1e-9)
    assert_allclose(given.variances[:3], repeated.variances[:3], rtol=1e-6)
    assert_allclose(given.total, repeated.total, rtol=1e-9)
    same_directions(given.directions[:2], repeated.directions[:2])


@pytest.mark.parametrize("kind", ["mean", "geometric_median"])
def test_a_starting_bias_of_weights_is_that_of_repeated_rows(loader_of, kind):
    times = 1 + np.arange(len(TABLE)) % 3
    given = starting_bias(loader_of(TABLE, 300, np.float64, weights=RowWeights(times.astype(float))), kind)
    repeated = starting_bias(loader_of(TABLE.repeat(times, axis=0), 600, np.float64), kind)
    assert_allclose(given, repeated, atol=1e-4)
    # The row at the median itself, which counts three times against the pull of the others.
    line = np.array([[0.0], [1], [2], [9]])
    assert_allclose(geometric_median(line, weights=np.array([1.0, 1, 3, 1])), [2], atol=1e-4)
