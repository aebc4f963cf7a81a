import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.decomposition import PCA

from isthmus import Autoencoder
from sae_folders import randomized

RNG = np.random.default_rng(5)
ROWS = RNG.random((60, 12))
ROWS[17, 4] = 9.0


@pytest.fixture(scope="module")
def model():
    return randomized(Autoencoder(2, hidden_layer_sizes=(4,), random_state=0), ROWS)


@pytest.fixture(scope="module")
def found(model):
    return model.report(ROWS).facts.reconstruction


def test_cells_have_their_share_of_the_rows_error(model, found):
    cells = model.reconstruction_error(ROWS, per="cell")
    rebuilt = model.reconstruct(ROWS)
    for row in found.worst:
        shares = cells[row.number] / cells[row.number].sum()
        order = [place for place in np.argsort(-shares, kind="stable")[:6] if shares[place] > 0.01]
        assert [cell.column for cell in row.cells] == [f"x{place}" for place in order]
        assert_allclose([cell.share for cell in row.cells], shares[order], rtol=1e-4)
        assert_allclose([float(cell.value) for cell in row.cells], ROWS[row.number][order], rtol=1e-3)
        assert_allclose([float(cell.rebuilt) for cell in row.cells], rebuilt[row.number][order], rtol=1e-2, atol=1e-3)


def test_the_error_of_pca_is_scikit_learns(model, found):
    scaled = (ROWS - model.scaler_.center) / model.scaler_.scale
    pca = PCA(2).fit(scaled)
    errors = np.square(scaled - pca.inverse_transform(pca.transform(scaled))).mean(axis=1)
    assert_allclose([row.pca_error for row in found.worst], errors[[row.number for row in found.worst]], rtol=1e-6)
    assert_allclose(
        [row.error for row in found.worst], np.sort(model.reconstruction_error(ROWS))[::-1][: len(found.worst)]
    )


@pytest.mark.slow
def test_pictures_of_a_row_the_model_and_pca(model):
    row = model.report(ROWS, image_shape=(3, 4)).facts.reconstruction.worst[0]
    scaled = (ROWS - model.scaler_.center) / model.scaler_.scale
    pca = PCA(2).fit(scaled)
    by_pca = pca.inverse_transform(pca.transform(scaled[row.number][None])) * model.scaler_.scale + model.scaler_.center
    low, high = ROWS.min(), ROWS.max()
    expected = [ROWS[row.number], model.reconstruct(ROWS[row.number][None])[0], by_pca[0]]
    for picture, values in zip(row.pictures, expected, strict=True):
        assert_allclose(picture, np.clip((values.reshape(3, 4) - low) / (high - low), 0, 1), atol=1e-5)
