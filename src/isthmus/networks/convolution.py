"""Convolution with a derivative of its own, since XLA's is slow inside a compiled loop."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

# (batch, height, width, channel) and (height, width, input, output).
_LAYOUT = ("NHWC", "HWIO", "NHWC")
# Channels, and cells of shifted copies, that settle how a convolution is done: 4 MB of them stay in cache.
_FEW, _MANY, _IN_CACHE = 8, 32, 1 << 20


def convolve(x: Array, kernel: Array) -> Array:
    """Return pictures (n, height, width, input) under a kernel of odd sides (h, w, input, output), edges padded by 0.

    Differentiated as written, a 3x3 kernel of 64 channels costs 7 ms on two CPU cores and 280 ms inside a `lax.scan`
    or `lax.while_loop`, where XLA takes the kernel's gradient, a convolution with a window as large as the picture,
    without its fast routine. Here that gradient is a matrix product for each place of the kernel, 9 ms, loop or not;
    where what is shifted stays in cache, one product for all places. Where JAX's default backend is
    no CPU, all of it is XLA's own, which accelerators have fast routines for.
    """
    return _by_products(x, kernel) if jax.default_backend() == "cpu" else _natively(x, kernel)


def _natively(x: Array, kernel: Array) -> Array:
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=_LAYOUT)


@jax.custom_vjp
def _by_products(x: Array, kernel: Array) -> Array:
    """Return what `convolve` does, by the way that is quickest for these shapes in a compiled loop on two CPU cores."""
    places, inputs, outputs = kernel.shape[0] * kernel.shape[1], *kernel.shape[2:]
    n_pixels = x.size // inputs
    if outputs <= _FEW and inputs >= 4 * outputs and n_pixels * places * outputs <= _IN_CACHE:
        return _products_first(x, kernel)
    if min(inputs, outputs) >= _MANY and n_pixels * kernel.shape[1] * inputs <= _IN_CACHE:
        return _lines_of_products(x, kernel)
    return _natively(x, kernel)


def _products_first(x: Array, kernel: Array) -> Array:
    """Multiply each pixel by the whole kernel, then add up what is shifted."""
    height, width, inputs, outputs = kernel.shape
    rows, columns = x.shape[1:3]
    flat = kernel.reshape(-1, inputs, outputs).swapaxes(0, 1).reshape(inputs, -1)
    padded = _padded((x.reshape(-1, inputs) @ flat).reshape(*x.shape[:-1], -1), height, width)
    shifted = [
        padded[:, i : i + rows, j : j + columns, place * outputs : (place + 1) * outputs]
        for place, (i, j) in enumerate(np.ndindex(height, width))
    ]
    return functools.reduce(jnp.add, shifted)


def _lines_of_products(x: Array, kernel: Array) -> Array:
    """Lay what a line of the kernel sees side by side, and multiply it by the line."""
    height, width, inputs, outputs = kernel.shape
    rows, columns = x.shape[1:3]
    padded = _padded(x, height, width)
    extra = jnp.concatenate([padded[:, :, j : j + columns] for j in range(width)], axis=-1)
    lines = [extra[:, i : i + rows].reshape(-1, width * inputs) @ kernel[i].reshape(-1, outputs) for i in range(height)]
    return functools.reduce(jnp.add, lines).reshape(*x.shape[:-1], outputs)


def _padded(x: Array, height: int, width: int) -> Array:
    above, before = height // 2, width // 2
    return jnp.pad(x, ((0, 0), (above, height - 1 - above), (before, width - 1 - before), (0, 0)))


def _forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return _by_products(x, kernel), (x, kernel)


def _backward(kept: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = kept
    at_x = _by_products(gradient, jnp.flip(kernel, (0, 1)).swapaxes(2, 3))
    height, width = kernel.shape[:2]
    way = _slope_at_once if gradient.size * height * width <= 2 * _IN_CACHE else _slope_by_place
    return at_x, way(x, gradient, height, width).reshape(kernel.shape)


def _slope_by_place(x: Array, gradient: Array, height: int, width: int) -> Array:
    rows, columns = gradient.shape[1:3]
    padded, flat = _padded(x, height, width), gradient.reshape(-1, gradient.shape[-1])
    shifted = [padded[:, i : i + rows, j : j + columns] for i in range(height) for j in range(width)]
    return jnp.stack([piece.reshape(-1, x.shape[-1]).T @ flat for piece in shifted])


def _slope_at_once(x: Array, gradient: Array, height: int, width: int) -> Array:
    """Lay the slopes side by side, shifted the other way, for one product: thin where outputs are few."""
    rows, columns, outputs = gradient.shape[1:]
    padded = jnp.flip(_padded(jnp.flip(gradient, (1, 2)), height, width), (1, 2))
    places = [(height - 1 - i, width - 1 - j) for i in range(height) for j in range(width)]
    extra = jnp.concatenate([padded[:, i : i + rows, j : j + columns] for i, j in places], axis=-1)
    product = x.reshape(-1, x.shape[-1]).T @ extra.reshape(-1, extra.shape[-1])
    return product.reshape(x.shape[-1], height * width, outputs).swapaxes(0, 1)


_by_products.defvjp(_forward, _backward)


def to_channels(x: Array, side: int) -> Array:
    """Return pictures (n, h, w, c) whose blocks of side x side pixels have become channels."""
    n, height, width, channels = x.shape
    x = x.reshape(n, height // side, side, width // side, side, channels).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(n, height // side, width // side, side * side * channels)


def to_pixels(x: Array, side: int) -> Array:
    """Return pictures whose channels have become blocks of side x side pixels: the inverse of `to_channels`."""
    n, height, width, channels = x.shape
    x = x.reshape(n, height, width, side, side, channels // side**2).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(n, height * side, width * side, channels // side**2)
