import jax
import numpy as np
import pytest
from jax import lax
from numpy.testing import assert_allclose

from isthmus.networks.convolution import convolve

shapes = pytest.mark.parametrize("shape", [(1, 1, 2, 3), (3, 3, 1, 2), (3, 3, 4, 1), (5, 3, 2, 2)])


def drawn(shape):
    draw = np.random.default_rng(0)
    x = draw.standard_normal((2, 7, 6, shape[2])).astype(np.float32)
    return x, draw.standard_normal(shape).astype(np.float32)


@shapes
def test_it_is_a_sum_over_shifted_pictures(shape):
    x, kernel = drawn(shape)
    height, width = shape[:2]
    padded = np.pad(x, ((0, 0), (height // 2, height // 2), (width // 2, width // 2), (0, 0)))
    expected = sum(padded[:, i : i + 7, j : j + 6] @ kernel[i, j] for i in range(height) for j in range(width))
    assert_allclose(convolve(x, kernel), expected, rtol=1e-4, atol=1e-5)


@shapes
def test_derivatives_are_those_of_the_plain_convolution(shape):
    x, kernel = drawn(shape)
    slope = np.random.default_rng(1).standard_normal((2, 7, 6, shape[3])).astype(np.float32)

    def plain(x, kernel):
        return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    for ours, theirs in zip(jax.vjp(convolve, x, kernel)[1](slope), jax.vjp(plain, x, kernel)[1](slope), strict=True):
        assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
