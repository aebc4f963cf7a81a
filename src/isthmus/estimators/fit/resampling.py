"""Dead units reinitialised from rows with high reconstruction error."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from isthmus.core.random import Stream, generator
from isthmus.core.types import TrainState
from isthmus.data.scaling import Scaler
from isthmus.data.sources.base import Block
from isthmus.engine.inference import Inference
from isthmus.engine.loop import Trainer
from isthmus.engine.pca import scaled_rows, weights_of
from isthmus.networks.base import Network, Reinitialisation
from isthmus.sparsity.base import Sparsity

_MAX_ROWS = 8192


def resample(sparsity: Sparsity, trainer: Trainer, state: TrainState) -> TrainState:
    """Return the state to continue with: every `resample_dead` epochs, until three quarters are done, units restart."""
    every = sparsity.resample_dead
    early = 4 * state.epoch <= 3 * trainer.settings.max_epochs
    if every is None or every == "auto" or not early or state.epoch % every:
        return state
    return resampled(trainer, state, sparsity)


def resampled(trainer: Trainer, state: TrainState, sparsity: Sparsity) -> TrainState:
    """Return a state whose dead units start from rows drawn by the square of their loss, times their weight.

    A unit's decoder row becomes the row's residual, or this with the contribution of the row's most used unit (see
    `_split`), of the mean length of the active ones, and its encoder column detects it; its biases become the active
    ones' mean, its own parameters those of the start, and its moments in the optimizer 0 (Bricken et al., "Towards
    monosemanticity", Anthropic, 2023, with the residual in place of the row).
    """
    network = trainer.objective.network
    after = sparsity.restarts_after(network.n_components, trainer.scheduled_at_end("dead_after"))
    dead = np.asarray(state.model["idle"]) >= after
    if not dead.any() or dead.all():
        return state
    params, model = jax.tree.map(np.array, (state.params, state.model))
    rows, weights = _next_rows(trainer, state.epoch + 1)
    unscaled = Scaler("none", np.zeros(rows.shape[1]), np.ones(rows.shape[1]))
    inference = Inference(network, params, unscaled, trainer.placement.device, sparsity=sparsity, state=model)
    reconstruction = np.concatenate([new for _, new in inference.reconstruct([Block(rows, 0)], rows.dtype)])
    residual = (rows - reconstruction).astype(np.float64)
    losses = np.square(residual).sum(axis=1)
    if not losses.any():
        return state
    rng = generator(state.seed, Stream.RESAMPLING, state.epoch)
    chances = losses**2 * weights
    drawn = rng.choice(len(rows), size=int(dead.sum()), p=chances / np.sum(chances))
    residual = _split(network, params, inference, rows, residual, drawn, rng)
    how = Reinitialisation(dead, rows, residual, drawn, sparsity.restart_scale)
    params = network.reinitialised(params, how)
    sparsity.restarted(params.get("sparsity", {}), dead)
    model["idle"][dead] = 0
    optimizer = _with_reset_moments(network, jax.tree.map(np.array, state.optimizer), params, dead)
    put = trainer.put
    return state._replace(params=put(params), model=put(model), optimizer=put(optimizer))


def _split(
    network: Network,
    params: Any,
    inference: Inference,
    rows: NDArray[Any],
    residual: NDArray[np.float64],
    drawn: NDArray[np.integer],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return residuals to half of which, by chance, the contribution of the row's most used unit is added.

    Where one unit stands for two similar atoms, the residual of a row is their difference, which is never among the
    largest of a row; with the unit's own contribution it is the atom itself.
    """
    code = np.concatenate(list(inference.encode([Block(rows, 0)])))
    used = np.where(code > 0, np.mean(code > 0, axis=0), -1.0).argmax(axis=1)
    chosen = drawn[rng.random(len(drawn)) < 0.5]
    alone = np.zeros((len(chosen) + 1, code.shape[1]), rows.dtype)  # the last is the empty code
    alone[np.arange(len(chosen)), used[chosen]] = code[chosen, used[chosen]]
    outputs = np.asarray(network.activate_output(network.decode(params, jnp.asarray(alone))), np.float64)
    residual = residual.copy()
    residual[chosen] += outputs[:-1] - outputs[-1]
    return residual


def _next_rows(trainer: Trainer, epoch: int) -> tuple[NDArray[Any], Any]:
    """Return the scaled rows an epoch begins with, and their weights."""
    chunk = next(trainer.loader.chunks(epoch))
    values = chunk.values[: min(chunk.count, _MAX_ROWS)]
    weights = weights_of(chunk)
    rows = scaled_rows(trainer.loader, values, trainer.loader.compute)
    return rows, 1.0 if weights is None else weights[: len(rows)].astype(np.float64)


def _with_reset_moments(network: Network, optimizer: Any, params: Any, dead: NDArray[np.bool_]) -> Any:
    """Return an optimizer's state with the dead units' moments 0."""
    shape: Any = jax.tree.structure(params)

    def with_reset_moments(node: Any) -> Any:
        if jax.tree.structure(node) != shape:
            return node
        node = network.with_reset_units(node, dead)
        for leaf in node.get("sparsity", {}).values():
            leaf[dead] = 0
        return node

    return jax.tree.map(with_reset_moments, optimizer, is_leaf=lambda node: jax.tree.structure(node) == shape)
