"""Sparsity by selection: the k largest units of a row, of a batch, or each unit's largest values of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from isthmus.core.errors import InvalidParameterError, unknown_name
from isthmus.core.reductions import batch_mean
from isthmus.core.types import Batch, ModelState, Output, Params, Schedule, Scheduled
from isthmus.sparsity.base import KINDS, RESTART_INTERVALS, Sparsity, Step, decoder_norms, ramp
from isthmus.sparsity.ranking import SparseCode, decode_top, encode_top, keep_top, nth_largest

# From where adding up rows is faster than products with zeros: measured at 24,576 units and k 32 (benchmarks/topk.py);
# these two limits below that are estimates.
_WIDE_SHARE = 64
_WIDE_UNITS = 4096
_RULES = ("contribution", "paper")


def _dead(state: ModelState, scheduled: Scheduled) -> Array:
    # As integers: a float32 is exact only to 16 million rows.
    dead: Array = state["idle"] >= scheduled["dead_after"].astype(jnp.uint32)
    return dead


def contributions(network: Any, params: Params, values: Array) -> Array:
    """Return activations (B, K) times the lengths of their decoder rows, where there are any."""
    norms = decoder_norms(network, params)
    return values if norms is None else values * norms


@dataclass(frozen=True, repr=False)
class _Selecting(Sparsity):
    """What methods that keep k units share: the schedule of k, and the auxiliary loss of dead units."""

    k: int | None = None
    k_start: int | None = None
    anneal: float = 0.2
    auxiliary: float = 1 / 32
    auxiliary_k: int | None = None
    dead_after: int | None = None

    kinds = KINDS
    traced: ClassVar[tuple[str, ...]] = ("dead_after",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.k is not None and self.k_start is not None and self.k_start < self.k:
            raise InvalidParameterError(f"k_start={self.k_start} must be at least k={self.k}")

    @property
    def restart_scale(self) -> float:
        """1: a unit with shorter weights would not be among the k largest, and so would not learn."""
        return 1.0

    def restarts_after(self, n_components: int, dead_after: float) -> float:
        """Return the rows without an activation after which a unit is reinitialised: fewer than those of two epochs.

        A unit that is active in a few rows of an epoch only is not dead, and does not learn: of 64 planted atoms two
        to four were not found with such units left alone.
        """
        if self.dead_after is not None:
            return dead_after
        return min(dead_after, RESTART_INTERVALS * n_components / self.k_of(n_components))

    def k_of(self, n_components: int) -> int:
        """Return k for a code's width."""
        return max(1, n_components // 16) if self.k is None else self.k

    def most_of(self, n_components: int) -> int:
        """Return the largest k of a fit."""
        return min(self.k_start or self.k_of(n_components), n_components)

    def check(self, network: Any) -> None:
        """Raise InvalidParameterError for a k above the code's width."""
        if self.k_of(network.n_components) > network.n_components:
            raise InvalidParameterError(f"k={self.k} must be at most the code's {network.n_components} units")
        if self.k_start is not None and self.k_start < self.k_of(network.n_components):
            raise InvalidParameterError(f"k_start={self.k_start} must be at least k={self.k_of(network.n_components)}")

    def schedules(self, n_components: int, n_rows: int) -> dict[str, Schedule]:
        """Return the schedules of the traced settings, and of k if it is annealed."""
        numbers = super().schedules(n_components, n_rows)
        if self.k_start:
            numbers["k"] = ramp(self.k_of(n_components), self.anneal, self.most_of(n_components))
        return numbers

    def penalties(self, step: Step, output: Output, pre_output: Array) -> dict[str, Array]:
        """Return the weighted loss of the dead units' reconstruction of the residual (Gao et al. 2024, section A.2)."""
        if not self.auxiliary:
            return {}
        dead = _dead(step.state, step.scheduled)

        def explained() -> Array:
            wanted = self.auxiliary_count(step.network)
            share = jnp.minimum(jnp.sum(dead) / wanted, 1.0)
            addition = self.dead_output(step, output.pre_code, dead, wanted)
            loss: Array = share * step.loss_of(jax.lax.stop_gradient(pre_output) + addition)
            return loss

        def nothing() -> Array:
            return jnp.zeros((), pre_output.dtype)

        if step.rare is None:
            return {"auxiliary": self.auxiliary * jax.lax.cond(jnp.any(dead), explained, nothing)}
        return {"auxiliary": self.auxiliary * (explained() if step.rare else nothing())}

    def rarely(self, state: ModelState, scheduled: Scheduled) -> Array:
        """Return whether any unit is dead."""
        return jnp.any(_dead(state, scheduled))

    def auxiliary_count(self, network: Any) -> int:
        """Return how many dead units reconstruct the residual; by default at most half the number of features."""
        k = 8 * self.k_of(network.n_components) if self.auxiliary_k is None else self.auxiliary_k
        half = max(1, network.n_features // 2) if self.auxiliary_k is None else k
        return int(min(k, half, network.n_components))

    def dead_output(self, step: Step, pre_code: Array, dead: Array, wanted: int) -> Array:
        """Return what the largest dead units add to the output before its activation."""
        network, params, row = step.network, step.params, step.batch.row
        code = keep_top(jnp.where(dead, network.activate_code(pre_code), 0), wanted)
        none = network.decode(params, jnp.zeros_like(code[:1]), row[:1], None)
        addition: Array = network.decode(params, code, row, None) - none
        return addition


@dataclass(frozen=True, repr=False)
class TopK(_Selecting):
    """The k largest units of each row, after relu, so at most k; of equal ones the first; only they have gradients.

    Parameters
    ----------
    k : int or None
        Active units of each row, >= 1; None is a sixteenth of the units.
    k_start : int or None
        The initial k, >= `k`, which falls to `k` over the first fraction `anneal` of training.
    anneal : float
        That fraction, 0 to 1.
    auxiliary : float
        Weight of the loss of the dead units' reconstruction of the residual, >= 0.
    auxiliary_k : int or None
        Dead units that reconstruct it in each row, >= 1; None is 8 k, at most half the features.
    dead_after : int or None
        Rows without an activation after which a unit counts as dead, >= 1; None is the rows of two epochs.
    resample_dead, pre_bias, unit_norm_decoder, transposed_start, bias_start
        As in `Sparsity`.

    References
    ----------
    Makhzani and Frey, "k-sparse autoencoders", 2013; Gao et al., "Scaling and evaluating sparse autoencoders", 2024.
    """

    def is_wide(self, network: Any) -> bool:
        """Whether only the active units are decoded and differentiated: a wide code with few active units."""
        k, width = self.most_of(network.n_components), network.n_components
        return network.sparse_code_supported and self.k_start is None and width >= max(_WIDE_UNITS, _WIDE_SHARE * k)

    def branches(self, network: Any) -> bool:
        """Whether the code is wide and there is an auxiliary loss."""
        return self.auxiliary > 0 and self.is_wide(network)

    def forward(self, step: Step) -> tuple[Output, Array, ModelState]:
        """Return the output; a wide code is a `SparseCode`."""
        network, params, batch = step.network, step.params, step.batch
        if not self.is_wide(network):
            return super().forward(step)
        row = batch.row
        hidden = network.before_code(params, step.x, row, step.noise)
        code = encode_top(hidden, *network.code_layer(params), self.most_of(network.n_components))
        first = decode_top(*code, network.decoder_rows(params))
        pre_output = network.after_code(params, first, row, step.noise)
        active = (code.values > 0) & (batch.weight[:, None] > 0)
        fired = jnp.zeros(network.n_components, bool).at[code.units.reshape(-1)].max(active.reshape(-1))
        state = self._aged(step.state, fired, batch.weight)
        return Output(hidden, code, network.activate_output(pre_output)), pre_output, state

    def select(self, step: Step) -> tuple[Array, ModelState]:
        """Return the code with 0 for all but the k largest units of each row."""
        values, size = step.network.activate_code(step.pre_code), step.network.n_components
        if step.train and self.k_start:
            return keep_top(values, self.most_of(size), jnp.round(step.scheduled["k"])), step.state
        return keep_top(values, self.k_of(size)), step.state

    def dead_output(self, step: Step, pre_code: Array, dead: Array, wanted: int) -> Array:
        """Return what the largest dead units add to the output before its activation."""
        network, params, row = step.network, step.params, step.batch.row
        if not self.is_wide(network):
            return super().dead_output(step, pre_code, dead, wanted)
        weight, bias = network.code_layer(params)
        code = encode_top(pre_code, weight, jnp.where(dead, bias, -jnp.inf), wanted)
        first = decode_top(*code, network.decoder_rows(params))
        none = network.after_code(params, jnp.zeros_like(first[:1]), row[:1], None)
        addition: Array = network.after_code(params, first, row, None) - none
        return addition

    def measures(self, output: Output, batch: Batch) -> dict[str, Array]:
        """Return the mean number of active units."""
        if not isinstance(output.code, SparseCode):
            return super().measures(output, batch)
        active = jnp.sum(output.code.values > 0, axis=1).astype(batch.weight.dtype)
        return {"l0": batch_mean(active, batch)}


@dataclass(frozen=True, repr=False)
class BatchTopK(_Selecting):
    """The largest activations of a batch, k times the number of rows: rows differ in their active units; ties are kept.

    By default activations are compared times the lengths of their units' decoder rows, which are free; with
    ``rule="paper"``, as in the paper, by themselves, and decoder rows have length 1. Outside training, where a code
    depends on its own row alone, units above a threshold are kept: the running mean of the smallest activation that was
    kept in each batch.

    Parameters
    ----------
    k : int or None
        Mean number of active units per row, >= 1; None is a sixteenth of the units.
    k_start, anneal, auxiliary, auxiliary_k, dead_after
        As in `TopK`.
    memory : float
        Fraction of the running threshold that comes from earlier batches, >= 0 and < 1.
    rule : {"contribution", "paper"}
        What is compared: activations times the lengths of decoder rows, or activations alone; with "paper",
        ``unit_norm_decoder="auto"`` keeps a dictionary's decoder rows at length 1.
    resample_dead, pre_bias, unit_norm_decoder, transposed_start, bias_start
        As in `Sparsity`.

    References
    ----------
    Bussmann, Leask and Nanda, "BatchTopK sparse autoencoders", 2024.
    """

    memory: float = 0.99
    rule: str = "contribution"

    # Free lengths reconstruct 8x8 patches better: 0.0067 of the variance is lost at 16 of 256 units, instead of 0.0083.
    unit_norm: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rule not in _RULES:
            raise unknown_name("rule", self.rule, _RULES)

    @property
    def unit_rows(self) -> bool:
        """Whether a dictionary's decoder rows have length 1."""
        return self.rule == "paper"

    def wanted_l0(self, n_components: int) -> float | None:
        """Return k: the threshold that replaces the comparison within a batch is to keep as many."""
        return self.k_of(n_components)

    def init(self, n_components: int) -> dict[str, Any]:
        """Return the running threshold, as a weighted sum, and the sum of its weights."""
        zero = np.zeros((), np.float32)
        return super().init(n_components) | {"threshold": zero, "known": zero}

    def select(self, step: Step) -> tuple[Array, ModelState]:
        """Return the batch's largest activations in training, and those above the threshold outside it."""
        network, state = step.network, step.state
        values = network.activate_code(step.pre_code)
        sizes = values if self.rule == "paper" else contributions(network, step.params, values)
        sizes = jax.lax.stop_gradient(sizes)
        if not step.train or step.batch is None:
            threshold = (state["threshold"] / jnp.maximum(state["known"], 1e-12)).astype(values.dtype)
            return jnp.where((sizes >= threshold) & (values > 0), values, 0), state
        weight = step.batch.weight
        real = jnp.where(weight[:, None] > 0, sizes, -jnp.inf)
        k = jnp.round(step.scheduled["k"]) if self.k_start else self.k_of(network.n_components)
        wanted = jnp.maximum(k * jnp.sum(weight), 1).astype(jnp.int32)
        least = nth_largest(real, wanted)
        kept = (sizes >= least) & (values > 0)
        smallest = jnp.min(jnp.where(kept & (weight[:, None] > 0), real, jnp.inf))
        # A batch without a single activation leaves the threshold as it is.
        found = jnp.isfinite(smallest)
        memory = jnp.where(found, self.memory, 1.0).astype(np.float32)
        new = {
            "threshold": memory * state["threshold"] + (1 - memory) * jnp.where(found, smallest, 0).astype(np.float32),
            "known": memory * state["known"] + (1 - memory),
        }
        return jnp.where(kept, values, 0), {**state, **new}


@dataclass(frozen=True, repr=False)
class Lifetime(Sparsity):
    """Each unit is active in the same fraction of a batch's rows, those with its largest activations.

    Outside training the code is ``relu`` of the pre-code, as in the paper.

    Parameters
    ----------
    target : float
        The fraction of rows in which a unit is active, > 0 and < 1; at least one row of each batch.
    resample_dead, pre_bias, unit_norm_decoder, transposed_start, bias_start
        As in `Sparsity`.

    References
    ----------
    Makhzani and Frey, "Winner-take-all autoencoders", NeurIPS 2015.
    """

    target: float = 0.05

    kinds = KINDS
    traced: ClassVar[tuple[str, ...]] = ("target",)
    dictionary: ClassVar[bool] = False

    def select(self, step: Step) -> tuple[Array, ModelState]:
        """Return each unit's largest activations of the batch."""
        values, state = step.network.activate_code(step.pre_code), step.state
        if not step.train or step.batch is None:
            return values, state
        weight = step.batch.weight
        real = jax.lax.stop_gradient(jnp.where(weight[:, None] > 0, values, -jnp.inf))
        wanted = jnp.maximum(jnp.round(step.scheduled["target"] * jnp.sum(weight)), 1).astype(jnp.int32)
        return jnp.where(values >= nth_largest(real, wanted, axis=0), values, 0), state
