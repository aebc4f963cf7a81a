import io
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from PIL import Image

from isthmus.core.errors import InvalidDataError, IsthmusWarning
from isthmus.data.datasets import load_photos
from isthmus.images.noise_level import estimate_noise, examine_noise, picture_noise


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


def enlarged(shape, factor, seed):
    small = np.random.default_rng(seed).normal(size=[int(length / factor) + 1 for length in shape])
    size = [int(length * factor) + 1 for length in small.shape[::-1]]
    large = Image.fromarray(small.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(large)[: shape[0], : shape[1]]


def blurred(shape, weights, seed):
    plane = np.random.default_rng(seed).normal(size=shape)
    for axis in (0, 1):
        plane = sum(w * np.roll(plane, place, axis) for place, w in enumerate(weights))
    return plane


CORRELATED = {
    "enlarged by 1.5": lambda shape, seed: enlarged(shape, 1.5, seed),
    "enlarged by 2": lambda shape, seed: enlarged(shape, 2, seed),
    "slightly blurred": lambda shape, seed: blurred(shape, (0.2, 0.6, 0.2), seed),
    "blurred": lambda shape, seed: blurred(shape, (1, 2, 1), seed),
}


@pytest.mark.parametrize("kind", CORRELATED)
@pytest.mark.parametrize("sigma", [pytest.param(15, marks=pytest.mark.slow), 25])
def test_correlated_noise_on_photographs(photos, kind, sigma):
    n_uncertain = 0
    for seed, (name, photo) in enumerate(list(photos.items())[:4]):
        plane = CORRELATED[kind](photo.shape, seed)
        noisy = np.rint(255 * photo + sigma * plane / plane.std()).clip(0, 255) / 255
        estimate = examine_noise(noisy)
        if estimate.doubt:
            assert f"{estimate.level:.1f}, or smoothed noise of up to" in estimate.doubt
            n_uncertain += 1
            continue
        assert estimate.is_correlated, (name, estimate)
        assert estimate.level == pytest.approx(sigma, rel=0.25), name
        assert estimate_noise(noisy) == estimate.level
    assert n_uncertain <= 1, "china has texture in its lower half only"


def test_white_noise_and_clean_photographs_are_not_correlated(photos):
    for name, photo in photos.items():
        for sigma in (0, 10):
            assert not examine_noise(photo + noise(photo.shape, sigma)).is_correlated, (name, sigma)


def demosaicked(colours, sensor_noise):
    """Return what a camera with a Bayer mosaic sees, each colour interpolated linearly."""
    sums, weights = np.zeros_like(colours), np.zeros_like(colours)
    for row, column, colour in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        there = (slice(row, None, 2), slice(column, None, 2))
        sums[(*there, colour)] = colours[(*there, colour)] + sensor_noise[there]
        weights[(*there, colour)] = 1
    shares = {(i, j): (2 - abs(i)) * (2 - abs(j)) for i in (-1, 0, 1) for j in (-1, 0, 1)}
    sums, weights = (sum(w * np.roll(x, at, (0, 1)) for at, w in shares.items()) for x in (sums, weights))
    return sums / weights


def test_the_noise_of_a_camera(photos):
    colours = np.stack([next(iter(photos.values()))] * 3, axis=-1) * [0.9, 0.7, 0.5]
    clean = demosaicked(colours, np.zeros(colours.shape[:2]))
    assert not examine_noise(clean).is_correlated
    noisy = demosaicked(colours, noise(colours.shape[:2], 25))
    estimate = examine_noise(np.rint(255 * noisy).clip(0, 255) / 255)
    assert estimate.is_correlated
    assert estimate.level == pytest.approx(255 * (noisy - clean).std(), rel=0.2)


def test_correlated_noise_of_the_brightness_alone(photos):
    photo = next(iter(photos.values()))
    colours = photo[..., None] * [0.8, 0.7, 0.6] + 0.1
    plane = CORRELATED["blurred"](photo.shape, 0)[..., None] * [1, 1, 1.0]
    estimate = examine_noise(colours + 15 / 255 * plane / plane.std())
    assert estimate.is_correlated
    assert estimate.level == pytest.approx(15, rel=0.2)
    assert not examine_noise(colours).is_correlated


def test_noise_in_a_jpeg(photos):
    photo = next(iter(photos.values()))
    saved = io.BytesIO()
    noisy = np.rint(255 * (photo + noise(photo.shape, 20))).clip(0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(saved, "JPEG", quality=80)
    left = np.asarray(Image.open(saved), float) / 255
    assert estimate_noise(left) == pytest.approx(255 * (left - photo).std(), rel=0.25)


@pytest.mark.parametrize("side", [16, 24, 32, 48, 64])
def test_small_clean_pictures_have_no_noise_but_doubt(photos, side):
    for photo in photos.values():
        large = Image.fromarray((255 * photo).astype(np.uint8))
        small = np.asarray(large.resize((side, side), Image.Resampling.LANCZOS)) / 255
        estimate = examine_noise(small)
        assert estimate.level <= 2
        if estimate.doubt:
            with pytest.warns(IsthmusWarning, match=f"{side}x{side} is too small .*; give noise="):
                assert estimate_noise(small) == 0


@pytest.mark.parametrize("side", [48, 64, 90])
def test_the_noise_of_small_pictures(photos, side):
    n_uncertain = 0
    for seed, photo in enumerate(photos.values()):
        large = Image.fromarray((255 * photo).astype(np.uint8))
        small = np.asarray(large.resize((side, side), Image.Resampling.LANCZOS)) / 255
        estimate = examine_noise(small + noise(small.shape, 25, seed))
        n_uncertain += estimate.doubt is not None
        assert estimate.level == pytest.approx(0 if estimate.doubt else 25, rel=0.25)
    assert n_uncertain <= 2


def test_an_icon_has_no_noise():
    icon = np.zeros((16, 16))
    icon[1::2, 1::2], icon[3:9, 3:9] = 1, 0.5
    assert examine_noise(icon).level == 0
    assert examine_noise(np.dstack([icon, icon.T, 1 - icon])).level == 0
    assert examine_noise(np.kron(icon, np.ones((8, 8)))).level == 0


SET12 = Path(os.environ.get("ISTHMUS_DATA", "nowhere")) / "photos" / "set12"


@pytest.mark.skipif(not SET12.is_dir(), reason="ISTHMUS_DATA does not name a folder with photos/set12")
@pytest.mark.parametrize("sigma", [5, 10, 15, 25, 50])
def test_white_noise_on_set12(sigma):
    for number, path in enumerate(sorted(SET12.iterdir())):
        with Image.open(path) as image:
            photo = np.asarray(image.convert("L")) / 255
        noisy = np.rint(255 * (photo + noise(photo.shape, sigma, number))).clip(0, 255) / 255
        assert abs(estimate_noise(noisy) - sigma) < 1.5
