import numpy as np
import pytest

from isthmus.data.datasets import load_photos
from isthmus.images.noise_floor import NO_FLOOR, noise_floor

RNG = np.random.default_rng(0)


def smoothed(noise, kernel):
    for axis in (0, 1):
        noise = sum(
            weight * np.roll(noise, place, axis) for place, weight in enumerate(kernel, start=-(len(kernel) // 2))
        )
    return noise / noise.std()


@pytest.mark.parametrize("kernel", [(1,), (1, 2, 1), (1, 1, 1)], ids=str)
@pytest.mark.parametrize("deviation", [3, 20])
def test_noise_has_a_sharp_floor_at_its_deviation(kernel, deviation):
    floor = noise_floor(100 + deviation * smoothed(RNG.normal(size=(200, 200)), kernel))
    assert floor.is_sharp
    assert floor.level == pytest.approx(deviation, rel=0.15)


def test_the_floor_ignores_edges_and_clipped_areas():
    plane = 15 * smoothed(RNG.normal(size=(200, 200)), (1, 2, 1))
    plane[:, 100:] += 120
    plane[60:80] += 60
    plane[120:] = 300
    floor = noise_floor(np.minimum(plane, 300))
    assert floor.is_sharp
    assert floor.level == pytest.approx(15, rel=0.12)


def test_photographs_have_no_sharp_floor():
    assert not any(noise_floor(picture[:400, :400].astype(float)).is_sharp for picture in load_photos().images)


def test_planes_without_a_floor():
    page = np.full((100, 100), 255.0)
    page[::9] = 0
    for plane in (page, np.zeros((50, 50)), np.zeros((7, 900)), RNG.normal(size=(12, 12))):
        assert noise_floor(plane) == NO_FLOOR


def test_small_planes_are_not_sure_to_be_noise():
    small, large = (noise_floor(20 * smoothed(RNG.normal(size=(side, side)), (1, 2, 1))) for side in (90, 160))
    assert small.is_sharp and large.is_sharp
    assert large.is_even and not small.is_even
