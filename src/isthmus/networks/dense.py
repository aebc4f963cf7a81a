"""Fully connected encoder and decoder, with an optional straight linear path beside each."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from isthmus.core.random import cell_bits, chance, mix
from isthmus.core.types import Noise, Params, Statistics
from isthmus.networks.activations import ACTIVATIONS, ODD
from isthmus.networks.initializers import INITIALIZERS, draw_bias

# A sigmoid's slope at its middle is a quarter, so its linear path starts four times as steep.
_SIGMOID_SLOPE = 4.0


@dataclass(frozen=True)
class Dense:
    """A dense autoencoder: what it computes, without its parameters.

    The encoder's layers are ``n_features -> *encoder_sizes -> n_components`` and the decoder's ``n_components ->
    *decoder_sizes -> n_features``. Its parameters are a dict of two lists of layers, and one matrix per linear path.

    Parameters
    ----------
    n_features, n_components : int
        The widths of a row and of its code.
    encoder_sizes, decoder_sizes : tuple of int
        The widths of the hidden layers, in the order in which they are computed.
    activation, code_activation, output_activation : str
        Names in `ACTIVATIONS`.
    linear_path : bool
        Add ``x @ A`` to the pre-code and ``code @ B`` to the output before its activation.
    tied : bool
        Use the encoder's matrices, transposed, in the decoder; the sizes must mirror.
    dropout : float
        Share of hidden activations dropped in training.
    layer_norm : bool
        Normalise each hidden layer's input to its activation over the units (Ba, Kiros and Hinton, 2016).
    init_name : str
        A name in `INITIALIZERS`.
    precision : str
        ``"bfloat16"`` rounds the factors of matrix products, and sums them in float32.
    pre_bias : bool
        Subtract the decoder's last bias from the rows before they are encoded (Bricken et al. 2023).
    transposed_start : bool
        Start the encoder's last matrix as the transpose of the decoder's first.
    indicator : bool
        Tell the first layer which cells are missing, through a matrix of its own that starts at zero.
    """

    n_features: int
    n_components: int
    encoder_sizes: tuple[int, ...] = ()
    decoder_sizes: tuple[int, ...] = ()
    activation: str = "gelu"
    code_activation: str = "identity"
    output_activation: str = "identity"
    linear_path: bool = False
    tied: bool = False
    dropout: float = 0.0
    layer_norm: bool = False
    init_name: str = "he"
    precision: str = "float32"
    pre_bias: bool = False
    transposed_start: bool = False
    indicator: bool = False

    @property
    def encoder_widths(self) -> tuple[int, ...]:
        """Every width from row to code."""
        return (self.n_features, *self.encoder_sizes, self.n_components)

    @property
    def decoder_widths(self) -> tuple[int, ...]:
        """Every width from code to row."""
        return (self.n_components, *self.decoder_sizes, self.n_features)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type parameters are kept in."""
        return np.dtype(np.float64 if self.precision == "float64" else np.float32)

    # Parameters ------------------------------------------------------------------------------------------------

    def init(self, seed: int, statistics: Statistics | None = None) -> Params:
        """Draw the parameters; with a linear path and statistics, start it at PCA's solution."""
        rng = np.random.default_rng(np.random.SeedSequence([seed, 2]))
        params: dict[str, Any] = {
            "encoder": self._draw_layers(rng, self.encoder_widths, with_weights=True),
            "decoder": self._draw_layers(rng, self.decoder_widths, with_weights=not self.tied),
        }
        if self.transposed_start:
            decoder = params["decoder"][0]["weight"]
            # Rows of length 1, as directions: a unit then reads what it writes.
            params["decoder"][0]["weight"] = decoder / np.linalg.norm(decoder, axis=1, keepdims=True)
            params["encoder"][-1]["weight"] = params["decoder"][0]["weight"].T
        if self.linear_path:
            self._start_linear_path(params, statistics)
        if self.indicator:
            params["indicator"] = np.zeros((self.n_features, self.encoder_widths[1]))
        return jax.tree.map(lambda leaf: np.ascontiguousarray(leaf, self.dtype), params)

    def _draw_layers(
        self, rng: np.random.Generator, widths: tuple[int, ...], with_weights: bool
    ) -> list[dict[str, NDArray[Any]]]:
        layers = []
        for number, (fan_in, fan_out) in enumerate(pairwise(widths), 1):
            layer = {"bias": draw_bias(self.init_name, rng, fan_out)}
            if with_weights:
                layer["weight"] = INITIALIZERS[self.init_name](rng, fan_in, fan_out)
            if self.layer_norm and number < len(widths) - 1:
                layer["gain"] = np.ones(fan_out)
            layers.append(layer)
        return layers

    def _start_linear_path(self, params: dict[str, Any], statistics: Statistics | None) -> None:
        shape = (self.n_components, self.n_features)
        components = np.zeros(shape) if statistics is None else np.asarray(statistics.components, np.float64)
        mean = np.zeros(self.n_features) if statistics is None else np.asarray(statistics.mean, np.float64)
        first, last = params["encoder"][-1], params["decoder"][-1]
        params["encoder_path"] = components.T
        first["bias"] = -mean @ components.T
        if "weight" in first:
            first["weight"] = np.zeros_like(first["weight"])
        if "weight" in last:
            last["weight"] = np.zeros_like(last["weight"])
        sigmoid = self.output_activation == "sigmoid"
        if not self.tied:
            params["decoder_path"] = components * (_SIGMOID_SLOPE if sigmoid else 1.0)
        clipped = np.clip(mean, 1e-3, 1 - 1e-3)
        last["bias"] = np.log(clipped / (1 - clipped)) if sigmoid else mean.copy()
        if self.tied:
            # The last matrix is the encoder's first, which is not zero; what passes through it is still a constant.
            passed = np.asarray(self.decode(params, jnp.zeros((1, self.n_components))))[0] - last["bias"]
            last["bias"] = last["bias"] - passed

    # Computation -----------------------------------------------------------------------------------------------

    def encode(
        self,
        params: Params,
        x: Array,
        row: Array | None = None,
        noise: Noise | None = None,
        condition: Array | None = None,
    ) -> Array:
        """Return the pre-code (B, K) of rows (B, D); `told` (B, D) is 1 where a cell is missing."""
        weight, bias = self.code_layer(params)
        code: Array = self._product(self.before_code(params, x, row, noise, condition), weight) + bias
        if not self.encoder_sizes:
            code = self._with_condition(params, code, condition)
        return code + self._product(x, params["encoder_path"]) if self.linear_path else code

    def before_code(
        self, params: Params, x: Array, row: Array | None, noise: Noise | None, condition: Array | None = None
    ) -> Array:
        """Return what the code layer reads (B, H) of rows (B, D)."""
        hidden = x - params["decoder"][-1]["bias"] if self.pre_bias else x
        for number, layer in enumerate(params["encoder"][:-1]):
            pre = self._product(hidden, layer["weight"])
            hidden = self._ended(
                layer, pre if number else self._with_condition(params, pre, condition), row, noise, number
            )
        return hidden

    def _with_condition(self, params: Params, pre: Array, condition: Array | None) -> Array:
        return pre if condition is None or not self.indicator else pre + self._product(condition, params["indicator"])

    def code_layer(self, params: Params) -> tuple[Array, Array]:
        """Return the matrix (H, K) and bias (K,) that make the pre-code."""
        last = params["encoder"][-1]
        return last["weight"], last["bias"]

    def code_bias(self, params: Params) -> Array:
        """Return the bias (K,) that is in the pre-code."""
        bias: Array = params["encoder"][-1]["bias"]
        return bias

    def activate_code(self, pre_code: Array) -> Array:
        """Return the code (B, K) of a pre-code."""
        return ACTIVATIONS[self.code_activation](pre_code)

    def decode(self, params: Params, code: Array, row: Array | None = None, noise: Noise | None = None) -> Array:
        """Return the output (B, D) before its activation."""
        first = self._product(code, self.decoder_weights(params)[0])
        output = self.after_code(params, first, row, noise)
        if not self.linear_path:
            return output
        path = params["encoder_path"].T if self.tied else params["decoder_path"]
        return output + self._product(code, path)

    def after_code(self, params: Params, first: Array, row: Array | None, noise: Noise | None) -> Array:
        """Return the output (B, D) before its activation, of the code's product with the decoder's first matrix."""
        weights, pre = self.decoder_weights(params), first
        for number, layer in enumerate(params["decoder"][:-1]):
            hidden = self._ended(layer, pre, row, noise, number + len(self.encoder_sizes))
            pre = self._product(hidden, weights[number + 1])
        output: Array = pre + params["decoder"][-1]["bias"]
        return output

    def activate_output(self, pre_output: Array) -> Array:
        """Return the reconstruction (B, D)."""
        return ACTIVATIONS[self.output_activation](pre_output)

    def decoder_weights(self, params: Params) -> list[Any]:
        """Return the decoder's matrices, which are the encoder's transposed where weights are tied."""
        if self.tied:
            return [layer["weight"].T for layer in reversed(params["encoder"])]
        return [layer["weight"] for layer in params["decoder"]]

    def _ended(self, layer: Any, pre: Array, row: Array | None, noise: Noise | None, number: int) -> Array:
        """Return a hidden layer's output, of the product of its input and its matrix."""
        if self.layer_norm:
            pre = pre - jnp.mean(pre, axis=-1, keepdims=True)
            pre = pre * jax.lax.rsqrt(jnp.mean(pre**2, axis=-1, keepdims=True) + 1e-5) * layer["gain"]
        hidden = ACTIVATIONS[self.activation](pre + layer["bias"])
        if self.dropout and noise is not None and row is not None:
            hidden = self.dropped(hidden, row, noise, number)
        return hidden

    def dropped(self, hidden: Array, row: Array, noise: Noise, number: int) -> Array:
        """Return activations of which a share is dropped, by counter; `number` tells one use from another."""
        key = noise.seed ^ mix(noise.epoch + jnp.uint32(0x51ED270B + number))
        bits = cell_bits(key, row, jnp.arange(hidden.shape[1], dtype=jnp.uint32))
        return jnp.where(bits < chance(self.dropout), 0.0, hidden / (1 - self.dropout))

    def _product(self, x: Array, weight: Array) -> Array:
        if self.precision != "bfloat16":
            return x @ weight
        return jnp.dot(x.astype(jnp.bfloat16), weight.astype(jnp.bfloat16), preferred_element_type=jnp.float32)

    # Arranging the code ----------------------------------------------------------------------------------------

    @property
    def signs_are_free(self) -> bool:
        """Whether a code unit's sign may be turned without changing what the network computes."""
        return self.code_activation in ODD

    def reordered(self, params: Params, order: NDArray[np.integer], signs: NDArray[Any]) -> Params:
        """Return parameters whose code units are permuted and turned: the same network, its code rearranged."""
        new: dict[str, Any] = {
            name: [dict(layer) for layer in value] if isinstance(value, list) else value
            for name, value in params.items()
        }
        last = new["encoder"][-1]
        last["weight"], last["bias"] = last["weight"][:, order] * signs, last["bias"][order] * signs
        if self.linear_path:
            new["encoder_path"] = new["encoder_path"][:, order] * signs
        if self.indicator and not self.encoder_sizes:
            new["indicator"] = new["indicator"][:, order] * signs
        if not self.tied:
            new["decoder"][0]["weight"] = new["decoder"][0]["weight"][order] * signs[:, None]
            if self.linear_path:
                new["decoder_path"] = new["decoder_path"][order] * signs[:, None]
        return new
