import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import r2_score

from isthmus import Autoencoder, open_source
from isthmus.errors import InvalidParameterError
from isthmus.sources import ArraySource
from isthmus.sources.base import Block


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


class Dealt:
    """Rows that are dealt block by block, to see how many are out at a time."""

    random_access = False

    def __init__(self, values, times):
        self.values, self.times, self.dealt = values, times, 0
        self.schema, self.dtype, self.n_rows = ArraySource(values).schema, values.dtype, None
        self.fingerprint = "dealt"

    def blocks(self, start=0, stop=None):
        for i in range(self.times):
            self.dealt += len(self.values)
            yield Block(self.values, i * len(self.values))

    def take(self, rows, out):
        raise NotImplementedError


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("method", "writer"), WRITERS)
def test_files_hold_what_arrays_do(tmp_path, model, curve, method, writer, dtype):
    given = (model.transform(curve) if method == "inverse_transform" else curve).astype(dtype)
    np.save(tmp_path / "in.npy", given)
    expected = getattr(model, method)(given)
    for source in (given, pd.DataFrame(given), tmp_path / "in.npy", open_source(given)):
        out = tmp_path / "out.npy"
        assert getattr(model, writer)(source, out) == 500
        assert_array_equal(np.load(out), expected, strict=True)


@pytest.mark.parametrize(("method", "writer"), WRITERS)
def test_rows_are_read_as_they_are_written(tmp_path, model, curve, method, writer):
    block = model.transform(curve) if method == "inverse_transform" else curve
    # Blocks as large as the model's own, so that no block waits for others to fill its own.
    block = np.resize(block, (model._inference().rows, block.shape[1]))
    source, ahead = Dealt(block, 12), []
    n_rows = getattr(model, writer)(
        source, tmp_path / "out.npy", progress=lambda done, total: ahead.append((source.dealt - done, total))
    )
    assert n_rows == 12 * len(block)
    assert len(ahead) == 12
    assert {total for _, total in ahead} == {None}
    assert max(rows_ahead for rows_ahead, _ in ahead) <= 3 * len(block)
    assert_array_equal(np.load(tmp_path / "out.npy")[-500:], getattr(model, method)(block)[-500:])


def test_progress_knows_the_end_where_the_source_does(tmp_path, model, curve):
    told = []
    model.transform_to(curve, tmp_path / "out.csv", progress=lambda *args: told.append(args))
    assert told[-1] == (500, 500)


def test_columns_carry_names(tmp_path, curve):
    frame = pd.DataFrame(curve, columns=list("abcd"))
    model = Autoencoder(hidden_layer_sizes=(), max_epochs=1, random_state=0).fit(frame)
    frame.assign(e="text")[list("edcba")].to_parquet(tmp_path / "more.parquet")
    model.transform_to(tmp_path / "more.parquet", tmp_path / "codes.parquet")
    model.inverse_transform_to(tmp_path / "codes.parquet", tmp_path / "rows.parquet")
    codes, back = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("codes", "rows"))
    assert list(codes) == list(model.get_feature_names_out())
    assert list(back) == list("abcd")
    assert_array_equal(codes, model.transform(frame))
    assert model.score(tmp_path / "more.parquet") == model.score(frame)
    frame.drop(columns="b").to_parquet(tmp_path / "less.parquet")
    with pytest.raises(InvalidParameterError, match=r"less\.parquet has no column 'b'"):
        model.transform_to(tmp_path / "less.parquet", tmp_path / "codes.parquet")


@pytest.mark.parametrize(
    ("writer", "given", "match"),
    [
        ("transform_to", np.ones((3, 5)), "5 features, but Autoencoder is expecting 4"),
        ("reconstruct_to", Dealt(np.ones((3, 5)), 1), "5 features, but Autoencoder is expecting 4"),
        ("inverse_transform_to", np.ones((3, 5)), "codes have 5 columns, but the model's codes have 2"),
        ("inverse_transform_to", Dealt(np.ones((3, 5)), 1), "codes have 5 columns, but the model's codes have 2"),
        ("transform_to", Dealt(np.ones((3, 4)), 0), "holds no rows"),
        ("transform_to", Dealt(np.full((3, 4), np.nan), 1), "NaN at row 0, column 0"),
        ("inverse_transform_to", Dealt(np.full((3, 2), np.inf), 1), "infinity at row 0, column 'x0'"),
    ],
)
def test_refused_rows_leave_no_file(tmp_path, model, writer, given, match):
    # Arrays are refused in scikit-learn's words and type, everything else in ours, a ValueError too.
    with pytest.raises(ValueError, match=match):
        getattr(model, writer)(given, tmp_path / "out.npy")
    assert list(tmp_path.iterdir()) == []


def test_an_estimate_leaves_the_estimator_as_it_was(curve, model):
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
@pytest.mark.parametrize("precision", ["float32", "float64", "bfloat16"])
def test_reconstruct_is_transform_and_back(small, rows, dtype, precision):
    X = np.clip(rows, 0, 200).astype(dtype)
    model = small(precision=precision, max_epochs=1).fit(X)
    codes = model.transform(X)
    rebuilt = model.inverse_transform(codes)
    assert codes.dtype == rebuilt.dtype == (np.float64 if dtype == np.float64 else np.float32)
    assert_array_equal(rebuilt, model.reconstruct(X))
    assert model.reconstruct(X).dtype == rebuilt.dtype


def test_the_code_is_what_the_weights_say(fitted, rows):
    def forward(x, weights, biases, path):
        hidden = x @ weights[0] + biases[0]
        hidden = 0.5 * hidden * (1 + np.tanh(np.sqrt(2 / np.pi) * (hidden + 0.044715 * hidden**3)))
        return hidden @ weights[1] + biases[1] + x @ path

    into, out = fitted.linear_path_
    code = forward(scaled(fitted, rows), fitted.encoder_weights_, fitted.encoder_biases_, into)
    assert_allclose(fitted.transform(rows), code, atol=1e-5)
    rebuilt = forward(code, fitted.decoder_weights_, fitted.decoder_biases_, out)
    assert_allclose(scaled(fitted, fitted.reconstruct(rows)), rebuilt, atol=1e-5)


def test_tied_weights(small, rows):
    model = small(tied_weights=True, linear_path=False, max_epochs=2).fit(rows)
    for mine, theirs in zip(model.encoder_weights_, model.decoder_weights_[::-1], strict=True):
        assert_array_equal(mine, theirs.T)
    assert model.linear_path_ is None
    into, out = small(tied_weights=True, max_epochs=2).fit(rows).linear_path_
    assert_array_equal(into, out.T)


def test_errors_by_row_feature_and_cell(fitted, rows):
    cells = fitted.reconstruction_error(rows, per="cell")
    expected = np.square(scaled(fitted, rows) - scaled(fitted, fitted.reconstruct(rows)))
    assert_allclose(cells, expected, rtol=1e-6, atol=1e-12)
    assert_allclose(fitted.reconstruction_error(rows), expected.mean(axis=1), rtol=1e-6)
    assert_allclose(fitted.reconstruction_error(rows, per="feature"), expected.mean(axis=0), rtol=1e-6)
    with pytest.raises(InvalidParameterError, match="per='rows' is not one of"):
        fitted.reconstruction_error(rows, per="rows")


def test_score_is_scikit_learns(fitted, rows):
    expected = r2_score(scaled(fitted, rows), scaled(fitted, fitted.reconstruct(rows)), multioutput="variance_weighted")
    assert_allclose(fitted.score(rows), expected, rtol=1e-6)
    many = np.tile(rows, (300, 1)) + np.repeat(np.linspace(0, 3, 300), 150)[:, None]
    rebuilt = scaled(fitted, fitted.reconstruct(many))
    assert_allclose(
        fitted.score(many), r2_score(scaled(fitted, many), rebuilt, multioutput="variance_weighted"), rtol=1e-6
    )


def test_score_where_there_is_no_variance(small, fitted, rows):
    with pytest.warns(UndefinedMetricWarning):
        assert np.isnan(fitted.score(rows[:1]))
    assert fitted.score(np.repeat(rows[:1], 3, axis=0)) == 0
    assert small(hidden_layer_sizes=()).fit(np.zeros((9, 3))).score(np.zeros((9, 3))) in (0, 1)


def test_units_are_ordered_by_variance_and_point_up(small, rows):
    model = small(3).fit(rows)
    codes = model.transform(rows).astype(float)
    variances = codes.var(axis=0)
    assert (np.diff(variances) <= 0).all()
    together = (codes - codes.mean(axis=0)).T @ (scaled(model, rows) - scaled(model, rows).mean(axis=0))
    strongest = np.abs(together).argmax(axis=1)
    assert (together[range(3), strongest] > 0).all()
