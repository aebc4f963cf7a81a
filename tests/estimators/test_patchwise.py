import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

import isthmus
from isthmus import Autoencoder, DenoisingAutoencoder, PatchAutoencoder
from isthmus.core.errors import InvalidDataError, InvalidParameterError, ModelFileError
from isthmus.corruption import Gaussian

rng = np.random.default_rng(0)
QUICK = {"max_epochs": 3, "hidden_layer_sizes": (16,), "random_state": 0}


def waves(height, width, channels=0):
    y, x = np.mgrid[:height, :width]
    planes = [127 + 60 * np.sin(x / (5 + c)) + 60 * np.cos(y / (7 + c)) for c in range(max(channels, 1))]
    return np.round(np.stack(planes, axis=-1) if channels else planes[0]).astype(np.uint8)


@pytest.fixture(scope="module")
def model():
    inner = Autoencoder(8, **QUICK)
    return PatchAutoencoder(inner, patch_size=8, n_patches=400, random_state=0).fit([waves(40, 50), waves(30, 60)])


class Identity:
    """An autoencoder that returns its input."""

    def reconstruct(self, rows):
        return rows


def copying(**options):
    model = PatchAutoencoder(**options)
    model.autoencoder_, model.white_ = Identity(), 1.0
    return model


@settings(deadline=None, max_examples=60, database=None)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([0, 3]),
    st.sampled_from([(8, None, None), (8, 4, 3), (5, 1, 1), (9, 9, 9)]),
    st.booleans(),
    st.booleans(),
)
def test_unchanged_patches_reconstruct_the_image(height, width, channels, sizes, grey, center):
    patch, kept, stride = sizes
    picture = rng.random((height, width, 3) if channels else (height, width))
    model = copying(patch_size=patch, kept_size=kept, stride=stride, grey=grey, center=center)
    (reconstructed,) = model.reconstruct([picture])
    assert reconstructed.dtype == np.float64
    assert_allclose(reconstructed, picture, rtol=1e-12)


def test_a_narrow_image_in_several_blocks_of_patches(monkeypatch):
    monkeypatch.setattr("isthmus.estimators.patchwise._AT_ONCE", 10)
    picture = rng.random((300, 17)).astype(np.float32)
    assert_allclose(copying(patch_size=8).reconstruct([picture])[0], picture, rtol=1e-6)


def test_only_the_centres_of_patches_are_used():
    class Edges(Identity):
        def reconstruct(self, rows):
            patches = rows.reshape(-1, 7, 7).copy()
            patches[:, [0, 1, 5, 6]] = np.nan
            patches[:, :, [0, 1, 5, 6]] = np.nan
            return patches.reshape(len(rows), -1)

    model = copying(patch_size=7, kept_size=3)
    model.autoencoder_ = Edges()
    picture = rng.random((20, 20))
    assert_allclose(model.reconstruct([picture])[0], picture, rtol=1e-12)


def test_images_of_different_sizes_arrays_folders_and_colours(model, tmp_path):
    pictures = [waves(40, 50), waves(9, 33)]
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    listed = model.reconstruct(pictures)
    assert [picture.shape for picture in listed] == [(40, 50), (9, 33)]
    for one, other in zip(model.reconstruct(tmp_path), listed, strict=True):
        assert_array_equal(one, other)
    array = model.reconstruct(np.stack([pictures[0]] * 2))
    assert array.shape == (2, 40, 50)
    assert_array_equal(array[0], listed[0])
    colours = waves(20, 24, 3)
    (reconstructed,) = model.reconstruct([colours])
    assert_array_equal(reconstructed[..., 1], model.reconstruct([colours[..., 1]])[0])


def test_transform_returns_a_grid_of_codes(model):
    codes = model.transform([waves(40, 50), waves(40, 50)])
    assert codes.shape == (2, 17, 22, 8)
    one = waves(40, 50)[4:12, 6:14].reshape(1, -1)
    assert_allclose(codes[0, 2, 3], model.autoencoder_.transform(one)[0], rtol=1e-5)
    assert [each.shape for each in model.transform([waves(8, 8), waves(10, 8)])] == [(1, 1, 8), (2, 1, 8)]


@pytest.mark.slow
def test_pixels_outside_the_centre_have_zero_weight_in_the_loss():
    inner = Autoencoder(8, **QUICK)
    model = PatchAutoencoder(inner, patch_size=7, kept_size=3, grey=False, n_patches=300, random_state=0)
    model.fit([waves(30, 30, 3)])
    weights = np.reshape(model.autoencoder_.feature_weights, (7, 7, 3))
    assert weights[2:5, 2:5].all() and weights.sum() == 27
    weighted = Autoencoder(8, feature_weights=[1] * 49, **QUICK)
    model = PatchAutoencoder(weighted, patch_size=7, kept_size=3, n_patches=300, random_state=0).fit([waves(30, 30)])
    assert model.autoencoder_.feature_weights == [1] * 49
    assert inner.feature_weights is None


def test_centered_patches_add_their_mean_to_the_reconstruction(tmp_path):
    model = PatchAutoencoder(Autoencoder(8, **QUICK), patch_size=8, center=True, n_patches=400, random_state=0)
    picture = waves(40, 50)[:24]
    model.fit([waves(40, 50), waves(30, 60)])
    assert model.white_ == 255
    brighter = picture + np.uint8(8)
    (reconstructed,), (brighter_reconstructed,) = model.reconstruct([picture]), model.reconstruct([brighter])
    assert_allclose(brighter_reconstructed, reconstructed + 8, atol=1e-3)
    assert_allclose(*model.transform(np.stack([picture, brighter])), atol=1e-4)
    assert_allclose(model.denoise_picture(picture / 255), reconstructed / 255, atol=1e-5)
    model.save(tmp_path / "model.safetensors")
    assert_array_equal(PatchAutoencoder.load(tmp_path / "model.safetensors").reconstruct([picture])[0], reconstructed)


@pytest.mark.slow
def test_denoise_reduces_the_error():
    clean = [waves(64, 64), waves(48, 80)]
    inner = DenoisingAutoencoder(
        16, hidden_layer_sizes=(64,), corruption=Gaussian(25, unit="input"), max_epochs=15, random_state=0
    )
    model = PatchAutoencoder(inner, patch_size=8, n_patches=4000, random_state=0).fit(clean)
    noisy = clean[0] + 25 * rng.standard_normal(clean[0].shape)
    cleaned = model.denoise([noisy])[0]
    assert np.mean((cleaned - clean[0]) ** 2) < 0.2 * 625
    shown = model.denoise_picture((noisy / 255).astype(np.float32))
    assert shown.dtype == np.float32
    assert_allclose(shown * 255, cleaned, atol=0.05)


@pytest.mark.slow
def test_the_default_corruption_is_gaussian_noise():
    model = PatchAutoencoder(n_patches=64, noise=10, random_state=0)
    model.set_params(patch_size=4).fit([waves(30, 30)])
    assert model.autoencoder_.corruption == Gaussian(10.0, unit="input")
    assert model.white_ == 255


def test_a_loaded_model_gives_identical_results(model, tmp_path):
    path = tmp_path / "patches.safetensors"
    model.save(path)
    for loaded in (PatchAutoencoder.load(path), isthmus.load(path)):
        assert type(loaded) is PatchAutoencoder
        assert_array_equal(loaded.reconstruct([waves(20, 20)])[0], model.reconstruct([waves(20, 20)])[0])
        assert loaded.patch_size == 8
    Autoencoder(2, **QUICK).fit(rng.random((20, 4))).save(path, overwrite=True)
    with pytest.raises(ModelFileError, match="holds a Autoencoder, not the class PatchAutoencoder"):
        PatchAutoencoder.load(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch_size": 0}, "patch_size=0"),
        ({"patch_size": 8, "kept_size": 5}, "kept_size=5 must be at most patch_size=8, and both even or both odd"),
        ({"patch_size": 8, "kept_size": 10}, "kept_size=10"),
        ({"patch_size": 8, "kept_size": 4, "stride": 5}, "stride=5 must be at most the 4 pixels of the kept middle"),
        ({"stride": 1.5}, "stride=1.5"),
    ],
)
def test_invalid_parameters(options, message):
    with pytest.raises(InvalidParameterError, match=message.replace(".", r"\.")):
        PatchAutoencoder(**options).fit([waves(30, 30)])


def test_invalid_images(model):
    with pytest.raises(InvalidDataError, match="smaller than a patch of 8x8"):
        PatchAutoencoder(Autoencoder(2, **QUICK), patch_size=8).fit([waves(4, 30)])
    with pytest.raises(InvalidDataError, match=r"a picture has shape .* not \(3,\)"):
        model.reconstruct([np.ones(3)])
