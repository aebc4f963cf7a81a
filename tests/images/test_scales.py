import numpy as np
import pytest
from numpy.testing import assert_allclose

from isthmus.images.denoiser import Denoiser
from isthmus.images.scales import clean_on_two_scales

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(1, 1), (5, 4), (8, 8, 3), (7, 9, 3)], ids=str)
def test_shapes_and_constant_corrections(shape):
    picture = RNG.random(shape).astype(np.float32)
    seen = []

    def lower(values, noise):
        seen.append((values.shape[:2], noise))
        return values - np.float32(0.25)

    cleaned = clean_on_two_scales(lower, picture, 7)
    assert cleaned.dtype == np.float32
    assert_allclose(cleaned, picture - 0.5, atol=1e-6)
    assert seen == [((-(-shape[0] // 2), -(-shape[1] // 2)), 7), (shape[:2], 7)]


def test_what_is_removed_at_half_size_is_interpolated_linearly():
    ramp = np.arange(8.0).repeat(8).reshape(8, 8)
    kept = clean_on_two_scales(lambda values, noise: np.zeros_like(values) if len(values) == 4 else values, ramp, 1)
    assert_allclose(kept[1:-1], 0, atol=1e-12)


def test_two_scales_remove_more_of_correlated_noise_than_one():
    rows = np.linspace(0, 1, 128)
    clean = 0.5 + 0.3 * np.sin(2 * np.add.outer(rows, rows**2))
    noise = RNG.normal(size=clean.shape)
    noise = sum(np.roll(noise, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1))
    noisy = clean + 20 / 255 * noise / noise.std()
    model = Denoiser.shipped()
    one, two = model.clean(noisy, 20), clean_on_two_scales(model.clean, noisy, 20)
    errors = [np.square(picture - clean).mean() for picture in (noisy, one, two, model.clean(noisy))]
    assert errors[2] < 0.7 * errors[1] < 0.7 * errors[0]
    assert errors[3] < 0.8 * errors[1], "the level is estimated, and the noise recognised as correlated"
