import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from isthmus import Autoencoder
from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.data.sources import ArraySource, open_source
from isthmus.data.weights import SelectedRows
from isthmus.estimators.fit.rows import FitRows, RowOptions, weighted, without_named

rng = np.random.default_rng(0)
ROWS = rng.normal(size=(80, 3))
TIMES = rng.integers(0, 4, 80)
SITES = np.array([f"site {number}" for number in rng.integers(0, 12, 80)])
FRAME = pd.DataFrame(ROWS, columns=list("abc")).assign(times=TIMES, site=SITES)
FORMATS = ("pandas", "polars", "pyarrow", "csv", "decimal commas", "parquet", "source")
MODEL = Autoencoder(2, hidden_layer_sizes=(4,), max_epochs=2, random_state=0)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weighted")
    FRAME.to_csv(folder / "rows.csv", index=False)
    FRAME.assign(times=TIMES / 2).to_csv(folder / "commas.csv", index=False, sep=";", decimal=",")
    FRAME.to_parquet(folder / "rows.parquet", row_group_size=30)
    return {
        "pandas": FRAME,
        "polars": pl.from_pandas(FRAME),
        "pyarrow": pa.Table.from_pandas(FRAME),
        "csv": folder / "rows.csv",
        "decimal commas": str(folder / "commas.csv"),
        "parquet": folder / "rows.parquet",
        "source": open_source(folder / "rows.parquet", columns=list("abc")),
    }


@pytest.mark.parametrize("name", FORMATS)
def test_columns_of_weights_and_groups_equal_arrays_of_them(name, tables):
    by_array = MODEL.fit(FRAME[["a", "b", "c"]], sample_weight=TIMES, groups=SITES)
    codes, loss = by_array.transform(FRAME[["a", "b", "c"]]), by_array.history_["validation_loss"]
    by_column = MODEL.fit(tables[name], sample_weight="times", groups="site")
    assert list(by_column.feature_names_in_) == ["a", "b", "c"]
    assert_allclose(by_column.transform(FRAME[["a", "b", "c"]]), codes, atol=1e-6)
    assert_allclose(by_column.history_["validation_loss"], loss, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pandas", "csv", "parquet"])
def test_mixed_tables_have_weights_and_groups(name, tables):
    table = tables[name]
    given = MODEL.fit(table, sample_weight="times")
    assert list(given.feature_names_in_) == ["a", "b", "c", "site"]
    rows = FRAME.drop(columns="times")
    codes = MODEL.fit(rows, sample_weight=TIMES).transform(rows)
    assert_allclose(MODEL.fit(table, sample_weight="times").transform(rows), codes, atol=1e-5)
    repeated = rows.loc[rows.index.repeat(TIMES)]
    model = Autoencoder(2, hidden_layer_sizes=(4,), max_epochs=3, early_stopping=False, shuffle=False, random_state=0)
    model.set_params(precision="float64", batch_size=500)
    expected = model.fit(repeated).transform(rows)
    assert_allclose(model.fit(table, sample_weight="times").transform(rows), expected, atol=1e-6)


def test_other_validation_rows_are_weighted_where_they_have_the_column():
    frame = FRAME.drop(columns="site")
    given = RowOptions(validation_data=frame, sample_weight="times").opened(frame, lambda X, _: open_source(X))
    assert given.validation_weights is not None
    assert given.validation.n_rows == (TIMES > 0).sum()
    others = RowOptions(validation_data=frame.drop(columns="times"), sample_weight="times")
    assert others.opened(frame, lambda X, _: open_source(X)).validation_weights is None
    model = Autoencoder(2, hidden_layer_sizes=(4,), max_epochs=2, random_state=0, precision="float64")
    losses = [
        model.fit(rows, sample_weight=weights, validation_data=rows).history_["validation_loss"]
        for rows, weights in ((frame, "times"), (frame[["a", "b", "c"]].loc[frame.index.repeat(TIMES)], None))
    ]
    # Before the first epoch both are PCA; the order of training differs.
    assert_allclose(losses[0], losses[1], rtol=0.1)


def test_rows_without_weight_are_left_out_of_weights_groups_and_rows():
    given = RowOptions(sample_weight=[0, 2, 1, 0, 2], groups=list("aabbc")).opened(
        ROWS[:5], lambda X, _: ArraySource(X)
    )
    assert isinstance(given.source, SelectedRows)
    assert_array_equal(given.weights.values, [2, 1, 2])
    assert_array_equal(given.hold.codes, [0, 1, 2])
    assert given.n_given == 5
    assert_array_equal(given.kept(np.arange(5)), [1, 2, 4])
    holdout = given.holdout(0, 0.3)
    assert holdout.count(3) == 1
    assert FitRows.of(given) is given


@pytest.mark.slow
def test_sparse_rows_have_weights():
    rows = scipy.sparse.random_array((60, 12), density=0.3, random_state=0, format="csr")
    weights = np.arange(60) % 3
    model = clone(MODEL).set_params(scaling="standard")  # "auto" is another scaling for sparse rows
    dense = model.fit(rows.toarray(), sample_weight=weights).transform(rows)
    assert_allclose(model.fit(rows, sample_weight=weights).transform(rows), dense, atol=1e-4)


def test_equal_weights_are_none_unless_their_unit_matters():
    source = ArraySource(ROWS)
    assert weighted(source, np.full(80, 3.0)).weights is None
    assert weighted(source, np.ones(80), relative=False).weights is None
    assert weighted(source, np.full(80, 3.0), relative=False).weights.factor() == 1


def test_the_result_of_fit_transform_lacks_the_named_columns():
    codes = MODEL.fit_transform(FRAME, sample_weight="times", groups="site")
    assert_array_equal(codes, MODEL.transform(FRAME[["a", "b", "c"]]))
    assert without_named(ROWS, {"sample_weight": TIMES}) is ROWS


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (FRAME, {"sample_weight": "wait"}, "sample_weight='wait' is no column of these rows; pass a table or"),
        (ROWS, {"sample_weight": "times"}, "sample_weight='times' is no column of these rows; .* or an array with one"),
        (FRAME, {"groups": "sight"}, "groups='sight' is no column of these rows"),
        (FRAME.assign(site="x"), {"groups": "site", "sample_weight": "times"}, "groups='site': all rows are of one"),
        (FRAME, {"sample_weight": "site"}, "sample_weight: column 'site' holds text"),
        (FRAME.assign(times=-1.0), {"sample_weight": "times"}, "sample_weight of row 0 is -1; weights must be finite"),
        (FRAME.assign(times=0), {"sample_weight": "times"}, "sample_weight is zero for all rows"),
    ],
)
def test_invalid_columns(rows, options, message):
    with pytest.raises((InvalidDataError, InvalidParameterError), match=message):
        MODEL.fit(rows, **options)


def test_errors_of_files_name_the_parameter(tables):
    with pytest.raises(InvalidParameterError, match=r"sample_weight: .*rows\.csv has no column 'wait'"):
        MODEL.fit(tables["csv"], sample_weight="wait", groups="site")
    with pytest.raises(InvalidDataError, match=r"sample_weight: .*'site'"):
        MODEL.fit(tables["csv"], sample_weight="site")
    with pytest.raises(
        InvalidParameterError, match=r"sample_weight='a' is a feature of this source; open it with drop"
    ):
        MODEL.fit(tables["source"], sample_weight="a")


def test_a_missing_cell_is_named_by_its_row_among_all():
    rows = ROWS.copy()
    rows[7, 1] = np.nan
    weights = np.ones(80)
    weights[:5] = 0
    with pytest.raises(InvalidDataError, match="NaN at row 7, column 1"):
        MODEL.fit(rows, sample_weight=weights)
    weights[7] = 0
    MODEL.fit(rows, sample_weight=weights)
