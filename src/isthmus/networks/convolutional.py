"""A convolutional encoder and its mirror, for pictures of one size, with a code of fixed width between them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from isthmus.core.types import Noise, Params, Statistics
from isthmus.networks.activations import ACTIVATIONS, ODD
from isthmus.networks.convolution import convolve, to_channels, to_pixels
from isthmus.networks.initializers import INITIALIZERS

_HALVING = 2
_SIDE = 3


@dataclass(frozen=True)
class Convolutional:
    """A convolutional autoencoder: what it computes, without its parameters.

    Each level of the encoder makes channels of two by two pixels and convolves them with kernels of 3 x 3; a dense
    layer makes the code of the last level. The decoder is the mirror of that. Rows are pictures, flat, line by line,
    channels last; where sides are no multiple of what the levels halve, the picture's edge is continued, and cut off at
    the end.

    Parameters
    ----------
    image_shape : tuple of int
        Height, width and channels of a picture.
    n_components : int
        The width of its code.
    channels : tuple of int
        Of each level, the input's side first.
    activation, code_activation, output_activation : str
        Names in `ACTIVATIONS`.
    init_name : str
        A name in `INITIALIZERS`.
    precision : str
        ``"float64"`` computes in it, anything else in float32.

    References
    ----------
    Masci et al., "Stacked convolutional auto-encoders for hierarchical feature extraction", 2011; Shi et al.,
    "Real-time single image and video super-resolution using an efficient sub-pixel convolutional neural network", 2016.
    """

    image_shape: tuple[int, int, int]
    n_components: int
    channels: tuple[int, ...] = (32, 64)
    activation: str = "relu"
    code_activation: str = "identity"
    output_activation: str = "identity"
    init_name: str = "he"
    precision: str = "float32"

    tied = False
    linear_path = False
    reverse_only = True  # its convolutions have a derivative of their own, which goes backwards

    @property
    def n_features(self) -> int:
        """The cells of a picture."""
        return math.prod(self.image_shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type parameters are kept in."""
        return np.dtype(np.float64 if self.precision == "float64" else np.float32)

    @property
    def grid(self) -> tuple[int, int, int]:
        """Height, width and channels of the last level."""
        step = _HALVING ** len(self.channels)
        height, width, own = self.image_shape
        return -(-height // step), -(-width // step), (self.channels or (own,))[-1]

    # Parameters ------------------------------------------------------------------------------------------------

    def init(self, seed: int, statistics: Statistics | None = None) -> Params:
        """Draw the parameters."""
        rng = np.random.default_rng(np.random.SeedSequence([seed, 2]))
        widths, cells = (self.image_shape[2], *self.channels), math.prod(self.grid)
        pixels = _HALVING**2
        encoder = [self._kernel(rng, pixels * one, other) for one, other in pairwise(widths)]
        decoder = [self._kernel(rng, other, pixels * one) for one, other in pairwise(widths)]
        params = {
            "encoder": [*encoder, self._dense(rng, cells, self.n_components)],
            "decoder": [self._dense(rng, self.n_components, cells), *decoder[::-1]],
        }
        return jax.tree.map(lambda leaf: np.ascontiguousarray(leaf, self.dtype), params)

    def _kernel(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> dict[str, NDArray[Any]]:
        weight = INITIALIZERS[self.init_name](rng, _SIDE**2 * fan_in, fan_out)
        return {"weight": weight.reshape(_SIDE, _SIDE, fan_in, fan_out), "bias": np.zeros(fan_out)}

    def _dense(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> dict[str, NDArray[Any]]:
        return {"weight": INITIALIZERS[self.init_name](rng, fan_in, fan_out), "bias": np.zeros(fan_out)}

    # Computation -----------------------------------------------------------------------------------------------

    def encode(
        self,
        params: Params,
        x: Array,
        row: Array | None = None,
        noise: Noise | None = None,
        condition: Array | None = None,
    ) -> Array:
        """Return the pre-code (B, K) of rows (B, D)."""
        height, width, _ = self.image_shape
        lines, columns, _ = self.grid
        step = _HALVING ** len(self.channels)
        pads = ((0, 0), (0, lines * step - height), (0, columns * step - width), (0, 0))
        hidden = jnp.pad(x.reshape(-1, *self.image_shape), pads, mode="edge")
        for layer in params["encoder"][:-1]:
            hidden = convolve(to_channels(hidden, _HALVING), layer["weight"]) + layer["bias"]
            hidden = ACTIVATIONS[self.activation](hidden)
        last = params["encoder"][-1]
        code: Array = hidden.reshape(len(x), -1) @ last["weight"] + last["bias"]
        return code

    def activate_code(self, pre_code: Array) -> Array:
        """Return the code (B, K) of a pre-code."""
        return ACTIVATIONS[self.code_activation](pre_code)

    def decode(self, params: Params, code: Array, row: Array | None = None, noise: Noise | None = None) -> Array:
        """Return the output (B, D) before its activation."""
        first, *others = params["decoder"]
        hidden = (code @ first["weight"] + first["bias"]).reshape(-1, *self.grid)
        for layer in others:
            hidden = convolve(ACTIVATIONS[self.activation](hidden), layer["weight"]) + layer["bias"]
            hidden = to_pixels(hidden, _HALVING)
        height, width, _ = self.image_shape
        output: Array = hidden[:, :height, :width].reshape(len(code), -1)
        return output

    def activate_output(self, pre_output: Array) -> Array:
        """Return the reconstruction (B, D)."""
        return ACTIVATIONS[self.output_activation](pre_output)

    def decoder_weights(self, params: Params) -> list[Any]:
        """Return the decoder's matrices and kernels."""
        return [layer["weight"] for layer in params["decoder"]]

    # Arranging the code ----------------------------------------------------------------------------------------

    @property
    def signs_are_free(self) -> bool:
        """Whether a code unit's sign may be turned without changing what the network computes."""
        return self.code_activation in ODD

    def reordered(self, params: Params, order: NDArray[np.integer], signs: NDArray[Any]) -> Params:
        """Return parameters whose code units are permuted and turned: the same network, its code rearranged."""
        new = {name: [dict(layer) for layer in params[name]] for name in ("encoder", "decoder")}
        last, first = new["encoder"][-1], new["decoder"][0]
        last["weight"], last["bias"] = last["weight"][:, order] * signs, last["bias"][order] * signs
        first["weight"] = first["weight"][order] * signs[:, None]
        return {**params, **new}
