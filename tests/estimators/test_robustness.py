import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.decomposition import PCA

from isthmus import DenoisingAutoencoder
from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.corruption import Chain, Gaussian, Masking

rng = np.random.default_rng(0)
ROWS = rng.standard_normal((600, 2)) @ rng.standard_normal((2, 6)) + 0.1 * rng.standard_normal((600, 6))
KNOWN, UNSEEN = ROWS[:400], ROWS[400:]


@pytest.fixture(scope="module")
def model():
    settings = {"hidden_layer_sizes": (16,), "max_epochs": 20, "random_state": 0}
    return DenoisingAutoencoder(2, corruption=Gaussian(0.4), **settings).fit(KNOWN)


@pytest.fixture(scope="module")
def curve(model):
    return model.robustness_curve(UNSEEN, fit_on=KNOWN)


def test_the_curve_at_level_0_is_the_reconstruction_error(model, curve):
    assert_allclose(curve.levels, np.linspace(0, 0.8, 7))
    assert_allclose(curve.errors["model"][0], model.reconstruction_error(UNSEEN).mean(), rtol=1e-5)
    scaled = model.scaler_.scaled(UNSEEN, np.float64)
    pca = PCA(2).fit(model.scaler_.scaled(KNOWN, np.float64))
    expected = np.mean(np.square(pca.inverse_transform(pca.transform(scaled)) - scaled))
    assert_allclose(curve.errors["PCA"][0], expected, rtol=1e-4)


def test_the_error_of_noisy_rows_is_the_noise_variance(model, curve):
    spread = model.scaler_.scaled(UNSEEN, np.float64).std(axis=0)
    assert_allclose(curve.errors["noisy"], curve.levels**2 * np.mean(spread**2), rtol=0.1)
    assert curve.errors["noisy"][0] == 0


def test_the_error_of_pca_has_its_closed_form(model, curve):
    """A projection onto 2 of 6 dimensions keeps 2/6 of the variance of white noise."""
    spread = model.scaler_.scaled(UNSEEN, np.float64).std(axis=0)
    pca = PCA(2).fit(model.scaler_.scaled(KNOWN, np.float64)).components_
    passed = np.trace(pca * spread**2 @ pca.T) / 6
    assert_allclose(curve.errors["PCA"] - curve.errors["PCA"][0], curve.levels**2 * passed, rtol=0.2, atol=1e-4)


def test_training_with_noise_lowers_the_error_under_noise(curve):
    assert (curve.errors["model"][3:] <= 1.02 * curve.errors["without noise"][3:]).all()
    assert str(curve).splitlines()[0].split() == ["level", "model", "noisy", "without", "noise", "PCA"]
    assert len(str(curve).splitlines()) == 8
    assert list(curve.curves) == ["model", "noisy", "without noise", "PCA"]


def test_given_levels_and_corruptions(model):
    curve = model.robustness_curve(UNSEEN, [0.0, 1.0], corruption="masking")
    assert list(curve.errors) == ["model", "noisy"]
    scaled = model.scaler_.scaled(UNSEEN, np.float64)
    assert_allclose(curve.errors["noisy"], [0, np.mean(scaled**2)], rtol=1e-5)
    assert model.robustness_curve(UNSEEN, corruption=Masking((0.1, 0.8))).levels[-1] == 1


def test_invalid_parameters(model):
    for corruption in (Chain([Gaussian(0.2)]), lambda key, x: x):
        with pytest.raises(InvalidParameterError, match="a corruption with a level"):
            model.robustness_curve(UNSEEN, corruption=corruption)
    with pytest.raises(InvalidParameterError, match=r"levels=\[\]"):
        model.robustness_curve(UNSEEN, [])


def test_a_cell_that_is_too_large_is_named():
    rows = np.random.default_rng(0).normal(size=(40, 3))
    model = DenoisingAutoencoder(2, hidden_layer_sizes=(), max_epochs=1, random_state=0).fit(rows)
    rows[3, 1] = 1e300
    with pytest.raises(InvalidDataError, match=r"^row 3, column 1 has the value 1e\+300"):
        model.robustness_curve(rows)
