import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix

import isthmus
from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.data.sources import open_source
from isthmus.estimators.transforming import DECODE, ENCODE, IMPUTE, RECONSTRUCT, rebuilt_blocks

NAMES = list("abcd")


@pytest.fixture(scope="module")
def frame(rows):
    return pd.DataFrame(rows, columns=NAMES)


@pytest.fixture(scope="module")
def model(small, frame):
    return small().fit(frame)


@pytest.fixture(scope="module")
def masked(small, rows):
    return small(missing="mask").fit(np.where(np.random.default_rng(0).random(rows.shape) < 0.1, np.nan, rows))


@pytest.fixture
def csv(frame, tmp_path):
    frame.assign(note="text")[["note", *reversed(NAMES)]].to_csv(tmp_path / "rows.csv", index=False)
    return tmp_path / "rows.csv"


def test_each_verb_calls_its_part_of_the_network(model, frame, rows):
    code = np.asarray(model.network_.encode(model.params_, model.scaler_.scaled(rows, np.float32)))
    assert_allclose(ENCODE.in_memory(model, frame), code, rtol=1e-4, atol=1e-4)
    decoded = model.scaler_.raw(np.asarray(model.network_.decode(model.params_, code)), np.float64)
    assert_allclose(DECODE.in_memory(model, code.astype(np.float64)), decoded, rtol=1e-4, atol=1e-4)
    assert_allclose(RECONSTRUCT.in_memory(model, frame), decoded, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reconstruction_is_encoding_and_decoding(model, rows, dtype):
    X = rows.astype(dtype)
    for verb in (ENCODE, RECONSTRUCT):
        assert verb.in_memory(model, open_source(X)).dtype == dtype
    codes = ENCODE.in_memory(model, open_source(X))
    expected = DECODE.in_memory(model, codes).to_numpy(dtype)  # a frame, as the model was fitted on one
    assert_array_equal(RECONSTRUCT.in_memory(model, open_source(X)), expected, strict=True)


@pytest.mark.parametrize("verb", [ENCODE, RECONSTRUCT])
def test_results_have_names(model, verb):
    assert list(verb.names(model)) == (["autoencoder0", "autoencoder1"] if verb is ENCODE else NAMES)


def test_columns_without_names_are_numbered(small, rows):
    assert RECONSTRUCT.names(small(max_epochs=1).fit(rows)) == ["x0", "x1", "x2", "x3"]


# Files -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def not_gathered(monkeypatch):
    """Fail if all rows are collected in memory or in a temporary file."""

    def refuse(*arguments):
        raise AssertionError("the rows were gathered")

    monkeypatch.setattr("isthmus.estimators.inputs.gathered_rows", refuse)


@pytest.mark.usefixtures("not_gathered")
@pytest.mark.parametrize("method", ["transform", "reconstruct", "score", "reconstruction_error", "code_statistics"])
def test_text_is_read_block_by_block(model, frame, csv, method):
    found, expected = (getattr(model, method)(given) for given in (csv, frame))
    if method == "code_statistics":
        found, expected = str(found), str(expected)
    assert np.array_equal(found, expected)


@pytest.mark.usefixtures("not_gathered")
def test_text_is_encoded_while_it_is_read(model, frame, tmp_path):
    many = pd.concat([frame] * 1500)
    many.to_csv(tmp_path / "many.csv", index=False)
    source = open_source(tmp_path / "many.csv", columns=NAMES)
    blocks, read = source.blocks, []

    def counting(*limits):
        for block in blocks(*limits):
            read.append(len(block.values))
            yield block

    source.blocks = counting
    parts = ENCODE.blocks(model, source)
    first = next(parts)
    assert 0 < len(first) <= sum(read) < len(many)
    assert len(first) + sum(map(len, parts)) == sum(read) == len(many)


@pytest.mark.usefixtures("not_gathered")
def test_codes_are_read_from_files_block_by_block(model, frame, tmp_path):
    model.transform_to(frame, tmp_path / "codes.csv")
    decoded = DECODE.in_memory(model, tmp_path / "codes.csv")
    assert_allclose(decoded, RECONSTRUCT.in_memory(model, frame), rtol=1e-5)


# Missing cells -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_imputation_fills_missing_cells_with_the_reconstruction(masked, rows, dtype):
    incomplete = np.where(np.random.default_rng(1).random(rows.shape) < 0.2, np.nan, rows).astype(dtype)
    filled = IMPUTE.in_memory(masked, incomplete)
    missing = np.isnan(incomplete)
    assert filled.dtype == dtype
    assert_array_equal(filled[~missing], incomplete[~missing])
    assert_allclose(filled[missing], RECONSTRUCT.in_memory(masked, incomplete)[missing], rtol=1e-5)


def test_integers_have_no_missing_cells(masked, rows):
    X = np.round(rows).astype(np.int16)
    assert_array_equal(IMPUTE.in_memory(masked, open_source(X)), X, strict=True)


def test_imputation_needs_a_model_with_a_missing_mask(model, rows):
    with pytest.raises(InvalidParameterError, match="impute needs a model that was fitted with missing='mask'"):
        IMPUTE.in_memory(model, rows)


def test_rebuilt_blocks_yields_pairs_of_raw_and_scaled_rows(model, frame, rows):
    pairs = list(rebuilt_blocks(model, open_source(frame)))
    assert_array_equal(np.concatenate([raw for raw, _ in pairs]), rows)
    scaled = np.concatenate([found for _, found in pairs])
    assert_allclose(model.scaler_.raw(scaled, np.float64), RECONSTRUCT.in_memory(model, frame))


# Codes -------------------------------------------------------------------------------------------------------------


def test_codes_may_be_sparse_matrices(model, frame):
    codes = ENCODE.in_memory(model, frame)
    assert_array_equal(DECODE.in_memory(model, csr_matrix(codes)), DECODE.in_memory(model, codes), strict=True)


@pytest.mark.parametrize("form", ["array", "file"])
def test_codes_of_another_width_are_rejected(model, tmp_path, form):
    codes = np.ones((3, 5))
    np.save(tmp_path / "codes.npy", codes)
    with pytest.raises(InvalidDataError, match="codes have 5 columns, but the model's codes have 2"):
        DECODE.in_memory(model, codes if form == "array" else tmp_path / "codes.npy")


def test_codes_that_are_not_finite_are_rejected_with_their_row(model, tmp_path):
    codes = np.ones((3, 2))
    codes[1, 1] = np.inf
    np.save(tmp_path / "codes.npy", codes)
    with pytest.raises(InvalidDataError, match="infinity at row 1, column"):
        DECODE.in_memory(model, tmp_path / "codes.npy")


def test_codes_are_sparse_with_sparse_output(model, frame, rows):
    model = model.__class__(**model.get_params()).fit(frame)
    dense = ENCODE.in_memory(model, frame)
    model.sparse_output = True
    assert_array_equal(ENCODE.in_memory(model, frame).toarray(), dense)
    assert isinstance(RECONSTRUCT.in_memory(model, frame), pd.DataFrame)


# Large, small and whole numbers -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def seconds(small):
    """Integers next to Unix time, and the model fitted on them."""
    rng = np.random.default_rng(0)
    times = rng.integers(1_700_000_000, 1_700_003_600, 200)
    rows = np.column_stack([times, 2 * times + rng.integers(0, 5, 200), rng.integers(0, 9, 200)])
    return rows, small(n_components=2, max_epochs=1).fit(rows)


def test_integers_that_float32_does_not_hold_are_reconstructed_in_float64(seconds, tmp_path):
    rows, model = seconds
    rebuilt = model.reconstruct(rows)
    assert rebuilt.dtype == np.float64
    assert_allclose(rebuilt, model.reconstruct(rows.astype(np.float64)), rtol=0, atol=0.01)
    assert_array_equal(model.inverse_transform(model.transform(rows)), rebuilt)
    assert model.transform(rows).dtype == np.float32
    codes = model.transform(rows).astype(np.float32)
    model.reconstruct_to(rows, tmp_path / "rows.npy")
    model.inverse_transform_to(codes, tmp_path / "decoded.parquet")
    assert_array_equal(np.load(tmp_path / "rows.npy"), rebuilt)
    assert_array_equal(pd.read_parquet(tmp_path / "decoded.parquet"), rebuilt)
    model.save(tmp_path / "model.safetensors")
    assert_array_equal(isthmus.load(tmp_path / "model.safetensors").reconstruct(rows), rebuilt)


def test_small_integers_are_reconstructed_in_float32(small, rows):
    X = np.clip(rows, 0, 100).astype(np.int64)
    assert small(max_epochs=1).fit(X).reconstruct(X).dtype == np.float32


LARGE = {"a number": 1e300, "an infinity": np.inf}


@pytest.mark.parametrize("what", LARGE)
@pytest.mark.parametrize("method", ["transform", "reconstruct", "score", "reconstruction_error", "code_statistics"])
def test_a_cell_that_leaves_no_finite_result_is_named(fitted, rows, method, what):
    X = rows.copy()
    X[7, 2] = LARGE[what]
    said = (
        r"row 7 is too large for the model.*column 2 is 1e\+300"
        if what == "a number"
        else "infinity at row 7, column 2"
    )
    with pytest.raises(InvalidDataError, match=said):
        getattr(fitted, method)(X)


def test_files_are_not_written_with_results_that_are_not_finite(fitted, rows, tmp_path):
    X = rows.copy()
    X[7, 2] = -1e300
    with pytest.raises(InvalidDataError, match="row 7 is too large"):
        fitted.transform_to(X, tmp_path / "codes.npy")
    assert not (tmp_path / "codes.npy").exists()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_codes_that_leave_no_finite_rows_are_named(fitted, rows, dtype):
    codes = fitted.transform(rows).astype(dtype)
    codes[4, 1] = np.finfo(dtype).max
    with pytest.raises(InvalidDataError, match=r"row 4 is too large.*column 1 is"):
        fitted.inverse_transform(codes)
    codes[4, 1] = np.inf
    with pytest.raises(InvalidDataError, match="infinity at row 4, column"):
        fitted.inverse_transform(codes)


@pytest.mark.parametrize("unit", [1e-200, 1e-40, 1e100, 1e300])
def test_scores_and_reconstructions_do_not_depend_on_the_unit(small, rows, unit):
    model = small(max_epochs=1).fit(rows * unit)
    plain = small(max_epochs=1).fit(rows)
    assert model.score(rows * unit) == pytest.approx(plain.score(rows), abs=1e-4)
    assert_allclose(model.reconstruct(rows * unit) / unit, plain.reconstruct(rows), rtol=1e-3, atol=1e-2)


def test_single_precision_rows_of_small_units_are_not_lost(small, rows):
    X = (rows * 1e-40).astype(np.float32)
    model = small(max_epochs=1).fit(X)
    assert model.score(X) > 0.5
    assert model.reconstruct(X).dtype == np.float64
