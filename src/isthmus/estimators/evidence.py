"""Log likelihoods of rows by importance sampling, with a fitted variational autoencoder."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from isthmus.core.compilation import keep_programs, kept_in_memory
from isthmus.core.errors import InvalidParameterError
from isthmus.core.random import Stream, key_words
from isthmus.core.types import Batch, Noise
from isthmus.data.domains import domain_of, refuse_outside
from isthmus.data.scaling.statistics import refuse_non_finite
from isthmus.data.sources.base import Block
from isthmus.engine.program import precision_scope
from isthmus.estimators.fit.choices import pick_device
from isthmus.estimators.inputs import cell_names
from isthmus.losses.evidence import EvidenceBound
from isthmus.networks import one_hot

_ROWS = 256  # of a block
_SAMPLES = 16  # drawn together
_CELLS = 1 << 22  # of what they reconstruct together


@kept_in_memory
def compile_evidence(objective: EvidenceBound, rows: int, samples: int) -> Callable[..., Array]:
    """Return the compiled function that estimates the log likelihoods (B,) of scaled rows (B, D)."""
    keep_programs()

    def estimate(params: Any, x: Array, numbers: Array, seed: Array, n_samples: Array) -> Array:
        missing = jnp.isnan(x)
        x = jnp.where(missing, 0.0, x)
        mask = missing.astype(x.dtype) if objective.network.indicator else None
        row = jnp.stack([numbers, jnp.zeros_like(numbers)], axis=-1)
        batch = Batch(x, jnp.ones(rows, x.dtype), row, observed=~missing, condition=mask)

        def step(state: tuple[Array, Array]) -> tuple[Array, Array]:
            first, total = state
            drawn = first + jnp.arange(samples, dtype=jnp.uint32)
            weights = objective.log_weights(params, batch, drawn, Noise(seed, jnp.uint32(0)))
            weights = jnp.where((drawn < n_samples)[:, None], weights, -jnp.inf)
            return first + jnp.uint32(samples), jnp.logaddexp(total, jax.nn.logsumexp(weights, axis=0))

        start = jnp.uint32(0), jnp.full(rows, -jnp.inf, x.dtype)
        total = jax.lax.while_loop(lambda state: state[0] < n_samples, step, start)[1]
        return total - jnp.log(n_samples.astype(x.dtype))

    return jax.jit(estimate)


def log_evidence(
    model: Any, blocks: Iterable[Block], n_samples: int, seed: int, *, in_fit: bool = False
) -> NDArray[np.float64]:
    """Return estimates of the log likelihoods of raw rows, in nats and in the units of the rows.

    Parameters
    ----------
    model : VariationalAutoencoder
        A fitted model.
    blocks : iterable of Block
        Raw rows, in order.
    n_samples : int
        Codes drawn for each row.
    seed : int
        Seed of the draws, which depend on it and the row's number.
    in_fit : bool
        Whether these are rows of the fit, which were checked; those held out may exceed the range of the others.
    """
    network, likelihood = model.network_, model.likelihood_
    samples = int(max(1, min(n_samples, _SAMPLES, _CELLS // (_ROWS * network.n_features))))
    estimate = compile_evidence(EvidenceBound(network, likelihood), _ROWS, samples)
    key, names, found = key_words(seed, Stream.NOISE), cell_names(model), []
    factors = log_scale(model, likelihood)
    domain = None if in_fit else domain_of(network.counted, network.shared, model.scaler_, for_density=True)
    with precision_scope(network.dtype):
        device = pick_device(model.device)
        params = jax.device_put(model.params_, device)
        for block in blocks:
            raw = np.asarray(block.values)
            if raw.dtype.kind == "f":
                refuse_non_finite(raw, block.start, names, missing=network.indicator)
            if domain is not None:
                refuse_outside(domain, raw, block.start, names)
            scaled = model.scaler_.scaled(raw, network.dtype)
            for first in range(0, len(scaled), _ROWS):
                piece = scaled[first : first + _ROWS]
                full = np.zeros((_ROWS, network.n_features), network.dtype)
                full[: len(piece)] = piece
                numbers = (block.start + first + np.arange(_ROWS)).astype(np.uint32)
                result = estimate(params, jax.device_put(full, device), numbers, key, np.uint32(n_samples))
                # A missing cell has no density.
                found.append(np.asarray(result, np.float64)[: len(piece)] - ~np.isnan(piece) @ factors)
    return np.concatenate(found) if found else np.empty(0)


def log_scale(model: Any, likelihood: Any) -> NDArray[np.float64]:
    """Return what a row's scaled log density exceeds that in its own units by, cell by cell, (D,)."""
    network = model.network_
    if likelihood.discrete:
        return np.zeros(network.n_features)
    if model.scaler_.affine is None:
        raise InvalidParameterError(
            f"a log likelihood in the units of the rows needs a scaling by column, not scaling={model.scaler_.kind!r}; "
            "use scaling='standard'"
        )
    counted = ~(network.is_condition | one_hot.is_category(network.categories, network.n_features))
    return np.where(counted, np.log(np.abs(np.broadcast_to(model.scaler_.affine[1], network.n_features))), 0.0)
