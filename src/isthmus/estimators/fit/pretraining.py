"""Greedy layer-wise pre-training: each layer is trained by itself, on the codes of the layer before it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from isthmus.core.types import Params
from isthmus.data.scaling import Scaler
from isthmus.data.sources import open_source
from isthmus.data.sources.base import Block, Source
from isthmus.data.weights import RowWeights
from isthmus.engine.inference import Inference
from isthmus.engine.loading import RowLoader
from isthmus.engine.loop import train
from isthmus.estimators.fit.arrangement import Arrangement, first_rows, first_weights
from isthmus.estimators.fit.plan import LossPlan, Plan
from isthmus.estimators.fit.preparing import Prepared, prepare
from isthmus.estimators.fit.training import trainer_for
from isthmus.networks.base import Network


def layerwise(plan: Plan, network: Network, params: Params, prepared: Prepared) -> Params:
    """Return parameters whose layers are those of shallow autoencoders, each trained on the codes of the one before.

    A layer's rows are corrupted; its codes are those of clean rows (Vincent et al. 2010, section 3.2). They are kept
    in memory: as many numbers as rows times the layer's width.

    Parameters
    ----------
    plan : Plan
        The plan of the deep fit.
    network : Network
        The deep network.
    params : pytree
        Its parameters, to be replaced layer by layer.
    prepared : Prepared
        The rows; those held out are not used.
    """
    rows, weights = _training_rows(prepared.loader), prepared.loader.weights
    weights = None if weights is None else weights.training(prepared.loader.holdout)
    n_layers = len(network.encoder_widths) - 1
    for number in range(n_layers):
        shallow = network.shallow(number)
        source = _source_of(rows, prepared, number)
        learned = _trained(_layer_plan(plan, shallow, number), shallow, source, weights)
        params = network.with_layer(params, number, learned)
        if number < n_layers - 1:
            inference = Inference(shallow, learned, _unscaled(rows.shape[1]), plan.placement.device)
            rows = np.concatenate(list(inference.encode([Block(rows, 0)])))
    return params


def _layer_plan(plan: Plan, shallow: Network, number: int) -> Plan:
    """Return the plan of a layer's own training: as the deep fit's, but for loss, length and sparsity."""
    # Codes under a sigmoid are probabilities too.
    entropy = plan.loss.name == "bce" and shallow.output_activation == "sigmoid"
    name = "bce" if entropy else "mse" if number else plan.loss.name
    return replace(
        plan,
        seed=plan.seed + number,
        loss=LossPlan(name, feature_weights=None if number else plan.loss.feature_weights),
        sparsity=None,
        settings=replace(plan.settings, max_epochs=int(plan.pretrain_epochs or 1), early_stopping=False),
        masks_missing=plan.masks_missing and not number,
        validation_share=0.0,
    )


def _trained(plan: Plan, shallow: Network, source: Source, weights: RowWeights | None) -> Params:
    prepared = prepare(plan, source, (), _unscaled(source.schema.n_features), weights=weights)
    trainer = trainer_for(plan, prepared, shallow)
    state = train(trainer, trainer.start(shallow.init(plan.seed), plan.seed))
    params = jax.tree.map(np.asarray, state.params)
    # The hidden units are in the order that a fit of the layer alone would give them.
    first = first_rows(prepared.loader)
    inference = Inference(shallow, params, prepared.loader.scaler, plan.placement.device)
    code = np.concatenate(list(inference.encode([Block(first, 0)]))).astype(np.float64)
    rows = np.nan_to_num(first.astype(np.float64))
    units = Arrangement.of(shallow, None, code, rows, first_weights(prepared.loader, len(rows)))
    return units.params(shallow, params)


def _unscaled(width: int) -> Scaler:
    return Scaler("none", np.zeros(width), np.ones(width))


def _source_of(rows: NDArray[Any], prepared: Prepared, number: int) -> Source:
    """Return rows as a source, the first layer's as pictures where they are."""
    shape = prepared.loader.source.schema.image_shape
    source = open_source(rows if shape is None or number else rows.reshape(-1, *shape))
    schema = prepared.loader.source.schema
    if not number and schema.categories:
        source.schema = replace(source.schema, categories=schema.categories, column_of=schema.column_of)
    return source


def _training_rows(loader: RowLoader) -> NDArray[Any]:
    """Return the scaled rows that are not held out."""
    rows: NDArray[Any] = np.empty((loader.count(), loader.chunk_shape[1]), loader.compute)
    done = 0
    for values, start in loader.source.blocks():
        kept = values[~loader.holdout.mask(start, start + len(values))]
        rows[done : done + len(kept)] = loader.scaler.scaled(kept, loader.compute)
        done += len(kept)
    return rows
