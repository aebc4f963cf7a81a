import numpy as np
import pytest
from numpy.testing import assert_array_equal

from isthmus.images.picture import to_floats, to_samples


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.uint16])
def test_samples_become_floats_and_back(dtype):
    samples = np.arange(2 if dtype is np.bool_ else np.iinfo(dtype).max + 1).astype(dtype)
    floats = to_floats(samples)
    assert (floats.dtype, floats[0], floats[-1]) == (np.float32, 0, 1)
    assert_array_equal(to_samples(floats, samples.dtype), samples)


def test_samples_are_clipped_and_rounded():
    values = np.array([-1, 0, 0.499 / 255, 0.501 / 255, 1, 7], np.float32)
    assert_array_equal(to_samples(values, np.dtype(np.uint8)), [0, 0, 0, 1, 255, 255])
    assert_array_equal(to_samples(values, np.dtype(np.bool_)), [False, False, False, False, True, True])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_are_unchanged(dtype):
    samples = np.array([-0.5, 0.1, 3], dtype)
    assert_array_equal(to_samples(to_floats(samples), samples.dtype), samples.astype(np.float32).astype(dtype))
