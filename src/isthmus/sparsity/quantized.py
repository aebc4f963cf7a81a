"""Quantised codes: each group of units is the nearest entry of a codebook, which follows the encoder's outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from isthmus.core.errors import InvalidParameterError
from isthmus.core.parameters import Instance, Integer, Number
from isthmus.core.random import cell_bits, mix
from isthmus.core.reductions import batch_mean
from isthmus.core.types import Batch, ModelState, Output, Scheduled
from isthmus.sparsity.base import KINDS, Sparsity, Step

_STREAM = 0x6A09E667  # apart from the draws of dropout, corruptions and variational codes
_LEAST = 1e-30  # of the count of an entry that is set: a count of 0 means that it is not
# The count of a new entry: twice the one below which it restarts, and at least a tenth of the mean one.
_FIRST, _FIRST_SHARE = 2.0, 0.1
_UNITS = 4  # of a group, at least, where their number is not given
_MOST_CODES = 1 << 24  # numbers up to which float32 is exact
_EXACT = jax.lax.Precision.HIGHEST


@dataclass(frozen=True, repr=False)
class VectorQuantization(Sparsity):
    """Each group of code units is replaced by the nearest entry of the group's codebook.

    The gradient of the code is that of the encoder's output (straight-through). An entry is the mean of the encoder's
    outputs that it was nearest to, an exponential moving average over steps, and no parameter. Entries that are hardly
    used become encoder outputs of rows of the batch; so are all of them at the start. With several groups this is a
    product quantiser: the code of a row is one entry for each group.

    Parameters
    ----------
    n_codes : int
        Entries of each group's codebook, >= 2.
    n_groups : int or "auto"
        Groups of equal size that the units are divided into; "auto" is as many as leave at least four units in each.
    commitment : float
        Weight of the mean squared distance of the encoder's outputs from their entries, >= 0; it trains the encoder.
    decay : float
        The share of the moving averages that is kept at each step, >= 0 and < 1.
    min_usage : float
        An entry restarts where its moving average of rows is below this share of the mean entry's, >= 0 and < 1; 0
        restarts none.
    resample_dead, pre_bias, unit_norm_decoder, transposed_start, bias_start
        As in `Sparsity`.

    References
    ----------
    van den Oord, Vinyals and Kavukcuoglu, "Neural discrete representation learning", NeurIPS 2017, appendix A.1 (moving
    averages); Razavi, van den Oord and Vinyals, "Generating diverse high-fidelity images with VQ-VAE-2", NeurIPS 2019;
    Dhariwal et al., "Jukebox", 2020, and Zeghidour et al., "SoundStream", 2021 (restarts); Jégou, Douze and Schmid,
    "Product quantization for nearest neighbor search", 2011 (groups).
    """

    n_codes: int = 256
    n_groups: int | Literal["auto"] = "auto"
    commitment: float = 0.25
    decay: float = 0.99
    min_usage: float = 0.1

    kinds = KINDS | {
        "n_codes": Integer(2, _MOST_CODES),
        "n_groups": Instance("an integer >= 1 or 'auto'", lambda value: value == "auto" or Integer(1).accepts(value)),
        "commitment": Number(0),
        "decay": Number(0, below=1),
        "min_usage": Number(0, below=1),
    }
    traced: ClassVar[tuple[str, ...]] = ("commitment", "decay", "min_usage")
    code_activation: ClassVar[str] = "identity"
    dictionary: ClassVar[bool] = False
    counts_dead: ClassVar[bool] = False
    sparse: ClassVar[bool] = False
    reorders: ClassVar[bool] = False

    def groups_of(self, n_components: int) -> int:
        """Return the number of groups for a code's width."""
        if self.n_groups != "auto":
            return int(self.n_groups)
        return next(count for count in range(max(n_components // _UNITS, 1), 0, -1) if n_components % count == 0)

    def check(self, network: Any) -> None:
        """Raise InvalidParameterError unless the units can be divided into the groups."""
        if network.n_components % self.groups_of(network.n_components):
            raise InvalidParameterError(
                f"n_groups={self.n_groups} must divide n_components={network.n_components}: groups have equal sizes"
            )

    def init(self, n_components: int) -> dict[str, Any]:
        """Return the initial state: entries (G, K, D / G), none of them set, and their counts (G, K)."""
        groups = self.groups_of(n_components)
        return {
            "codebook": np.zeros((groups, self.n_codes, n_components // groups)),
            "count": np.zeros((groups, self.n_codes)),
        }

    def numbered(self) -> Numbered:
        """Return the method whose code is the numbers of the entries."""
        return Numbered(**self.get_params())

    def select(self, step: Step) -> tuple[Array, ModelState]:
        """Return the nearest entries, with the gradient of what they replace, and the new codebook."""
        values, state = step.network.activate_code(step.pre_code), step.state
        groups = jax.lax.stop_gradient(in_groups(values, state))
        # Validation rows have no noise: they do not move the codebook.
        learns = step.train and step.noise is not None
        if learns:
            state = self._restarted(step, groups)
        chosen = nearest(groups, state)
        entries = entries_of(chosen, state).astype(values.dtype)
        code = entries + (values - jax.lax.stop_gradient(values))
        if learns:
            return code, self._moved(step, groups, chosen, state)
        # Before the first step there are no entries, and so no validation loss that a later one has to be below.
        return jnp.where(jnp.any(state["count"] > 0), code, jnp.nan) if step.train else code, state

    def _restarted(self, step: Step, groups: Array) -> ModelState:
        """Return a state whose unused entries are the outputs (B, G, D / G) of rows of the batch, each of another."""
        batch, state, noise = step.batch, step.state, step.noise
        codebook, count = state["codebook"], state["count"]
        assert noise is not None
        usual = jnp.maximum(jnp.sum(count, axis=1, keepdims=True), jnp.sum(batch.shares)) / self.n_codes
        least = step.scheduled["min_usage"] * usual
        unused = (count == 0) | (count < least)
        # Little more than the least: an entry that no row is nearest to restarts soon, and one that is used is soon the
        # mean of its rows.
        first = jnp.maximum(_FIRST * least, _FIRST_SHARE * usual)

        def renewed() -> ModelState:
            number = jnp.arange(len(codebook))
            key = jnp.asarray(noise.seed) ^ mix(noise.epoch + jnp.uint32(_STREAM))
            bits = cell_bits(key, batch.row, number.astype(jnp.uint32))
            order = jnp.argsort(jnp.where(batch.weight[:, None] > 0, bits, jnp.uint32(0xFFFFFFFF)), axis=0)
            rank = jnp.cumsum(unused, axis=1) - 1
            # Where there are fewer rows than unused entries, the others wait for the next batch.
            taken = unused & (rank < jnp.sum(batch.weight > 0))
            rows = jnp.take_along_axis(order.T, jnp.clip(rank, 0, len(order) - 1), axis=1)
            drawn = groups[rows, number[:, None]].astype(codebook.dtype)
            return {
                "codebook": jnp.where(taken[..., None], drawn, codebook),
                "count": jnp.where(taken, first.astype(count.dtype), count),
            }

        restarted: ModelState = jax.lax.cond(jnp.any(unused), renewed, lambda: state)
        return restarted

    def _moved(self, step: Step, groups: Array, chosen: Array, state: ModelState) -> ModelState:
        """Return the state after a step: ``N = decay N + (1 - decay) n`` and ``m = decay m + (1 - decay) sum``.

        The entries are ``m / N``, written as the step from where they are, so that an entry without rows stays as it
        is to the bit.
        """
        codebook, count, decay = state["codebook"], state["count"], step.scheduled["decay"]
        is_nearest = chosen[..., None] == jnp.arange(self.n_codes)
        shares = is_nearest * step.batch.shares[:, None, None].astype(count.dtype)  # (B, G, K)
        # A product, since scattered sums depend on the order in which an accelerator adds them.
        sums = jnp.einsum("bgk,bgd->gkd", shares, groups.astype(codebook.dtype), precision=_EXACT)
        added, known = jnp.sum(shares, axis=0), count > 0
        count = jnp.where(known, jnp.maximum(decay * count + (1 - decay) * added, _LEAST), 0)
        rate = jnp.where(known, (1 - decay) / jnp.maximum(count, _LEAST), 0)
        moved = codebook + rate[..., None] * (sums - added[..., None] * codebook)
        return {"codebook": moved.astype(codebook.dtype), "count": count.astype(codebook.dtype)}

    def penalties(self, step: Step, output: Output, pre_output: Array) -> dict[str, Array]:
        """Return the weighted commitment loss: the mean squared distance of outputs from their entries."""
        away = step.network.activate_code(output.pre_code) - jax.lax.stop_gradient(output.code)
        return {"commitment": step.scheduled["commitment"] * batch_mean(jnp.mean(away**2, axis=1), step.batch)}

    def measures(self, output: Output, batch: Batch) -> dict[str, Array]:
        """Return nothing: how entries are used is a matter of many batches, see `report`."""
        return {}

    def report(self, state: ModelState, scheduled: Scheduled) -> dict[str, float]:
        """Return the perplexity of the entries, a mean over groups, and the number of entries that restart next."""
        count = np.asarray(state["count"], np.float64)
        least = float(scheduled["min_usage"]) * count.mean(axis=1, keepdims=True)
        unused = (count == 0) | (count < least)
        return {"perplexity": float(perplexity(count).mean()), "unused_codes": float(unused.sum())}


@dataclass(frozen=True, repr=False)
class Numbered(VectorQuantization):
    """The codebook of a `VectorQuantization`, for inference alone: the code is the numbers of the nearest entries.

    Parameters
    ----------
    n_codes, n_groups, ...
        As in `VectorQuantization`.
    """

    def select(self, step: Step) -> tuple[Array, ModelState]:
        """Return the number of each group's nearest entry, (B, G), in the type of the code."""
        values = step.network.activate_code(step.pre_code)
        groups = in_groups(values, step.state)
        finite = jnp.all(jnp.isfinite(groups), axis=2)
        return jnp.where(finite, nearest(groups, step.state).astype(values.dtype), jnp.nan), step.state


def in_groups(values: Array, state: ModelState) -> Array:
    """Return codes (B, D) in the groups of a codebook, (B, G, D / G)."""
    groups, _, size = state["codebook"].shape
    return values.reshape(-1, groups, size)


def nearest(groups: Array, state: ModelState) -> Array:
    """Return the number of the nearest entry that is set, (B, G), for codes in groups (B, G, D / G); 0 for none."""
    codebook, known = state["codebook"].astype(groups.dtype), state["count"] > 0
    known_rows = known[..., None].astype(codebook.dtype)
    # Far from 0 the squared lengths would leave few digits for the differences.
    center = jnp.sum(codebook * known_rows, axis=1) / jnp.maximum(jnp.sum(known_rows, axis=1), 1)
    away = codebook - center[:, None]
    # By group first: the other order takes five times as long on CPUs.
    products = jnp.einsum("gbd,gkd->gbk", jnp.swapaxes(groups - center, 0, 1), away, precision=_EXACT)
    scores = 2 * products - jnp.sum(away**2, axis=2)[:, None]
    return jnp.argmax(jnp.where(known[:, None], scores, -jnp.inf), axis=2).T


def entries_of(chosen: Array, state: ModelState) -> Array:
    """Return the codes (B, D) of entries' numbers (B, G)."""
    codebook = jnp.asarray(state["codebook"])
    return codebook[jnp.arange(len(codebook)), chosen].reshape(len(chosen), -1)


def perplexity(usage: NDArray[Any]) -> NDArray[np.float64]:
    """Return the perplexity of each group's entries (G,), for how often each is used (G, K): how many count as used.

    It is the exponential of the entropy of the shares: K where all are used alike, 1 where one alone is used, and 0
    where none is.
    """
    usage = np.asarray(usage, np.float64)
    total = usage.sum(axis=1, keepdims=True)
    shares = usage / np.where(total > 0, total, 1)
    entropy = -np.sum(shares * np.log(np.where(shares > 0, shares, 1)), axis=1)
    return np.where(total[:, 0] > 0, np.exp(entropy), 0.0)
