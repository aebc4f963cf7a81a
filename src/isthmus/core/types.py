"""What passes from room to room: the shapes and protocols every part of the engine agrees on.

B is the rows of a batch, D the features, K the code units. All arrays here are JAX arrays inside a compiled program.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from jax import Array

Schedule = Callable[
    [Any], Any
]  # a number of a run: shares of training done, 0 to 1, to what it is at each; host arrays
Params = Any  # a pytree of arrays
ModelState = Any  # a pytree of arrays: what a method remembers between batches


class Batch(NamedTuple):
    """Rows of one step, scaled; always B of them, the missing ones of a short batch with weight 0."""

    x: Array  # (B, D)
    weight: Array  # (B,) 0 for padding
    row: Array  # (B, 2) uint32, low word of the row's number in its source, and 0: its noise depends on this alone
    observed: Array | None = None  # (B, D) False where a cell is missing
    categories: Array | None = None  # (B, C) codes of categorical columns
    corrupted: Array | None = None  # (B, D) True where the network sees another value
    condition: Array | None = None  # (B, T) what the network is told beside the row: 1 where a cell is missing


class Output(NamedTuple):
    """What a network makes of a batch."""

    pre_code: Array  # (B, K) before the code's activation or selection
    code: Any  # (B, K), or a wide code's awake units alone
    reconstruction: Array  # (B, D)
    logits: tuple[Array, ...] = ()  # one per categorical column
    aux: dict[str, Array] = {}  # noqa: RUF012, whatever a method adds; never mutated


class Noise(NamedTuple):
    """What the noise of a training step depends on, beside the row's own number."""

    seed: Any  # (2,) uint32
    epoch: Any  # () uint32


class Statistics(NamedTuple):
    """What a network may know of the scaled data before its first step; host arrays."""

    mean: Any  # (D,)
    components: Any  # (K, D) principal directions, orthonormal rows
    n_components: int


class Network(Protocol):
    """Pure functions of parameters and a batch; hashed by value, so that equal networks share one program."""

    n_features: int
    n_components: int

    @property
    def dtype(self) -> Any:
        """The type of the computation."""
        ...

    def init(self, seed: int, statistics: Statistics | None) -> Params:
        """Draw the parameters, on the host."""
        ...

    def encode(
        self, params: Params, x: Array, row: Array | None, noise: Noise | None, condition: Array | None = None
    ) -> Array:
        """Return the pre-code (B, K); `noise` is None outside training, `told` where nothing is told."""
        ...

    def activate_code(self, pre_code: Array) -> Array:
        """Return the code (B, K) of a pre-code."""
        ...

    def decode(self, params: Params, code: Array, row: Array | None, noise: Noise | None) -> Array:
        """Return the reconstruction (B, D) before the output activation."""
        ...

    def activate_output(self, pre_output: Array) -> Array:
        """Return the reconstruction (B, D) after the output activation."""
        ...


class Columns(NamedTuple):
    """What a corruption may know of the scaled columns; host arrays, handed to the program as they are."""

    low: Any  # (D,) the least scaled value of the training rows
    high: Any  # (D,) the greatest
    unit: Any  # (D,) what one unit of the raw rows is in scaled ones
    spread: Any  # (D,) the scaled column's standard deviation
    zero: Any  # (D,) what a raw 0 is in scaled units


class Corrupted(NamedTuple):
    """What a corruption makes of a batch."""

    x: Array  # (B, D) the rows as the network sees them
    corrupted: Array  # (B, D) which cells are no longer what they were
    hidden: Array | None = None  # (B, D) cells that the network is told are missing
    level: Array | None = None  # (B,) what each row was given, where rows differ


class Corruption(Protocol):
    """Clean batch to corrupted rows, hashed by value; the target stays clean."""

    def __call__(self, noise: Noise, batch: Batch, columns: Columns, scheduled: Mapping[str, Array]) -> Corrupted:
        """Return the corrupted rows, and which cells were touched."""
        ...


class Objective(Protocol):
    """The number that training lowers; hashed by value, so that equal objectives share one program.

    One whose ``is_mean_over_rows`` is True gives means over rows and leaves the state as it is.
    """

    def __hash__(self) -> int:
        """Return a hash of what is computed."""
        ...

    def __call__(
        self,
        params: Params,
        state: ModelState,
        batch: Batch,
        noisy: Array,
        noise: Noise | None,
        scheduled: Mapping[str, Array],
    ) -> tuple[Array, tuple[ModelState, dict[str, Array]]]:
        """Return the total and, beside it, the new state and every named term; `noise` is None outside training."""
        ...

    def constrain_gradients(self, params: Params, gradients: Params) -> Params:
        """Return the gradients an update may use."""
        ...

    def constrain_parameters(self, params: Params) -> Params:
        """Return the parameters after an update."""
        ...

    def report(self, state: ModelState, scheduled: Mapping[str, Any]) -> dict[str, float]:
        """Return named numbers of the state at the end of an epoch."""
        ...


class Stopping(NamedTuple):
    """Where early stopping stands."""

    best_loss: float
    best_epoch: int
    stale: int  # epochs since


class TrainState(NamedTuple):
    """Everything a run needs to go on as if it had never stopped."""

    params: Params
    optimizer: Any
    model: ModelState
    best: tuple[Params, ModelState] | None  # copies: donation deletes what is aliased
    seed: int
    step: int
    epoch: int
    cursor: int  # rows of the epoch under way that are done
    epoch_sums: dict[str, float]  # what they added up to: sums over rows by name, the last batch's loss, seconds
    stopping: Stopping
    metrics: dict[str, list[float]]
