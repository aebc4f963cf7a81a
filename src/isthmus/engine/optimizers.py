"""Update rules and learning-rate schedules by name."""

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

Schedule = Callable[[NDArray[np.float64]], NDArray[np.float64]]


class Hyper(NamedTuple):
    """The numbers of a step; traced, so that other values compile nothing."""

    rate: Any
    decay: Any
    clip: Any


@dataclass(frozen=True)
class Optimizer:
    """One update rule, hashed by value.

    Parameters
    ----------
    rule : str or optax.GradientTransformation
        A name in `OPTIMIZERS`, whose direction is then times the learning rate, or a finished transformation.
    clips, decays : bool
        Whether the gradient's norm is bounded and whether matrices decay; what is off costs nothing.
    """

    rule: Any
    clips: bool = False
    decays: bool = False

    @property
    def _transformation(self) -> optax.GradientTransformation:
        return OPTIMIZERS[self.rule]() if isinstance(self.rule, str) else self.rule

    def init(self, params: Params) -> Any:
        """Return the rule's state at the start."""
        if not isinstance(self.rule, str):
            return self.rule.init(params)
        # All named rules begin at zero. On the device each shape would compile a program for its zeros.
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


OPTIMIZERS: dict[str, Callable[[], optax.GradientTransformation]] = {
    "adam": optax.scale_by_adam,
    "adamw": optax.scale_by_adam,
    "sgd": optax.identity,
    "momentum": lambda: optax.trace(0.9),
    "nesterov": lambda: optax.trace(0.9, nesterov=True),
    "rmsprop": optax.scale_by_rms,
    "lion": optax.scale_by_lion,
}

# What weight_decay=None means; the others do not decay unless they are told to.
DEFAULT_DECAY = {"adamw": 1e-2}


def _one_cycle(share: NDArray[np.float64]) -> NDArray[np.float64]:
    # Smith and Topin, "Super-convergence", 2017: up from a 25th in the first 30 %, then down to nothing.
    rising = 1 / 25 + (1 - 1 / 25) * 0.5 * (1 - np.cos(np.pi * share / 0.3))
    falling = 0.5 * (1 + np.cos(np.pi * (share - 0.3) / 0.7))
    return np.where(share < 0.3, rising, falling)


SCHEDULES: dict[str, Schedule] = {
    "constant": np.ones_like,
    "cosine": lambda share: 0.5 * (1 + np.cos(np.pi * share)),
    "one_cycle": _one_cycle,
    "exponential": lambda share: 0.01**share,
    "warmup": lambda share: np.minimum(1.0, share / 0.05),
}


def learning_rates(
    schedule: str | Callable[[float], float], rate: float, first_step: int, n_steps: int, total_steps: int
) -> NDArray[np.float64]:
    """Return the learning rate of each of `n_steps` steps; a schedule maps the share done to a factor of `rate`."""
    # Half a step on, so that neither the first nor the last step of a run is wasted on a rate of zero.
    share = np.minimum((np.arange(first_step, first_step + n_steps) + 0.5) / max(total_steps, 1), 1.0)
    if isinstance(schedule, str):
        return rate * SCHEDULES[schedule](share)
    return rate * np.array([float(schedule(value)) for value in share])
