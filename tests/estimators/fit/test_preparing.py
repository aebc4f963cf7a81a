import numpy as np
import pytest
from numpy.testing import assert_allclose

from isthmus.core.errors import InvalidDataError, InvalidParameterError, IsthmusWarning
from isthmus.corruption import Gaussian
from isthmus.data.scaling import Scaler
from isthmus.data.sources import open_source
from isthmus.data.splitting import NO_HOLDOUT, HashHoldout, MaskHoldout
from isthmus.estimators.fit.plan import resolve
from isthmus.estimators.fit.preparing import Prepared, measure, prepare

COLUMNS = ("a", "b", "c", "d")


def prepared(rows, scaler=None, hold=None, **parameters):
    source = open_source(rows)
    plan = resolve({"random_state": 0, **parameters}, source.schema, len(rows))
    return prepare(plan, source, COLUMNS, scaler, hold)


# Measuring ---------------------------------------------------------------------------------------------------------


def test_held_out_rows_are_not_measured():
    values = np.random.default_rng(0).standard_normal((500, 3))
    held = HashHoldout(3, 0.3)
    statistics = measure(open_source(values), "standard", (), held)
    kept = values[~held.mask(0, 500)]
    assert statistics.n_rows == len(kept) < 500
    assert_allclose(statistics.mean, kept.mean(axis=0))
    values[np.flatnonzero(held.mask(0, 500))[0], 1] = np.nan
    with pytest.raises(InvalidDataError, match="column 'b'"):
        measure(open_source(values), "standard", ("a", "b", "c"), held)


def test_held_out_rows_are_not_in_the_statistics_of_a_scaling(small, rows):
    model = small(scaling="zca", validation_fraction=0.3).fit(rows)
    held = HashHoldout(0, 0.3).mask(0, len(rows))
    assert held.any()
    alone = small(scaling="zca", early_stopping=False).fit(rows[~held])
    assert_allclose(model.scaler_.whitening, alone.scaler_.whitening, rtol=1e-9)


@pytest.mark.parametrize("scaling", ["patches", "zca"])
def test_a_cell_that_is_not_finite_is_named_for_every_scaling(small, rows, scaling):
    spoilt = rows.copy()
    spoilt[17, 2] = np.nan
    model = small(scaling=scaling, max_epochs=1)
    with pytest.raises(InvalidDataError, match="contains NaN at row 17, column 2"):
        model.fit(spoilt)
    with pytest.raises(InvalidDataError, match="contains NaN at row 17, column 2"):
        model.fit(rows).transform(spoilt)


def test_a_kept_scaling_is_not_measured_again(small, rows, monkeypatch):
    model = small(scaling="zca", warm_start=True, max_epochs=1).fit(rows)
    scaler = model.scaler_
    monkeypatch.setattr("isthmus.data.scaling.statistics.ColumnStatistics._update_moments", None)
    assert model.fit(rows).scaler_ is scaler
    assert model.partial_fit(rows).scaler_ is scaler


@pytest.mark.parametrize("scaling", ["zca", "patches", "whitened_patches", "mean_norm"])
def test_scalings_of_whole_rows_are_refused_with_missing_cells_before_rows_are_read(unread, scaling):
    with pytest.raises(InvalidParameterError, match=f"scaling='{scaling}' needs whole rows and cannot be combined"):
        measure(unread(), scaling, (), NO_HOLDOUT, missing=True)


# Preparing ---------------------------------------------------------------------------------------------------------


def test_no_row_left_to_train_on(rows):
    with pytest.raises(InvalidParameterError, match="validation_fraction=1 holds out all 6 rows; lower it, or set"):
        prepared(rows[:6], validation_fraction=1 - 1e-9)
    assert prepared(rows[:10], validation_fraction=0.5).loader.count() > 0


def test_all_rows_are_checked_before_they_are_read(unread, plan_of):
    plan = plan_of(n_rows=6, n_features=4, validation_fraction=1 - 1e-9)
    with pytest.raises(InvalidParameterError, match="holds out all 6 rows"):
        prepare(plan, unread(6), ())


def test_the_loader_has_what_the_plan_says(rows):
    loader, columns, *balance = prepared(rows, batch_size=16, shuffle=False, precision="float64", random_state=3)
    assert (loader.batch_size, loader.shuffle, loader.compute, loader.seed) == (16, False, np.float64, 3)
    assert loader.holdout == HashHoldout(3, 20 / 150)
    assert not loader.missing
    assert columns is None
    assert balance == [None, None], "no column is a category"


def test_another_choice_of_validation_rows(rows):
    def hold(seed, share):
        assert (seed, share) == (3, 0.25)
        return MaskHoldout(np.arange(150) >= 100)

    loader = prepared(rows, hold=hold, validation_fraction=0.25, random_state=3).loader
    assert (loader.count(), loader.count(validation=True)) == (100, 50)
    assert_allclose(loader.scaler.center, rows[:100].mean(axis=0))


def test_a_given_scaler_is_kept(rows):
    scaler = Scaler("standard", np.ones(4), np.full(4, 2.0))
    assert prepared(rows, scaler).loader.scaler is scaler
    with pytest.raises(InvalidDataError, match="loss='bce' needs values in"):
        prepared(rows, scaler, loss="bce")


@pytest.mark.parametrize("holdout", [True, False])
def test_rows_have_missing_cells_wherever_they_are(rows, holdout):
    held = HashHoldout(0, 0.1).mask(0, len(rows))
    spoilt = rows.copy()
    spoilt[np.flatnonzero(held == holdout)[0], 1] = np.nan
    assert prepared(spoilt, missing="mask").loader.missing
    # Without a missing cell the program is that of missing="refuse".
    assert not prepared(rows, missing="mask").loader.missing
    with pytest.raises(InvalidDataError, match="column 'b'"):
        prepared(spoilt)


def test_columns_without_a_value_are_warned_of(rows):
    spoilt = rows.copy()
    spoilt[:, [0, 3]] = np.nan
    with pytest.warns(IsthmusWarning, match="missing in every row, and left missing: column 'a', 'd'$"):
        prepared(spoilt, missing="mask")
    prepared(spoilt, Scaler("none", np.zeros(4), np.ones(4)), missing="mask")  # an earlier fit has warned


# The scaled columns ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scaling", ["minmax", "standard", None, "zca"])
def test_the_columns_that_a_corruption_is_given(scaling):
    X = np.random.default_rng(0).normal([5, -3, 0], [1, 0.1, 10], (500, 3))
    loader, columns, *_ = prepared(X, corruption=Gaussian(0.1), scaling=scaling, early_stopping=False)
    scaled = loader.scaler.scaled(X, np.float64)
    assert_allclose(columns.low, scaled.min(0), rtol=1e-6)
    assert_allclose(columns.high, scaled.max(0), rtol=1e-6)
    assert_allclose(columns.spread, scaled.std(0), rtol=1e-6)
    if scaling == "zca":
        assert np.isnan(columns.unit).all()
        assert np.isnan(columns.zero).all()
    else:
        unit = loader.scaler.scaled(np.ones((1, 3)), np.float64) - loader.scaler.scaled(np.zeros((1, 3)))
        assert_allclose(columns.unit, unit[0], rtol=1e-5)
        assert_allclose(columns.zero, loader.scaler.scaled(np.zeros((1, 3)), np.float64)[0], atol=1e-12)


def test_a_column_without_a_value_has_a_finite_range(rows):
    spoilt = rows.copy()
    spoilt[:, 1] = np.nan
    with pytest.warns(IsthmusWarning, match="missing in every row"):
        columns = prepared(spoilt, missing="mask", corruption="masking").columns
    assert columns.number is None
    assert all(np.isfinite(values).all() for values in columns[:5])


def test_a_corruption_in_units_needs_a_scaling_by_column(rows):
    with pytest.raises(InvalidParameterError, match="Gaussian uses the input's units, which rows lose"):
        prepared(rows, corruption=Gaussian(0.1, unit="input"), scaling="zca")


def test_codes_for_linear_models_start_half_way_between_plain_cells_and_columns_of_equal_variance():
    assert Prepared(None, None).start_unit(linear=True) is None
    prepared = Prepared(None, None, None, np.array([1.0, 4.0]))
    assert prepared.start_unit(linear=True).tolist() == [1, 2]
    assert prepared.start_unit(linear=False).tolist() == [1, 4]
