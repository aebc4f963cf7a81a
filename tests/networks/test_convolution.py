import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import correlate

from isthmus.networks.convolution import convolve, to_channels, to_pixels

rng = np.random.default_rng(0)


@settings(deadline=None, max_examples=25, database=None)
@given(st.integers(1, 6), st.integers(1, 6), st.sampled_from([(1, 1), (3, 3), (5, 3)]))
def test_a_convolution_is_a_sum_of_correlations(height, width, kernel):
    x, k = rng.normal(size=(2, height, width, 3)), rng.normal(size=(*kernel, 3, 2))
    with jax.enable_x64(True):
        found = np.asarray(convolve(jnp.asarray(x), jnp.asarray(k)))
    padded = np.pad(x, ((0, 0), (kernel[0] // 2,) * 2, (kernel[1] // 2,) * 2, (0, 0)))
    for row in range(2):
        for out in range(2):
            expected = sum(correlate(padded[row, ..., c], k[..., c, out], mode="valid") for c in range(3))
            assert_allclose(found[row, ..., out], expected, atol=1e-10)


@pytest.mark.parametrize(("backend", "in_cache"), [("cpu", 0), ("cpu", 1 << 20), ("gpu", 0)])
@pytest.mark.parametrize("channels", [(2, 4), (8, 2), (32, 33)])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (5, 3)])
def test_every_algorithm_and_its_derivative_equal_xlas(kernel, channels, backend, in_cache, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    monkeypatch.setattr("isthmus.networks.convolution._IN_CACHE", in_cache)
    x, k = rng.normal(size=(3, 6, 5, channels[0])), rng.normal(size=(*kernel, *channels))
    weights = rng.normal(size=(3, 6, 5, channels[1]))

    def plain(x, k):
        layout = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(x, k, (1, 1), "SAME", dimension_numbers=layout)

    with jax.enable_x64(True):
        assert_allclose(convolve(jnp.asarray(x), jnp.asarray(k)), plain(x, k), rtol=1e-10, atol=1e-12)
        gradients = [
            jax.grad(lambda x, k, way=way: jnp.sum(jnp.sin(way(x, k)) * weights), argnums=(0, 1))(
                jnp.asarray(x), jnp.asarray(k)
            )
            for way in (convolve, plain)
        ]
    for mine, theirs in zip(*gradients, strict=True):
        assert_allclose(mine, theirs, rtol=1e-10, atol=1e-12)


def test_pixels_to_channels_and_back():
    x = rng.normal(size=(2, 6, 4, 3))
    channels = np.asarray(to_channels(x, 2))
    assert_array_equal(channels[1, 2, 1].reshape(2, 2, 3), x[1, 4:6, 2:4])
    assert_array_equal(to_pixels(channels, 2), x)
