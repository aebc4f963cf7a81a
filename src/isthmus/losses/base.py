"""The interface of objectives: the number that training minimises."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jax import Array

from isthmus.core.types import Batch, Evaluated, ModelState, Noise, Params, Scheduled
from isthmus.networks.base import Network

# The name, among the scheduled values, of what each cell's loss is multiplied by, (D,).
CELL_UNITS = "cell_units"


class Objective:
    """A loss of parameters and a batch; a subclass is a frozen dataclass, and equal ones share one program."""

    if TYPE_CHECKING:

        @property
        def network(self) -> Network:
            """The network that is trained."""

    extras: tuple[str, ...] = ()  # the names of the arrays that it reads from `Batch.extras`

    @property
    def is_mean_over_rows(self) -> bool:
        """Whether loss and terms are means over rows and the state does not change, so that parts of a batch add up."""
        return False

    @property
    def own_functions(self) -> tuple[str, ...]:
        """The parameters that are functions of a user, with their names, for messages."""
        return ()

    @property
    def takes_sparse_rows(self) -> bool:
        """Whether it takes `SparseRows`, uncorrupted."""
        return False

    @property
    def condition_kind(self) -> str | None:
        """What the network's condition is: ``"level"``, ``"missing"`` or None."""
        return self.network.condition_kind

    def __call__(
        self, params: Params, state: ModelState, batch: Batch, noisy: Array, noise: Noise | None, scheduled: Scheduled
    ) -> Evaluated:
        """Return the loss, and the new state with the named terms to record.

        Parameters
        ----------
        params, state : pytree
            The parameters, and the state that a method keeps between batches.
        batch : Batch
            The clean rows.
        noisy : Array of shape (B, D)
            The rows that the network reads.
        noise : Noise or None
            What dropout depends on; None outside training.
        scheduled : mapping of str to Array
            The scheduled values at this step.
        """
        raise NotImplementedError

    def constrain_gradients(self, params: Params, gradients: Params) -> Params:
        """Return the gradients that an update uses."""
        return gradients

    def constrain_parameters(self, params: Params) -> Params:
        """Return the parameters after an update."""
        return params

    def adjust_parameters(self, params: Params, state: ModelState) -> Params:
        """Return the parameters after an update, changed by what the state has of the step."""
        return params

    def report(self, state: ModelState, scheduled: Scheduled) -> dict[str, float]:
        """Return named numbers of the state to record at the end of an epoch."""
        return {}
