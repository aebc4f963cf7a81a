"""The objective of variational autoencoders: a lower bound of the log evidence of a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from isthmus.core.draws import normal
from isthmus.core.functions import Function
from isthmus.core.random import cell_bits, mix
from isthmus.core.reductions import batch_mean
from isthmus.core.types import Batch, Evaluated, ModelState, Noise, Output, Params, Scheduled
from isthmus.losses.base import Objective
from isthmus.losses.likelihoods import Likelihood
from isthmus.losses.penalties import weighted
from isthmus.networks import one_hot
from isthmus.sparsity.base import Step

BETA, FREE_BITS = "beta", "free_bits"
_STREAM = 0x2545F491  # apart from dropout's and the corruptions'
_FIXED = Noise(np.zeros(2, np.uint32), np.uint32(0))  # the draws outside training, the same after every epoch


def draws(row: Array, noise: Noise | None, samples: Array, n_units: int, dtype: Any) -> Array:
    """Return standard normal numbers (S, B, K): a function of seed, epoch, row, unit and sample.

    Parameters
    ----------
    row : Array of shape (B, 2)
        The rows' numbers.
    noise : Noise or None
        Seed and epoch; None draws the same numbers at each call.
    samples : Array of shape (S,) of uint32
        The samples' numbers.
    n_units : int
        K.
    dtype : dtype
        The type of the numbers.
    """
    seed, epoch = _FIXED if noise is None else noise
    units = jnp.arange(n_units, dtype=jnp.uint32)

    def of_sample(sample: Array) -> Array:
        key = jnp.asarray(seed) ^ mix(epoch + jnp.uint32(_STREAM) + sample * jnp.uint32(0x9E3779B9))
        return jnp.asarray(cell_bits(key, row, units))

    return normal(jax.vmap(of_sample)(samples), dtype)


def divergence(mean: Array, log_variance: Array) -> Array:
    """Return the relative entropy of normal distributions to the standard one, elementwise."""
    # expm1: near a variance of 1 the difference of two large terms would be lost.
    return 0.5 * (jnp.square(mean) + jnp.expm1(log_variance) - log_variance)


@dataclass(frozen=True)
class EvidenceBound(Objective):
    """The negative evidence lower bound of rows, in nats: ``-E_q[log p(x | z)] + beta KL(q(z | x) || p(z))``.

    With several samples it is the tighter bound of importance weighting. The scheduled values are ``beta`` and, with
    `free_bits`, their number.

    Parameters
    ----------
    network : VariationalDense or VariationalConvolutional
        The autoencoder.
    likelihood : Likelihood
        The distribution of cells that are numbers; those of categories are categorical.
    n_samples : int
        Codes drawn for each row.
    free_bits : bool
        Whether a unit's relative entropy, in the mean over a batch, costs at least the scheduled value.
    l2 : bool
        As in `Reconstruction`.
    penalty : str, Function or None
        As in `Reconstruction`; the code that it has is the mean.

    References
    ----------
    Kingma and Welling, "Auto-encoding variational Bayes", 2014; Rezende, Mohamed and Wierstra, "Stochastic
    backpropagation and approximate inference in deep generative models", 2014; Higgins et al., "beta-VAE", 2017; Kingma
    et al., "Improved variational inference with inverse autoregressive flow", 2016 (free bits); Burda, Grosse and
    Salakhutdinov, "Importance weighted autoencoders", 2016.
    """

    network: Any
    likelihood: Likelihood
    n_samples: int = 1
    free_bits: bool = False
    l2: bool = False
    penalty: str | Function | None = None

    linear: ClassVar[bool] = False  # whether there is a loss of a linear path

    @property
    def is_mean_over_rows(self) -> bool:
        """Whether loss and terms are means over rows.

        Not with free bits, which are of a batch's mean, nor with a penalty of a user, who sees the whole batch.
        """
        return not self.free_bits and not isinstance(self.penalty, Function)

    @property
    def own_functions(self) -> tuple[str, ...]:
        """The parameters that are functions of a user, with their names."""
        return (f"penalty={self.penalty}",) if isinstance(self.penalty, Function) else ()

    def __call__(
        self, params: Params, state: ModelState, batch: Batch, noisy: Array, noise: Noise | None, scheduled: Scheduled
    ) -> Evaluated:
        """Return the loss, the state as it was, and the terms ``reconstruction`` and ``kl``, in nats, and penalties."""
        if self.network.conditions:
            noisy = jnp.where(self.network.is_condition, batch.x, noisy)  # what is given is not corrupted
        mean, log_variance = self.network.posterior(params, noisy, batch.row, noise, batch.condition)
        units = divergence(mean, log_variance)
        entropy = batch_mean(jnp.sum(units, axis=1), batch)
        samples = jnp.arange(self.n_samples, dtype=jnp.uint32)
        drawn = draws(batch.row, noise, samples, self.network.n_components, mean.dtype)
        codes = mean + jnp.exp(log_variance / 2) * drawn
        densities = self.log_density(params, batch, codes, noise)
        reconstruction = -batch_mean(jnp.mean(densities, axis=0), batch)
        if self.n_samples > 1:
            ratio = log_ratio(codes, drawn, log_variance)
            bounds = jax.nn.logsumexp(densities + scheduled[BETA] * ratio, axis=0) - np.log(self.n_samples)
            loss = -batch_mean(bounds, batch)
        elif self.free_bits:
            means = jax.vmap(lambda unit: batch_mean(unit, batch), in_axes=1)(units)
            loss = reconstruction + scheduled[BETA] * jnp.sum(jnp.maximum(means, scheduled[FREE_BITS]))
        else:
            loss = reconstruction + scheduled[BETA] * entropy
        step = Step(self.network, params, state, batch, noisy, noise, scheduled)
        penalties = self._penalties(step, mean)
        terms = {"reconstruction": reconstruction, "kl": entropy, **penalties}
        return sum(penalties.values(), loss), (state, terms)

    def _penalties(self, step: Step, mean: Array) -> dict[str, Array]:
        """Return the penalties of a step by name: of the codes' means (B, K), and of squared weights."""
        penalties: dict[str, Array] = {}
        if self.penalty is not None:
            context = self.network.context(step.batch.x)
            whole = mean if context is None else jnp.concatenate([mean, context], axis=1)
            rebuilt = self.network.decode(step.params, whole, step.batch.row, step.noise)
            output = Output(mean, mean, self.network.activate_output(rebuilt))
            penalties |= weighted(self.penalty, step, output)
        if self.l2:
            squares = [jnp.sum(leaf**2) for leaf in jax.tree.leaves(step.params) if leaf.ndim > 1]
            penalties["l2"] = step.scheduled["l2"] / 2 * sum(squares, jnp.zeros(()))
        return penalties

    def log_density(self, params: Params, batch: Batch, codes: Array, noise: Noise | None = None) -> Array:
        """Return the log density (S, B) of rows, given codes (S, B, K); without missing cells and conditions."""
        n_samples, n_rows, n_units = codes.shape
        context = self.network.context(batch.x)

        def repeated(values: Array) -> Array:
            return jnp.broadcast_to(values, (n_samples, *values.shape)).reshape(-1, *values.shape[1:])

        flat = codes.reshape(-1, n_units)
        if context is not None:
            flat = jnp.concatenate([flat, repeated(context)], axis=1)
        pre_output = self.network.decode(params, flat, repeated(batch.row), noise)
        pre_output = pre_output.reshape(n_samples, n_rows, -1)
        return jnp.sum(jax.vmap(lambda output: self._cells(params, batch, output))(pre_output), axis=2)

    def _cells(self, params: Params, batch: Batch, pre_output: Array) -> Array:
        """Return the log density of cells (B, D); 0 where they are missing or conditions."""
        network, own = self.network, params.get("likelihood", {})
        located = pre_output
        if not (self.likelihood.counts or self.likelihood.shares):
            located = network.activate_output(pre_output)
        cells = self.likelihood.log_density(batch.x, located, own)
        if categories := network.categories:
            chosen = batch.x * one_hot.log_probabilities(pre_output, categories)
            cells = jnp.where(one_hot.is_category(categories, cells.shape[1]), chosen, cells)
        # Without a mask the program has one pass less over the cells.
        cells = jnp.where(network.is_condition, 0.0, cells) if network.conditions else cells
        return cells if batch.observed is None else jnp.where(batch.observed, cells, 0.0)

    def log_weights(self, params: Params, batch: Batch, samples: Array, noise: Noise | None = None) -> Array:
        """Return ``log p(x, z) - log q(z | x)`` of codes (S, B) drawn from the posteriors of rows."""
        mean, log_variance = self.network.posterior(params, batch.x, None, None, batch.condition)
        drawn = draws(batch.row, noise, samples, self.network.n_components, mean.dtype)
        codes = mean + jnp.exp(log_variance / 2) * drawn
        return self.log_density(params, batch, codes) + log_ratio(codes, drawn, log_variance)


def log_ratio(codes: Array, drawn: Array, log_variance: Array) -> Array:
    """Return ``log p(z) - log q(z | x)`` (S, B) of codes (S, B, K) that standard normal numbers became."""
    return 0.5 * jnp.sum(jnp.square(drawn) + log_variance - jnp.square(codes), axis=2)
