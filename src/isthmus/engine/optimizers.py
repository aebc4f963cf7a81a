"""Update rules and learning-rate schedules; their tables of names are in `isthmus.engine`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from numpy.typing import NDArray

from isthmus.core.types import Params
from isthmus.engine import OPTIMIZERS, SCHEDULES

# The meaning of weight_decay=None; the default of all others is 0.
DEFAULT_DECAY = {"adamw": 1e-2}


# The rules whose state starts at zero. On the device, each shape would need a compiled program for its zeros.
_ZERO_START = frozenset(OPTIMIZERS)


class Hyper(NamedTuple):
    """The scheduled values of a step; traced, so that other values need no compilation."""

    rate: Any
    decay: Any
    clip: Any


@dataclass(frozen=True)
class Optimizer:
    """An update rule, hashed by value."""

    # A name in `OPTIMIZERS`, whose update is multiplied by the learning rate, or a complete optax transformation.
    rule: Any
    clips: bool = False  # whether the gradient's norm is clipped
    decays: bool = False  # whether matrices decay

    @property
    def _transformation(self) -> optax.GradientTransformation:
        return OPTIMIZERS[self.rule]() if isinstance(self.rule, str) else self.rule

    def init(self, params: Params) -> Any:
        """Return the rule's initial state."""
        if not isinstance(self.rule, str):
            return self.rule.init(params)
        if self.rule not in _ZERO_START:
            return jax.tree.map(np.asarray, self._transformation.init(params))
        shapes = jax.eval_shape(self._transformation.init, params)
        return jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)

    def update(self, gradients: Params, state: Any, params: Params, hyper: Hyper) -> tuple[Params, Any]:
        """Return the parameters after one step, and the rule's new state."""
        if self.clips:
            norm = optax.tree.norm(gradients)
            factor = jnp.minimum(1.0, hyper.clip / jnp.maximum(norm, np.finfo(norm.dtype).tiny))
            gradients = jax.tree.map(lambda g: g * factor, gradients)
        updates, state = self._transformation.update(gradients, state, params)
        if not isinstance(self.rule, str):
            return optax.apply_updates(params, updates), state

        def step(param: Array, update: Array) -> Array:
            if self.decays and param.ndim > 1:
                update = update + hyper.decay * param
            stepped: Array = param - hyper.rate * update
            return stepped

        return jax.tree.map(step, params, updates), state


def momentum() -> optax.GradientTransformation:
    """Return gradient descent with momentum 0.9."""
    return optax.trace(0.9)


def nesterov() -> optax.GradientTransformation:
    """Return gradient descent with Nesterov momentum 0.9."""
    return optax.trace(0.9, nesterov=True)


def cosine(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return half a cosine, from 1 to 0."""
    return 0.5 * (1 + np.cos(np.pi * share))


def one_cycle(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a rise from 1/25 to 1 in the first 30 % and a fall to 0 (Smith and Topin, "Super-convergence", 2017)."""
    rising = 1 / 25 + (1 - 1 / 25) * 0.5 * (1 - np.cos(np.pi * share / 0.3))
    falling = 0.5 * (1 + np.cos(np.pi * (share - 0.3) / 0.7))
    return np.where(share < 0.3, rising, falling)


def exponential(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an exponential decay from 1 to 0.01."""
    return 0.01**share


def warmup(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a linear rise to 1 in the first 5 %."""
    return np.minimum(1.0, share / 0.05)


def shares(first_step: int, n_steps: int, total_steps: int) -> NDArray[np.float64]:
    """Return the share of training done at each of `n_steps` steps, from 0 to 1."""
    # Plus half a step, so that neither the first nor the last step of a run has a rate of zero.
    return np.minimum((np.arange(first_step, first_step + n_steps) + 0.5) / max(total_steps, 1), 1.0)


def learning_rates(
    schedule: str | Callable[[float], float], rate: float, share: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the learning rate at shares of training done.

    Parameters
    ----------
    schedule : str or callable
        A name in `SCHEDULES`, or a function from the share of training done, 0 to 1, to a factor of `rate`.
    rate : float
        The learning rate at a factor of 1.
    share : ndarray of shape (n,)
        The shares; see `shares`.
    """
    if isinstance(schedule, str):
        return rate * SCHEDULES[schedule](share)
    return rate * np.array([float(schedule(value)) for value in share])
