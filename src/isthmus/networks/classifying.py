"""An encoder with a softmax layer on its code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax import Array

from isthmus.core.types import Network, Noise, Params, Statistics
from isthmus.networks.initializers import INITIALIZERS

_HEAD_DROPS = 101  # told apart from the hidden layers, whose dropout goes by their number


@dataclass(frozen=True)
class Classifying:
    """An encoder, and one linear layer from its code to the classes.

    Parameters
    ----------
    body : Network
        What encodes; its parameters are under the same names as in the autoencoder, the head's under ``"head"``.
    n_classes : int
        The classes.
    """

    body: Network
    n_classes: int

    @property
    def n_features(self) -> int:
        """The width of a row."""
        return self.body.n_features

    @property
    def n_components(self) -> int:
        """What comes out for each row: as many numbers as there are classes."""
        return self.n_classes

    @property
    def dtype(self) -> Any:
        """The type of the computation."""
        return self.body.dtype

    @property
    def indicator(self) -> bool:
        """Whether the encoder is told which cells are missing."""
        return bool(getattr(self.body, "indicator", False))

    def init(self, seed: int, statistics: Statistics | None = None) -> Params:
        """Draw the head alone."""
        rng = np.random.default_rng(np.random.SeedSequence([seed, 6]))
        weight = INITIALIZERS["glorot"](rng, self.body.n_components, self.n_classes)
        return {"head": {"weight": weight.astype(self.dtype), "bias": np.zeros(self.n_classes, self.dtype)}}

    def encode(
        self,
        params: Params,
        x: Array,
        row: Array | None = None,
        noise: Noise | None = None,
        condition: Array | None = None,
    ) -> Array:
        """Return a logit for each class (B, n_classes)."""
        body: Any = self.body
        code = body.activate_code(body.encode(params, x, row, noise, condition))
        if getattr(body, "dropout", 0.0) and noise is not None and row is not None:
            code = body.dropped(code, row, noise, _HEAD_DROPS)
        logits: Array = code @ params["head"]["weight"] + params["head"]["bias"]
        return logits

    def activate_code(self, logits: Array) -> Array:
        """Return the classes' probabilities (B, n_classes)."""
        return jax.nn.softmax(logits)
