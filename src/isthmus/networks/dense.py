"""Fully connected encoder and decoder, with an optional linear path parallel to each."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
from isthmus.networks import one_hot
from isthmus.networks.activations import Activation, function_of
from isthmus.networks.base import NetworkOptions, Reinitialisation
from isthmus.networks.draws import draw_bias
from isthmus.networks.initializers import INITIALIZERS
from isthmus.networks.layered import Layered, with_layer
from isthmus.networks.sparse_rows import Factored, SparseRows

# The sigmoid's slope at 0 is a quarter, so its linear path starts four times as steep.
_SIGMOID_SLOPE = 4.0


@dataclass(frozen=True)
class Dense(Layered):
    """A dense autoencoder: what it computes, without its parameters.

    The encoder's layers are ``n_features -> *encoder_sizes -> n_components`` and the decoder's ``n_components ->
    *decoder_sizes -> n_features``. The parameters are a dict of two lists of layers, and one matrix per linear path.

    Parameters
    ----------
    n_features, n_components : int
        The widths of a row and of its code.
    encoder_sizes, decoder_sizes : tuple of int
        The widths of the hidden layers, in the order of computation.
    activation, code_activation, output_activation : str or Function
        Names in `ACTIVATIONS`, or functions of a user.
    linear_path : bool
        Add ``x @ A`` to the pre-code and ``code @ B`` to the output before its activation.
    tied : bool
        Use the encoder's matrices, transposed, in the decoder; the sizes must mirror.
    dropout : float
        Fraction of hidden activations dropped in training, >= 0 and < 1.
    layer_norm : bool
        Normalise each hidden layer's input to its activation over the units (Ba, Kiros and Hinton, 2016).
    init_name : str
        A name in `INITIALIZERS`.
    precision : str
        ``"float32"``, ``"float64"`` or ``"bfloat16"``, which rounds the factors of matrix products and sums them in
        float32.
    pre_bias : bool
        Subtract the decoder's last bias from the rows before they are encoded (Bricken et al. 2023).
    transposed_start : bool
        Start the encoder's last matrix as the transpose of the decoder's first.
    indicator : bool
        Give the first layer the missing mask, through a matrix of its own that starts at zero.
    categories : tuple of (int, int)
        For each category in the rows the first of its one-hot columns and the one after its last; their output is the
        softmax over them.
    """

    n_features: int
    n_components: int
    encoder_sizes: tuple[int, ...] = ()
    decoder_sizes: tuple[int, ...] = ()
    activation: Activation = "gelu"
    code_activation: Activation = "identity"
    output_activation: Activation = "identity"
    linear_path: bool = False
    tied: bool = False
    dropout: float = 0.0
    layer_norm: bool = False
    init_name: str = "he"
    precision: str = "float32"
    pre_bias: bool = False
    transposed_start: bool = False
    indicator: bool = False
    categories: one_hot.Groups = ()

    options: ClassVar[frozenset[str]] = frozenset(
        {"decoder_sizes", "linear_path", "tied", "dropout", "layer_norm", "bfloat16"}
        | {"pre_bias", "transposed_start", "indicator", "categories"}
    )
    stacks = True

    @property
    def reinitialises(self) -> bool:
        """Whether dead units can be reinitialised: not where both halves share their weights."""
        return not self.tied

    @property
    def is_linear_decoder(self) -> bool:
        """Whether the decoder is one layer without a linear path."""
        return not self.decoder_sizes and not self.linear_path

    @property
    def sparse_code_supported(self) -> bool:
        """Whether the code is relu of `code_layer` alone, so that its active units alone can be computed with."""
        shared = self.tied or self.linear_path or self.indicator
        return not shared and self.code_activation == "relu" and self.precision != "bfloat16"

    @property
    def takes_sparse_rows(self) -> bool:
        """Whether the output is linear in the last layer, and the matrices are not rounded for each product."""
        linear = self.output_activation == "identity" and not self.categories
        return linear and self.precision != "bfloat16" and not self.indicator

    @property
    def encoder_widths(self) -> tuple[int, ...]:
        """Every width from row to code."""
        return (self.n_features, *self.encoder_sizes, self.n_components)

    @property
    def decoder_widths(self) -> tuple[int, ...]:
        """Every width from code to row."""
        return (self.n_components, *self.decoder_sizes, self.n_features)

    @classmethod
    def from_options(cls, options: NetworkOptions) -> Self:
        """Return the network for an estimator's options."""
        cls.check_supported(options, "network='dense'", "leave it out")
        encoder = options.encoder_sizes
        decoder = encoder[::-1] if options.decoder_sizes is None else options.decoder_sizes
        _check_shape(options, encoder, decoder)
        return cls(**{**options.fields_of(cls), "decoder_sizes": decoder})

    def with_dropout(self, dropout: float) -> Self:
        """Return the same network with another dropout."""
        return replace(self, dropout=dropout)

    def init(self, seed: int, statistics: Statistics | None = None) -> Params:
        """Return the initial parameters; a linear path starts at PCA's solution where there are statistics."""
        rng = generator(seed, Stream.WEIGHTS)
        params: dict[str, Any] = {
            "encoder": self._draw_layers(rng, self.encoder_widths, with_weights=True),
            "decoder": self._draw_layers(rng, self.decoder_widths, with_weights=not self.tied),
        }
        if self.transposed_start:
            decoder = params["decoder"][0]["weight"]
            # Rows of length 1: each unit then encodes the direction that it decodes to.
            params["decoder"][0]["weight"] = decoder / np.linalg.norm(decoder, axis=1, keepdims=True)
            params["encoder"][-1]["weight"] = params["decoder"][0]["weight"].T
        if self.linear_path:
            self._start_linear_path(params, statistics)
        elif statistics is not None:
            self._start_linear(params, statistics)
        if self.indicator:
            params["indicator"] = np.zeros((self.n_features, self.encoder_widths[1]))
        return jax.tree.map(lambda leaf: np.ascontiguousarray(leaf, self.dtype), params)

    def _draw_layers(self, rng: np.random.Generator, widths: tuple[int, ...], with_weights: bool) -> list[Any]:
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
        unit = np.ones(self.n_features) if statistics is None or statistics.unit is None else statistics.unit
        params["encoder_path"] = (components / unit).T
        first["bias"] = -mean @ params["encoder_path"]
        for layer in (first, last):
            if "weight" in layer:
                layer["weight"] = np.zeros_like(layer["weight"])
        sigmoid = self.output_activation == "sigmoid"
        clipped = np.clip(mean, 1e-3, 1 - 1e-3)
        bias = np.log(clipped / (1 - clipped)) if sigmoid else mean.copy()
        slope = np.full(self.n_features, _SIGMOID_SLOPE if sigmoid else 1.0)
        if self.categories:
            of_category = one_hot.is_category(self.categories, self.n_features)
            logits, steeper = one_hot.starting_logits(mean, self.categories)
            bias, slope = np.where(of_category, logits, bias), np.where(of_category, steeper, slope)
        last["bias"] = bias
        if not self.tied:
            params["decoder_path"] = components * unit * slope
        if self.tied:
            # The last matrix is the encoder's first, which is not zero: its output for a code of zeros is subtracted.
            passed = np.asarray(self.decode(params, jnp.zeros((1, self.n_components))))[0] - last["bias"]
            last["bias"] = last["bias"] - passed

    def _start_linear(self, params: dict[str, Any], statistics: Statistics) -> None:
        """Start a network without hidden layers at PCA's solution."""
        self._start_linear_path(params, statistics)
        params["encoder"][0]["weight"] = params.pop("encoder_path")
        if not self.tied:
            params["decoder"][0]["weight"] = params.pop("decoder_path")

    def encode(
        self, params: Params, x: Array, row: MaybeArray = None, noise: Noise | None = None, condition: MaybeArray = None
    ) -> Array:
        """Return the pre-code (B, K) of rows (B, D); `condition` (B, D) is 1 where a cell is missing."""
        if isinstance(x, SparseRows):
            return self.encode_sparse(params, x, row, noise)[0]
        weight, bias = self.code_layer(params)
        code: Array = self.product(self.before_code(params, x, row, noise, condition), weight) + bias
        if not self.encoder_sizes:
            code = self._with_condition(params, code, condition)
        return code + self.product(x, params["encoder_path"]) if self.linear_path else code

    def before_code(
        self, params: Params, x: Array, row: MaybeArray = None, noise: Noise | None = None, condition: MaybeArray = None
    ) -> Array:
        """Return the code layer's input (B, H) for rows (B, D)."""
        hidden = x - params["decoder"][-1]["bias"] if self.pre_bias else x
        if not self.encoder_sizes:
            return hidden
        pre = self.product(hidden, params["encoder"][0]["weight"])
        return self._hidden_layers(params, self._with_condition(params, pre, condition), row, noise)

    def _hidden_layers(self, params: Params, pre: Array, row: Array | None, noise: Noise | None) -> Array:
        """Return the encoder's last hidden layer for the product of a row and the first matrix."""
        hidden = pre
        for number, layer in enumerate(params["encoder"][:-1]):
            pre = self.product(hidden, layer["weight"]) if number else pre
            hidden = self._activated(layer, pre, row, noise, number)
        return hidden

    def encoder_matrix(self, params: Params) -> Any:
        """Return the matrix (D, K) of which the pre-code is ``x @ matrix`` and a constant; None with hidden layers."""
        if self.encoder_sizes:
            return None
        matrix, path = self.code_layer(params)[0], self.path(params)
        return matrix if path is None else matrix + path[0]

    def encode_sparse(
        self, params: Params, x: SparseRows, row: MaybeArray = None, noise: Noise | None = None
    ) -> tuple[Array, Array | None]:
        """Return the pre-code (B, K) of sparse rows, and what the linear path adds to it with the bias, or None."""
        first, path, (weight, bias) = params["encoder"][0]["weight"], self.path(params), self.code_layer(params)
        # One product for all matrices: each compiles to loops of its own.
        product = x.product(first if path is None else jnp.concatenate([first, path[0]], axis=1))
        shifted = x.offset + params["decoder"][-1]["bias"] if self.pre_bias else x.offset
        pre = product[:, : first.shape[1]] - shifted @ first
        code = self.product(self._hidden_layers(params, pre, row, noise), weight) if self.encoder_sizes else pre
        if path is None:
            return code + bias, None
        straight = product[:, first.shape[1] :] - x.offset @ path[0] + bias
        return code + straight, straight

    def _with_condition(self, params: Params, pre: Array, condition: Array | None) -> Array:
        return pre if condition is None or not self.indicator else pre + self.product(condition, params["indicator"])

    def decode(self, params: Params, code: Array, row: Array | None = None, noise: Noise | None = None) -> Array:
        """Return the output (B, D) before its activation."""
        output = self.after_code(params, self.product(code, self.decoder_rows(params)), row, noise)
        path = self.path(params)
        return output if path is None else output + self.product(code, path[1])

    def after_code(self, params: Params, first: Array, row: Array | None = None, noise: Noise | None = None) -> Array:
        """Return the output (B, D) before its activation for ``code @ decoder_rows``."""
        weights, pre = self.decoder_weights(params), first
        for number, layer in enumerate(params["decoder"][:-1]):
            hidden = self._activated(layer, pre, row, noise, number + len(self.encoder_sizes))
            pre = self.product(hidden, weights[number + 1])
        output: Array = pre + params["decoder"][-1]["bias"]
        return output

    def activate_output(self, pre_output: Array) -> Array:
        """Return the reconstruction (B, D): of a category, the probabilities of its levels."""
        rows = super().activate_output(pre_output)
        return one_hot.with_probabilities(rows, pre_output, self.categories) if self.categories else rows

    def decode_factored(
        self, params: Params, code: Array, row: Array | None = None, noise: Noise | None = None
    ) -> Factored:
        """Return the output (B, D) before its activation, as the last layer's input and matrix."""
        hidden, weights = code, self.decoder_weights(params)
        for number, layer in enumerate(params["decoder"][:-1]):
            pre = self.product(hidden, weights[number])
            hidden = self._activated(layer, pre, row, noise, number + len(self.encoder_sizes))
        matrix, path = weights[-1], self.path(params)
        if path is not None:
            hidden, matrix = jnp.concatenate([hidden, code], axis=1), jnp.concatenate([matrix, path[1]])
        return Factored(hidden, matrix, params["decoder"][-1]["bias"])

    def _activated(self, layer: Any, pre: Array, row: Array | None, noise: Noise | None, number: int) -> Array:
        """Return a hidden layer's output for the product of its input and its matrix."""
        if self.layer_norm:
            pre = pre - jnp.mean(pre, axis=-1, keepdims=True)
            pre = pre * jax.lax.rsqrt(jnp.mean(pre**2, axis=-1, keepdims=True) + 1e-5) * layer["gain"]
        hidden = function_of(self.activation)(pre + layer["bias"])
        if self.dropout and noise is not None and row is not None:
            hidden = self.dropped(hidden, row, noise, number)
        return hidden

    def product(self, x: Array, weight: Array) -> Array:
        """Return a matrix product, of factors rounded to bfloat16 where `precision` says so."""
        if self.precision != "bfloat16":
            return x @ weight
        return jnp.dot(x.astype(jnp.bfloat16), weight.astype(jnp.bfloat16), preferred_element_type=jnp.float32)

    def decoder_weights(self, params: Params) -> list[Any]:
        """Return the decoder's matrices, code side first: the encoder's transposed where weights are tied."""
        if self.tied:
            return [layer["weight"].T for layer in reversed(params["encoder"])]
        return super().decoder_weights(params)

    def path(self, params: Params) -> tuple[Any, Any] | None:
        """Return the matrices (D, K) and (K, D) of the linear path, or None without one."""
        if not self.linear_path:
            return None
        return params["encoder_path"], params["encoder_path"].T if self.tied else params["decoder_path"]

    def linear_outputs(self, params: Params, x: Array, code: Array) -> tuple[Array, Array]:
        """Return the linear path's outputs before their activation (B, D): for the code it makes of x, and for `code`.

        Parameters
        ----------
        params : Params
            The parameters of a network with a linear path.
        x, code : Array of shape (B, D) and (B, K)
            Rows and their codes.
        """
        path = self.path(params)
        assert path is not None, "a network without a linear path"
        encoder, decoder = path
        bias = params["decoder"][-1]["bias"]
        straight = self.product(x, encoder) + self.code_layer(params)[1]
        return self.product(straight, decoder) + bias, self.product(code, decoder) + bias

    def with_fixed_path(self, params: Params) -> Params:
        """Return parameters whose linear path from the rows to the code has no gradient."""
        return {**params, "encoder_path": jax.lax.stop_gradient(params["encoder_path"])}

    def with_output_bias(self, params: Params, bias: Any) -> Params:
        """Return parameters with another bias of the decoder's last layer (D,)."""
        return with_layer(params, "decoder", -1, {"bias": bias})

    def reordered(self, params: Params, order: NDArray[np.integer], signs: NDArray[Any]) -> Params:
        """Return parameters of the same network with its code's units in another order (K,) and with signs (K,)."""
        new = super().reordered(params, order, signs)
        if self.linear_path:
            new["encoder_path"] = new["encoder_path"][:, order] * signs
            if not self.tied:
                new["decoder_path"] = new["decoder_path"][order] * signs[:, None]
        if self.indicator and not self.encoder_sizes:
            new["indicator"] = new["indicator"][:, order] * signs
        return new

    def reinitialised(self, params: Params, how: Reinitialisation) -> Params:
        """Return parameters whose dead units are reinitialised from the residual of drawn rows, in place.

        A unit's decoder row becomes the row's residual, with the mean length of the active ones; its encoder column
        points in the same direction, and its bias becomes the active ones' mean. With hidden layers, the encoder column
        points to the drawn row's hidden activations, and the decoder row keeps its direction.
        """
        encoder, decoder = params["encoder"][-1], params["decoder"][0]
        dead, active, residual = how.dead, ~how.dead, how.residual[how.drawn]
        directions = residual
        if self.encoder_sizes:
            hidden = np.asarray(self.before_code(params, jnp.asarray(how.rows)), np.float64)
            # Less the mean of all rows: the mean of the drawn ones would leave nothing of a single one.
            directions = hidden[how.drawn] - hidden.mean(axis=0)
        lengths = np.linalg.norm(encoder["weight"][:, active], axis=0)
        encoder["weight"][:, dead] = (_unit(directions) * lengths.mean() * how.encoder_scale).T
        encoder["bias"][dead] = encoder["bias"][active].mean()
        length = np.linalg.norm(decoder["weight"][active], axis=1).mean()
        decoder["weight"][dead] = _unit(decoder["weight"][dead] if self.decoder_sizes else residual) * length
        return params

    def with_reset_units(self, tree: Params, dead: NDArray[np.bool_]) -> Params:
        """Set the dead units' entries of a pytree like the parameters (an optimizer's moments) to 0, in place."""
        tree["encoder"][-1]["weight"][:, dead] = 0
        tree["encoder"][-1]["bias"][dead] = 0
        tree["decoder"][0]["weight"][dead] = 0
        for leaf in tree.get("sparsity", {}).values():
            leaf[dead] = 0
        return tree

    def shallow(self, number: int) -> Dense:
        """Return the one-layer autoencoder of layer `number`, the input side's is 0."""
        is_last = number == len(self.encoder_sizes)
        return Dense(
            self.encoder_widths[number],
            self.encoder_widths[number + 1],
            code_activation=self.code_activation if is_last else self.activation,
            output_activation=self.activation if number else self.output_activation,
            tied=self.tied,
            init_name=self.init_name,
            precision=self.precision,
            indicator=self.indicator and not number,
            categories=() if number else self.categories,
        )

    def with_layer(self, params: Params, number: int, learned: Params) -> Params:
        """Return parameters whose layer `number` is that of a shallow autoencoder with parameters `learned`."""
        params = with_layer(params, "encoder", number, learned["encoder"][0])
        params = with_layer(params, "decoder", -1 - number, learned["decoder"][0])
        return params if number or not self.indicator else {**params, "indicator": learned["indicator"]}


def _unit(rows: NDArray[Any]) -> NDArray[Any]:
    unit: NDArray[Any] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit


def _check_shape(options: NetworkOptions, encoder: tuple[int, ...], decoder: tuple[int, ...]) -> None:
    """Raise InvalidParameterError where two options contradict one another."""
    if options.tied and decoder != encoder[::-1]:
        raise InvalidParameterError(
            f"tied_weights=True needs a mirrored decoder: decoder_layer_sizes={decoder} is not {encoder[::-1]}"
        )
    if options.pre_bias and options.output_activation != "identity":
        raise InvalidParameterError(
            f"pre_bias=True needs output_activation='identity', not {options.output_activation!r}"
        )
    if not options.transposed_start:
        return
    if options.tied:
        raise InvalidParameterError("transposed_start=True cannot be combined with tied_weights=True")
    if bool(encoder) != bool(decoder):
        raise InvalidParameterError("transposed_start=True needs hidden layers on both sides of the code or on neither")
    if encoder and encoder[-1] != decoder[0]:
        raise InvalidParameterError(
            f"transposed_start=True needs the same width on both sides of the code, not {encoder[-1]} and {decoder[0]}"
        )
