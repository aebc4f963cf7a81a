import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from isthmus import Autoencoder
from isthmus.data.scaling import ColumnStatistics
from isthmus.data.scaling.choosing import choose_scaler

rng = np.random.default_rng(0)
N = 4000
ORDINARY = {
    "normal": rng.normal(size=N),
    "uniform": rng.uniform(-1, 1, N),
    "exponential": rng.exponential(size=N),
    "lognormal": rng.lognormal(size=N),
    "t with 3 degrees": rng.standard_t(3, N),
    "0 or 1": (rng.random(N) < 0.3).astype(float),
    "rarely 1": (rng.random(N) < 0.01).astype(float),
    "small counts": rng.poisson(0.4, N).astype(float),
    "counts of varying rates": rng.poisson(np.exp(1.2 * rng.normal(size=N))).astype(float),
    "counts": rng.poisson(5, N).astype(float),
    "constant but for few": np.where(rng.random(N) < 0.001, 5.0, 1.0),
    "constant": np.full(N, 0.1),
    "two groups": rng.normal(size=N) + 100 * (rng.random(N) < 0.2),
}
NORMAL = rng.normal(50, 2, N)
FEW = rng.random(N) < 0.01
EXTREME = {
    "a hundred times too large": np.where(FEW, NORMAL * 100, NORMAL),
    "999 for unknown": np.where(FEW, -999.0, rng.integers(40, 60, N)),
    "one huge cell": np.where(np.arange(N) == 7, 1e9, NORMAL),
    "Cauchy": 50 + 2 * rng.standard_cauchy(N),
}


def chosen(columns, scaling="auto", weights=None, **options):
    statistics = ColumnStatistics(columns.shape[1], columns.dtype, **options)
    statistics.update(columns[:1000], 0, None if weights is None else weights[:1000])
    statistics.update(columns[1000:], 1000, None if weights is None else weights[1000:])
    return choose_scaler(statistics, scaling)


@pytest.mark.parametrize("sample_every", [1, 3])
def test_ordinary_columns_are_standardised_to_the_bit(sample_every):
    columns = np.stack([*ORDINARY.values(), *EXTREME.values()], axis=1)
    found, standard = (chosen(columns, scaling, sample_every=sample_every) for scaling in ("auto", "standard"))
    n = len(ORDINARY)
    assert_array_equal(found.center[:n], standard.center[:n])
    assert_array_equal(found.scale[:n], standard.scale[:n])
    assert_array_equal(found.extreme[:n], 0)
    assert chosen(columns[:, :n]).extreme is None
    assert (found.extreme[n:] > 5).all()


@pytest.mark.parametrize("name", EXTREME)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_columns_with_extreme_values_are_scaled_by_median_and_quartiles(name, dtype):
    column = EXTREME[name].astype(dtype)
    scaler = chosen(column[:, None])
    lower, middle, upper = np.quantile(column.astype(np.float64), [0.25, 0.5, 0.75])
    spread = (upper - lower) / 1.349
    assert scaler.kind == "standard"
    assert_allclose(scaler.center, middle)
    deviation = column.astype(np.float64).std()
    assert_allclose(scaler.extreme, deviation / spread)
    # A single huge cell does not become larger than the loss can bear.
    assert_allclose(scaler.scale, max(spread, deviation / 30))


def test_the_inverse_restores_extreme_values():
    columns = np.stack([*EXTREME.values()], axis=1)
    scaler = chosen(columns)
    assert_allclose(scaler.raw(scaler.scaled(columns, np.float64), np.float64), columns, rtol=1e-12)


def test_missing_cells_do_not_count():
    columns = np.stack([*EXTREME.values()], axis=1)
    holes = rng.random(columns.shape) < 0.1
    columns[holes] = np.nan
    empty = np.full((N, 1), np.nan)
    scaler = chosen(np.hstack([columns, empty]), missing=True)
    assert (scaler.extreme[:-1] > 5).all()
    assert scaler.extreme[-1] == 0
    assert_allclose(scaler.center[:-1], np.nanmedian(columns, axis=0))


def test_weights_count_as_repeated_rows():
    columns = np.stack([*EXTREME.values()], axis=1)[:1500]
    weights = rng.integers(0, 3, len(columns))
    weighted = chosen(columns, weights=weights.astype(float))
    repeated = chosen(np.repeat(columns, weights, axis=0))
    assert_allclose(weighted.center, repeated.center, rtol=1e-3)
    assert_allclose(weighted.scale, repeated.scale, rtol=0.05)


def test_few_rows_do_not_tell_which_cells_are_extreme():
    columns = np.r_[np.linspace(-1, 1, 19), 1e4][:, None]
    found, standard = (chosen(columns, scaling) for scaling in ("auto", "standard"))
    assert_array_equal(found.scale, standard.scale)


def test_rows_that_are_far_out_as_wholes_leave_the_standardisation():
    rows = rng.normal(size=(N, 6)) @ rng.normal(size=(6, 6))
    rows[FEW] *= 100
    assert_array_equal(chosen(rows).scale, chosen(rows, "standard").scale)
    apart = rng.normal(size=(N, 6))
    apart[rng.random(apart.shape) < 0.01] *= 100
    assert (chosen(apart).extreme > 5).all(), "single cells of all columns"


def test_ordinary_cells_of_columns_with_extreme_values_are_learned():
    factors = rng.normal(size=(1000, 3))
    clean = factors @ rng.normal(size=(3, 8)) + 0.1 * rng.normal(size=(1000, 8))
    rows = clean.copy()
    rows[:, 0] = np.where(rng.random(1000) < 0.01, 100 * rows[:, 0], rows[:, 0])
    errors = []
    for scaling in ("auto", "standard"):
        model = Autoencoder(3, scaling=scaling, max_epochs=5, random_state=0).fit(rows)
        errors.append(np.mean((model.reconstruct(clean) - clean)[:, 0] ** 2) / clean[:, 0].var())
    assert errors[0] < 0.2 < errors[1]
