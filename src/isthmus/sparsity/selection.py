"""Sparse by selection: the k largest of a row, of a batch, or each unit's largest over the batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from isthmus.core.errors import InvalidParameterError
from isthmus.core.reductions import weighted_mean
from isthmus.core.types import ModelState, Output, Params, Schedule
from isthmus.sparsity.base import Sparsity, Step, check_number, check_whole, decoder_norms, ramp
from isthmus.sparsity.ranking import keep_top, nth_largest
from isthmus.sparsity.wide import SparseCode, decode_top, encode_top

# Where adding up rows beats products with zeros: measured at 24,576 units and k 32 (benchmarks/topk.py), these two
# lines between there and small codes are drawn by judgement.
_WIDE_SHARE = 64
_WIDE_UNITS = 4096


def _dead(state: ModelState, scheduled: Mapping[str, Array]) -> Array:
    # As whole numbers: a float32 counts no further than 16 million rows.
    dead: Array = state["idle"] >= scheduled["dead_after"].astype(jnp.uint32)
    return dead


def contributions(network: Any, params: Params, values: Array) -> Array:
    """Return activations (rows, K) times the lengths of their decoder rows, where the decoder has one layer."""
    norms = decoder_norms(network, params)
    return values if norms is None else values * norms


@dataclass(frozen=True)
class _Selecting(Sparsity):
    """What methods that keep so many units share: k and its way there, and the auxiliary loss for dead units."""

    k: int | None = None
    k_start: int | None = None
    anneal: float = 0.2
    auxiliary: float = 1 / 32
    auxiliary_k: int | None = None
    dead_after: int | None = None

    traced: ClassVar[tuple[str, ...]] = ("dead_after",)

    def __post_init__(self) -> None:
        for name in ("k", "k_start", "auxiliary_k", "dead_after"):
            if getattr(self, name) is not None:
                check_whole(name, getattr(self, name))
        check_number("anneal", self.anneal, 0, 1, open_ends=False)
        check_number("auxiliary", self.auxiliary, 0, open_ends=False)
        if self.k is not None and self.k_start is not None and self.k_start < self.k:
            raise InvalidParameterError(f"k_start={self.k_start} is below k={self.k}: k is annealed downwards")

    def k_of(self, n_components: int) -> int:
        """Return k; None is a sixteenth of the units."""
        return max(1, n_components // 16) if self.k is None else self.k

    def most_of(self, n_components: int) -> int:
        """Return the largest k of a run."""
        return min(self.k_start or self.k_of(n_components), n_components)

    def check(self, network: Any) -> None:
        """Refuse a k that the code has not."""
        if self.k_of(network.n_components) > network.n_components:
            raise InvalidParameterError(f"k={self.k} is more than the code's {network.n_components} units")
        if self.k_start is not None and self.k_start < self.k_of(network.n_components):
            raise InvalidParameterError(
                f"k_start={self.k_start} is below k={self.k_of(network.n_components)}: k is annealed downwards"
            )

    def schedules(self, n_components: int, n_rows: int) -> dict[str, Schedule]:
        """Return the numbers over a run, k among them where it is annealed."""
        numbers = super().schedules(n_components, n_rows)
        if self.k_start:
            numbers["k"] = ramp(self.k_of(n_components), self.anneal, self.most_of(n_components))
        return numbers

    def penalties(self, step: Step, output: Output, pre_output: Array) -> dict[str, Array]:
        """Return the loss of what dead units make of the residual (Gao et al. 2024, section A.2), times its weight."""
        if not self.auxiliary:
            return {}
        dead = _dead(step.state, step.scheduled)

        def explained() -> Array:
            wanted = self.auxiliary_count(step.network)
            share = jnp.minimum(jnp.sum(dead) / wanted, 1.0)
            addition = self.dead_output(step, output.pre_code, dead, wanted)
            return share * step.loss_of(jax.lax.stop_gradient(pre_output) + addition)

        def nothing() -> Array:
            return jnp.zeros((), pre_output.dtype)

        if step.rare is None:
            return {"auxiliary": self.auxiliary * jax.lax.cond(jnp.any(dead), explained, nothing)}
        return {"auxiliary": self.auxiliary * (explained() if step.rare else nothing())}

    def rarely(self, state: ModelState, scheduled: Mapping[str, Array]) -> Array:
        """Return whether any unit is dead."""
        return jnp.any(_dead(state, scheduled))

    def auxiliary_count(self, network: Any) -> int:
        """Return how many dead units try to explain the residual: at most half as many as there are features."""
        k = 8 * self.k_of(network.n_components) if self.auxiliary_k is None else self.auxiliary_k
        half = max(1, network.n_features // 2) if self.auxiliary_k is None else k
        return int(min(k, half, network.n_components))

    def dead_output(self, step: Step, pre_code: Array, dead: Array, wanted: int) -> Array:
        """Return what the strongest dead units add to the output, before its activation."""
        network, params, row = step.network, step.params, step.batch.row
        code = keep_top(jnp.where(dead, network.activate_code(pre_code), 0), wanted)
        none = network.decode(params, jnp.zeros_like(code[:1]), row[:1], None)
        addition: Array = network.decode(params, code, row, None) - none
        return addition


@dataclass(frozen=True)
class TopK(_Selecting):
    """The k largest units of each row, after relu, so at most k; gradients through them alone; ties by place.

    Parameters
    ----------
    k : int or None
        Units kept in each row; None is a sixteenth of them, at least 1.
    k_start : int or None
        Where k begins, to come down to `k` over the first share `anneal` of training.
    anneal : float
        That share, from 0 to 1.
    auxiliary : float
        Weight of the loss by which dead units explain the residual; 0 is none.
    auxiliary_k : int or None
        Dead units that do so in each row; None is 8 k, at most half the features.
    dead_after : int or None
        Rows without activation after which a unit counts as dead; None is two epochs' rows.

    References
    ----------
    Makhzani and Frey, "k-sparse autoencoders", 2013; Gao et al., "Scaling and evaluating sparse autoencoders", 2024.
    """

    def is_wide(self, network: Any) -> bool:
        """Whether only the units awake are decoded and differentiated: a dense code layer, wide and hardly awake."""
        k, width = self.most_of(network.n_components), network.n_components
        return (
            getattr(network, "code_layer", None) is not None
            and not network.tied
            and not network.linear_path
            and network.code_activation == "relu"
            and network.precision != "bfloat16"
            and not network.indicator
            and self.k_start is None
            and width >= _WIDE_UNITS
            and width >= _WIDE_SHARE * k
        )

    def branches(self, network: Any) -> bool:
        """Whether the code is wide and dead units have a loss of their own."""
        return self.auxiliary > 0 and self.is_wide(network)

    def forward(self, step: Step) -> tuple[Output, Array, ModelState]:
        """Return the output; where the code is wide, it stays a list of the awake units of each row."""
        network, params, row = step.network, step.params, step.batch.row
        if not self.is_wide(network):
            return super().forward(step)
        hidden = network.before_code(params, step.x, row, step.noise)
        code = encode_top(hidden, *network.code_layer(params), self.most_of(network.n_components))
        first = decode_top(*code, network.decoder_weights(params)[0])
        pre_output = network.after_code(params, first, row, step.noise)
        active = (code.values > 0) & (step.batch.weight[:, None] > 0)
        fired = jnp.zeros(network.n_components, bool).at[code.units.reshape(-1)].max(active.reshape(-1))
        state = self._aged(step.state, fired, step.batch.weight)
        return Output(hidden, code, network.activate_output(pre_output)), pre_output, state

    def select(
        self,
        network: Any,
        params: Params,
        state: ModelState,
        pre_code: Array,
        weight: Array | None,
        scheduled: Mapping[str, Array],
        *,
        train: bool,
    ) -> tuple[Array, ModelState]:
        """Return the code with all but the k largest units of each row 0."""
        values, size = network.activate_code(pre_code), network.n_components
        if train and self.k_start:
            return keep_top(values, self.most_of(size), jnp.round(scheduled["k"])), state
        return keep_top(values, self.k_of(size)), state

    def dead_output(self, step: Step, pre_code: Array, dead: Array, wanted: int) -> Array:
        """Return what the strongest dead units add to the output, by the sparse way where the code is wide."""
        network, params, row = step.network, step.params, step.batch.row
        if not self.is_wide(network):
            return super().dead_output(step, pre_code, dead, wanted)
        weight, bias = network.code_layer(params)
        code = encode_top(pre_code, weight, jnp.where(dead, bias, -jnp.inf), wanted)
        first = decode_top(*code, network.decoder_weights(params)[0])
        none = network.after_code(params, jnp.zeros_like(first[:1]), row[:1], None)
        addition: Array = network.after_code(params, first, row, None) - none
        return addition

    def measures(self, output: Output, weight: Array) -> dict[str, Array]:
        """Return the mean number of units awake."""
        if not isinstance(output.code, SparseCode):
            return super().measures(output, weight)
        active = jnp.sum(output.code.values > 0, axis=1).astype(weight.dtype)
        return {"l0": weighted_mean(active, weight)}


@dataclass(frozen=True)
class BatchTopK(_Selecting):
    """The k times rows largest activations of a batch: some rows take more units than others; all ties are kept.

    An activation is as large as what it adds to the reconstruction: it counts times the length of its unit's decoder
    row, where the decoder has one layer. These lengths are free unless ``unit_norm_decoder=True``. Outside training a
    row stands alone: units above a fixed threshold are kept, the running mean of the least activation that was kept in
    each batch.

    Parameters
    ----------
    k : int or None
        Units kept per row in the mean; None is a sixteenth of them, at least 1.
    k_start, anneal, auxiliary, auxiliary_k, dead_after
        As in `TopK`.
    memory : float
        Share of the threshold that is remembered from the batches before, at least 0 and below 1.

    References
    ----------
    Bussmann, Leask and Nanda, "BatchTopK sparse autoencoders", 2024.
    """

    memory: float = 0.99

    # With free lengths 8x8 patches come back better: 0.0067 of the variance left at 16 of 256 units, for 0.0083.
    unit_norm: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("memory", self.memory, 0, 1 - 1e-9, open_ends=False)

    def init(self, n_components: int) -> dict[str, Any]:
        """Return the threshold, as a sum of what is remembered, and how much of it is there yet."""
        zero = np.zeros((), np.float32)
        return super().init(n_components) | {"threshold": zero, "known": zero}

    def select(
        self,
        network: Any,
        params: Params,
        state: ModelState,
        pre_code: Array,
        weight: Array | None,
        scheduled: Mapping[str, Array],
        *,
        train: bool,
    ) -> tuple[Array, ModelState]:
        """Return the batch's largest in training, and what passes the threshold after it."""
        values = network.activate_code(pre_code)
        sizes = jax.lax.stop_gradient(contributions(network, params, values))
        if not train or weight is None:
            threshold = (state["threshold"] / jnp.maximum(state["known"], 1e-12)).astype(values.dtype)
            return jnp.where((sizes >= threshold) & (values > 0), values, 0), state
        real = jnp.where(weight[:, None] > 0, sizes, -jnp.inf)
        k = jnp.round(scheduled["k"]) if self.k_start else self.k_of(network.n_components)
        wanted = jnp.maximum(k * jnp.sum(weight), 1).astype(jnp.int32)
        least = nth_largest(real, wanted)
        kept = (sizes >= least) & (values > 0)
        smallest = jnp.min(jnp.where(kept & (weight[:, None] > 0), real, jnp.inf))
        # A batch without a single activation tells nothing.
        condition_kind = jnp.isfinite(smallest)
        memory = jnp.where(condition_kind, self.memory, 1.0).astype(np.float32)
        new = {
            "threshold": memory * state["threshold"]
            + (1 - memory) * jnp.where(condition_kind, smallest, 0).astype(np.float32),
            "known": memory * state["known"] + (1 - memory),
        }
        return jnp.where(kept, values, 0), {**state, **new}


@dataclass(frozen=True)
class Lifetime(Sparsity):
    """Each unit keeps its strongest share of the batch's rows: the winners take all, and units are used alike.

    Outside training nothing is taken away: the code is ``relu`` of the pre-code, as in the paper.

    Parameters
    ----------
    target : float
        The share of rows that a unit keeps, above 0 and below 1; at least one row of each batch.

    References
    ----------
    Makhzani and Frey, "Winner-take-all autoencoders", NeurIPS 2015.
    """

    target: float = 0.05

    traced: ClassVar[tuple[str, ...]] = ("target",)
    dictionary: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_number("target", self.target, 0, 1)

    def select(
        self,
        network: Any,
        params: Params,
        state: ModelState,
        pre_code: Array,
        weight: Array | None,
        scheduled: Mapping[str, Array],
        *,
        train: bool,
    ) -> tuple[Array, ModelState]:
        """Return each unit's strongest activations of the batch."""
        values = network.activate_code(pre_code)
        if not train or weight is None:
            return values, state
        real = jax.lax.stop_gradient(jnp.where(weight[:, None] > 0, values, -jnp.inf))
        wanted = jnp.maximum(jnp.round(scheduled["target"] * jnp.sum(weight)), 1).astype(jnp.int32)
        return jnp.where(values >= nth_largest(real, wanted, axis=0), values, 0), state
