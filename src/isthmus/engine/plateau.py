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
    """Return the state of early stopping after `epoch` epochs, in which a plateau begins the fall if there is one.

    Parameters
    ----------
    stopping : Stopping
        The state; no plateau has begun its fall.
    epoch, max_epochs : int
        Finished epochs, and the largest number of them.
    patience : int
        Epochs without improvement that are a plateau.
    """
    if stopping.stale < patience or epoch >= fall(stopping, max_epochs)[0]:
        return stopping
    epochs = max(_SHORTEST_FALL, int(stopping.best_epoch * _FALL))
    return stopping._replace(fall_begins=epoch, fall_ends=epoch + epochs)


def fall(stopping: Stopping, max_epochs: int) -> tuple[int, int]:
    """Return the epochs after which the learning rate begins to fall and is 0: after a plateau, or at the end.

    The end is not part of the state, so that a run continued with more epochs goes on.
    """
    if stopping.fall_ends:
        return stopping.fall_begins, min(stopping.fall_ends, max_epochs)
    return max_epochs - max(1, int(max_epochs * _FALL)), max_epochs


def factors(stopping: Stopping, max_epochs: int, epochs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the factor of the learning rate after fractional numbers of epochs: 1, then half a cosine down to 0."""
    begins, ends = fall(stopping, max_epochs)
    done = np.clip((epochs - begins) / max(ends - begins, 1), 0, 1)
    return (1 + np.cos(np.pi * done)) / 2
