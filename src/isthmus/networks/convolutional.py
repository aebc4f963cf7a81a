"""A convolutional encoder and its mirror, for images of one size, with a code of fixed width between them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from isthmus.core.errors import InvalidParameterError
from isthmus.core.random import Stream, generator
from isthmus.core.types import MaybeArray, Noise, Params, Statistics
from isthmus.networks.activations import Activation, function_of
from isthmus.networks.base import NetworkOptions
from isthmus.networks.convolution import convolve, to_channels, to_pixels
from isthmus.networks.draws import draw_layer
from isthmus.networks.layered import Layered, with_layer

_HALVING = 2
_SIDE = 3
_EDGE = 1e-3  # the least mean of a channel, and the least distance from 1, whose logit a bias starts at


@dataclass(frozen=True)
class Convolutional(Layered):
    """A convolutional autoencoder: what it computes, without its parameters.

    Each level of the encoder turns blocks of two by two pixels into channels and convolves them with kernels of 3 x 3;
    a dense layer computes the code from the last level. The decoder mirrors this. Rows are flat images, line by line,
    channels last. Where a side is not divisible by two for each level, the image's edge is repeated, and cropped from
    the output.

    Parameters
    ----------
    image_shape : tuple of int
        Height, width and channels of an image.
    n_components : int
        The width of its code.
    channels : tuple of int
        The channels of each level, input side first.
    activation, code_activation, output_activation : str or Function
        Names in `ACTIVATIONS`, or functions of a user.
    init_name : str
        A name in `INITIALIZERS`.
    precision : str
        ``"float32"`` or ``"float64"``.

    References
    ----------
    Masci et al., "Stacked convolutional auto-encoders for hierarchical feature extraction", 2011; Shi et al.,
    "Real-time single image and video super-resolution using an efficient sub-pixel convolutional neural network", 2016.
    """

    image_shape: tuple[int, int, int]
    n_components: int
    channels: tuple[int, ...] = (32, 64)
    activation: Activation = "relu"
    code_activation: Activation = "identity"
    output_activation: Activation = "identity"
    init_name: str = "he"
    precision: str = "float32"

    options: ClassVar[frozenset[str]] = frozenset({"channels"})
    reverse_only = True  # the convolutions define a derivative of their own, for reverse mode

    @property
    def n_features(self) -> int:
        """The cells of an image."""
        return math.prod(self.image_shape)

    @property
    def grid(self) -> tuple[int, int, int]:
        """Height, width and channels of the last level."""
        step = _HALVING ** len(self.channels)
        height, width, own = self.image_shape
        return -(-height // step), -(-width // step), (self.channels or (own,))[-1]

    @property
    def is_linear_decoder(self) -> bool:
        """Whether the decoder is one dense layer."""
        return not self.channels

    @property
    def starts_at_mean(self) -> bool:  # type: ignore[override]
        """Whether all pixels share the last bias, and a sigmoid follows."""
        return bool(self.channels) and self.output_activation == "sigmoid"

    @classmethod
    def from_options(cls, options: NetworkOptions) -> Self:
        """Return the network for an estimator's options; rows without a shape are images of one line."""
        cls.check_supported(options, "network='convolutional'", "leave it out")
        cells = options.n_features - len(options.conditions)
        given = options.image_shape or (1, cells)
        shape = (*given, 1) if len(given) == 2 else given
        if len(shape) != 3 or math.prod(shape) != cells:
            what, remedy = f"{cells} cells", "give height, width and, where there are any, channels"
            if options.conditions:
                what = f"{what} and {len(options.conditions)} of conditions"
                remedy = "pass flat pictures with the conditions as further columns"
            raise InvalidParameterError(f"image_shape={given} is not the shape of rows of {what}; {remedy}")
        channels = cls.channels if options.channels is None else options.channels
        return cls(**{**options.fields_of(cls), "image_shape": shape, "channels": channels})

    def init(self, seed: int, statistics: Statistics | None = None) -> Params:
        """Return the initial parameters."""
        rng = generator(seed, Stream.WEIGHTS)
        widths, cells = (self.image_shape[2], *self.channels), math.prod(self.grid)
        pixels = _HALVING**2
        encoder = [self._kernel(rng, pixels * one, other) for one, other in pairwise(widths)]
        decoder = [self._kernel(rng, other, pixels * one) for one, other in pairwise(widths)]
        params = {
            "encoder": [*encoder, draw_layer(self.init_name, rng, cells, self.n_components)],
            "decoder": [draw_layer(self.init_name, rng, self.n_components, cells), *decoder[::-1]],
        }
        return jax.tree.map(lambda leaf: np.ascontiguousarray(leaf, self.dtype), params)

    def _kernel(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> dict[str, NDArray[Any]]:
        layer = draw_layer(self.init_name, rng, _SIDE**2 * fan_in, fan_out)
        return {**layer, "weight": layer["weight"].reshape(_SIDE, _SIDE, fan_in, fan_out)}

    def with_mean_output(self, params: Params, mean: NDArray[Any]) -> Params:
        """Return parameters whose last bias is the logit of each channel's mean in the mean row (D,).

        Where most pixels are near 0, the first steps of training push the bias of all pixels so far down that the
        sigmoid's derivative vanishes: the output of digits stayed black.
        """
        share = np.clip(np.reshape(mean, self.image_shape).mean(axis=(0, 1)), _EDGE, 1 - _EDGE)
        bias = np.tile(np.log(share / (1 - share)), _HALVING**2)
        return with_layer(params, "decoder", -1, {"bias": bias.astype(self.dtype)})

    def encode(
        self, params: Params, x: Array, row: MaybeArray = None, noise: Noise | None = None, condition: MaybeArray = None
    ) -> Array:
        """Return the pre-code (B, K) of rows (B, D)."""
        weight, bias = self.code_layer(params)
        code: Array = self.before_code(params, x) @ weight + bias
        return code

    def before_code(
        self, params: Params, x: Array, row: MaybeArray = None, noise: Noise | None = None, condition: MaybeArray = None
    ) -> Array:
        """Return the code layer's input (B, H) for rows (B, D)."""
        return self.levels_of(params, x)

    def levels_of(self, params: Params, pictures: Array, shift: Array | None = None) -> Array:
        """Return the last level (B, H) of pictures (B, P); a shift (B, channels) is added to those of the first."""
        height, width, _ = self.image_shape
        lines, columns, _ = self.grid
        step = _HALVING ** len(self.channels)
        pads = ((0, 0), (0, lines * step - height), (0, columns * step - width), (0, 0))
        hidden = jnp.pad(pictures.reshape(-1, *self.image_shape), pads, mode="edge")
        for number, layer in enumerate(params["encoder"][:-1]):
            hidden = convolve(to_channels(hidden, _HALVING), layer["weight"]) + layer["bias"]
            if shift is not None and not number:
                hidden = hidden + shift[:, None, None]
            hidden = function_of(self.activation)(hidden)
        return hidden.reshape(len(pictures), -1)

    def decode(self, params: Params, code: Array, row: Array | None = None, noise: Noise | None = None) -> Array:
        """Return the output (B, D) before its activation."""
        return self.after_code(params, code @ self.decoder_rows(params), row, noise)

    def after_code(self, params: Params, first: Array, row: Array | None = None, noise: Noise | None = None) -> Array:
        """Return the output (B, D) before its activation for ``code @ decoder_rows``."""
        layer, *others = params["decoder"]
        hidden = (first + layer["bias"]).reshape(-1, *self.grid)
        for layer in others:
            hidden = convolve(function_of(self.activation)(hidden), layer["weight"]) + layer["bias"]
            hidden = to_pixels(hidden, _HALVING)
        height, width, _ = self.image_shape
        output: Array = hidden[:, :height, :width].reshape(len(first), -1)
        return output
