"""An encoder with a softmax layer on its code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax import Array

from isthmus.core.random import Stream, generator
from isthmus.core.types import MaybeArray, Noise, Params, Statistics
from isthmus.networks.base import Network
from isthmus.networks.initializers import INITIALIZERS

_HEAD_NUMBER = 101  # of its dropout; hidden layers are numbered from 0


@dataclass(frozen=True)
class Classifying(Network):
    """An encoder, and one linear layer from its code to the classes; its own codes are the classes' probabilities.

    Parameters
    ----------
    body : Network
        The encoder; its parameters have the same names as in the autoencoder, the head's are under ``"head"``.
    n_classes : int
        The number of classes.
    """

    body: Network
    n_classes: int

    @property
    def n_features(self) -> int:
        """The width of a row."""
        return self.body.n_features

    @property
    def n_components(self) -> int:
        """The width of the output: the number of classes."""
        return self.n_classes

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the parameters and of the computation."""
        return self.body.dtype

    @property
    def indicator(self) -> bool:
        """Whether the encoder's condition is the missing mask (B, D)."""
        return self.body.indicator

    def init(self, seed: int, statistics: Statistics | None = None) -> Params:
        """Return the head's initial parameters alone."""
        weight = INITIALIZERS["glorot"](generator(seed, Stream.HEAD), self.body.n_components, self.n_classes)
        return {"head": {"weight": weight.astype(self.dtype), "bias": np.zeros(self.n_classes, self.dtype)}}

    def encoder_params(self, params: Params) -> Params:
        """Return the parameters that `encode` reads."""
        return self.body.encoder_params(params)

    def encode(
        self, params: Params, x: Array, row: MaybeArray = None, noise: Noise | None = None, condition: MaybeArray = None
    ) -> Array:
        """Return a logit for each class (B, n_classes)."""
        body = self.body
        code = body.activate_code(body.encode(params, x, row, noise, condition))
        if body.dropout and noise is not None and row is not None:
            code = body.dropped(code, row, noise, _HEAD_NUMBER)
        logits: Array = code @ params["head"]["weight"] + params["head"]["bias"]
        return logits

    def activate_code(self, pre_code: Array) -> Array:
        """Return the classes' probabilities (B, n_classes) of logits."""
        return jax.nn.softmax(pre_code)
