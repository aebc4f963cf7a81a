import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import isthmus
from isthmus import AutoencoderImputer
from isthmus.core.errors import InvalidDataError, InvalidParameterError, IsthmusWarning, ModelFileError
from isthmus.data.frames import each_column
from isthmus.estimators.fit.imputing import _folds


def quick(**settings):
    return AutoencoderImputer(**{"max_epochs": 0, "random_state": 0} | settings)


def mask_cells(rows, share, seed=0):
    return np.where(np.random.default_rng(seed).random(rows.shape) < share, np.nan, rows)


@parametrize_with_checks([quick()])
def test_scikit_learn_estimator_checks(estimator, check):
    check(estimator)


# Reference solutions -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def low_rank():
    rng = np.random.default_rng(0)
    loadings, deviation = rng.normal(size=(2, 8)), 0.5
    draw = lambda n: rng.normal(size=(n, 2)) @ loadings + deviation * rng.normal(size=(n, 8))  # noqa: E731
    return draw(600), draw(600), loadings.T @ loadings + deviation**2 * np.eye(8)


def conditional_mean(rows, covariance):
    filled = rows.copy()
    for row in filled:
        missing = np.isnan(row)
        if missing.any():
            observed = ~missing
            gradient = covariance[np.ix_(missing, observed)] @ np.linalg.inv(covariance[np.ix_(observed, observed)])
            row[missing] = gradient @ row[observed]
    return filled


@pytest.mark.slow
@pytest.mark.parametrize("max_epochs", [0, 10])
def test_low_rank_rows_are_imputed_within_a_tenth_of_the_optimum(low_rank, max_epochs):
    train, test, covariance = low_rank
    given = mask_cells(test, 0.3, seed=1)
    missing = np.isnan(given)
    model = quick(max_epochs=max_epochs, n_networks=2, hidden_layer_sizes=(32,)).fit(mask_cells(train, 0.3))
    model_error, optimal_error = (
        np.sqrt(np.mean((filled - test)[missing] ** 2))
        for filled in (model.transform(given), conditional_mean(given, covariance))
    )
    assert model_error < 1.1 * optimal_error


@pytest.mark.slow
def test_networks_learn_a_nonlinear_dependence():
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 1500)
    rows = np.stack([np.cos(angle), np.sin(angle), np.cos(2 * angle)], axis=1)
    train, test = rows[:1200], rows[1200:].copy()
    test[:, 2] = np.nan
    start, learned = (
        quick(max_epochs=epochs, n_networks=1, learning_rate=0.005).fit(mask_cells(train, 0.1)) for epochs in (0, 30)
    )
    errors = [np.sqrt(np.mean((m.transform(test)[:, 2] - rows[1200:, 2]) ** 2)) for m in (start, learned)]
    assert errors[1] < 0.2 * errors[0]
    assert learned.best_iter_[0] > 0


@pytest.mark.slow
@pytest.mark.parametrize(("loader", "share"), [(load_wine, 0.1), (load_breast_cancer, 0.3), (load_diabetes, 0.5)])
def test_imputation_of_real_tables_has_a_lower_error_than_means(loader, share):
    rows = loader().data
    given = mask_cells(rows, share)
    missing = np.isnan(given)
    filled = quick(max_epochs=3, n_networks=1, hidden_layer_sizes=(32,)).fit_transform(given)
    error = ((filled - rows) / rows.std(axis=0))[missing]
    by_means = ((np.nanmean(given, axis=0) - rows) / rows.std(axis=0))[missing]
    assert np.mean(error**2) < np.mean(by_means**2)


# Arrays ------------------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(1, 40),
    st.integers(1, 5),
    st.floats(0, 0.9),
    st.sampled_from([np.float32, np.float64]),
    st.sampled_from([1e-6, 1, 1e9]),
    st.integers(0, 99),
)
def test_every_missing_cell_is_filled_and_observed_cells_are_unchanged(n_rows, width, share, dtype, scale, seed):
    given = (mask_cells(np.random.default_rng(seed).normal(size=(n_rows, width)), share, seed) * scale).astype(dtype)
    given[0] = 1.0
    filled = quick().fit_transform(given)
    assert filled.dtype == dtype
    assert np.isfinite(filled).all()
    assert filled[~np.isnan(given)].tobytes() == given[~np.isnan(given)].tobytes()


def test_a_row_without_observed_cells_gets_the_means():
    given = mask_cells(np.random.default_rng(0).normal(3, 1, size=(50, 3)), 0.2)
    given[7] = np.nan
    np.testing.assert_allclose(quick().fit_transform(given)[7], np.nanmean(given, axis=0))


def test_empty_columns_are_left_out_with_a_warning_or_kept():
    given = mask_cells(np.random.default_rng(0).normal(size=(50, 3)), 0.2)
    given[:, 1] = np.nan
    with pytest.warns(IsthmusWarning, match="no value was observed in 'x1'; left out"):
        model = quick().fit(given)
    assert model.transform(given).shape == (50, 2)
    assert model.get_feature_names_out().tolist() == ["x0", "x2"]
    kept = quick(keep_empty_features=True).fit_transform(given)
    assert (kept[:, 1] == 0).all()
    np.testing.assert_array_equal(kept[:, [0, 2]], model.transform(given))


def test_a_number_can_mark_missing_cells():
    given = mask_cells(np.random.default_rng(0).normal(size=(50, 3)), 0.2)
    marked = np.where(np.isnan(given), -99, given)
    np.testing.assert_array_equal(quick(missing_values=-99).fit_transform(marked), quick().fit_transform(given))


@pytest.mark.slow
def test_results_repeat_with_the_seed_and_do_not_depend_on_other_rows():
    given = mask_cells(load_wine().data[:60], 0.2)
    options = {"max_epochs": 2, "n_networks": 2, "hidden_layer_sizes": (8,)}
    model = quick(**options).fit(given)
    filled = model.transform(given)
    np.testing.assert_array_equal(clone(model).fit_transform(given), filled)
    np.testing.assert_array_equal(model.transform(given[5:9]), filled[5:9])
    assert [len(history["loss"]) for history in model.history_] == [2, 2]


def test_it_works_in_a_pipeline():
    rows, kinds = load_wine(return_X_y=True)
    pipe = make_pipeline(quick(), StandardScaler(), LogisticRegression()).fit(mask_cells(rows, 0.2), kinds)
    assert pipe.score(mask_cells(rows, 0.2, seed=1), kinds) > 0.9


# Tables ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mixed():
    rng = np.random.default_rng(0)
    t = rng.normal(size=300)
    size = np.select([t > 0.5, t < -0.5], ["big", "small"], "middling")
    return pd.DataFrame(
        {
            "real": t + 0.1 * rng.normal(size=300),
            "whole": pd.array(np.rint(3 * t).astype(int), dtype="Int64"),
            "flag": pd.array(t > 0, dtype="boolean"),
            "text": pd.Series(size, dtype="str"),
            "size": pd.Categorical(size, categories=["small", "middling", "big"], ordered=True),
        }
    )


def mask_table(table, seed=1):
    table, rng = table.copy(), np.random.default_rng(seed)
    for name in table:
        table.loc[rng.random(len(table)) < 0.2, name] = None
    return table


@pytest.fixture(scope="module")
def fitted(mixed):
    return quick(max_epochs=15, n_networks=1, hidden_layer_sizes=(32,)).fit(mask_table(mixed))


def test_imputation_keeps_the_type_of_each_column(mixed, fitted):
    given = mask_table(mixed)
    filled = fitted.transform(given)
    assert filled.dtypes.equals(given.dtypes)
    assert not filled.isna().any(axis=None)
    for name in given:
        observed = given[name].notna()
        assert filled[name][observed].equals(given[name][observed])
    assert filled["whole"].between(given["whole"].min(), given["whole"].max()).all()
    missing = given.isna()
    for name in ("flag", "text", "size"):
        assert (filled[name] == mixed[name])[missing[name]].mean() > 0.9
    assert (filled["real"] - mixed["real"])[missing["real"]].std() < 0.4


def test_polars_and_arrow_tables_get_the_same_values(mixed, fitted):
    given = pl.from_pandas(mask_table(mixed))
    filled = fitted.transform(given)
    assert filled.schema == given.schema
    assert filled.null_count().sum_horizontal().item() == 0
    assert filled["whole"].to_list() == fitted.transform(mask_table(mixed))["whole"].to_list()
    arrow = given.to_arrow()
    assert fitted.transform(arrow).schema == arrow.schema
    assert pl.from_arrow(fitted.transform(arrow))["text"].to_list() == filled["text"].to_list()


@pytest.mark.parametrize(("container", "kind"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)])
def test_set_output(mixed, container, kind):
    given = mask_cells(load_wine().data, 0.2)
    filled = quick().set_output(transform=container).fit_transform(given)
    assert isinstance(filled, kind)
    assert list(filled.columns) == [f"x{place}" for place in range(13)]
    table = mask_table(mixed)
    for frame in (table, pl.from_pandas(table), pa.Table.from_pandas(table)):
        found = quick().set_output(transform=container).fit_transform(frame)
        assert isinstance(found, kind)
        kinds = [column.kind for column in each_column(found)]
        assert kinds == [column.kind for column in each_column(quick().fit_transform(frame))]


@pytest.mark.parametrize("names", [[2, 0, 1], [0.5, 1.5, 2.5], [("a", 1), ("a", 2), ("b", 1)]])
def test_set_output_keeps_names_that_are_no_text(names):
    frame = pd.DataFrame(mask_cells(load_wine().data[:, :3], 0.2))
    frame.columns = names
    for container, expected in (("default", names), ("pandas", names), ("polars", list(map(str, names)))):
        filled = quick().set_output(transform=container).fit_transform(frame)
        assert list(filled.columns) == expected


def test_a_sparse_column_is_dense_in_polars():
    frame = pd.DataFrame({"a": pd.arrays.SparseArray(np.arange(30) % 3), "b": np.r_[np.nan, np.arange(29.0)]})
    filled = quick().set_output(transform="polars").fit_transform(frame)
    assert filled.schema == {"a": pl.Int64, "b": pl.Float64}
    assert filled["a"].to_list() == [i % 3 for i in range(30)]


def test_two_columns_of_one_name_are_refused_in_one_line():
    with pytest.raises(InvalidDataError, match=r"^the table has more than one column named 'a'; .*$"):
        quick().fit(pd.DataFrame(np.eye(3), columns=["a", "b", "a"]))


def test_an_unseen_category_is_kept_and_encoded_as_missing(mixed, fitted):
    unseen, missing = mask_table(mixed).iloc[:3].copy(), mask_table(mixed).iloc[:3].copy()
    unseen["text"], missing["text"] = "never seen", None
    filled = fitted.transform(unseen)
    assert (filled["text"] == "never seen").all()
    assert filled.drop(columns="text").equals(fitted.transform(missing).drop(columns="text"))


def test_a_table_row_without_observed_cells_gets_modes_and_means(mixed, fitted):
    given = mask_table(mixed)
    empty = pd.DataFrame({name: pd.Series([None], dtype=given[name].dtype) for name in given})
    filled = fitted.transform(empty).iloc[0]
    assert filled["text"] == given["text"].mode()[0]
    assert filled["real"] == pytest.approx(given["real"].mean())


def test_an_empty_column_of_categories_stays_empty(mixed):
    given = mask_table(mixed)
    given["nothing"] = pd.Series([None] * len(given), dtype="str")
    kept = quick(keep_empty_features=True).fit_transform(given)
    assert kept["nothing"].isna().all()
    with pytest.warns(IsthmusWarning, match="'nothing'"):
        assert "nothing" not in quick().fit_transform(given)


def test_integer_columns_stay_integers_after_a_fit_on_an_array():
    given = pd.DataFrame({"a": pd.array([1, 2, None, 4], dtype="Int64"), "b": [1.0, 2.0, 3.0, 4.0]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # scikit-learn warns of column names missing in the fit
        filled = quick().fit(given.to_numpy(dtype=float, na_value=np.nan)).transform(given)
    assert filled["a"].tolist() == [1, 2, 3, 4]


# Files and errors --------------------------------------------------------------------------------------------------


def test_a_loaded_imputer_gives_identical_results(mixed, fitted, tmp_path):
    fitted.save(tmp_path / "model.safetensors")
    loaded = isthmus.load(tmp_path / "model.safetensors")
    assert loaded.transform(mask_table(mixed)).equals(fitted.transform(mask_table(mixed)))
    assert repr(loaded.columns_) == repr(fitted.columns_)
    assert str(loaded.get_params()) == str(fitted.get_params())
    with pytest.raises(ModelFileError, match="holds a AutoencoderImputer"):
        isthmus.Autoencoder.load(tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dropout": 1.5}, "dropout=1.5 must be a number >= 0 and < 1"),
        ({"masking": (0.6, 0.1)}, r"masking=\(0.6, 0.1\) must be a number >= 0 and <= 1 or a pair"),
        ({"masking": 2}, "masking=2 must be a number >= 0 and <= 1"),
        ({"n_networks": 0}, "n_networks=0 must be an integer >= 1"),
        ({"hidden_layer_sizes": (0,)}, "hidden_layer_sizes=.* must be a tuple of integers >= 1"),
        ({"random_state": -1}, "random_state=-1 must be an integer >= 0"),
    ],
)
def test_invalid_parameters_raise_one_line_messages(settings, message):
    with pytest.raises(InvalidParameterError, match=message) as caught:
        AutoencoderImputer(**settings).fit(np.eye(3))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (np.full((3, 2), np.nan), "no cell of the table is observed"),
        (pd.DataFrame({"a": []}), "the table has 0 rows and 1 columns"),
        (pd.DataFrame({"when": pd.to_datetime(["2020-01-01"])}), "'when' holds dates or times"),
    ],
)
def test_invalid_tables_raise_one_line_messages(table, message):
    with pytest.raises(InvalidDataError, match=message) as caught:
        quick().fit(table)
    assert "\n" not in str(caught.value)


def test_arrays_are_rejected_after_a_fit_on_categories(fitted):
    with pytest.raises(InvalidDataError, match="give a table"):
        fitted.transform(np.zeros((2, 5)))


# Rows of every kind ------------------------------------------------------------------------------------------------


def test_a_refused_fit_changes_nothing():
    given = mask_cells(np.random.default_rng(0).normal(size=(50, 3)), 0.2)
    frame = pd.DataFrame(given, columns=list("abc"))
    model = quick().fit(frame)
    before, filled = {**vars(model)}, model.transform(frame)
    for bad in (
        pd.DataFrame({"when": ["x", None] * 5, "v": [np.inf] * 10}),
        np.full((3, 2), np.nan),
        pd.DataFrame({"d": pd.to_datetime(["2024-05-01"])}),
        np.full((3, 2), np.inf),
    ):
        with pytest.raises(ValueError, match=r"."):
            model.fit(bad)
        assert vars(model) == before
    pd.testing.assert_frame_equal(model.transform(frame), filled)


@pytest.mark.parametrize("unit", [1e-200, 1e-40, 1e100, 1e160, 1e300])
def test_filled_cells_do_not_depend_on_the_unit(unit):
    given = mask_cells(
        np.random.default_rng(0).normal(size=(80, 3)) @ np.array([[1, 0, 1], [0, 1, 1], [0, 0, 0.1]]), 0.2
    )
    np.testing.assert_allclose(quick().fit_transform(given * unit) / unit, quick().fit_transform(given), rtol=1e-4)


def test_cells_that_leave_no_finite_value_are_named():
    rows = np.random.default_rng(0).normal(size=(60, 3))
    model = quick().fit(mask_cells(rows, 0.2))
    new = np.array([[1.0, 2.0, 3.0], [1e300, np.nan, 0.0]])
    with pytest.raises(InvalidDataError, match=r"row 1 cannot be filled: its value 1e\+300 in column 'x0' is too far"):
        model.transform(new)
    new[1, 0] = -np.inf
    with pytest.raises(InvalidDataError, match="infinity at row 1, column 0"):
        model.transform(new)
    with pytest.raises(InvalidDataError, match="column 0 is infinite in row 1"):
        model.transform(pd.DataFrame(new))


@pytest.mark.parametrize("dtype", [np.int16, np.int64, np.float32, np.float64])
def test_masked_cells_of_an_array_are_missing(dtype):
    rows = (100 * np.random.default_rng(0).normal(size=(60, 3))).astype(dtype)
    mask = np.random.default_rng(1).random(rows.shape) < 0.2
    masked = np.ma.masked_array(np.where(mask, dtype(-9999), rows), mask)
    filled = quick().fit_transform(masked)
    np.testing.assert_array_equal(filled, quick().fit_transform(np.where(mask, np.nan, rows.astype(filled.dtype))))
    assert not isinstance(filled, np.ma.MaskedArray)


def test_arrays_may_have_marks_and_nan():
    rows = np.random.default_rng(0).normal(size=(60, 3))
    holed = mask_cells(rows, 0.3)
    marked = holed.copy()
    marked[::2][np.isnan(holed[::2])] = -99
    marked[1::4][np.isnan(holed[1::4])] = -98
    filled = quick(missing_values=[np.float32(-99), np.int64(-98)]).fit_transform(marked)
    np.testing.assert_array_equal(filled, quick().fit_transform(holed))


def test_marks_of_another_type_are_refused_for_arrays():
    with pytest.raises(InvalidParameterError, match="missing_values='x' is text, but each cell of the array holds num"):
        quick(missing_values="x").fit(np.eye(3))
    with pytest.raises(
        InvalidParameterError, match="missing_values=0 is a number, but each cell of the array holds bool"
    ):
        quick(missing_values=0).fit(np.eye(3, dtype=bool))


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_integers_that_no_float_holds_stay_exact_in_arrays(dtype):
    end = np.iinfo(dtype).max
    rows = np.column_stack([end - np.arange(30, dtype=dtype), np.arange(30, dtype=dtype)])
    rows[3] = 7777
    filled = quick(missing_values=7777).fit_transform(rows)
    assert filled.dtype == dtype
    assert (np.delete(filled, 3, 0) == np.delete(rows, 3, 0)).all()
    assert end - 30 < filled[3, 0] <= end


def test_objects_are_filled_as_the_numbers_they_hold():
    rows = np.random.default_rng(0).normal(size=(80, 1)) @ np.array([[1.0, 3.0]])
    holed = pd.DataFrame(mask_cells(rows, 0.2), columns=["a", "b"])
    objects = holed.astype(object).where(holed.notna(), None)
    np.testing.assert_array_equal(quick().fit_transform(objects).astype(float), quick().fit_transform(holed))
    np.testing.assert_array_equal(quick().fit_transform(objects.to_numpy()), quick().fit_transform(holed.to_numpy()))


@pytest.mark.parametrize("names", [[0, 1, 2], pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)])])
def test_names_that_are_no_text_are_checked(names, tmp_path):
    frame = pd.DataFrame(mask_cells(np.random.default_rng(0).normal(size=(50, 3)), 0.2), columns=names)
    quick().fit(frame).save(tmp_path / "m.safetensors")
    model = isthmus.load(tmp_path / "m.safetensors")
    assert model.transform(frame).columns.equals(frame.columns)
    with pytest.raises(InvalidDataError, match="put the columns in the order of fit"):
        model.transform(frame.iloc[:, ::-1])


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_path_is_read(tmp_path, suffix):
    frame = pd.DataFrame(mask_cells(np.random.default_rng(0).normal(size=(50, 2)), 0.2), columns=["a", "b"])
    path = tmp_path / f"t.{suffix}"
    getattr(frame, f"to_{suffix}")(path, index=False)
    filled = quick().fit_transform(path)
    assert isinstance(filled, np.ndarray)
    np.testing.assert_array_equal(filled, quick().fit_transform(frame))
    frame["t"] = ["x", "y"] * 25
    getattr(frame, f"to_{suffix}")(path, index=False)
    assert quick().fit(frame).transform(path).column_names == ["a", "b", "t"]


def test_other_rows_are_refused_in_words():
    with pytest.raises(InvalidDataError, match="X is a ArraySource, but an imputer takes an array, a DataFrame"):
        quick().fit(isthmus.open_source(np.eye(3)))


def test_lazy_frames_and_columns_without_a_type_are_filled():
    frame = pl.DataFrame({"v": [1.0, None, 3.0] * 20, "w": [2.0, 4.0, 6.0] * 20, "note": [None] * 60})
    with pytest.warns(IsthmusWarning, match="no value was observed in 'note'"):
        filled = quick().fit_transform(frame.lazy())
    assert filled.columns == ["v", "w"]
    assert quick(keep_empty_features=True).fit_transform(frame).columns == ["v", "w", "note"]


# Weights and groups ------------------------------------------------------------------------------------------------


def test_the_fill_of_weighted_rows_is_that_of_repeated_rows():
    rng = np.random.default_rng(0)
    rows = mask_cells(rng.normal(size=(3000, 1)) * [1, 2, -1] + 0.2 * rng.normal(size=(3000, 3)), 0.15)
    rows = np.column_stack([rows, rng.integers(0, 2, 3000)])
    times = 1 + 9 * (rows[:, 3] * (np.nan_to_num(rows[:, 0]) > 0)).astype(int)
    times[::7] = 0
    weighted = quick().fit(rows, sample_weight=times).transform(rows)
    repeated = quick().fit(rows.repeat(times, axis=0)).transform(rows)
    # The prior of the Gaussian counts rows: those with a weight, or all copies.
    assert_allclose(weighted, repeated, atol=0.02)
    assert not np.allclose(quick().fit_transform(rows), repeated, atol=0.02)
    kept = times > 0
    assert_array_equal(quick().fit(rows[kept], sample_weight=times[kept]).transform(rows), weighted)
    assert_array_equal(quick().fit(rows, sample_weight=np.full(3000, 2)).transform(rows), quick().fit_transform(rows))


@pytest.mark.slow
@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow", "csv"])
def test_columns_of_weights_and_groups_are_not_filled(library, tmp_path):
    rng = np.random.default_rng(0)
    a = rng.normal(size=80)
    frame = pd.DataFrame({"a": a, "b": 2 * a, "kind": np.where(a > 0, "up", "down")})
    frame.loc[::7, "b"] = np.nan
    whole = frame.assign(w=np.arange(80) % 3, person=[f"p{number // 8}" for number in range(80)])
    settings = {"max_epochs": 2, "n_networks": 2, "hidden_layer_sizes": (8,), "n_components": 4}
    expected = quick(**settings).fit_transform(frame, sample_weight=whole["w"], groups=whole["person"])
    whole.to_csv(tmp_path / "rows.csv", index=False)
    given = {"pandas": whole, "polars": pl.from_pandas(whole), "pyarrow": pa.Table.from_pandas(whole)}
    table = given.get(library, tmp_path / "rows.csv")
    model = quick(**settings)
    found = model.fit_transform(table, sample_weight="w", groups="person")
    assert list(model.feature_names_in_) == ["a", "b", "kind"]
    columns = found if library == "pandas" else found.to_pandas()
    assert_allclose(columns["b"], expected["b"], atol=1e-6)
    assert len(model.history_) == 2


def test_groups_are_held_out_whole():
    groups = np.repeat([5, 3, 9, 1, 7, 2], 10)
    fold = _folds(60, 5, groups, 0)
    assert all(len(np.unique(fold[groups == group])) == 1 for group in np.unique(groups))
    assert fold.max() == 4
    assert _folds(60, 5, np.repeat([0, 1], 30), 0).max() == 1
    assert_array_equal(np.bincount(_folds(60, 5, None, 0)), [12] * 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_weight": [1, 2]}, r"sample_weight has shape \(2,\), but there are 30 rows"),
        ({"groups": [1, 2]}, r"groups has shape \(2,\), but there are 30 rows"),
        ({"sample_weight": "w"}, "sample_weight='w' is no column of these rows"),
    ],
)
def test_invalid_weights_and_groups(options, message):
    with pytest.raises(ValueError, match=message):
        quick().fit(np.random.default_rng(0).normal(size=(30, 3)), **options)
