import numpy as np
import pytest
from numpy.testing import assert_allclose

from isthmus.core.errors import InvalidDataError
from isthmus.data.datasets import load_photos
from isthmus.images.noise_level import estimate_noise, picture_noise


def noise(shape, sigma, seed=0):
    return np.random.default_rng(seed).normal(size=shape) * np.asarray(sigma) / 255


@pytest.fixture(scope="module")
def photos():
    bunch = load_photos()
    return {name: picture[:400, :400] / 255 for name, picture in zip(bunch.names, bunch.images, strict=True)}


@pytest.mark.parametrize("shape", [(40, 40), (64, 300), (256, 256)], ids=str)
@pytest.mark.parametrize("sigma", [1, 25, 50, 500])
def test_noise_on_a_constant_plane(shape, sigma):
    assert estimate_noise(0.5 + noise(shape, sigma)) == pytest.approx(sigma, rel=0.05)


@pytest.mark.parametrize("sigma", [10, 25, 50])
def test_noise_on_photographs(photos, sigma):
    errors = {name: estimate_noise(photo + noise(photo.shape, sigma)) - sigma for name, photo in photos.items()}
    assert all(abs(error) < 2.5 for error in errors.values()), errors


@pytest.mark.parametrize("sigma", [10, 25, 50])
def test_clipped_and_rounded_noise(photos, sigma):
    for name, photo in photos.items():
        eight_bit = np.rint(255 * (photo + noise(photo.shape, sigma)).clip(0, 1)) / 255
        assert abs(estimate_noise(eight_bit) - sigma) < 3.5, name


def test_the_estimate_scales_with_the_values():
    plane = noise((80, 80), 20)
    assert_allclose(estimate_noise(1000 * plane + 7e5), 1000 * estimate_noise(plane), rtol=1e-3)


@pytest.mark.parametrize("shape", [(1, 1), (7, 1), (1, 90), (20, 20), (3000, 17), (64, 64)], ids=str)
def test_constant_planes_have_no_noise(shape):
    assert estimate_noise(np.full(shape, 0.3)) == 0


def test_a_drawing_has_no_noise():
    page = np.ones((200, 200))
    page[40:60, 20:180] = page[90:150, 100:104] = 0
    assert estimate_noise(page) < 0.1


@pytest.mark.parametrize("shape", [(30, 30), (1, 900), (900, 1), (3000, 5)], ids=str)
def test_small_planes(shape):
    assert estimate_noise(noise(shape, 25)) == pytest.approx(25, rel=0.1)


@pytest.mark.parametrize("shape", [(3,), (0, 5), (4, 4, 3)], ids=str)
def test_invalid_shapes(shape):
    with pytest.raises(InvalidDataError, match=r"plane has shape .*; it must be \(height, width\)"):
        estimate_noise(np.zeros(shape))


def test_missing_pixels():
    with pytest.raises(InvalidDataError, match="NaN or infinite"):
        estimate_noise([[0.0, np.nan]])


def test_several_channels_give_the_root_of_their_mean_variance():
    assert picture_noise(0.5 + noise((150, 150, 3), [3, 4, 5])) == pytest.approx(np.sqrt(50 / 3), rel=0.04)
    plane = noise((64, 64), 9)
    assert picture_noise(plane) == estimate_noise(plane)
