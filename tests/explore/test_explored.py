import numpy as np
import pytest

from isthmus.core.errors import InvalidDataError
from isthmus.explore import explored as module
from isthmus.explore.explored import Explored, principal_axes, text_of


def test_codes_and_errors_are_those_of_the_estimator(explored, picture_model, pictures):
    X = pictures[0]
    np.testing.assert_array_equal(explored.codes, picture_model.transform(X))
    np.testing.assert_allclose(explored.errors, picture_model.reconstruction_error(X), rtol=1e-6)
    assert (explored.n_rows, explored.n_all, explored.image_shape) == (120, 120, (4, 3))


def test_single_rows_are_those_of_the_estimator(explored, picture_model, pictures):
    X = pictures[0]
    raw = explored.rows(np.array([7, 3]))
    np.testing.assert_array_equal(raw, X[[7, 3]])
    codes, rows, cells = explored.reconstructions(raw)
    np.testing.assert_allclose(codes, picture_model.transform(X[[7, 3]]), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(rows, picture_model.reconstruct(X[[7, 3]]), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(cells.mean(axis=1), picture_model.reconstruction_error(X[[7, 3]]), rtol=1e-4)
    decoded = explored.decode(np.asarray(codes, np.float32))
    np.testing.assert_allclose(decoded, picture_model.inverse_transform(codes), rtol=1e-4, atol=1e-3)


def test_totals_are_those_of_the_rows(explored, pictures):
    X = pictures[0].astype(np.float64)
    np.testing.assert_allclose(explored.totals.total, X.sum(axis=0))
    np.testing.assert_allclose(explored.totals.deviation, X.std(axis=0), rtol=1e-6)
    np.testing.assert_array_equal(explored.totals.low, X.min(axis=0))
    np.testing.assert_array_equal(explored.totals.high, X.max(axis=0))


def test_a_sample_has_the_rows_that_its_numbers_say(pictures, picture_model, explored):
    sample = Explored(picture_model, pictures[0], sample=25)
    assert (sample.n_rows, sample.n_all) == (25, 120)
    assert (np.diff(sample.numbers) > 0).all()
    np.testing.assert_allclose(sample.codes, explored.codes[sample.numbers], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(sample.rows(np.array([4])), pictures[0][sample.numbers[[4]]])


def test_no_more_codes_are_kept_than_memory_allows(pictures, picture_model, monkeypatch):
    monkeypatch.setattr(module, "_MOST_BYTES", 10 * 6 * 4)
    assert Explored(picture_model, pictures[0]).n_rows == 10


def test_a_shape_that_is_not_that_of_the_rows(pictures, picture_model):
    with pytest.raises(InvalidDataError, match=r"image_shape=\(5, 3\) is not the shape of rows of 12 cells"):
        Explored(picture_model, pictures[0], image_shape=(5, 3))


def test_rows_of_another_width(picture_model):
    with pytest.raises(ValueError, match="expecting 12 features"):
        Explored(picture_model, np.zeros((3, 4)))


def test_a_table_in_words(explored_table, table):
    texts = explored_table.texts(explored_table.rows(np.arange(4)))
    assert explored_table.names == [*table.columns]
    for row, own in zip(texts, table.head(4).itertuples(index=False), strict=True):
        assert row[0] == own[0]
        assert row[1] == str(own.since.date())
        assert row[2] == str(own.calls)
    assert texts[3][3] == ""  # missing


@pytest.mark.parametrize(
    ("cell", "text"),
    [(None, ""), (float("nan"), ""), (3.0, "3"), (0.123456, "0.12346"), (True, "True"), ("x" * 300, "x" * 200)],
)
def test_text_of_cells(cell, text):
    assert text_of(cell) == text


def test_sparse_and_dense_codes(explored, explored_table):
    assert explored.is_sparse
    assert not explored_table.is_sparse
    np.testing.assert_allclose(explored.density, (explored.codes != 0).mean(axis=0))


def test_the_axes_of_a_plane_are_its_units(explored_table):
    np.testing.assert_array_equal(explored_table.axes, np.eye(2))


def test_the_axes_of_a_wide_code_are_its_principal_components(explored):
    codes = explored.codes.astype(np.float64)
    variances = np.linalg.eigvalsh(np.cov(codes.T, bias=True))[::-1]
    np.testing.assert_allclose(np.var(codes @ explored.axes.T, axis=0), variances[:2], rtol=1e-4)
    assert abs(explored.axes[0] @ explored.axes[1]) < 1e-5


@pytest.mark.parametrize("shape", [(50, 300), (400, 300), (2, 300), (50, 3)])
def test_principal_axes_of_narrow_and_wide_codes(shape):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=shape) * np.linspace(2, 1, shape[1]) ** 3
    rows -= rows.mean(axis=0)
    found = principal_axes(rows)
    assert found.shape == (2, shape[1])
    np.testing.assert_allclose(found @ found.T, np.eye(2), atol=1e-6)
    if shape[0] > 2:
        expected = np.linalg.svd(rows, compute_uv=False)[:2]
        np.testing.assert_allclose(np.linalg.norm(rows @ found.T, axis=0), expected, rtol=1e-6)
