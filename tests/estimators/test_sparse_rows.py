import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import coo_matrix, csc_array, csr_matrix, save_npz
from scipy.sparse import random as random_matrix

from isthmus import Autoencoder, DenoisingAutoencoder, SparseAutoencoder
from isthmus.core.errors import InvalidDataError

QUICK = {"n_components": 3, "max_epochs": 2, "random_state": 0, "linear_path": False, "hidden_layer_sizes": ()}
ONE_EPOCH = {**QUICK, "max_epochs": 1, "early_stopping": False}


def counts(n=160, width=40):
    rng = np.random.default_rng(0)
    rows = rng.poisson(rng.gamma(0.2, 1, (n, 3)) @ rng.gamma(0.3, 1, (3, width)) / 3)
    rows[5], rows[:, 7] = 0, 0
    return csr_matrix(rows.astype(np.float32))


X = counts()


@pytest.fixture(scope="module")
def model():
    return Autoencoder(**QUICK, scaling="standard").fit(X)


@pytest.fixture(scope="module")
def dense():
    return Autoencoder(**QUICK, scaling="standard").fit(X.toarray())


def test_a_fit_is_that_of_the_same_rows_made_dense(model, dense):
    assert_allclose(model.history_["loss"], dense.history_["loss"], 1e-5)
    assert_allclose(model.history_["validation_loss"], dense.history_["validation_loss"], 1e-5)
    assert_allclose(model.scaler_.scale, dense.scaler_.scale, 1e-12)


def test_results_are_those_of_the_same_rows_made_dense(model):
    rows = X.toarray()
    assert_allclose(model.transform(X), model.transform(rows), 1e-4, 1e-5)
    assert_allclose(model.reconstruct(X), model.reconstruct(rows), 1e-4, 1e-5)
    assert_allclose(model.reconstruction_error(X), model.reconstruction_error(rows), 1e-4)
    assert_allclose(model.score(X), model.score(rows), 1e-5)


def test_every_format_and_type_has_the_same_codes(model):
    codes = model.transform(X)
    doubled = coo_matrix((np.r_[X.data, X.data] / 2, (np.tile(X.nonzero()[0], 2), np.tile(X.indices, 2))), X.shape)
    explicit = csr_matrix((np.r_[X.data, 0], np.r_[X.indices, 9], np.r_[X.indptr[:-1], X.nnz + 1]), X.shape)
    for same in (csc_array(X), coo_matrix(X), doubled, explicit, X.astype(np.int64), X.astype(np.float64)):
        assert_allclose(model.transform(same), codes, 1e-4, 1e-5)


def test_the_code_of_a_row_does_not_depend_on_the_other_rows(model):
    assert_array_equal(model.transform(X)[40:43], model.transform(X[40:43]))


def test_files_of_scipy_and_frames_of_sparse_columns(model, tmp_path):
    save_npz(tmp_path / "counts.npz", X)
    assert_array_equal(model.transform(tmp_path / "counts.npz"), model.transform(X))
    frame = pd.DataFrame.sparse.from_spmatrix(X)
    assert_array_equal(model.transform(frame), model.transform(X))
    assert model.transform_to(X, tmp_path / "codes.npy") == 160
    assert_array_equal(np.load(tmp_path / "codes.npy"), model.transform(X))


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda rows: rows.data.__setitem__(3, np.nan), r"Input X contains NaN at row \d+, column \d+"),
        (lambda rows: rows.data.__setitem__(3, np.inf), r"Input X contains infinity at row \d+, column \d+"),
    ],
)
def test_a_cell_that_is_not_finite_is_named(model, damage, match):
    rows = X.copy()
    damage(rows)
    place = np.searchsorted(rows.indptr, 3, "right") - 1
    for method in (model.transform, Autoencoder(**QUICK).fit):
        with pytest.raises(InvalidDataError, match=match) as caught:
            method(rows)
        assert f"row {place}, column {rows.indices[3]};" in str(caught.value)


def test_rows_of_another_width(model):
    with pytest.raises(ValueError, match="X has 39 features, but Autoencoder is expecting 40 features"):
        model.transform(X[:, :39])


def test_partial_fit_learns_from_batches_of_sparse_rows():
    model = Autoencoder(**QUICK, scaling="standard").partial_fit(X)
    first = model.reconstruction_error(X).mean()
    for _ in range(8):
        model.partial_fit(X)
    assert model.reconstruction_error(X).mean() < first
    assert model.n_iter_ == 9


@pytest.mark.slow
def test_weights_of_sparse_rows_are_repetitions():
    quick = {**QUICK, "scaling": "standard", "early_stopping": False, "shuffle": False, "batch_size": 512}
    times = np.random.default_rng(0).integers(1, 4, 160)
    weighted = Autoencoder(**quick).fit(X, sample_weight=times)
    repeated = Autoencoder(**quick).fit(X[np.repeat(np.arange(160), times)])
    assert_allclose(weighted.transform(X), repeated.transform(X), 1e-3, 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "other",
    [
        DenoisingAutoencoder(**ONE_EPOCH),
        SparseAutoencoder(3, k=2, max_epochs=1, random_state=0, early_stopping=False, scaling="standard"),
        Autoencoder(**ONE_EPOCH, scaling="patches"),
        Autoencoder(**ONE_EPOCH, loss="huber", scaling="standard"),
    ],
    ids=["denoising", "sparse code", "patches", "huber"],
)
@pytest.mark.filterwarnings("ignore::isthmus.core.errors.SparsityWarning")
def test_what_needs_every_cell_makes_batches_dense(other):
    codes = other.fit(X).transform(X)
    assert np.isfinite(codes).all()
    assert_allclose(codes, other.transform(X.toarray()), 1e-3, 1e-4)


def test_counts_have_one_unit_and_other_columns_their_own():
    assert Autoencoder(**ONE_EPOCH).fit(X).scaler_.kind == "shared"
    mixed = random_matrix(160, 40, 0.2, "csr", random_state=0).multiply(np.logspace(0, 4, 40)).tocsr()
    assert Autoencoder(**ONE_EPOCH).fit(mixed).scaler_.kind == "standard"
