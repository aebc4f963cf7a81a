import copy
import functools
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal

import isthmus
from isthmus import open_source
from isthmus.core.errors import InvalidDataError, InvalidParameterError, MissingFileError
from isthmus.estimators.inputs import each_picture, finite_blocks, is_external, numbers_of, open_rows, rows_of

NAMES = ["a", "b", "c", "d"]


class Estimator:
    """The attributes of an estimator that scikit-learn's validation uses."""

    def __sklearn_tags__(self):
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(estimator_type=None, target_tags=TargetTags(required=False), input_tags=InputTags())


def read(source):
    return np.concatenate([block.values for block in source.blocks()])


def written(path, values):
    if path.suffix == ".npy":
        np.save(path, values)
    else:
        pq.write_table(pa.table({name: values[:, i] for i, name in enumerate(NAMES)}), path)
    return path


@pytest.fixture(scope="module")
def fit_array(small, rows):
    """A function that returns an array of a dtype and the model fitted on it."""

    @functools.cache
    def fit(dtype):
        X = np.clip(rows, 0, 120).astype(dtype)
        return X, small(max_epochs=1).fit(X)

    return fit


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.uint8])
@pytest.mark.parametrize("form", ["fortran", "strided", "pandas", "polars", ".npy", ".parquet", "source", "memmap"])
def test_every_input_form_gives_the_same_weights(small, fit_array, tmp_path, dtype, form):
    X, expected = fit_array(dtype)
    model = small(max_epochs=1)
    forms = {
        "fortran": np.asfortranarray,
        "strided": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
        "pandas": lambda X: pd.DataFrame(X, columns=NAMES),
        "polars": lambda X: pl.DataFrame(X, schema=NAMES),
        "source": open_source,
        "memmap": lambda X: np.load(written(tmp_path / "X.npy", X), mmap_mode="r"),
    }
    given = forms[form](X) if form in forms else written(tmp_path / f"X{form}", X)
    model.fit(given)
    for mine, theirs in zip(model.encoder_weights_, expected.encoder_weights_, strict=True):
        assert_array_equal(mine, theirs)
    assert_array_equal(model.transform(given), expected.transform(X))
    rebuilt, plain = model.reconstruct(given), expected.reconstruct(X)
    is_frame = form in ("pandas", "polars")
    assert type(rebuilt) is (type(given) if is_frame else np.ndarray)
    # A frame has the types of its columns again, so that integers are rounded.
    assert_array_equal(rebuilt, np.rint(plain) if is_frame and X.dtype.kind in "iu" else plain)
    assert model.score(given) == expected.score(X)
    named = form in ("pandas", "polars", ".parquet")
    assert list(getattr(model, "feature_names_in_", [])) == (NAMES if named else [])
    assert model.n_features_in_ == 4


@pytest.mark.slow
@pytest.mark.parametrize("form", [np.asfortranarray, pd.DataFrame, lambda X: pd.DataFrame(X).copy()])
def test_how_an_array_lies_in_memory_changes_no_bit(small, form):
    X = np.random.default_rng(3).normal(size=(120, 6)).round(2)
    settings = {"max_epochs": 2, "precision": "float64"}
    expected, model = small(**settings).fit(X), small(**settings).fit(form(X))
    assert_array_equal(model.scaler_.scale, expected.scaler_.scale)
    assert_array_equal(model.scaler_.center, expected.scaler_.center)
    for mine, theirs in zip(model.encoder_weights_, expected.encoder_weights_, strict=True):
        assert_array_equal(mine, theirs)


@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", ">f8", "g", object])
def test_fit_accepts_every_numeric_dtype(small, dtype):
    X = np.random.default_rng(0).integers(0, 2 if dtype == "?" else 100, (150, 4))
    model = small(scaling="minmax").fit(X.astype(dtype))
    assert_allclose(model.score(X.astype(dtype)), small(scaling="minmax").fit(X).score(X), atol=1e-3)
    assert_allclose(model.scaler_.scale, np.ptp(X, axis=0))


@pytest.mark.parametrize(
    ("X", "error", "match"),
    [
        (np.empty((0, 3)), ValueError, r"0 sample\(s\)"),
        (np.empty((3, 0)), ValueError, r"0 feature\(s\)"),
        (np.ones(3), InvalidDataError, "^Expected 2D array, got 1D array instead. Reshape your data"),
        (np.ones((2, 2, 2)), ValueError, "dim 3"),
        (None, InvalidDataError, "Expected 2D array, got scalar"),
        (
            np.full((2, 2), 1j),
            InvalidDataError,
            "^Complex data not supported: give real and imaginary parts as columns",
        ),
        (np.array([["x", "y"]]), ValueError, "strings"),
        (
            pd.DataFrame({"a": range(60), "b": [f"no. {i}" for i in range(60)]}),
            InvalidDataError,
            "column 'b' has 60 different values in 60 rows, so it is an identifier or free text",
        ),
        (
            pl.DataFrame({"a": range(60), "b": [f"no. {i}" for i in range(60)]}),
            InvalidDataError,
            "column 'b' has 60 different values in 60 rows, so it is an identifier or free text",
        ),
        (np.array([["2020-01-01"]], "M8[D]"), InvalidDataError, "values of type datetime64"),
        (scipy.sparse.csr_matrix(np.eye(3) * 1j), ValueError, "Complex data not supported"),
        (
            scipy.sparse.coo_array(np.ones(3)),
            InvalidDataError,
            r"Expected 2D array, got a sparse array of shape \(3,\)",
        ),
        (scipy.sparse.csr_array((0, 3)), ValueError, r"Found array with 0 sample"),
        (np.zeros((4, 3, 3)), InvalidDataError, r"X\.reshape\(len\(X\), -1\), or pass pictures to Convolutional"),
        ("nowhere.npy", MissingFileError, "nowhere.npy does not exist"),
        ("pyproject.toml.bak.none", MissingFileError, "does not exist"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else None,
)
def test_invalid_rows_raise_one_line_messages(small, X, error, match):
    with pytest.raises(error, match=match) as caught:
        small().fit(X)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
@pytest.mark.parametrize(("value", "what"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")])
def test_cells_of_files_that_are_not_finite_are_rejected(small, fitted, rows, tmp_path, suffix, value, what):
    bad = rows.copy()
    bad[77, 2] = value
    path = written(tmp_path / f"bad{suffix}", bad)
    column = "'c'" if suffix == ".parquet" else "2"
    with pytest.raises(InvalidDataError, match=f"^Input X contains {what} at row 77, column {column}; .* the cell"):
        small().fit(path)
    with pytest.raises(InvalidDataError, match=f"contains {what} at row 77"):
        fitted.transform(path)


def test_finite_rows_with_an_infinite_sum_are_accepted():
    source = open_source(np.full((4, 2), 1e308))
    assert len(list(finite_blocks(source))) == 1


def test_widths_and_names_of_files(small, rows, tmp_path):
    model = small(max_epochs=1).fit(written(tmp_path / "X.parquet", rows))
    with pytest.raises(InvalidDataError, match=r"^X has 3 features, but Autoencoder is expecting 4 features as input$"):
        model.transform(written(tmp_path / "narrow.npy", rows[:, :3]))
    assert_array_equal(model.transform(written(tmp_path / "X.npy", rows)), model.transform(tmp_path / "X.parquet"))
    frame = pd.DataFrame(rows, columns=NAMES)
    frame[["d", "b", "a", "c"]].assign(more=1.0).to_parquet(tmp_path / "turned.parquet")
    assert_array_equal(model.transform(tmp_path / "turned.parquet"), model.transform(frame))
    frame.rename(columns={"b": "B"}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises((InvalidDataError, InvalidParameterError), match=r"'?b'?") as caught:
        model.transform(tmp_path / "other.parquet")
    assert "\n" not in str(caught.value)
    with pytest.raises(InvalidDataError, match="'B' where the model was fitted on 'b'"):
        model.transform(open_source(frame.rename(columns={"b": "B"})))


def test_a_new_fit_removes_feature_names(small, rows):
    model = small(max_epochs=1).fit(pd.DataFrame(rows, columns=NAMES))
    model.fit(open_source(rows))
    assert not hasattr(model, "feature_names_in_")


def test_files_without_rows_are_rejected(small, tmp_path):
    np.save(tmp_path / "none.npy", np.empty((0, 3)))
    with pytest.raises(InvalidDataError, match="has no rows; at least one is needed"):
        small().fit(tmp_path / "none.npy")
    (tmp_path / "none.csv").write_text("a,b\n")
    with pytest.raises(InvalidDataError, match="no rows"):
        small().fit(str(tmp_path / "none.csv"))


def test_streams_are_read_into_memory(rows, tmp_path):
    pd.DataFrame(rows, columns=NAMES).to_csv(tmp_path / "X.csv", index=False)
    estimator = Estimator()
    source = open_rows(estimator, tmp_path / "X.csv", reset=True)
    assert source.random_access
    assert rows_of(source) == 150
    assert_allclose(read(source), rows)
    assert list(estimator.feature_names_in_) == NAMES


def test_is_external(tmp_path):
    assert is_external("X.npy")
    assert is_external(tmp_path)
    assert is_external(open_source(np.eye(2)))
    assert not any(map(is_external, (np.eye(2), [[1, 2]], pd.DataFrame(np.eye(2)), None)))


def test_arrays_are_not_copied():
    for X in (np.ones((5, 3), np.float32), np.ones((5, 3)), np.ones((5, 3), np.int16), np.ones((5, 3), bool)):
        assert np.shares_memory(open_rows(Estimator(), X, reset=True).values, X)


def test_masked_cells_are_rejected_with_their_row_and_column(small):
    masked = np.ma.array(np.arange(12.0).reshape(4, 3), mask=np.eye(4, 3, -1))
    with pytest.raises(InvalidDataError, match="contains NaN at row 1, column 0"):
        small().fit(masked)
    whole = np.ma.array(np.arange(12.0).reshape(4, 3))
    assert small().fit(whole).n_features_in_ == 3


# Names, objects and masked arrays ------------------------------------------------------------------------------------


def test_dates_as_names_are_matched_or_refused(small, rows):
    frame = pd.DataFrame(rows, columns=pd.date_range("2020", periods=4))
    model = small(max_epochs=1).fit(frame)
    assert_array_equal(model.transform(frame), model.transform(rows))
    with pytest.raises(InvalidDataError, match=r"^X has a column '2020-01-04.* where the model was fitted on '2020-01"):
        model.transform(frame.iloc[:, ::-1])


@pytest.mark.parametrize("labels", [[2, 0, 1, 3], pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1), ("b", 2)])])
def test_names_that_are_no_text_are_matched_or_refused(small, rows, tmp_path, labels):
    frame = pd.DataFrame(rows, columns=labels)
    small(max_epochs=1).fit(frame).save(tmp_path / "model.safetensors")
    model = isthmus.load(tmp_path / "model.safetensors")
    assert_array_equal(model.transform(frame), model.transform(rows))
    for other in (frame.iloc[:, ::-1], pd.DataFrame(rows, columns=NAMES)):
        with pytest.raises(InvalidDataError, match=r"^X has a column .* where the model was fitted on .*; put the col"):
            model.transform(other)
    model.fit(rows)
    assert not hasattr(model, "column_labels_")


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(np.eye(60, 4), columns=NAMES).astype(object),
        pd.DataFrame(np.eye(60, 4), columns=NAMES).map(Decimal),
        pd.DataFrame(np.eye(60, 4), columns=NAMES).astype("Float64"),
        pd.DataFrame(np.eye(60, 4), columns=NAMES).astype("double[pyarrow]"),
        pd.DataFrame(np.eye(60, 4), columns=NAMES).astype(pd.SparseDtype(float, 0)),
        pl.DataFrame(np.eye(60, 4), schema=NAMES).lazy(),
        pl.DataFrame(np.eye(60, 4), schema=NAMES).to_arrow(),
        pl.DataFrame(np.eye(60, 4), schema=NAMES).to_arrow().to_batches()[0],
    ],
    ids=lambda frame: type(frame).__module__,
)
def test_every_kind_of_frame_is_the_same_rows(frame):
    estimator = Estimator()
    assert_array_equal(read(open_rows(estimator, frame, reset=True)), np.eye(60, 4))
    assert list(estimator.feature_names_in_) == NAMES
    assert_array_equal(read(open_source(frame)), np.eye(60, 4))


@pytest.mark.parametrize("method", ["partial_fit", "transform", "inverse_transform", "score"])
def test_columns_that_are_no_numbers_are_named_by_every_method(fitted, rows, method):
    frame = pd.DataFrame(rows, columns=NAMES).iloc[:, : 2 if method == "inverse_transform" else 4]
    model = copy.copy(fitted)
    model.__dict__.pop("feature_names_in_", None)
    for column, word in ((["x"] * len(rows), "text"), (pd.Timestamp("2024-05-01"), "dates or times")):
        with pytest.raises(InvalidDataError, match=f"^column 'b' holds {word}"), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the model was fitted without names
            getattr(model, method)(frame.assign(b=column))


def test_numbers_of_objects_and_masked_arrays():
    masked = np.ma.masked_array(np.arange(4).reshape(2, 2), [[True, False], [False, False]])
    assert_array_equal(numbers_of(masked), [[np.nan, 1], [2, 3]])
    assert_array_equal(numbers_of([*masked]), [[np.nan, 1], [2, 3]])
    assert numbers_of(masked.astype(np.float32)).dtype == np.float32
    assert numbers_of(np.ma.masked_array([1, 2])).dtype == np.int64
    assert_array_equal(numbers_of([[1, None], [Decimal(2), 3]]), [[1, np.nan], [2, 3]])
    with pytest.raises(InvalidDataError, match="structured arrays are not supported"):
        numbers_of(np.zeros(3, [("a", float)]))


def test_pixels_that_are_masked_or_not_finite_are_named():
    picture = np.zeros((5, 6))
    picture[2, 3] = np.inf
    for broken in (picture, np.ma.masked_array(np.zeros((5, 6)), picture == np.inf)):
        with pytest.raises(InvalidDataError, match=r"^picture 1 holds .* at line 2, column 3;"):
            list(each_picture([np.zeros((5, 6)), broken], grey=True))


def test_the_index_of_pandas_in_a_table_of_pyarrow_is_no_feature():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 2)), columns=["a", "b"], index=range(60, 0, -2))
    table = pa.Table.from_pandas(frame.sample(frac=1, random_state=0))
    assert len(table.column_names) == 3
    model = isthmus.Autoencoder(1, hidden_layer_sizes=(), max_epochs=1, random_state=0).fit(table)
    assert list(model.feature_names_in_) == ["a", "b"]
    assert_array_equal(model.transform(table), model.transform(table.to_pandas()))


@pytest.mark.parametrize("as_file", [False, True])
def test_skewed_numbers_of_a_mixed_table_are_transformed_if_the_scaling_is_automatic(tmp_path, as_file):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"kind": rng.choice(["a", "b"], 300), "price": rng.lognormal(3, 1, 300)})
    frame.to_parquet(tmp_path / "rows.parquet")
    X = tmp_path / "rows.parquet" if as_file else frame
    automatic, plain = isthmus.Autoencoder(), isthmus.Autoencoder(scaling="standard")
    rows, others = (read(open_rows(model, X, reset=True)) for model in (automatic, plain))
    assert automatic.encoding_.columns[1].skew
    assert not plain.encoding_.columns[1].skew
    assert abs(pd.Series(rows[:, 2]).skew()) < pd.Series(others[:, 2]).skew() / 2
    assert_allclose(others[:, 2], frame["price"])
    assert_allclose(automatic.encoding_.decode(rows, "pandas")["price"], frame["price"])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.ones((3, 2)), "X has 2 features, but Autoencoder is expecting 4 features"),
        (scipy.sparse.csr_array(np.ones((3, 2))), "X has 2 features"),
        (np.ones((0, 4)), "0 sample"),
        (np.ones((2, 2, 2)), "dim 3"),
        (np.ones(4), "Expected 2D array, got 1D array instead"),
        (pd.DataFrame(np.ones((3, 4)), columns=list("abcx")), "feature names should match"),
        (pd.DataFrame(np.ones((3, 2)), columns=list("ab")), "feature names should match"),
    ],
)
def test_what_scikit_learn_refuses_is_an_error_of_isthmus(small, rows, message):
    model = small(max_epochs=1).fit(pd.DataFrame(np.random.default_rng(0).normal(size=(30, 4)), columns=NAMES))
    calls = [model.transform, model.score, model.reconstruct, model.partial_fit]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an array has no names of columns
        for call in calls:
            with pytest.raises(InvalidDataError, match=message):
                call(rows)
