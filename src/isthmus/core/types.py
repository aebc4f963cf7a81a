"""The shapes that the parts of a training step exchange.

B is the number of rows in a batch, D of features, K of code units. All arrays are JAX arrays inside a compiled program
unless a comment says that they are host arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

if TYPE_CHECKING:
    from jax import Array

Params = Any  # a pytree of arrays
ModelState = Any  # a pytree of arrays: what a method keeps between batches
MaybeArray = Optional["Array"]
Schedule = Callable[[Any], Any]  # the fraction of training that is done, 0 to 1, to a value at each; host arrays
Scheduled = Mapping[str, "Array"]  # the scheduled values at a step, by name
Evaluated = tuple["Array", tuple[ModelState, dict[str, "Array"]]]  # a loss, and the new state with its named terms


class Batch(NamedTuple):
    """The scaled rows of one step; always B of them, a short batch is padded with rows of weight 0."""

    x: Array  # (B, D)
    weight: Array  # (B,) 0 for padding
    row: Array  # (B, 2) uint32: the low word of the row's number in its source, and 0; a row's noise depends on it
    observed: Array | None = None  # (B, D) False where a cell is missing
    corrupted: Array | None = None  # (B, D) True where the corruption replaced the cell's value
    condition: Array | None = None  # (B, C) further input of the network, such as the missing mask
    extras: Mapping[str, Array] = {}  # arrays (B, ...) by name, such as labels
    sample_weight: Array | None = None  # (B,) weights given to the rows, of mean 1 over all training rows

    @property
    def shares(self) -> Array:
        """The weight of each row in a mean over rows (B,), which is divided by their number, the sum of `weight`."""
        return self.weight if self.sample_weight is None else self.weight * self.sample_weight


class Output(NamedTuple):
    """What a network computes for a batch."""

    pre_code: Array  # (B, K) before the code's activation or selection
    code: Any  # (B, K), or the active units alone of a wide code
    reconstruction: Array  # (B, D)
    logits: tuple[Array, ...] = ()  # one per categorical column


class Noise(NamedTuple):
    """What the noise of a training step depends on besides the row's number."""

    seed: Any  # (2,) uint32
    epoch: Any  # () uint32


class Statistics(NamedTuple):
    """Statistics of the scaled data that a network may use at its start; host arrays."""

    mean: Any  # (D,)
    components: Any  # (K, D) principal directions, orthonormal rows
    n_components: int
    unit: Any = None  # (D,) what columns were divided by before their directions were found; None is 1


class Columns(NamedTuple):
    """Statistics of the scaled columns that a corruption may use; host arrays."""

    low: Any  # (D,) the least scaled value of the training rows
    high: Any  # (D,) the greatest
    unit: Any  # (D,) one unit of the raw rows, in scaled units
    spread: Any  # (D,) the scaled column's standard deviation
    zero: Any  # (D,) a raw 0, in scaled units
    number: Any = None  # (D,) uint32: cells with one number are replaced together, such as a category's columns


class Corrupted(NamedTuple):
    """What a corruption returns for a batch."""

    x: Array  # (B, D) the rows that the network reads
    corrupted: Array  # (B, D) True where a cell's value was replaced
    hidden: Array | None = None  # (B, D) cells that the network's missing mask shows as missing
    level: Array | None = None  # (B,) the noise level of each row, where rows differ


class Stopping(NamedTuple):
    """The state of early stopping."""

    best_loss: float
    best_epoch: int
    stale: int  # epochs since the best
    fall_begins: int = 0  # the epoch after which the learning rate falls since there was a plateau
    fall_ends: int = 0  # the epoch after which it is 0; 0 without a plateau


class TrainState(NamedTuple):
    """Everything that a run needs to continue as if it had never stopped."""

    params: Params
    optimizer: Any
    model: ModelState
    best: tuple[Params, ModelState] | None  # copies: donation deletes what is aliased
    seed: int
    step: int
    epoch: int
    cursor: int  # rows of the current epoch that are done
    epoch_sums: dict[str, float]  # of those rows: sums by name, the last batch's loss, seconds
    stopping: Stopping
    metrics: dict[str, list[float]]
