"""The number that training lowers: reconstruction loss and, where a method has them, weighted penalties."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from isthmus.core.reductions import weighted_mean
from isthmus.core.types import Batch, ModelState, Network, Noise, Output, Params
from isthmus.sparsity import Sparsity, Step

# (reconstruction, output before its activation, target) -> loss of each cell
CellLoss = Callable[[Array, Array, Array], Array]


def _squared(reconstruction: Array, pre_output: Array, target: Array) -> Array:
    return (reconstruction - target) ** 2


def _cross_entropy(reconstruction: Array, pre_output: Array, target: Array) -> Array:
    # From the logit rather than the probability: exact where the sigmoid has rounded to 0 or 1.
    return jax.nn.softplus(pre_output) - target * pre_output


def _huber(reconstruction: Array, pre_output: Array, target: Array) -> Array:
    # Huber, "Robust estimation of a location parameter", 1964, with its corner at 1.
    error = jnp.abs(reconstruction - target)
    return jnp.where(error < 1, 0.5 * error**2, error - 0.5)


LOSSES: dict[str, CellLoss] = {"mse": _squared, "bce": _cross_entropy, "huber": _huber}

# Cells of a row to the row's loss; rows are always averaged.
REDUCTIONS: dict[str, Callable[[Array], Array]] = {
    "mean": lambda cells: jnp.mean(cells, axis=1),
    "sum": lambda cells: jnp.sum(cells, axis=1),
    "half_sum": lambda cells: 0.5 * jnp.sum(cells, axis=1),
}


@dataclass(frozen=True)
class Reconstruction:
    """A reconstruction loss, and what sparsity and an L2 penalty add to it.

    Parameters
    ----------
    network : Network
        What encodes and decodes.
    loss : str
        A name in `LOSSES`.
    reduction : str
        A name in `REDUCTIONS`: what becomes of the cells of a row.
    sparsity : Sparsity or None
        What makes the code sparse, without its traced numbers.
    l2 : bool
        Whether ``l2 / 2`` times the sum of all squared weights is added; the number l2 is traced.
    unit_norm : bool
        Whether the rows of the decoder's first matrix are kept at length 1.
    feature_weights : tuple of float or None
        What each cell of a row counts; None counts all alike.
    """

    network: Network
    loss: str = "mse"
    reduction: str = "mean"
    sparsity: Sparsity | None = None
    l2: bool = False
    unit_norm: bool = False
    feature_weights: tuple[float, ...] | None = None

    @property
    def condition_kind(self) -> str | None:
        """What the network is told beside the row: "missing", "level" or nothing."""
        if getattr(self.network, "tells_level", False):
            return "level"
        return "missing" if getattr(self.network, "indicator", False) else None

    @property
    def is_mean_over_rows(self) -> bool:
        """Whether total and terms are means over rows, and the state stays as it is: parts of a batch add up."""
        return self.sparsity is None

    def forward(
        self, params: Params, x: Array, row: Array | None, noise: Noise | None, condition: Array | None = None
    ) -> tuple[Output, Array]:
        """Return the network's output for rows, and its value before the output activation."""
        pre_code = self.network.encode(params, x, row, noise, condition)
        code = self.network.activate_code(pre_code)
        pre_output = self.network.decode(params, code, row, noise)
        return Output(pre_code, code, self.network.activate_output(pre_output)), pre_output

    def __call__(
        self,
        params: Params,
        state: ModelState,
        batch: Batch,
        noisy: Array,
        noise: Noise | None,
        scheduled: Mapping[str, Array] | None = None,
    ) -> tuple[Array, tuple[ModelState, dict[str, Array]]]:
        """Return the batch's loss, the state and the named terms beside the loss itself."""
        scheduled = {} if scheduled is None else scheduled
        if self.sparsity is None or not self.sparsity.branches(self.network):
            return self.loss_of(params, state, batch, noisy, noise, scheduled)
        total, rest = _by_branch(self, params, state, batch, noisy, noise, scheduled)
        return total, rest

    def loss_of(
        self,
        params: Params,
        state: ModelState,
        batch: Batch,
        noisy: Array,
        noise: Noise | None,
        scheduled: Mapping[str, Array],
        *,
        rare: bool | None = None,
    ) -> tuple[Array, tuple[ModelState, dict[str, Array]]]:
        """Return what a call does; with `rare`, it is settled whether the terms that are mostly 0 are needed."""

        def loss_of(pre_output: Array) -> Array:
            cells = LOSSES[self.loss](self.network.activate_output(pre_output), pre_output, batch.x)
            cells = _weighed(cells, batch, scheduled.get("untouched_weight"))
            weights = self._cell_weights(cells.dtype)
            cells = cells if weights is None else weights * cells
            seen = _share_seen(batch, self.reduction, weights)
            return weighted_mean(REDUCTIONS[self.reduction](cells) * seen, batch.weight)

        penalties: dict[str, Array] = {}
        measures: dict[str, Array] = {}
        if self.sparsity is None:
            _, pre_output = self.forward(params, noisy, batch.row, noise, batch.condition)
        else:
            step = Step(self.network, params, state, batch, noisy, noise, scheduled, loss_of, rare)
            output, pre_output, state = self.sparsity.forward(step)
            penalties = self.sparsity.penalties(step, output, pre_output)
            measures = self.sparsity.measures(output, batch.weight)
        if self.l2:
            penalties["l2"] = scheduled["l2"] / 2 * _squared_weights(params)
        loss = loss_of(pre_output)
        if not penalties:
            return loss, (state, measures)
        total = loss + sum(penalties.values())
        return total, (state, {"reconstruction": loss, **penalties, **measures})

    def _cell_weights(self, dtype: Any) -> Array | None:
        """Return what the cells of a row count, for a mean so that it is a weighted one."""
        if self.feature_weights is None:
            return None
        weights = np.asarray(self.feature_weights, np.float64)
        return jnp.asarray(weights / weights.mean() if self.reduction == "mean" else weights, dtype)

    def constrain_gradients(self, params: Params, gradients: Params) -> Params:
        """Return gradients without what would only change the length of a decoder row (Bricken et al. 2023)."""
        if not self.unit_norm:
            return gradients
        rows, gradient = params["decoder"][0]["weight"], gradients["decoder"][0]["weight"]
        along = jnp.sum(rows * gradient, axis=1, keepdims=True)
        return _with_first_decoder(gradients, gradient - along * rows)

    def constrain_parameters(self, params: Params) -> Params:
        """Return parameters whose decoder rows have length 1."""
        if not self.unit_norm:
            return params
        rows = params["decoder"][0]["weight"]
        # The square root of the least float32: a row of zeros stays one.
        return _with_first_decoder(params, rows / jnp.maximum(jnp.linalg.norm(rows, axis=1, keepdims=True), 1e-19))

    def report(self, state: ModelState, scheduled: Mapping[str, Any]) -> dict[str, float]:
        """Return what an epoch's end says of what is remembered: the number of dead units."""
        if self.sparsity is None or not self.sparsity.counts_dead:
            return {}
        return {"dead_units": float(np.sum(np.asarray(state["idle"], np.float64) >= float(scheduled["dead_after"])))}


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _by_branch(
    objective: Reconstruction,
    params: Params,
    state: ModelState,
    batch: Batch,
    noisy: Array,
    noise: Noise | None,
    scheduled: Mapping[str, Array],
) -> tuple[Array, Any]:
    """Return an objective's value, differentiated within each of two branches.

    Differentiating a branch that was not taken gives zeros, as many as there are weights: a tenth of a wide step.
    """
    return objective.loss_of(params, state, batch, noisy, noise, scheduled)


def _by_branch_forward(objective: Reconstruction, params: Params, state: ModelState, *rest: Any) -> Any:
    assert objective.sparsity is not None

    def with_gradients(rare: bool) -> Any:
        def loss(params: Params) -> Any:
            return objective.loss_of(params, state, *rest, rare=rare)

        return lambda: jax.value_and_grad(loss, has_aux=True)(params)

    needed = objective.sparsity.rarely(state, rest[-1])
    return jax.lax.cond(needed, with_gradients(True), with_gradients(False))


def _by_branch_backward(objective: Reconstruction, gradients: Params, cotangent: Any) -> tuple[Any, ...]:
    # Nothing but the parameters is learned.
    return jax.tree.map(lambda gradient: cotangent[0] * gradient, gradients), *[None] * 5


_by_branch.defvjp(_by_branch_forward, _by_branch_backward)


def _weighed(cells: Array, batch: Batch, untouched: Array | None) -> Array:
    """Return the losses of cells (B, D): missing ones 0, and those that the corruption left alone as heavy as told.

    Vincent et al., "Stacked denoising autoencoders", 2010, section 4.4: the emphasised loss.
    """
    if batch.corrupted is not None and untouched is not None:
        cells = jnp.where(batch.corrupted, cells, untouched * cells)
    return cells if batch.observed is None else jnp.where(batch.observed, cells, 0.0)


def _share_seen(batch: Batch, reduction: str, weights: Array | None) -> Array | float:
    """Return what makes a row's mean one over its observed cells, which count as many as `weights` says."""
    if batch.observed is None or reduction != "mean":
        return 1.0
    if weights is not None:
        seen = batch.observed.astype(weights.dtype) @ weights
        # Without any that counts, the row's loss is 0 by whatever factor.
        return jnp.sum(weights) / jnp.where(seen > 0, seen, 1)
    # Exactly 1 for a whole row, so that a table without holes learns to the bit as if none were looked for.
    n_features = batch.observed.shape[1]
    return n_features / jnp.maximum(jnp.sum(batch.observed, axis=1), 1).astype(batch.x.dtype)


def _squared_weights(params: Params) -> Array:
    squares = [jnp.sum(leaf**2) for leaf in jax.tree.leaves(params) if leaf.ndim > 1]
    return sum(squares, jnp.zeros(()))


def _with_first_decoder(params: Params, weight: Array) -> Params:
    first, *others = params["decoder"]
    return {**params, "decoder": [{**first, "weight": weight}, *others]}
