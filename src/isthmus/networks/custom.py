"""A user's own encoder and decoder: callables of one row whose arrays are leaves of a pytree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from isthmus.core.errors import InvalidParameterError
from isthmus.core.functions import as_function
from isthmus.core.types import MaybeArray, Noise, Params, Statistics
from isthmus.networks.activations import Activation
from isthmus.networks.base import Network, NetworkOptions

Factory = Callable[[int, int, Array], tuple[Callable[[Array], Array], Callable[[Array], Array]]]


@dataclass(frozen=True)
class Custom(Network):
    """The network that a factory ``(n_features, n_components, key) -> (encoder, decoder)`` builds.

    Encoder and decoder each take one row, as Equinox modules do: (n_features,) to (n_components,) and back.
    """

    factory: Factory  # a `Function`, so that equal ones share a program
    n_features: int
    n_components: int
    code_activation: Activation = "identity"
    output_activation: Activation = "identity"
    precision: str = "float32"
    _structure: Any = field(init=False, repr=False, compare=False)
    _static: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "factory", as_function(self.factory))
        modules = self._build(0)
        self._check(modules)
        arrays, static = eqx.partition(modules, eqx.is_inexact_array)
        object.__setattr__(self, "_structure", jax.tree.structure(arrays))
        object.__setattr__(self, "_static", static)

    @classmethod
    def from_options(cls, options: NetworkOptions) -> Self:
        """Return the network that an estimator's factory builds."""
        cls.check_supported(options, "network=", "build it into the factory")
        if options.factory is None:
            raise InvalidParameterError("network=None has no factory; give a function that returns (encoder, decoder)")
        return cls(**options.fields_of(cls))

    def _build(self, seed: int) -> Any:
        modules = self.factory(self.n_features, self.n_components, jax.random.key(seed))
        if not (isinstance(modules, tuple) and len(modules) == 2 and all(map(callable, modules))):
            raise InvalidParameterError("network must return a pair of callables, (encoder, decoder)")
        return modules

    def _check(self, modules: Any) -> None:
        widths = {"encoder": (self.n_features, self.n_components), "decoder": (self.n_components, self.n_features)}
        for module, (name, (wide, narrow)) in zip(modules, widths.items(), strict=True):
            try:
                shape = eqx.filter_eval_shape(module, jax.ShapeDtypeStruct((wide,), jnp.float32)).shape
            except Exception as error:
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise InvalidParameterError(f"network's {name} cannot take a row of {wide} values: {reason}") from error
            if shape != (narrow,):
                raise InvalidParameterError(f"network's {name} returns shape {shape}, not ({narrow},)")

    def init(self, seed: int, statistics: Statistics | None = None) -> Params:
        """Return the initial parameters, ``{"modules": arrays}``, by calling the factory with a key of the seed."""
        # A list: the modules' own structure may contain functions, which are new, and so unequal, at each call.
        arrays = eqx.partition(self._build(seed), eqx.is_inexact_array)[0]
        return {"modules": [np.asarray(leaf, self.dtype) for leaf in jax.tree.leaves(arrays)]}

    def modules(self, params: Params) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
        """Return the encoder and decoder with these parameters."""
        encoder, decoder = eqx.combine(jax.tree.unflatten(self._structure, params["modules"]), self._static)
        return encoder, decoder

    def encode(
        self, params: Params, x: Array, row: MaybeArray = None, noise: Noise | None = None, condition: MaybeArray = None
    ) -> Array:
        """Return the pre-code (B, K) of rows (B, D)."""
        return jax.vmap(self.modules(params)[0])(x)

    def decode(self, params: Params, code: Array, row: Array | None = None, noise: Noise | None = None) -> Array:
        """Return the output (B, D) before its activation."""
        return jax.vmap(self.modules(params)[1])(code)
