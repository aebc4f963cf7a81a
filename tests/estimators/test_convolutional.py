import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.utils.estimator_checks import parametrize_with_checks

import isthmus
from checks import expected_failures
from isthmus import Autoencoder, ConvolutionalAutoencoder
from isthmus.core.errors import InvalidDataError, InvalidParameterError, SparsityWarning
from isthmus.sparsity import TopK

SMALL = {"channels": (4, 8), "max_epochs": 3, "random_state": 0}


@pytest.fixture(scope="module")
def pictures():
    return load_digits().images[:400]


@pytest.fixture(scope="module")
def model(pictures):
    return ConvolutionalAutoencoder(6, **SMALL).fit(pictures)


@pytest.mark.slow
@parametrize_with_checks(
    [ConvolutionalAutoencoder(2, channels=(2,), max_epochs=2, random_state=0)], expected_failed_checks=expected_failures
)
def test_scikit_learn_estimator_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
def test_images_and_flat_rows_keep_their_shape(model, pictures):
    codes = model.transform(pictures)
    assert codes.shape == (400, 6)
    reconstructed = model.reconstruct(pictures)
    assert reconstructed.shape == pictures.shape
    assert_array_equal(reconstructed, model.inverse_transform(codes))
    flat = pictures.reshape(400, -1)
    assert_array_equal(model.transform(flat), codes)
    assert_array_equal(model.reconstruct(flat), reconstructed.reshape(400, -1))
    assert model.components_.shape == (6, 64)


@pytest.mark.slow
def test_flat_rows_with_image_shape_equal_images(model, pictures):
    flat = ConvolutionalAutoencoder(6, image_shape=(8, 8), **SMALL).fit(pictures.reshape(400, -1))
    assert_array_equal(flat.transform(pictures), model.transform(pictures))
    assert flat.inverse_transform(flat.transform(pictures)).shape == (400, 64)
    without_shape = ConvolutionalAutoencoder(6, **SMALL).fit(pictures.reshape(400, -1))
    assert without_shape.network_.image_shape == (1, 64, 1)


@pytest.mark.slow
def test_fit_explains_half_of_the_variance(pictures):
    model = ConvolutionalAutoencoder(8, channels=(8, 16), max_epochs=30, learning_rate=3e-3, random_state=0)
    model.fit(pictures[:300])
    assert model.score(pictures[300:].reshape(100, -1)) > 0.5
    assert model.history_["loss"][-1] < 0.6 * model.history_["loss"][0]


@pytest.mark.slow
def test_folders_and_colour_images_of_bytes(tmp_path):
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (30, 6, 5, 3), dtype=np.uint8)
    for number, picture in enumerate(colours):
        Image.fromarray(picture).save(tmp_path / f"{number:02}.png")
    model = ConvolutionalAutoencoder(3, **SMALL).fit(colours)
    assert model.reconstruct(colours).shape == colours.shape
    folder = ConvolutionalAutoencoder(3, **SMALL).fit(tmp_path)
    assert_array_equal(folder.transform(tmp_path), model.transform(colours))


@pytest.mark.slow
def test_a_loaded_model_gives_identical_results(model, pictures, tmp_path):
    model.save(tmp_path / "m.safetensors")
    loaded = isthmus.load(tmp_path / "m.safetensors")
    assert type(loaded) is ConvolutionalAutoencoder
    assert_array_equal(loaded.reconstruct(pictures), model.reconstruct(pictures))


@pytest.mark.slow
def test_corruption_sparsity_and_classifier(pictures):
    noisy = ConvolutionalAutoencoder(6, corruption="blockout", **SMALL).fit(pictures)
    assert noisy.denoise(pictures[:2]).shape == (2, 8, 8)
    with pytest.warns(SparsityWarning, match="units are dead"):
        sparse = ConvolutionalAutoencoder(16, sparsity=TopK(3), **SMALL).fit(pictures)
    assert ((sparse.transform(pictures) != 0).sum(axis=1) <= 3).all()
    classifier = noisy.to_classifier(max_epochs=3, random_state=0)
    labels = load_digits().target[:400]
    assert classifier.fit(pictures.reshape(400, -1), labels).score(pictures.reshape(400, -1), labels) > 0.2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_shape": (8, 9)}, r"image_shape=\(8, 9\) is not the shape of rows of 64 cells"),
        ({"tied_weights": True}, "tied_weights=True cannot be combined with network='convolutional'"),
        ({"missing": "mask"}, "missing='mask' cannot be combined with network='convolutional'"),
        ({"network": lambda *_: None}, "cannot be combined with a network of your own"),
        ({"channels": (0,)}, r"channels=\(0,\)"),
    ],
)
def test_invalid_parameters(options, message, pictures):
    with pytest.raises(InvalidParameterError, match=message):
        ConvolutionalAutoencoder(2, **{**SMALL, **options}).fit(pictures.reshape(400, -1))


@pytest.mark.slow
def test_input_shapes_of_dense_and_convolutional_networks(pictures):
    with pytest.raises(ValueError, match="dim 3"):
        Autoencoder(2, max_epochs=1).fit(pictures)
    with pytest.raises(InvalidDataError, match="features"):
        ConvolutionalAutoencoder(2, **SMALL).fit(pictures).transform(np.ones((2, 3, 3)))
