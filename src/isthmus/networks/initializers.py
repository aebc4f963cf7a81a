"""The initializers of weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from isthmus.core.functions import Function
from isthmus.core.registry import Registry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# (generator, fan_in, fan_out) -> weights (fan_in, fan_out)
Draw = Callable[["np.random.Generator", int, int], "NDArray[np.float64]"]

INITIALIZERS: Registry[Draw] = Registry(
    "init",
    {
        "glorot": "isthmus.networks.draws:glorot",
        "he": "isthmus.networks.draws:he",
        "lecun": "isthmus.networks.draws:lecun",
        "orthogonal": "isthmus.networks.draws:orthogonal",
        "truncated_normal": "isthmus.networks.draws:truncated_normal",
    },
)

# Activations whose layers start with He's weights.
_RELU_FAMILY = {"relu", "leaky_relu", "elu", "gelu", "silu", "softplus"}


def default_init(activation: str | Function) -> str:
    """Return the initializer that ``init="auto"`` stands for, for layers of an activation."""
    return "he" if activation in _RELU_FAMILY else "glorot"
