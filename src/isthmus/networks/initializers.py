"""Initial weights, drawn on the host, so that a seed gives the same weights on every device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.core.registry import Registry

Weights = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int, int], Weights]


def _glorot(rng: np.random.Generator, fan_in: int, fan_out: int) -> Weights:
    # Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.
    bound = np.sqrt(6 / (fan_in + fan_out))
    return rng.uniform(-bound, bound, (fan_in, fan_out))


def _he(rng: np.random.Generator, fan_in: int, fan_out: int) -> Weights:
    # He et al., "Delving deep into rectifiers", 2015.
    return rng.normal(0, np.sqrt(2 / fan_in), (fan_in, fan_out))


def _lecun(rng: np.random.Generator, fan_in: int, fan_out: int) -> Weights:
    # LeCun et al., "Efficient BackProp", 1998.
    return rng.normal(0, np.sqrt(1 / fan_in), (fan_in, fan_out))


def _orthogonal(rng: np.random.Generator, fan_in: int, fan_out: int) -> Weights:
    # Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning", 2014.
    q, r = np.linalg.qr(rng.normal(size=(max(fan_in, fan_out), min(fan_in, fan_out))))
    q = q * np.sign(np.diag(r))
    return q if fan_in >= fan_out else q.T


def _truncated_normal(rng: np.random.Generator, fan_in: int, fan_out: int) -> Weights:
    draws = rng.normal(size=(fan_in, fan_out))
    while (outside := np.abs(draws) > 2).any():
        draws[outside] = rng.normal(size=int(outside.sum()))
    return draws


def draw_bias(name: str, rng: np.random.Generator, size: int) -> NDArray[Any]:
    """Return a layer's initial biases (size,): zeros, or unit normal draws for ``"truncated_normal"``."""
    return rng.normal(size=size) if name == "truncated_normal" else np.zeros(size)


INITIALIZERS: Registry[Draw] = Registry(
    "init",
    {
        "glorot": _glorot,
        "he": _he,
        "lecun": _lecun,
        "orthogonal": _orthogonal,
        "truncated_normal": _truncated_normal,
    },
)

# Activations whose layers start with He's weights.
_RELU_FAMILY = {"relu", "leaky_relu", "elu", "gelu", "silu", "softplus"}


def default_init(activation: str) -> str:
    """Return the initializer that ``init="auto"`` stands for, for layers of an activation."""
    return "he" if activation in _RELU_FAMILY else "glorot"
