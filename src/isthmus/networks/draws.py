"""Draws of initial weights (fan_in, fan_out), on the host, so that a seed gives the same ones on every device."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.networks.initializers import INITIALIZERS

Weights = NDArray[np.float64]


def glorot(rng: np.random.Generator, fan_in: int, fan_out: int) -> Weights:
    """Return uniform weights of variance ``2 / (fan_in + fan_out)``."""
    # Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.
    bound = np.sqrt(6 / (fan_in + fan_out))
    return rng.uniform(-bound, bound, (fan_in, fan_out))


def he(rng: np.random.Generator, fan_in: int, fan_out: int) -> Weights:
    """Return normal weights of variance ``2 / fan_in``."""
    # He et al., "Delving deep into rectifiers", 2015.
    return rng.normal(0, np.sqrt(2 / fan_in), (fan_in, fan_out))


def lecun(rng: np.random.Generator, fan_in: int, fan_out: int) -> Weights:
    """Return normal weights of variance ``1 / fan_in``."""
    # LeCun et al., "Efficient BackProp", 1998.
    return rng.normal(0, np.sqrt(1 / fan_in), (fan_in, fan_out))


def orthogonal(rng: np.random.Generator, fan_in: int, fan_out: int) -> Weights:
    """Return a matrix with orthonormal rows or columns."""
    # Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning", 2014.
    q, r = np.linalg.qr(rng.normal(size=(max(fan_in, fan_out), min(fan_in, fan_out))))
    q = q * np.sign(np.diag(r))
    return q if fan_in >= fan_out else q.T


def truncated_normal(rng: np.random.Generator, fan_in: int, fan_out: int) -> Weights:
    """Return unit normal weights, drawn again where they are beyond 2."""
    draws = rng.normal(size=(fan_in, fan_out))
    while (outside := np.abs(draws) > 2).any():
        draws[outside] = rng.normal(size=int(outside.sum()))
    return draws


def draw_layer(name: str, rng: np.random.Generator, fan_in: int, fan_out: int) -> dict[str, NDArray[Any]]:
    """Return a dense layer's initial weights, by an initializer's name, and biases of 0."""
    return {"weight": INITIALIZERS[name](rng, fan_in, fan_out), "bias": np.zeros(fan_out)}


def draw_bias(name: str, rng: np.random.Generator, size: int) -> NDArray[Any]:
    """Return a layer's initial biases (size,): zeros, or unit normal draws for ``"truncated_normal"``."""
    return rng.normal(size=size) if name == "truncated_normal" else np.zeros(size)
