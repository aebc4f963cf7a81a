import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import correlate2d

from isthmus.networks.residual import ResidualDenoiser

NETWORKS = [ResidualDenoiser((3,), (2,)), ResidualDenoiser((3, 5), (1, 2)), ResidualDenoiser((2, 3, 4), (1, 1, 1))]
on_networks = pytest.mark.parametrize("network", NETWORKS, ids=lambda network: f"{len(network.widths)} levels")


def drawn(network, seed=0):
    draw = np.random.default_rng(seed)
    return {
        name: draw.standard_normal(shape).astype(np.float32) / np.sqrt(shape[0] * shape[1] * shape[2])
        for name, shape in network.shapes().items()
    }


def convolved(kernel, x):
    height, width, n_in, n_out = kernel.shape
    assert x.shape[2] == n_in
    planes = [
        sum(correlate2d(x[..., i], kernel[..., i, o].reshape(height, width), "same") for i in range(n_in))
        for o in range(n_out)
    ]
    return np.stack(planes, axis=-1)


def gathered(x):
    return np.concatenate([x[i::2, j::2] for i in (0, 1) for j in (0, 1)], axis=-1)


def spread(x):
    parts = np.split(x, 4, axis=-1)
    out = np.empty((2 * x.shape[0], 2 * x.shape[1], parts[0].shape[-1]))
    for place, part in enumerate(parts):
        out[place // 2 :: 2, place % 2 :: 2] = part
    return out


def by_hand(network, params, image, noise):
    def blocks(x, level, side):
        for block in range(network.blocks[level]):
            hidden = np.maximum(convolved(params[f"{level}.{side}.{block}.first"], x), 0)
            x = x + convolved(params[f"{level}.{side}.{block}.second"], hidden)
        return x

    def at(x, level):
        x = blocks(x, level, "down")
        if level == len(network.widths) - 1:
            return x
        below = at(convolved(params[f"{level}.lower"], gathered(x)), level + 1)
        return blocks(x + spread(convolved(params[f"{level}.raise"], below)), level, "up")

    pixels = gathered(image[..., None])
    x = convolved(params["enter"], np.dstack([pixels, np.full(pixels.shape[:2], noise)]))
    return image - spread(convolved(params["leave"], at(x, 0)))[..., 0]


@on_networks
def test_numpy_computes_the_same(network):
    params = drawn(network)
    images = np.random.default_rng(1).random((2, 16, 24), np.float32)
    noise = np.array([0.1, 0.4], np.float32)
    cleaned = jax.jit(network.clean)(params, images, noise)
    for one, image, level in zip(cleaned, images, noise, strict=True):
        assert_allclose(one, by_hand(network, params, image.astype(float), level), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@on_networks
def test_untrained_it_returns_images_as_they_are(network):
    params = network.init(jax.random.key(0))
    assert {name: value.shape for name, value in params.items()} == network.shapes()
    images = np.random.default_rng(0).random((1, 16, 8), np.float32)
    assert_array_equal(jax.jit(network.clean)(params, images, np.ones(1, np.float32)), images)


@on_networks
def test_scaling_an_image_and_its_noise_scales_the_result(network):
    params = drawn(network)
    images, noise = np.random.default_rng(2).random((1, 16, 16), np.float32), np.full(1, 0.2, np.float32)
    scaled = jax.jit(network.clean)(params, 3 * images, 3 * noise)
    assert_allclose(scaled, 3 * jax.jit(network.clean)(params, images, noise), rtol=1e-4, atol=1e-5)


@on_networks
def test_reach_is_the_distance_at_which_a_pixel_has_an_effect(network):
    params = drawn(network)
    assert network.reach % network.multiple == 0
    side, middle = 4 * network.reach, 2 * network.reach
    images, noise = np.random.default_rng(3).random((1, side, side), np.float32), np.full(1, 0.2, np.float32)
    # From both corners of a block: blocks of pixels reach further on one side than on the other.
    reached = []
    for shift in (0, network.multiple - 1):
        corrupted = images.copy()
        corrupted[0, middle + shift, middle + shift] += 100
        difference = jax.jit(network.clean)(params, corrupted, noise) - jax.jit(network.clean)(params, images, noise)
        where = np.argwhere(np.abs(difference[0]) > 0)
        reached.append(np.abs(where - middle - shift).max())
    assert network.reach - 2 * network.multiple < max(reached) <= network.reach
