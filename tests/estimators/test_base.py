import copy

import jax
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csc_array, csr_matrix
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import r2_score

from isthmus import Autoencoder, open_source
from isthmus.core.errors import InvalidDataError, InvalidParameterError, IsthmusWarning
from isthmus.data.sources import ArraySource, SparseCodesSource
from isthmus.data.sources.base import Block
from isthmus.estimators.streaming import inference_of
from isthmus.sparsity import KL


def scaled(model, rows):
    return (rows - model.scaler_.center) / model.scaler_.scale


WRITERS = [
    ("transform", "transform_to"),
    ("inverse_transform", "inverse_transform_to"),
    ("reconstruct", "reconstruct_to"),
]


@pytest.fixture(scope="module")
def curve():
    t = np.random.default_rng(0).uniform(0, 1, (500, 1))
    return np.hstack([np.cos(3 * t), np.sin(3 * t), t, 1000 * t])


@pytest.fixture(scope="module")
def model(curve):
    return Autoencoder(hidden_layer_sizes=(4,), max_epochs=2, random_state=0).fit(curve)


class CountingSource:
    """A source that counts the rows read from it."""

    random_access = False

    def __init__(self, values, times):
        self.values, self.times, self.n_read = values, times, 0
        self.schema, self.dtype, self.n_rows = ArraySource(values).schema, values.dtype, None
        self.fingerprint = "dealt"

    def blocks(self, start=0, stop=None):
        for i in range(self.times):
            self.n_read += len(self.values)
            yield Block(self.values, i * len(self.values))

    def take(self, rows, out):
        raise NotImplementedError


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("method", "writer"), WRITERS)
def test_files_contain_the_same_results_as_arrays(tmp_path, model, curve, method, writer, dtype):
    given = (model.transform(curve) if method == "inverse_transform" else curve).astype(dtype)
    np.save(tmp_path / "in.npy", given)
    expected = getattr(model, method)(given)
    for source in (given, pd.DataFrame(given), tmp_path / "in.npy", open_source(given)):
        out = tmp_path / "out.npy"
        assert getattr(model, writer)(source, out, overwrite=True) == 500
        assert_array_equal(np.load(out), expected, strict=True)


@pytest.mark.parametrize(("method", "writer"), WRITERS)
def test_rows_are_written_while_they_are_read(tmp_path, model, curve, method, writer):
    block = model.transform(curve) if method == "inverse_transform" else curve
    # The blocks are as large as those of the model, so that no block waits for further rows.
    block = np.resize(block, (inference_of(model).rows, block.shape[1]))
    source, ahead = CountingSource(block, 12), []
    n_rows = getattr(model, writer)(
        source, tmp_path / "out.npy", progress=lambda done, total: ahead.append((source.n_read - done, total))
    )
    assert n_rows == 12 * len(block)
    assert len(ahead) == 12
    assert {total for _, total in ahead} == {None}
    assert max(rows_ahead for rows_ahead, _ in ahead) <= 3 * len(block)
    assert_array_equal(np.load(tmp_path / "out.npy")[-500:], getattr(model, method)(block)[-500:])


def test_progress_has_the_total_if_the_source_has_a_length(tmp_path, model, curve):
    reports = []
    model.transform_to(curve, tmp_path / "out.csv", progress=lambda *args: reports.append(args))
    assert reports[-1] == (500, 500)


def test_columns_keep_their_names(tmp_path, curve):
    frame = pd.DataFrame(curve, columns=list("abcd"))
    model = Autoencoder(hidden_layer_sizes=(), max_epochs=1, random_state=0).fit(frame)
    frame.assign(e="text")[list("edcba")].to_parquet(tmp_path / "more.parquet")
    model.transform_to(tmp_path / "more.parquet", tmp_path / "codes.parquet")
    model.inverse_transform_to(tmp_path / "codes.parquet", tmp_path / "rows.parquet")
    codes, decoded = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("codes", "rows"))
    assert list(codes) == list(model.get_feature_names_out())
    assert list(decoded) == list("abcd")
    assert_array_equal(codes, model.transform(frame))
    assert model.score(tmp_path / "more.parquet") == model.score(frame)
    frame.drop(columns="b").to_parquet(tmp_path / "less.parquet")
    with pytest.raises(InvalidParameterError, match=r"less\.parquet has no column 'b'"):
        model.transform_to(tmp_path / "less.parquet", tmp_path / "codes.parquet")


@pytest.mark.parametrize(
    ("writer", "given", "match"),
    [
        ("transform_to", np.ones((3, 5)), "5 features, but Autoencoder is expecting 4"),
        ("reconstruct_to", CountingSource(np.ones((3, 5)), 1), "5 features, but Autoencoder is expecting 4"),
        ("inverse_transform_to", np.ones((3, 5)), "codes have 5 columns, but the model's codes have 2"),
        (
            "inverse_transform_to",
            CountingSource(np.ones((3, 5)), 1),
            "codes have 5 columns, but the model's codes have 2",
        ),
        ("transform_to", CountingSource(np.ones((3, 4)), 0), "has no rows"),
        ("transform_to", CountingSource(np.full((3, 4), np.nan), 1), "NaN at row 0, column 0"),
        ("inverse_transform_to", CountingSource(np.full((3, 2), np.inf), 1), "infinity at row 0, column 'x0'"),
    ],
)
def test_invalid_rows_leave_no_file(tmp_path, model, writer, given, match):
    # scikit-learn raises the errors for arrays, isthmus those for other sources; both are a ValueError.
    with pytest.raises(ValueError, match=match):
        getattr(model, writer)(given, tmp_path / "out.npy")
    assert list(tmp_path.iterdir()) == []


def test_estimate_fit_does_not_change_the_estimator(curve, model):
    fresh = Autoencoder(hidden_layer_sizes=(4,), max_epochs=7, random_state=0)
    before = dict(fresh.__dict__), dict(model.__dict__)
    estimate = fresh.estimate_fit(curve, validation_data=curve[:20])
    assert estimate.max_epochs == 7
    assert estimate.bytes > 0 < estimate.seconds_per_epoch
    model.estimate_fit(curve[:, :3])
    assert (fresh.__dict__, model.__dict__) == before
    with pytest.raises(InvalidParameterError, match="max_epochs=0"):
        Autoencoder(max_epochs=0).estimate_fit(curve)


# Results ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
@pytest.mark.parametrize(
    "precision", ["float32", *(pytest.param(one, marks=pytest.mark.slow) for one in ("float64", "bfloat16"))]
)
def test_reconstruct_equals_inverse_transform_of_transform(small, rows, dtype, precision):
    X = np.clip(rows, 0, 200).astype(dtype)
    model = small(precision=precision, max_epochs=1).fit(X)
    codes = model.transform(X)
    reconstructed = model.inverse_transform(codes)
    assert codes.dtype == reconstructed.dtype == (np.float64 if dtype == np.float64 else np.float32)
    assert_array_equal(reconstructed, model.reconstruct(X))
    assert model.reconstruct(X).dtype == reconstructed.dtype


@pytest.mark.parametrize("scaling", ["patches", "whitened_patches"])
@pytest.mark.parametrize("form", ["array", "file"])
def test_reconstruct_adds_the_mean_of_each_row(small, tmp_path, scaling, form):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 12)) @ rng.normal(size=(12, 12)) + rng.normal(100, 30, (200, 1))
    model = small(scaling=scaling, max_epochs=1).fit(X)
    if form == "file":
        model.reconstruct_to(X, tmp_path / "rebuilt.npy")
        reconstructed = np.load(tmp_path / "rebuilt.npy")
    else:
        reconstructed = model.reconstruct(X)
    codes = model.transform(X)
    scaled_rows = next(iter(inference_of(model).decode([Block(codes, 0)]))).astype(np.float64)
    assert_allclose(reconstructed, model.scaler_.raw(scaled_rows, np.float64, like=X), rtol=1e-9)
    without_means = model.inverse_transform(codes)
    assert_allclose(without_means, model.scaler_.raw(scaled_rows, np.float64), rtol=1e-9)
    # Most of the variance is in the row means, which the codes do not contain.
    assert np.square(reconstructed - X).mean() < 0.5 * np.square(without_means - X).mean()


def test_codes_equal_a_forward_pass_in_numpy(fitted, rows):
    def forward(x, weights, biases, path):
        hidden = x @ weights[0] + biases[0]
        hidden = 0.5 * hidden * (1 + np.tanh(np.sqrt(2 / np.pi) * (hidden + 0.044715 * hidden**3)))
        return hidden @ weights[1] + biases[1] + x @ path

    into, out = fitted.linear_path_
    code = forward(scaled(fitted, rows), fitted.encoder_weights_, fitted.encoder_biases_, into)
    assert_allclose(fitted.transform(rows), code, atol=1e-5)
    reconstructed = forward(code, fitted.decoder_weights_, fitted.decoder_biases_, out)
    assert_allclose(scaled(fitted, fitted.reconstruct(rows)), reconstructed, atol=1e-5)


def test_tied_weights(small, rows):
    model = small(tied_weights=True, linear_path=False, max_epochs=2).fit(rows)
    for mine, theirs in zip(model.encoder_weights_, model.decoder_weights_[::-1], strict=True):
        assert_array_equal(mine, theirs.T)
    assert model.linear_path_ is None
    into, out = small(tied_weights=True, max_epochs=2).fit(rows).linear_path_
    assert_array_equal(into, out.T)


def test_score_equals_scikit_learns_r2_score(fitted, rows):
    expected = r2_score(scaled(fitted, rows), scaled(fitted, fitted.reconstruct(rows)), multioutput="variance_weighted")
    assert_allclose(fitted.score(rows), expected, rtol=1e-6)
    many = np.tile(rows, (300, 1)) + np.repeat(np.linspace(0, 3, 300), 150)[:, None]
    reconstructed = scaled(fitted, fitted.reconstruct(many))
    assert_allclose(
        fitted.score(many), r2_score(scaled(fitted, many), reconstructed, multioutput="variance_weighted"), rtol=1e-6
    )


def test_score_of_rows_without_variance(small, fitted, rows):
    with pytest.warns(UndefinedMetricWarning):
        assert np.isnan(fitted.score(rows[:1]))
    assert fitted.score(np.repeat(rows[:1], 3, axis=0)) == 0
    assert small(hidden_layer_sizes=()).fit(np.zeros((9, 3))).score(np.zeros((9, 3))) in (0, 1)


def test_units_are_sorted_by_variance_and_have_positive_signs(small, rows):
    model = small(3).fit(rows)
    codes = model.transform(rows).astype(float)
    variances = codes.var(axis=0)
    assert (np.diff(variances) <= 0).all()
    covariances = (codes - codes.mean(axis=0)).T @ (scaled(model, rows) - scaled(model, rows).mean(axis=0))
    strongest = np.abs(covariances).argmax(axis=1)
    assert (covariances[range(3), strongest] > 0).all()


# Sparse codes ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def relu(small, rows):
    """A model with sparse codes, which are all 0 in the last 100 rows of `rows_with_inactive_codes`."""
    model = small(12, code_activation="relu", linear_path=False, max_epochs=3).fit(rows)
    model.params_["encoder"][-1]["bias"] = model.params_["encoder"][-1]["bias"] - 0.2
    return model


@pytest.fixture(scope="module")
def rows_with_inactive_codes(relu, rows):
    codes = relu.transform(rows)
    least_active = rows[[int(np.argmin(np.count_nonzero(codes, axis=1)))]]
    return np.concatenate([rows, np.repeat(least_active, 100, axis=0)])


@pytest.fixture
def sparse(relu):
    model = copy.copy(relu)
    model.sparse_output = True
    return model


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse_output_equals_dense_output(relu, sparse, rows_with_inactive_codes, dtype):
    X = rows_with_inactive_codes.astype(dtype)
    dense, codes = relu.transform(X), sparse.transform(X)
    assert isinstance(codes, csr_matrix)
    assert 0 < codes.nnz == np.count_nonzero(dense) < dense.size / 2
    assert_array_equal(codes.toarray(), dense, strict=True)
    assert_array_equal(sparse.inverse_transform(codes), relu.inverse_transform(dense), strict=True)
    assert_array_equal(relu.inverse_transform(csc_array(codes)), relu.inverse_transform(dense), strict=True)
    assert list(sparse.get_feature_names_out()) == list(relu.get_feature_names_out())


def test_sparse_codes_of_several_blocks_are_joined(relu, sparse, rows):
    X = np.resize(rows, (2 * inference_of(relu).rows + 10, 4)).astype(np.float32)
    assert_array_equal(sparse.transform(X).toarray(), relu.transform(X), strict=True)


@pytest.mark.parametrize("suffix", [".parquet", ".npy", ".csv", ".feather"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse_codes_round_trip_exactly_through_files(tmp_path, relu, sparse, rows_with_inactive_codes, suffix, dtype):
    X, path = rows_with_inactive_codes.astype(dtype), tmp_path / f"codes{suffix}"
    assert sparse.transform_to(X, path) == len(X)
    found = open_source(path)
    assert isinstance(found, SparseCodesSource) == (suffix == ".parquet")
    dense = relu.transform(X)
    assert_array_equal(np.concatenate([block.values for block in found.blocks()]).astype(dtype), dense)
    if suffix != ".npy":
        assert found.schema.names == tuple(relu.get_feature_names_out())
    expected = relu.inverse_transform(dense)
    for codes in (path, sparse.transform(X)):
        for model in (relu, sparse):
            assert model.inverse_transform_to(codes, tmp_path / "rows.npy", overwrite=True) == len(X)
            assert_array_equal(np.load(tmp_path / "rows.npy").astype(dtype), expected)


@pytest.mark.parametrize("codes", [np.zeros((20, 12)), np.ones((20, 12)), np.eye(20, 12)])
def test_codes_with_no_active_unit_and_with_all_active(relu, codes):
    assert_array_equal(relu.inverse_transform(csr_matrix(codes)), relu.inverse_transform(codes), strict=True)


def test_sparse_codes_of_another_model_are_rejected(tmp_path, fitted, sparse, rows):
    sparse.transform_to(rows, tmp_path / "codes.parquet")
    codes = sparse.transform(rows)
    with pytest.raises(InvalidDataError, match="codes have 12 columns, but the model's codes have 2"):
        fitted.inverse_transform_to(tmp_path / "codes.parquet", tmp_path / "rows.npy")
    with pytest.raises(InvalidDataError, match="codes have 12 columns"):
        fitted.inverse_transform(codes)
    codes.data[3] = np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        sparse.inverse_transform(codes)
    assert [path.name for path in tmp_path.iterdir()] == ["codes.parquet"]


def test_scikit_learn_rejects_frames_of_sparse_codes(sparse, rows):
    with pytest.raises(ValueError, match="outputs a scipy sparse matrix"):
        sparse.set_output(transform="pandas").transform(rows)


# Statistics of codes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_code_statistics_equal_those_of_codes_and_reconstructions(tmp_path, relu, rows_with_inactive_codes, dtype):
    X, reports = rows_with_inactive_codes.astype(dtype), []
    np.save(tmp_path / "rows.npy", X)
    codes, outputs = relu.transform(X), scaled(relu, relu.reconstruct(X.astype(np.float64)))
    inputs = scaled(relu, X.astype(np.float64))
    report = relu.code_statistics(X, progress=lambda *seen: reports.append(seen))
    assert reports[-1] == (250, 250)
    assert_array_equal(report.codes.active_rows, np.count_nonzero(codes, axis=0))
    assert_array_equal(report.codes.largest_activation, codes.max(axis=0))
    assert_allclose(report.codes.mean_activation, codes.astype(np.float64).mean(axis=0), rtol=1e-12)
    assert_allclose(report.fidelity.mse, np.mean((inputs - outputs) ** 2), rtol=1e-4)
    assert_allclose(report.fidelity.explained_variance, relu.score(X), rtol=1e-12)
    cosines = (inputs * outputs).sum(axis=1) / np.linalg.norm(inputs, axis=1) / np.linalg.norm(outputs, axis=1)
    assert_allclose(report.fidelity.cosine, cosines.mean(), rtol=1e-4)
    assert report.activation_target is None
    assert relu.code_statistics(tmp_path / "rows.npy").facts() == report.facts()


def test_code_statistics_have_the_target_of_the_sparsity(small, relu, rows):
    assert relu.code_statistics(rows).activation_target is None
    model = small(5, sparsity=KL(target=0.2), max_epochs=1).fit(rows)
    assert model.code_statistics(rows).activation_target == 0.2


def test_code_statistics_need_at_least_one_row(relu):
    with pytest.raises(InvalidDataError, match="has no rows; statistics need at least one"):
        relu.code_statistics(CountingSource(np.ones((3, 4)), 0))


# Missing cells -----------------------------------------------------------------------------------------------------

TABLE = np.random.default_rng(3).normal(size=(200, 4)) @ np.diag([1, 5, 0.1, 2]) + [0, 10, 0, -3]
QUICK: dict[str, object] = {"hidden_layer_sizes": (8,), "max_epochs": 4, "random_state": 0}


def with_missing_cells(X, share, seed=0):
    return np.where(np.random.default_rng(seed).random(X.shape) < share, np.nan, X)


@pytest.mark.parametrize("linear_path", [True, False])
def test_missing_mask_does_not_change_a_fit_on_complete_rows(linear_path):
    options = {**QUICK, "linear_path": linear_path}
    plain, masked = Autoencoder(2, **options).fit(TABLE), Autoencoder(2, missing="mask", **options).fit(TABLE)
    params = dict(masked.params_)
    assert not params.pop("indicator").any()
    jax.tree.map(assert_array_equal, params, plain.params_)
    assert masked.history_["validation_loss"] == plain.history_["validation_loss"]
    assert_allclose(masked.transform(TABLE), plain.transform(TABLE), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scaling", ["standard", "minmax", "robust", None])
def test_impute_keeps_observed_cells_and_fills_missing_ones(scaling, dtype):
    incomplete = with_missing_cells(TABLE, 0.2).astype(dtype)
    incomplete[3] = np.nan
    model = Autoencoder(2, missing="mask", scaling=scaling, **QUICK).fit(incomplete)
    filled = model.impute(incomplete)
    assert filled.dtype == dtype
    assert_array_equal(filled[~np.isnan(incomplete)], incomplete[~np.isnan(incomplete)])
    assert np.isfinite(filled).all()
    assert np.isnan(model.reconstruction_error(incomplete)[3])
    assert_array_equal(np.isnan(model.reconstruction_error(incomplete, per="cell")), np.isnan(incomplete))
    assert np.isfinite(model.reconstruction_error(incomplete, per="feature")).all()
    assert np.isfinite(model.score(incomplete))


@pytest.mark.slow
def test_imputed_cells_have_a_lower_error_than_means():
    mixing = np.random.default_rng(0).standard_normal((2, 8))
    X = np.random.default_rng(1).standard_normal((2000, 2)) @ mixing
    incomplete = with_missing_cells(X, 0.2)
    model = Autoencoder(2, hidden_layer_sizes=(32,), missing="mask", max_epochs=60, random_state=0).fit(incomplete)
    missing = np.isnan(incomplete)
    mean_errors = np.where(np.isnan(incomplete), np.nanmean(incomplete, axis=0), incomplete) - X
    assert np.square((model.impute(incomplete) - X)[missing]).mean() < 0.1 * np.square(mean_errors[missing]).mean()


def test_a_column_without_observed_cells_warns_and_stays_missing(tmp_path):
    incomplete = with_missing_cells(TABLE, 0.1)
    incomplete[:, 1] = np.nan
    with pytest.warns(IsthmusWarning, match="missing in every row, and left missing: column 1$"):
        model = Autoencoder(2, missing="mask", **QUICK).fit(incomplete)
    filled = model.impute(incomplete)
    assert np.isnan(filled[:, 1]).all()
    assert np.isfinite(np.delete(filled, 1, axis=1)).all()
    # The column had no observed value in the fit, so its values do not change the codes.
    assert_array_equal(
        model.transform(np.where(np.isnan(incomplete), 7.0, incomplete))[:0], model.transform(incomplete)[:0]
    )
    model.save(tmp_path / "m.safetensors")
    assert_array_equal(Autoencoder.load(tmp_path / "m.safetensors").impute(incomplete), filled)


def test_invalid_uses_of_missing_cells():
    incomplete = with_missing_cells(TABLE, 0.1)
    with pytest.raises(InvalidDataError, match=r"NaN at row \d+, column \d+; set missing='mask'"):
        Autoencoder(2, **QUICK).fit(incomplete)
    with pytest.raises(InvalidParameterError, match="scaling='zca' needs whole rows"):
        Autoencoder(2, missing="mask", scaling="zca", **QUICK).fit(incomplete)
    with pytest.raises(InvalidParameterError, match="fitted with missing='mask'"):
        Autoencoder(2, **QUICK).fit(TABLE).impute(TABLE)
    model = Autoencoder(2, missing="mask", **QUICK).fit(incomplete)
    incomplete[5, 0] = np.inf
    with pytest.raises(InvalidDataError, match="infinity at row 5, column 0"):
        model.impute(incomplete)


def test_only_validation_data_may_have_missing_cells():
    model = Autoencoder(2, missing="mask", **QUICK).fit(TABLE, validation_data=with_missing_cells(TABLE, 0.3))
    assert np.isfinite(model.history_["validation_loss"]).all()
