"""Dead units begin anew: as what badly rebuilt rows lack."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from isthmus.core.types import TrainState
from isthmus.data.scaling import Scaler
from isthmus.data.sources.base import Block
from isthmus.engine.inference import Inference
from isthmus.engine.loop import Trainer
from isthmus.engine.pca import scaled_rows

Floats = NDArray[np.float64]
_MOST_ROWS = 8192
# A new unit of a method that punishes activity begins quietly, as Bricken et al. have it; one that has to be among the
# largest to be heard at all begins as loud as the others.
_QUIET_SCALE = 0.2


def resampled(trainer: Trainer, state: TrainState, sparsity: Any) -> TrainState:
    """Return a state whose dead units start from rows drawn with the square of their loss as weight.

    A unit's decoder row becomes what the row lacks, of the length of the living ones, and its encoder column looks for
    it; its biases become the living ones' mean, its own parameters those of the start, and the optimizer forgets it
    (Bricken et al., "Towards monosemanticity", Anthropic, 2023, with the residual in place of the row).
    """
    params, model = jax.tree.map(np.array, (state.params, state.model))
    dead = model["idle"] >= float(trainer.schedules["dead_after"](np.ones(1))[0])
    if not dead.any() or dead.all():
        return state
    objective: Any = trainer.objective
    network = objective.network
    rows = _next_rows(trainer, state.epoch + 1)
    device, scaling = trainer.placement.device, _identity(rows.shape[1])
    inference = Inference(network, params, scaling, device, sparsity=sparsity, state=model)
    rebuilt = np.concatenate([new for _, new in inference.reconstruct([Block(rows, 0)], rows.dtype)])
    lacking = (rows - rebuilt).astype(np.float64)
    losses = np.square(lacking).sum(axis=1)
    if not losses.any():
        return state
    rng = np.random.default_rng(np.random.SeedSequence([state.seed, 5, state.epoch]))
    drawn = rng.choice(len(rows), size=int(dead.sum()), p=losses**2 / np.sum(losses**2))
    encoder_scale = 1.0 if hasattr(sparsity, "k_of") else _QUIET_SCALE
    _start_anew(network, params, dead, rows, lacking, drawn, encoder_scale)
    own = sparsity.learned(len(dead))
    for name, start in own.items():
        params["sparsity"][name][dead] = start[dead]
    model["idle"][dead] = 0
    optimizer = _forgotten(jax.tree.map(np.array, state.optimizer), params, dead)
    put = trainer.put
    return state._replace(params=put(params), model=put(model), optimizer=put(optimizer))


def _identity(width: int) -> Scaler:
    return Scaler("none", np.zeros(width), np.ones(width))


def _next_rows(trainer: Trainer, epoch: int) -> NDArray[Any]:
    """Return the scaled rows an epoch begins with."""
    chunk = next(trainer.loader.chunks(epoch))
    values = chunk.values[: min(chunk.count, _MOST_ROWS)]
    return scaled_rows(trainer.loader, values, trainer.loader.compute)


def _start_anew(
    network: Any,
    params: Any,
    dead: NDArray[np.bool_],
    rows: NDArray[Any],
    lacking: Floats,
    drawn: NDArray[np.integer],
    encoder_scale: float,
) -> None:
    encoder, decoder = params["encoder"][-1], params["decoder"][0]
    if network.encoder_sizes:
        hidden = np.asarray(network.before_code(params, rows, None, None), np.float64)
        # From the mean of all rows: one dead unit's row is its own mean.
        looks = _unit(hidden[drawn] - hidden.mean(axis=0))
    else:
        looks = _unit(lacking[drawn])
    alive = ~dead
    lengths = np.linalg.norm(encoder["weight"][:, alive], axis=0)
    encoder["weight"][:, dead] = (looks * lengths.mean() * encoder_scale).T
    encoder["bias"][dead] = encoder["bias"][alive].mean()
    length = np.linalg.norm(decoder["weight"][alive], axis=1).mean()
    if network.decoder_sizes:
        # What a deeper decoder makes of a direction is not known: the dead unit's own is kept, at a living length.
        decoder["weight"][dead] = _unit(decoder["weight"][dead]) * length
    else:
        decoder["weight"][dead] = _unit(lacking[drawn]) * length


def _unit(rows: NDArray[Any]) -> NDArray[Any]:
    unit: NDArray[Any] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit


def _forgotten(optimizer: Any, params: Any, dead: NDArray[np.bool_]) -> Any:
    """Return an optimizer's state with everything about the dead units 0."""
    shape: Any = jax.tree.structure(params)

    def forget(node: Any) -> Any:
        if jax.tree.structure(node) != shape:
            return node
        node["encoder"][-1]["weight"][:, dead] = 0
        node["encoder"][-1]["bias"][dead] = 0
        node["decoder"][0]["weight"][dead] = 0
        for leaf in node.get("sparsity", {}).values():
            leaf[dead] = 0
        return node

    return jax.tree.map(forget, optimizer, is_leaf=lambda node: jax.tree.structure(node) == shape)
