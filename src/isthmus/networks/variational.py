"""Networks with a Gaussian code: an encoder of means and variances, and a decoder that reads conditions."""

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
from isthmus.core.registry import Registry
from isthmus.core.types import MaybeArray, Noise, Params, Statistics
from isthmus.networks import one_hot
from isthmus.networks.base import NetworkOptions
from isthmus.networks.convolutional import Convolutional
from isthmus.networks.dense import Dense
from isthmus.networks.draws import draw_layer
from isthmus.networks.layered import Layered

# Beyond these log variances, of deviations 5e-4 and 1,800, a unit is a number without noise, or noise alone.
_LEAST_LOG_VARIANCE, _LARGEST_LOG_VARIANCE = -15.0, 15.0
_LEAST_SHARE = 1e-6  # of a level of a condition, before its logarithm is taken
# The names of parameters that belong to the decoder.
_OF_DECODER = ("context", "conditioned", "likelihood")


class Posterior(Layered):
    """What a network with a Gaussian code has in addition to the one with a code of numbers.

    The parameters have in addition ``"spread"``, the layer of the code's log variances, a vector ``"context"`` of what
    the decoder reads besides a code, where nothing is given, and ``"conditioned"``, the matrix through which it reads
    conditions. The code that `decode` takes may have the context (C,) after its K units. An encoder of which conditions
    are no inputs reads them through the matrix ``"encoder_conditioned"``.
    """

    conditions: tuple[int, ...]
    counts: bool
    shares: bool
    spread: bool
    init_name: str

    @property
    def shift_width(self) -> int:
        """The width of what conditions add to the encoder's first layer; 0 where they are among its inputs."""
        return 0

    @property
    def n_context(self) -> int:  # type: ignore[override]
        """The numbers that the decoder reads besides a code: conditions, and of counts the logarithm of their sum."""
        return len(self.conditions) + self.counts

    @property
    def is_condition(self) -> NDArray[np.bool_]:
        """Which cells of a row are conditions, (D,)."""
        chosen = np.zeros(self.n_features, bool)
        chosen[list(self.conditions)] = True
        return chosen

    @property
    def counted(self) -> NDArray[np.bool_] | None:
        """Which cells of a row have to be counts, (D,); None where none has."""
        return ~self.is_condition if self.counts else None

    @property
    def shared(self) -> NDArray[np.bool_] | None:
        """Which cells of a scaled row have to be shares, from 0 to 1, (D,); None where none has."""
        inside = one_hot.is_category(self.categories, self.n_features)
        return ~(self.is_condition | inside) if self.shares else None

    def init(self, seed: int, statistics: Statistics | None = None) -> Params:
        """Return the initial parameters; the code's variances start at 1."""
        params = super().init(seed, None)
        matrix = self.code_layer(params)[0]
        own: dict[str, Any] = {"spread": {"weight": np.zeros(matrix.shape), "bias": np.zeros(self.n_components)}}
        if self.n_context:
            own["context"] = np.zeros(self.n_context)
        if self.conditions:
            width = self.decoder_rows(params).shape[1]
            rng = generator(seed, Stream.HEAD)
            own["conditioned"] = draw_layer(self.init_name, rng, len(self.conditions), width)["weight"]
            if width := self.shift_width:
                own["encoder_conditioned"] = draw_layer(self.init_name, rng, len(self.conditions), width)["weight"]
        return {**params, **jax.tree.map(lambda leaf: np.ascontiguousarray(leaf, self.dtype), own)}

    def seen(self, x: Array) -> Array:
        """Return rows (B, D) as the encoder reads them: counts by their logarithms."""
        return jnp.where(self.is_condition, x, jnp.log1p(jnp.maximum(x, 0))) if self.counts else x

    def posterior(
        self, params: Params, x: Array, row: MaybeArray = None, noise: Noise | None = None, condition: MaybeArray = None
    ) -> tuple[Array, Array]:
        """Return the mean and the log variance, each (B, K), of the codes of rows (B, D)."""
        hidden = self.before_code(params, self.seen(x), row, noise, condition)
        weight, bias = self.code_layer(params)
        mean = self.with_mask(params, self.product(hidden, weight) + bias, condition)
        log_variance = self.product(hidden, params["spread"]["weight"]) + params["spread"]["bias"]
        return mean, jnp.clip(log_variance, _LEAST_LOG_VARIANCE, _LARGEST_LOG_VARIANCE)

    def with_mask(self, params: Params, mean: Array, condition: MaybeArray) -> Array:
        """Return the code's mean with what a missing mask adds to it, where it reaches no layer before."""
        return mean

    def encoder_matrix(self, params: Params) -> Any:
        """Return the matrix (D, K) of which the code's mean is ``x @ matrix`` and a constant; None of counts."""
        return None if self.counts else super().encoder_matrix(params)

    def encode(
        self, params: Params, x: Array, row: MaybeArray = None, noise: Noise | None = None, condition: MaybeArray = None
    ) -> Array:
        """Return the means of the codes of rows (B, D), and after them, with `spread`, the standard deviations."""
        mean, log_variance = self.posterior(params, x, row, noise, condition)
        return jnp.concatenate([mean, jnp.exp(log_variance / 2)], axis=1) if self.spread else mean

    def context(self, x: Array) -> Array | None:
        """Return what the decoder reads besides the codes of rows (B, D), (B, C); None where that is nothing."""
        parts = [x[:, list(self.conditions)]] if self.conditions else []
        if self.counts:
            total = jnp.sum(jnp.where(self.is_condition, 0, x), axis=1, keepdims=True)
            parts.append(jnp.log(jnp.maximum(total, 1)))
        return jnp.concatenate(parts, axis=1) if parts else None

    def decode(self, params: Params, code: Array, row: Array | None = None, noise: Noise | None = None) -> Array:
        """Return the output (B, D) before its activation: of counts the logarithms of their means."""
        code, context = code[:, : self.n_components], code[:, self.n_components :]
        if self.n_context and not context.shape[1]:
            fixed = jax.lax.stop_gradient(params["context"])
            context = jnp.broadcast_to(fixed, (len(code), self.n_context))
        first = self.product(code, self.decoder_rows(params))
        own = context[:, : len(self.conditions)]
        if self.conditions:
            first = first + self.product(own, params["conditioned"])
        output = self.after_code(params, first, row, noise)
        if self.counts:
            output = jax.nn.log_softmax(jnp.where(self.is_condition, -jnp.inf, output)) + context[:, -1:]
            if (zero_logit := params.get("likelihood", {}).get("zero_logit")) is not None:
                output = output - jax.nn.softplus(zero_logit)
        if not self.conditions:
            return output
        inside = one_hot.is_category(self.categories, self.n_features)[list(self.conditions)]
        given = jnp.where(inside, jnp.log(jnp.maximum(own, _LEAST_SHARE)), own)
        return output.at[:, list(self.conditions)].set(given)

    def activate_output(self, pre_output: Array) -> Array:
        """Return the reconstruction (B, D); conditions are what was given."""
        numbers = jnp.exp(pre_output) if self.counts else super().activate_output(pre_output)
        if not self.conditions:
            return numbers
        categories = one_hot.is_category(self.categories, self.n_features)
        numbers = jnp.where(self.is_condition, pre_output, numbers)
        return one_hot.with_probabilities(numbers, pre_output, self.categories) if categories.any() else numbers

    def encoder_params(self, params: Params) -> Params:
        """Return the parameters that `encode` reads."""
        own = super().encoder_params(params)
        return {name: leaf for name, leaf in own.items() if name not in _OF_DECODER}

    def reordered(self, params: Params, order: NDArray[np.integer], signs: NDArray[Any]) -> Params:
        """Return parameters of the same network with its code's units in another order (K,) and with signs (K,)."""
        spread = params["spread"]
        moved = {"weight": spread["weight"][:, order], "bias": spread["bias"][order]}
        return {**super().reordered(params, order, signs), "spread": moved}


@dataclass(frozen=True)
class VariationalDense(Posterior, Dense):
    """A dense autoencoder with a Gaussian code.

    Parameters
    ----------
    n_features, n_components, ...
        As in `Dense`.
    conditions : tuple of int
        The cells of a row that the decoder reads too, and that it is not asked to reconstruct.
    counts : bool
        Whether the other cells are counts: the encoder reads their logarithms, and the output is a share of their sum.
    shares : bool
        Whether the other cells are shares, from 0 to 1.
    spread : bool
        Whether `encode` returns the deviations after the means.
    """

    conditions: tuple[int, ...] = ()
    counts: bool = False
    shares: bool = False
    spread: bool = False

    stacks = False
    takes_sparse_rows = False

    def with_mask(self, params: Params, mean: Array, condition: MaybeArray) -> Array:
        """Return the code's mean with what a missing mask adds to it, where there are no hidden layers."""
        return mean if self.encoder_sizes else self._with_condition(params, mean, condition)


@dataclass(frozen=True)
class VariationalConvolutional(Posterior, Convolutional):
    """A convolutional autoencoder with a Gaussian code.

    A row is the cells of a picture and of conditions. Conditions are added to the channels of the encoder's first
    level, which all later ones read: a constant plane that is convolved is such a bias, but for the picture's border,
    and costs a convolution. The decoder adds them to its deepest level, place by place.

    Parameters
    ----------
    image_shape, n_components, ...
        As in `Convolutional`.
    conditions, counts, shares, spread
        As in `VariationalDense`.
    categories : tuple of (int, int)
        As in `Dense`; all are conditions.
    """

    conditions: tuple[int, ...] = ()
    counts: bool = False
    shares: bool = False
    spread: bool = False
    categories: one_hot.Groups = ()

    options: ClassVar[frozenset[str]] = Convolutional.options | {"categories"}

    @property
    def n_features(self) -> int:
        """The cells of a picture, and the conditions."""
        return math.prod(self.image_shape) + len(self.conditions)

    @property
    def shift_width(self) -> int:
        """The channels of the encoder's first level."""
        return self.channels[0] if self.channels else 0

    @classmethod
    def from_options(cls, options: NetworkOptions) -> Self:
        """Return the network for an estimator's options, as `Convolutional` does."""
        learned = one_hot.is_category(options.categories, options.n_features)
        learned[list(options.conditions)] = False
        if learned.any():
            raise InvalidParameterError(
                "network='convolutional' cannot learn text or categories; name these columns in conditions or drop them"
            )
        if options.conditions and options.channels == ():
            raise InvalidParameterError(
                "channels=() cannot be combined with conditions; give the channels of at least one level"
            )
        return super().from_options(options)

    @property
    def runs(self) -> list[tuple[int, int, bool]]:
        """The first cell of each part of a row, the one after its last, and whether they are conditions."""
        own = self.is_condition
        edges = [0, *(np.flatnonzero(np.diff(own)) + 1).tolist(), self.n_features]
        return [(first, stop, bool(own[first])) for first, stop in pairwise(edges)]

    def with_mean_output(self, params: Params, mean: NDArray[Any]) -> Params:
        """Return parameters whose output starts near the mean row (D,), of which conditions are no part."""
        return super().with_mean_output(params, mean[~self.is_condition])

    def before_code(
        self, params: Params, x: Array, row: MaybeArray = None, noise: Noise | None = None, condition: MaybeArray = None
    ) -> Array:
        """Return the code layer's input (B, H) for rows (B, D)."""
        if not self.conditions:
            return self.levels_of(params, x)
        # Slices, of which there are few: an array of places is read and written cell by cell on CPUs.
        pictures = jnp.concatenate([x[:, first:stop] for first, stop, own in self.runs if not own], axis=1)
        return self.levels_of(params, pictures, x[:, list(self.conditions)] @ params["encoder_conditioned"])

    def after_code(self, params: Params, first: Array, row: Array | None = None, noise: Noise | None = None) -> Array:
        """Return the output (B, D) before its activation for ``code @ decoder_rows``, 0 at conditions."""
        output = super().after_code(params, first, row, noise)
        if not self.conditions:
            return output
        parts, place = [], 0
        for start, stop, own in self.runs:
            width = stop - start
            parts.append(jnp.zeros((len(output), width), output.dtype) if own else output[:, place : place + width])
            place += 0 if own else width
        return jnp.concatenate(parts, axis=1)


# The network with a Gaussian code, by the name of the family.
VARIATIONAL: Registry[type[Any]] = Registry(
    "network", {"dense": VariationalDense, "convolutional": VariationalConvolutional}
)
