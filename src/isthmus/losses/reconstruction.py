"""The objective of autoencoders: a reconstruction loss and weighted penalties."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from isthmus.core.functions import Function
from isthmus.core.reductions import batch_mean
from isthmus.core.types import Batch, Evaluated, ModelState, Noise, Output, Params, Scheduled
from isthmus.losses import REDUCTIONS
from isthmus.losses.base import CELL_UNITS, Objective
from isthmus.losses.cells import cell_loss
from isthmus.losses.factored import SquaredErrors, squared_lengths
from isthmus.losses.penalties import weighted
from isthmus.networks import one_hot
from isthmus.networks.base import Network
from isthmus.networks.sparse_rows import SparseRows
from isthmus.sparsity.base import Sparsity, Step

_TINY = 1e-37  # above the least float32
# What makes the sum of a row's cells the row's loss, by the name of the reduction.
_CELL_FACTORS: dict[str, Callable[[int], float]] = {
    "mean": lambda n: 1 / n,
    "sum": lambda n: 1.0,
    "half_sum": lambda n: 0.5,
}


@dataclass(frozen=True)
class Reconstruction(Objective):
    """A reconstruction loss, with the penalties of sparsity and of squared weights.

    Parameters
    ----------
    network : Network
        The autoencoder.
    loss : str or Function
        A name in `LOSSES`, or a user's function of reconstruction and target.
    reduction : str
        A name in `REDUCTIONS`: how the losses of a row's cells become the row's.
    sparsity : Sparsity or None
        The method that makes the code sparse, without its traced settings.
    linear : bool
        Whether the linear path alone is asked to reconstruct the rows too, see `_pull`. With categories the path to the
        code then stays at its start: the logits of its cross-entropy would turn it away from what linear models read.
    l2 : bool
        Whether ``l2 / 2`` times the sum of all squared weights is added; l2 is a scheduled value.
    unit_norm : bool
        Whether the rows of the decoder's first matrix are kept at length 1.
    feature_weights : tuple of float or None
        The weight of each cell of a row; None weights all equally.
    penalty : str, Function or None
        A name in `PENALTIES`, or a user's function of code and parameters; its weight is a scheduled value.
    """

    network: Network
    loss: str | Function = "mse"
    reduction: str = "mean"
    sparsity: Sparsity | None = None
    linear: bool = False
    l2: bool = False
    unit_norm: bool = False
    feature_weights: tuple[float, ...] | None = None
    penalty: str | Function | None = None

    @property
    def is_mean_over_rows(self) -> bool:
        """Whether loss and terms are means over rows and the state does not change.

        Not with a sparsity, nor with the linear path's loss, whose scale is a ratio of means, nor with a penalty of a
        user, who sees the whole batch.
        """
        return self.sparsity is None and not self.linear and not isinstance(self.penalty, Function)

    @property
    def own_functions(self) -> tuple[str, ...]:
        """The parameters that are functions of a user, with their names."""
        given = {"loss": self.loss, "penalty": self.penalty}
        return tuple(f"{name}={value}" for name, value in given.items() if isinstance(value, Function))

    @property
    def takes_sparse_rows(self) -> bool:
        """Whether it takes `SparseRows`: not with a loss or a sparsity that needs every cell of the output."""
        plain = self.loss == "mse" and self.reduction in _CELL_FACTORS
        return plain and self.sparsity is None and self.penalty is None and self.network.takes_sparse_rows

    def forward(
        self, params: Params, x: Array, row: Array | None, noise: Noise | None, condition: Array | None = None
    ) -> tuple[Output, Array]:
        """Return the network's output for rows (B, D), and the output before its activation (B, D)."""
        pre_code = self.network.encode(params, x, row, noise, condition)
        code = self.network.activate_code(pre_code)
        pre_output = self.network.decode(params, code, row, noise)
        return Output(pre_code, code, self.network.activate_output(pre_output)), pre_output

    def __call__(
        self, params: Params, state: ModelState, batch: Batch, noisy: Array, noise: Noise | None, scheduled: Scheduled
    ) -> Evaluated:
        """Return the loss, and the new state with the named terms of the loss."""
        if self.sparsity is None or not self.sparsity.branches(self.network):
            return self.loss_of(params, state, batch, noisy, noise, scheduled)
        return _by_branch(self, params, state, batch, noisy, noise, scheduled)

    def row_losses(self, params: Params, batch: Batch, scheduled: Scheduled) -> Array:
        """Return the reconstruction loss of each row (B,), without sparsity, noise and penalties."""
        if isinstance(batch.x, SparseRows):
            return self._sparse_forward(params, batch, None)[3]
        _, pre_output = self.forward(params, batch.x, None, None, batch.condition)
        units = {name: values for name, values in scheduled.items() if name == CELL_UNITS}
        return self.output_losses(pre_output, batch, units)

    def output_losses(self, pre_output: Array, batch: Batch, scheduled: Scheduled) -> Array:
        """Return the reconstruction loss of each row (B,) for the output before its activation (B, D)."""
        cells = cell_loss(self.loss)(self.network.activate_output(pre_output), pre_output, batch.x)
        if categories := self.network.categories:
            entropy = -batch.x * one_hot.log_probabilities(pre_output, categories)
            cells = jnp.where(one_hot.is_category(categories, cells.shape[1]), entropy, cells)
        cells = _masked(cells, batch, scheduled.get("untouched_weight"))
        cells = cells * scheduled[CELL_UNITS] if CELL_UNITS in scheduled else cells
        weights = self._cell_weights(cells.dtype)
        cells = cells if weights is None else weights * cells
        return REDUCTIONS[self.reduction](cells) * _observed_factor(batch, self.reduction, weights)

    def loss_of(self, params: Params, state: ModelState, *rest: Any, rare: bool | None = None) -> Evaluated:
        """Return the result of a call; `rare`: whether terms that are mostly 0 are computed, None is undecided."""
        batch, noisy, noise, scheduled = rest

        def loss_of(pre_output: Array) -> Array:
            return batch_mean(self.output_losses(pre_output, batch, scheduled), batch)

        penalties, measures = dict[str, Array](), dict[str, Array]()
        if isinstance(batch.x, SparseRows):
            return self._sparse_loss(params, state, batch, noise, scheduled)
        if self.linear and self.network.categories:
            params = self.network.with_fixed_path(params)
        step = Step(self.network, params, state, batch, noisy, noise, scheduled, loss_of=loss_of, rare=rare)
        if self.sparsity is None:
            output, pre_output = self.forward(params, noisy, batch.row, noise, batch.condition)
        else:
            output, pre_output, state = self.sparsity.forward(step)
            penalties = self.sparsity.penalties(step, output, pre_output)
            measures = self.sparsity.measures(output, batch)
        if self.penalty is not None:
            penalties |= weighted(self.penalty, step, output)
        penalties |= self._weight_penalty(params, scheduled)
        loss = loss_of(pre_output)
        if self.linear and noise is not None:
            linear = self._linear_loss(params, noisy, output.code, batch, loss_of)
            loss = loss + scheduled["linear"] * _pull(loss, linear)
        if not penalties:
            return loss, (state, measures)
        total = loss + sum(penalties.values())
        return total, (state, {"reconstruction": loss, **penalties, **measures})

    def _weight_penalty(self, params: Params, scheduled: Scheduled) -> dict[str, Array]:
        if not self.l2:
            return {}
        squares = [jnp.sum(leaf**2) for leaf in jax.tree.leaves(params) if leaf.ndim > 1]
        return {"l2": scheduled["l2"] / 2 * sum(squares, jnp.zeros(()))}

    def _sparse_forward(
        self, params: Params, batch: Batch, noise: Noise | None
    ) -> tuple[Array, Array | None, SquaredErrors, Array]:
        """Return the code of sparse rows, the linear path's, the errors of outputs, and the losses of rows (B,)."""
        x: Any = batch.x
        pre_code, straight = self.network.encode_sparse(params, x, batch.row, noise)
        code = self.network.activate_code(pre_code)
        hidden, matrix, bias = self.network.decode_factored(params, code, batch.row, noise)
        errors = SquaredErrors.of(matrix, bias, x, self._cell_weights(x.dtype))
        return code, straight, errors, self._of_cells(errors.sums(hidden))

    def _sparse_loss(
        self, params: Params, state: ModelState, batch: Batch, noise: Noise | None, scheduled: Scheduled
    ) -> Evaluated:
        """Return the loss of sparse rows as `loss_of` does of others: equal, but for rounding."""
        code, straight, errors, losses = self._sparse_forward(params, batch, noise)
        loss = batch_mean(losses, batch)
        path = self.network.path(params)
        if self.linear and noise is not None and straight is not None and path is not None:
            # The path's matrix is the last part of the one that all outputs share.
            outputs = errors.of_last(straight.shape[1]).sums(straight)
            added = squared_lengths(code - straight, path[1])
            linear = batch_mean(self._of_cells(outputs + added), batch)
            loss = loss + scheduled["linear"] * _pull(loss, linear)
        penalties = self._weight_penalty(params, scheduled)
        if not penalties:
            return loss, (state, {})
        return loss + sum(penalties.values()), (state, {"reconstruction": loss, **penalties})

    def _of_cells(self, sums: Array) -> Array:
        return sums * _CELL_FACTORS[self.reduction](self.network.n_features)

    def _linear_loss(
        self, params: Params, x: Array, code: Array, batch: Batch, loss_of: Callable[[Array], Array]
    ) -> Array:
        """Return the loss of the linear path alone, plus the squares of what the nonlinear part of the code adds to it.

        The loss of their sum would differ by the product of that part and the linear path's residual, which training
        can only lower by memorising the rows.
        """
        straight, both = self.network.linear_outputs(params, x, code)
        added = self.network.activate_output(both) - self.network.activate_output(straight)
        squares = _masked(added**2, batch, None)
        return loss_of(straight) + batch_mean(REDUCTIONS[self.reduction](squares), batch)

    def _cell_weights(self, dtype: Any) -> Array | None:
        """Return the weights of a row's cells, of mean 1 if the reduction is a mean."""
        if self.feature_weights is None:
            return None
        weights = np.asarray(self.feature_weights, np.float64)
        return jnp.asarray(weights / weights.mean() if self.reduction == "mean" else weights, dtype)

    def constrain_gradients(self, params: Params, gradients: Params) -> Params:
        """Return gradients without the component along each decoder row, of unit norm (Bricken et al. 2023)."""
        if not self.unit_norm:
            return gradients
        rows, gradient = self.network.decoder_rows(params), self.network.decoder_rows(gradients)
        along = jnp.sum(rows * gradient, axis=1, keepdims=True)
        return self.network.with_decoder_rows(gradients, gradient - along * rows)

    def constrain_parameters(self, params: Params) -> Params:
        """Return parameters whose decoder rows have length 1 if `unit_norm` asks for it."""
        if not self.unit_norm:
            return params
        rows = self.network.decoder_rows(params)
        # The square root of the least float32: a row of zeros stays one.
        lengths = jnp.maximum(jnp.linalg.norm(rows, axis=1, keepdims=True), 1e-19)
        return self.network.with_decoder_rows(params, rows / lengths)

    def adjust_parameters(self, params: Params, state: ModelState) -> Params:
        """Return the parameters with the sparsity's own moved as it asks for."""
        return params if self.sparsity is None else self.sparsity.adjusted(params, state)

    def report(self, state: ModelState, scheduled: Scheduled) -> dict[str, float]:
        """Return what the sparsity has to record, such as the number of dead units."""
        return {} if self.sparsity is None else self.sparsity.report(state, scheduled)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _by_branch(objective: Reconstruction, params: Params, state: ModelState, *rest: Any) -> Evaluated:
    """Return an objective's value, differentiated within each of two branches.

    Otherwise the branch that was not taken contributes gradients of zeros, which takes a tenth of a wide step.
    """
    return objective.loss_of(params, state, *rest)


def _by_branch_forward(objective: Reconstruction, params: Params, state: ModelState, *rest: Any) -> Any:
    assert objective.sparsity is not None

    def with_gradients(rare: bool) -> Any:
        loss = functools.partial(objective.loss_of, rare=rare)
        return lambda: jax.value_and_grad(loss, has_aux=True)(params, state, *rest)

    needed = objective.sparsity.rarely(state, rest[-1])
    return jax.lax.cond(needed, with_gradients(True), with_gradients(False))


def _by_branch_backward(objective: Reconstruction, gradients: Params, cotangent: Any) -> tuple[Any, ...]:
    return jax.tree.map(lambda gradient: cotangent[0] * gradient, gradients), *[None] * 5


_by_branch.defvjp(_by_branch_forward, _by_branch_backward)


def _pull(loss: Array, linear: Array) -> Array:
    """Return 0, whose gradient is that of the linear path's loss, scaled to the size of the reconstruction's loss.

    A code that the linear path can read is one that a linear model can read. The scale makes the compromise one of
    shares, as the sum of both logarithms does: the more precise the reconstruction, the weaker the pull.
    """
    scale = jax.lax.stop_gradient(loss / jnp.maximum(jnp.maximum(linear, loss), _TINY))
    return scale * (linear - jax.lax.stop_gradient(linear))


def _masked(cells: Array, batch: Batch, untouched_weight: Array | None) -> Array:
    """Return the losses of cells (B, D): 0 where missing, and weighted where the corruption left the cell alone.

    Vincent et al., "Stacked denoising autoencoders", 2010, section 4.4: the emphasised loss.
    """
    if batch.corrupted is not None and untouched_weight is not None:
        cells = jnp.where(batch.corrupted, cells, untouched_weight * cells)
    return cells if batch.observed is None else jnp.where(batch.observed, cells, 0.0)


def _observed_factor(batch: Batch, reduction: str, weights: Array | None) -> Array | float:
    """Return the factor (B,) that makes a row's mean over all cells one over its observed cells."""
    if batch.observed is None or reduction != "mean":
        return 1.0
    if weights is not None:
        observed = batch.observed.astype(weights.dtype) @ weights
        # If no observed cell has a weight, the row's loss is 0 for any factor.
        return jnp.sum(weights) / jnp.where(observed > 0, observed, 1)
    # Exactly 1 for a complete row, so that a table without missing cells gives the same weights to the bit.
    n_features = batch.observed.shape[1]
    return n_features / jnp.maximum(jnp.sum(batch.observed, axis=1), 1).astype(batch.x.dtype)
