"""Sampling, loading, devices, PCA, optimizers, the training loop, checkpoints and inference."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from isthmus.core.registry import Registry

if TYPE_CHECKING:
    import numpy as np
    import optax
    from numpy.typing import NDArray

    Factor = Callable[[NDArray[np.float64]], NDArray[np.float64]]

# Each makes a transformation whose updates are then multiplied by the learning rate.
OPTIMIZERS: Registry[Callable[[], optax.GradientTransformation]] = Registry(
    "optimizer",
    {
        "adam": "optax:scale_by_adam",
        "adamw": "optax:scale_by_adam",
        "sgd": "optax:identity",
        "momentum": "isthmus.engine.optimizers:momentum",
        "nesterov": "isthmus.engine.optimizers:nesterov",
        "rmsprop": "optax:scale_by_rms",
        "lion": "optax:scale_by_lion",
    },
)

# From the share of training done, 0 to 1, to a factor of the learning rate.
SCHEDULES: Registry[Factor] = Registry(
    "learning_rate_schedule",
    {
        "constant": "numpy:ones_like",
        "cosine": "isthmus.engine.optimizers:cosine",
        "one_cycle": "isthmus.engine.optimizers:one_cycle",
        "exponential": "isthmus.engine.optimizers:exponential",
        "warmup": "isthmus.engine.optimizers:warmup",
    },
)
