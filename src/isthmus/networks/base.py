"""The interface of networks: what one computes, what it supports, and the layout of its parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from isthmus.core.errors import InvalidParameterError
from isthmus.core.random import cell_bits, chance, mix
from isthmus.core.types import MaybeArray, Noise, Params, Statistics
from isthmus.networks.activations import ODD, Activation, function_of
from isthmus.networks.sparse_rows import Factored, SparseRows

_NO_LAYOUT = "a network of your own keeps its weights in params_, in its own layout"


@dataclass(frozen=True)
class NetworkOptions:
    """What an estimator asks of a network; every "auto" is resolved before.

    Parameters
    ----------
    n_features, n_components : int
        The widths of a row and of its code.
    encoder_sizes : tuple of int
        The widths of the encoder's hidden layers.
    decoder_sizes : tuple of int or None
        The widths of the decoder's hidden layers; None mirrors the encoder.
    activation, code_activation, output_activation : str or Function
        Names in `ACTIVATIONS`, or functions of a user.
    linear_path, tied, dropout, layer_norm, precision, pre_bias, transposed_start, indicator
        As in `Dense`.
    init_name : str
        A name in `INITIALIZERS`.
    image_shape : tuple of int or None
        Height, width and, where there are any, channels of the images that the rows are.
    channels : tuple of int or None
        The channels of each level of a convolutional network.
    categories : tuple of (int, int)
        As in `Dense`.
    factory : callable or None
        What makes a user's own encoder and decoder.
    conditions, counts, shares
        As in `VariationalDense`.
    """

    n_features: int
    n_components: int
    encoder_sizes: tuple[int, ...] = ()
    decoder_sizes: tuple[int, ...] | None = None
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
    image_shape: tuple[int, ...] | None = None
    channels: tuple[int, ...] | None = None
    categories: tuple[tuple[int, int], ...] = ()
    factory: Callable[..., Any] | None = None
    conditions: tuple[int, ...] = ()
    counts: bool = False
    shares: bool = False

    def requested(self) -> dict[str, tuple[str, Any]]:
        """Return the options that are not at their defaults: their names, with the estimator's parameter and value."""
        table = {
            "decoder_sizes": ("decoder_layer_sizes", self.decoder_sizes, self.decoder_sizes is not None),
            "linear_path": ("linear_path", True, self.linear_path),
            "tied": ("tied_weights", True, self.tied),
            "dropout": ("dropout", self.dropout, self.dropout != 0),
            "layer_norm": ("layer_norm", True, self.layer_norm),
            "bfloat16": ("precision", self.precision, self.precision == "bfloat16"),
            "pre_bias": ("pre_bias", True, self.pre_bias),
            "transposed_start": ("transposed_start", True, self.transposed_start),
            "indicator": ("missing", "mask", self.indicator),
            "channels": ("channels", self.channels, self.channels is not None),
            "categories": ("X", "a table with categories", bool(self.categories)),
        }
        return {name: (parameter, value) for name, (parameter, value, asked) in table.items() if asked}

    def fields_of(self, kind: Any) -> dict[str, Any]:
        """Return the options that a network class has fields for, by name."""
        return {field.name: getattr(self, field.name) for field in fields(kind) if hasattr(self, field.name)}


class Reinitialisation(NamedTuple):
    """How dead units are reinitialised; host arrays."""

    dead: NDArray[np.bool_]  # (K,) which units
    rows: NDArray[Any]  # (n, D) scaled rows
    residual: NDArray[np.float64]  # (n, D) the rows less their reconstructions
    drawn: NDArray[np.integer]  # (number of dead units,) the row for each
    encoder_scale: float  # the length of their new encoder weights, in units of the active ones' mean


class Network:
    """Pure functions of parameters and a batch; a subclass is a frozen dataclass, and equal ones share one program.

    A subclass defines `n_features`, `n_components`, `precision`, `from_options`, `init`, `encode` and `decode`, and
    states what it supports by overriding the properties below. B is rows, D `n_features`, K `n_components`.
    """

    # The names of `NetworkOptions` it supports, and "bfloat16", of those that not every network does.
    options: ClassVar[frozenset[str]] = frozenset()

    if TYPE_CHECKING:

        @property
        def n_features(self) -> int:
            """The width of a row."""

        @property
        def n_components(self) -> int:
            """The width of a code."""

    activation: Activation | None = None  # the hidden layers', where there is one
    code_activation: Activation = "identity"
    output_activation: Activation = "identity"
    precision: str = "float32"
    dropout: float = 0.0
    linear_path: bool = False
    tied: bool = False
    pre_bias: bool = False
    categories: tuple[tuple[int, int], ...] = ()  # the one-hot columns of each category, whose output is a softmax
    takes_level: bool = False  # whether the encoder's condition is the noise level (B, 1)
    reorders: bool = False  # whether the code's units can be reordered, by `reordered`
    reverse_only: bool = False  # whether it has no forward-mode derivative
    stacks: bool = False  # whether its layers can be trained one by one, by `shallow` and `with_layer`
    n_context: int = 0  # the numbers that the decoder reads besides a code, after its units
    starts_at_mean: bool = False  # whether its output has to start near the mean row, by `with_mean_output`
    keeps_encoder: bool = False  # whether the layers before the code can be another's, by `with_encoder_of`

    @property
    def counted(self) -> NDArray[np.bool_] | None:
        """Which cells of a row have to be counts, (D,); None where none has."""
        return None

    @property
    def shared(self) -> NDArray[np.bool_] | None:
        """Which cells of a scaled row have to be shares, from 0 to 1, (D,); None where none has."""
        return None

    @property
    def indicator(self) -> bool:
        """Whether the encoder's condition is the missing mask (B, D)."""
        return False

    @property
    def condition_kind(self) -> str | None:
        """What the encoder's condition is: ``"level"``, ``"missing"`` or None."""
        return "level" if self.takes_level else "missing" if self.indicator else None

    @property
    def signs_are_free(self) -> bool:
        """Whether a code unit's sign may be flipped without changing what the network computes."""
        return self.reorders and self.code_activation in ODD

    @property
    def reinitialises(self) -> bool:
        """Whether dead units can be reinitialised, by `reinitialised`."""
        return False

    @property
    def is_linear_decoder(self) -> bool:
        """Whether the output before its activation is ``code @ decoder_rows + bias``."""
        return False

    @property
    def sparse_code_supported(self) -> bool:
        """Whether the code is relu of `code_layer` alone, so that its active units alone can be computed with."""
        return False

    @property
    def takes_sparse_rows(self) -> bool:
        """Whether the encoder takes `SparseRows`, and there are `encode_sparse` and `decode_factored`."""
        return False

    @property
    def encoder_widths(self) -> tuple[int, ...]:
        """Every width from row to code, of dense layers; else ()."""
        return ()

    @property
    def decoder_widths(self) -> tuple[int, ...]:
        """Every width from code to row, of dense layers; else ()."""
        return ()

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the parameters and of the computation."""
        return np.dtype(np.float64 if self.precision == "float64" else np.float32)

    @classmethod
    def from_options(cls, options: NetworkOptions) -> Self:
        """Return the network for an estimator's options.

        Raises
        ------
        InvalidParameterError
            If an option is not supported, or two contradict one another.
        """
        raise NotImplementedError

    @classmethod
    def check_supported(cls, options: NetworkOptions, what: str, remedy: str) -> None:
        """Raise InvalidParameterError for the first option that is requested and not in `cls.options`."""
        for name, (parameter, value) in options.requested().items():
            if name not in cls.options:
                if name == "categories":
                    raise InvalidParameterError(f"{what} cannot learn text or categories; encode or drop these columns")
                raise InvalidParameterError(f"{parameter}={value!r} cannot be combined with {what}; {remedy}")

    def with_dropout(self, dropout: float) -> Self:
        """Return the same network with another dropout.

        Raises
        ------
        InvalidParameterError
            If it has no dropout.
        """
        if dropout:
            raise InvalidParameterError(f"dropout={dropout:g} is not supported by a {type(self).__name__} network")
        return self

    def init(self, seed: int, statistics: Statistics | None = None) -> Params:
        """Return the initial parameters, host arrays."""
        raise NotImplementedError

    def encode(
        self, params: Params, x: Array, row: MaybeArray = None, noise: Noise | None = None, condition: MaybeArray = None
    ) -> Array:
        """Return the pre-code (B, K) of rows (B, D); outside training `row` and `noise` are None."""
        raise NotImplementedError

    def activate_code(self, pre_code: Array) -> Array:
        """Return the code (B, K) of a pre-code."""
        return function_of(self.code_activation)(pre_code)

    def decode(self, params: Params, code: Array, row: Array | None = None, noise: Noise | None = None) -> Array:
        """Return the output (B, D) before its activation."""
        raise NotImplementedError

    def decode_factored(
        self, params: Params, code: Array, row: Array | None = None, noise: Noise | None = None
    ) -> Factored:
        """Return the output before its activation, in factors."""
        raise NotImplementedError

    def encode_sparse(
        self, params: Params, x: SparseRows, row: MaybeArray = None, noise: Noise | None = None
    ) -> tuple[Array, Array | None]:
        """Return the pre-code (B, K) of sparse rows, and the code of the linear path alone, None without one."""
        raise NotImplementedError

    def context(self, x: Array) -> Any:
        """Return what the decoder reads besides the codes of rows (B, D), (B, C); None where that is nothing."""
        return None

    def activate_output(self, pre_output: Array) -> Array:
        """Return the reconstruction (B, D)."""
        return function_of(self.output_activation)(pre_output)

    def before_code(
        self, params: Params, x: Array, row: MaybeArray = None, noise: Noise | None = None, condition: MaybeArray = None
    ) -> Array:
        """Return the code layer's input (B, H) for rows (B, D)."""
        raise NotImplementedError

    def linear_outputs(self, params: Params, x: Array, code: Array) -> tuple[Array, Array]:
        """Return what a linear path makes of rows (B, D) and of their code (B, K), before the output's activation."""
        raise NotImplementedError

    def with_fixed_path(self, params: Params) -> Params:
        """Return parameters whose linear path from the rows to the code has no gradient."""
        raise NotImplementedError

    def code_layer(self, params: Params) -> tuple[Array, Array]:
        """Return the code layer's matrix (H, K) and bias (K,)."""
        raise NotImplementedError

    def after_code(self, params: Params, first: Array, row: Array | None = None, noise: Noise | None = None) -> Array:
        """Return the output (B, D) before its activation for ``code @ decoder_rows``."""
        raise NotImplementedError

    def dropped(self, hidden: Array, row: Array, noise: Noise, number: int) -> Array:
        """Return activations with the fraction `dropout` of them 0; `number` distinguishes the layers."""
        key = noise.seed ^ mix(noise.epoch + jnp.uint32(0x51ED270B + number))
        bits = cell_bits(key, row, jnp.arange(hidden.shape[1], dtype=jnp.uint32))
        return jnp.where(bits < chance(self.dropout), 0.0, hidden / (1 - self.dropout))

    def layers(self, params: Params, half: str) -> list[dict[str, Any]]:
        """Return ``{"weight", "bias"}`` of each layer of the ``"encoder"`` or ``"decoder"``, input side first.

        Raises
        ------
        AttributeError
            If the parameters have no such layout.
        """
        raise AttributeError(_NO_LAYOUT)

    def path(self, params: Params) -> tuple[Any, Any] | None:
        """Return the matrices (D, K) and (K, D) of the linear path, or None without one."""
        return None

    def decoder_rows(self, params: Params) -> Any:
        """Return the decoder's first matrix (K, H), or None without one."""
        return None

    def with_decoder_rows(self, params: Params, rows: Any) -> Params:
        """Return parameters (or gradients) with another first matrix of the decoder (K, H)."""
        raise AttributeError(_NO_LAYOUT)

    def with_output_bias(self, params: Params, bias: Any) -> Params:
        """Return parameters with another bias of the decoder's last layer (D,)."""
        raise AttributeError(_NO_LAYOUT)

    def with_mean_output(self, params: Params, mean: NDArray[Any]) -> Params:
        """Return parameters whose output starts near the mean row (D,); for networks with `starts_at_mean`."""
        raise AttributeError(_NO_LAYOUT)

    def code_bias(self, params: Params) -> Any:
        """Return the bias (K,) that the pre-code contains; 0 where it is not known."""
        return 0.0

    def encoder_matrix(self, params: Params) -> Any:
        """Return the matrix (D, K) of which the pre-code is ``x @ matrix`` and a constant; None where it is not so."""
        return None

    def encoder_params(self, params: Params) -> Params:
        """Return the parameters that `encode` reads."""
        return params

    def reordered(self, params: Params, order: NDArray[np.integer], signs: NDArray[Any]) -> Params:
        """Return parameters of the same network with its code's units in another order (K,) and with signs (K,)."""
        raise NotImplementedError

    def reinitialised(self, params: Params, how: Reinitialisation) -> Params:
        """Return parameters, host arrays, whose dead units are reinitialised in place."""
        raise NotImplementedError

    def with_reset_units(self, tree: Params, dead: NDArray[np.bool_]) -> Params:
        """Set the dead units' entries of a pytree like the parameters (an optimizer's moments) to 0, in place."""
        raise NotImplementedError

    def with_encoder_of(self, params: Params, other: Params) -> Params:
        """Return parameters whose encoder is that of a network with another width of the code, but for its last layer.

        The parameters are as they were where there are no layers before the code.
        """
        raise NotImplementedError

    def with_codes_scaled(self, params: Params, shift: NDArray[Any], scale: NDArray[Any]) -> Params:
        """Return parameters whose codes are those of `params` less `shift` (K,), divided by `scale` (K,).

        The decoder stays as it was. Of a code without activation.
        """
        raise NotImplementedError

    def shallow(self, number: int) -> Network:
        """Return the one-layer autoencoder of layer `number`, the input side's is 0."""
        raise NotImplementedError

    def with_layer(self, params: Params, number: int, learned: Params) -> Params:
        """Return parameters whose layer `number` is that of a shallow autoencoder with parameters `learned`."""
        raise NotImplementedError
