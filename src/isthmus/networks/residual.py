"""A convolutional network that predicts the noise of an image."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from isthmus.core.types import Params
from isthmus.networks.convolution import convolve, to_channels, to_pixels

# The side of the blocks of pixels that become channels first: a quarter of the work, twice the receptive field.
_SHUFFLE = 2


@dataclass(frozen=True)
class ResidualDenoiser:
    """A U-shaped denoiser: what it computes, without its parameters.

    Blocks of two by two pixels become channels, and a channel with the noise's standard deviation is added (Zhang, Zuo
    and Zhang, 2018). Each level halves the resolution of the one above; on the way up a level's own features are added
    (Zhang et al. 2022). The output is the noise, which is subtracted. There is no normalisation and no bias, so that
    scaling an image and the deviation scales the result: one network then serves a range of deviations (Mohan et al.
    2020).

    Parameters
    ----------
    widths : tuple of int
        Channels at a half, a quarter, an eighth and so on of the resolution.
    blocks : tuple of int
        Residual blocks at each of these, on the way down and again on the way up; at the lowest level once.

    References
    ----------
    K. Zhang, W. Zuo and L. Zhang, "FFDNet: Toward a Fast and Flexible Solution for CNN-Based Image Denoising", IEEE
    Transactions on Image Processing 27(9), 2018. K. Zhang et al., "Plug-and-Play Image Restoration with Deep Denoiser
    Prior", IEEE TPAMI 44(10), 2022. S. Mohan et al., "Robust and Interpretable Blind Image Denoising via Bias-Free
    Convolutional Neural Networks", ICLR 2020.
    """

    widths: tuple[int, ...] = (64, 128)
    blocks: tuple[int, ...] = (2, 2)

    @property
    def multiple(self) -> int:
        """The number that heights and widths of images must be multiples of."""
        return _SHUFFLE << (len(self.widths) - 1)

    @property
    def reach(self) -> int:
        """The largest distance, in pixels, at which a pixel affects another; a multiple of `multiple`."""
        lowest = len(self.widths) - 1
        # A block has two convolutions, and above the lowest level there is one on each side.
        passes = [(2 if level == lowest else 4) * n_blocks for level, n_blocks in enumerate(self.blocks)]
        passes[0] += 2  # the first convolution and the last
        exact: int = sum(n * _SHUFFLE * 2**level for level, n in enumerate(passes)) + self.multiple - 1
        return -(-exact // self.multiple) * self.multiple

    def shapes(self) -> dict[str, tuple[int, int, int, int]]:
        """Return each kernel's shape (height, width, input, output), by its name."""
        pixels = _SHUFFLE**2
        shapes = {"enter": (3, 3, pixels + 1, self.widths[0])}
        for level, (width, n_blocks) in enumerate(zip(self.widths, self.blocks, strict=True)):
            lowest = level == len(self.widths) - 1
            for side in ("down",) if lowest else ("down", "up"):
                for block in range(n_blocks):
                    shapes[f"{level}.{side}.{block}.first"] = (3, 3, width, width)
                    shapes[f"{level}.{side}.{block}.second"] = (3, 3, width, width)
            if not lowest:
                below = self.widths[level + 1]
                shapes[f"{level}.lower"] = (1, 1, 4 * width, below)
                shapes[f"{level}.raise"] = (1, 1, below, 4 * width)
        return shapes | {"leave": (3, 3, self.widths[0], pixels)}

    def init(self, key: Array) -> Params:
        """Return initial parameters: He's normal weights, and zeros for the last kernels of residual paths."""
        shapes = self.shapes()
        keys = jax.random.split(key, len(shapes))
        return {
            name: jnp.zeros(shape)
            if name == "leave" or name.endswith("second")
            else jax.random.normal(one, shape) * jnp.sqrt(2 / (shape[0] * shape[1] * shape[2]))
            for (name, shape), one in zip(shapes.items(), keys, strict=True)
        }

    def clean(self, params: Params, images: Array, noise: Array) -> Array:
        """Return images without their noise.

        Parameters
        ----------
        params : dict of jax.Array
            As `init` returns them.
        images : jax.Array of shape (n, height, width)
            Heights and widths must be multiples of `multiple`.
        noise : jax.Array of shape (n,)
            The standard deviation of each image's noise, in the images' units.

        Returns
        -------
        jax.Array of shape (n, height, width)
        """
        return images - self.noise(params, images, noise)

    def noise(self, params: Params, images: Array, noise: Array) -> Array:
        """Return the noise that `clean` subtracts; all but the first convolution are in the kernels' precision."""
        pixels = to_channels(images[..., None], _SHUFFLE)
        condition = jnp.broadcast_to(noise[:, None, None, None], (*pixels.shape[:3], 1))
        x = _convolve(params["enter"], jnp.concatenate([pixels, condition], axis=-1))
        x = self._level(params, x.astype(params["leave"].dtype), 0)
        return to_pixels(_convolve(params["leave"], x), _SHUFFLE)[..., 0].astype(images.dtype)

    def _level(self, params: Params, x: Array, level: int) -> Array:
        x = self._blocks(params, x, f"{level}.down", level)
        if level == len(self.widths) - 1:
            return x
        below = self._level(params, _convolve(params[f"{level}.lower"], to_channels(x, 2)), level + 1)
        x = x + to_pixels(_convolve(params[f"{level}.raise"], below), 2)
        return self._blocks(params, x, f"{level}.up", level)

    def _blocks(self, params: Params, x: Array, name: str, level: int) -> Array:
        for block in range(self.blocks[level]):
            hidden = jax.nn.relu(_convolve(params[f"{name}.{block}.first"], x))
            x = x + _convolve(params[f"{name}.{block}.second"], hidden)
        return x


def _convolve(kernel: Array, x: Array) -> Array:
    return x @ kernel[0, 0] if kernel.shape[:2] == (1, 1) else convolve(x, kernel)
