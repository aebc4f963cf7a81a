"""The learning-rate schedule "plateau": constant until the validation loss no longer improves, then falling to 0."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isthmus.core.types import Stopping

# The fall takes this share of the epochs that led to the best loss, and at least `_SHORTEST_FALL`. Without an earlier
# plateau it takes the same share of the largest number of epochs, at their end.
_FALL = 1 / 3
_SHORTEST_FALL = 20


def begin(stopping: Stopping, epoch: int, max_epochs: int, patience: int) -> Stopping:
    """Return the state of early stopping after `epoch` epochs, in which the fall begins if it is time for it.

    Parameters
    ----------
    stopping : Stopping
        The state; its fall has not begun.
    epoch, max_epochs : int
        Finished epochs, and the largest number of them.
    patience : int
        Epochs without improvement after which the fall begins.
    """
    last = max_epochs - max(1, int(max_epochs * _FALL))
    if epoch >= last:
        return stopping._replace(fall_begins=epoch, fall_ends=max_epochs)
    if stopping.stale < patience:
        return stopping
    epochs = max(_SHORTEST_FALL, int(stopping.best_epoch * _FALL))
    return stopping._replace(fall_begins=epoch, fall_ends=min(epoch + epochs, max_epochs))


def factors(stopping: Stopping, epochs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the factor of the learning rate after fractional numbers of epochs: 1, then half a cosine down to 0."""
    if not stopping.fall_ends:
        return np.ones_like(epochs)
    done = np.clip((epochs - stopping.fall_begins) / (stopping.fall_ends - stopping.fall_begins), 0, 1)
    return (1 + np.cos(np.pi * done)) / 2
