"""A network family, a loss and a sparsity method from outside the package, and their registration by name."""

import contextlib
from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpy as np

from isthmus.core.random import Stream, generator
from isthmus.losses import LOSSES, PENALTIES, Penalty
from isthmus.networks import FAMILIES
from isthmus.networks.base import Network
from isthmus.sparsity import SPARSITIES, Sparsity

NAME = "toy"


@dataclass(frozen=True)
class ToyNetwork(Network):
    """One matrix, which encodes and, transposed, decodes; no bias, and a layout of its own."""

    n_features: int
    n_components: int
    code_activation: str = "identity"
    output_activation: str = "identity"
    precision: str = "float32"

    @classmethod
    def from_options(cls, options):
        cls.check_supported(options, f"network={NAME!r}", "leave it out")
        return cls(
            options.n_features,
            options.n_components,
            options.code_activation,
            options.output_activation,
            options.precision,
        )

    def init(self, seed, statistics=None):
        drawn = generator(seed, Stream.WEIGHTS).normal(size=(self.n_features, self.n_components))
        return {"matrix": (drawn / np.sqrt(self.n_features)).astype(self.dtype)}

    def encode(self, params, x, row=None, noise=None, condition=None):
        return x @ params["matrix"]

    def decode(self, params, code, row=None, noise=None):
        return code @ params["matrix"].T


def absolute_error(reconstruction, pre_output, target):
    """Return the absolute error of each cell."""
    return jnp.abs(reconstruction - target)


@dataclass(frozen=True)
class Shrinking(Sparsity):
    """Codes less a margin, 0 where they are smaller: ``max(code - margin, 0)``.

    Parameters
    ----------
    margin : float
        What is subtracted, a scheduled value in training.
    resample_dead, pre_bias, unit_norm_decoder, transposed_start, bias_start
        As in `Sparsity`.
    """

    margin: float = 0.1

    traced: ClassVar = ("margin",)
    dictionary: ClassVar = False

    def init(self, n_components):
        return super().init(n_components) | {"margin": np.zeros((), np.float32)}

    def select(self, step):
        margin = step.scheduled["margin"] if step.train else step.state["margin"]
        state = {**step.state, "margin": jnp.asarray(margin, np.float32)}
        return jnp.maximum(step.network.activate_code(step.pre_code) - margin, 0), state


def squared_code(step, output):
    """Return the sum of squares of each row's code."""
    return jnp.sum(output.code**2, axis=1)


ROWS = ((FAMILIES, ToyNetwork), (LOSSES, absolute_error), (PENALTIES, Penalty(squared_code)), (SPARSITIES, Shrinking))


@contextlib.contextmanager
def registered():
    """Add a row named `NAME` to the tables of networks, losses and sparsity methods; afterwards remove them."""
    try:
        for table, thing in ROWS:
            table[NAME] = thing
        yield
    finally:
        for table, _ in ROWS:
            table.pop(NAME, None)
