"""Greedy layer-wise pre-training: each layer learned on the codes of the one below."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidParameterError
from isthmus.data.sources import open_source
from isthmus.data.sources.base import Source
from isthmus.engine.loading import RowLoader
from isthmus.networks.dense import Dense

# What a shallow autoencoder shares with the deep one.
_SHARED = (
    "corruption",
    "corruption_level",
    "untouched_weight",
    "tied_weights",
    "optimizer",
    "learning_rate",
    "learning_rate_schedule",
    "weight_decay",
    "gradient_clip",
    "batch_size",
    "shuffle",
    "precision",
    "device",
)


def check_layerwise(network: Any) -> None:
    """Refuse a network whose layers are no pairs of encoder and decoder."""
    if not isinstance(network, Dense):
        raise InvalidParameterError("pretrain='layerwise' has no meaning beside network=; train its layers yourself")
    if network.linear_path:
        raise InvalidParameterError("pretrain='layerwise' has no meaning beside linear_path=True, which starts at PCA")
    if network.decoder_sizes != network.encoder_sizes[::-1]:
        raise InvalidParameterError(
            f"pretrain='layerwise' needs a mirrored decoder: decoder_layer_sizes={network.decoder_sizes} is not "
            f"{network.encoder_sizes[::-1]}"
        )


def layerwise(network: Dense, params: Any, loader: RowLoader, values: Mapping[str, Any], seed: int) -> Any:
    """Return parameters whose layers are those of shallow autoencoders, each fitted on the codes of the one below.

    A layer's rows are corrupted, its codes are of clean ones (Vincent et al. 2010, section 3.2). They are kept in
    memory: as many numbers as rows times the layer's width.

    Parameters
    ----------
    network : Dense
        The deep network.
    params : dict
        Its parameters, to be replaced layer by layer.
    walk : RowLoader
        The rows; held-back ones are not learned from.
    values : mapping
        The deep estimator's parameters.
    seed : int
        Of the run; each layer has a seed of its own.
    """
    from isthmus.estimators.autoencoder import Autoencoder

    codes: Any = _training_rows(loader)
    params = {**params, "encoder": list(params["encoder"]), "decoder": list(params["decoder"])}
    for number, settings in enumerate(_layers(network, values)):
        shallow = Autoencoder(**settings, random_state=seed + number)
        with warnings.catch_warnings():
            # Of columns without a value the deep fit has told.
            warnings.simplefilter("ignore", UserWarning)
            shallow.fit(codes)
        learned = shallow.params_
        params["encoder"][number] = {**params["encoder"][number], **learned["encoder"][0]}
        params["decoder"][-1 - number] = {**params["decoder"][-1 - number], **learned["decoder"][0]}
        if not number and network.indicator:
            params["indicator"] = learned["indicator"]
        if number < len(network.encoder_sizes):
            codes = shallow.transform(codes)
    return params


def _layers(network: Dense, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the settings of each layer's shallow autoencoder, input side first."""
    shared = {name: values[name] for name in _SHARED}
    activations = [network.activation] * len(network.encoder_sizes) + [network.code_activation]
    for number, (_, width) in enumerate(pairwise(network.encoder_widths)):
        output = network.activation if number else network.output_activation
        # Codes under a sigmoid are probabilities too.
        entropy = values["loss"] == "bce" and output == "sigmoid"
        yield {
            **shared,
            "n_components": width,
            "hidden_layer_sizes": (),
            "linear_path": False,
            "code_activation": activations[number],
            "output_activation": output,
            "loss": "bce" if entropy else "mse" if number else values["loss"],
            "init": network.init_name,
            "scaling": None,
            "early_stopping": False,
            "max_epochs": int(values["pretrain_epochs"]),
            "feature_weights": None if number else values["feature_weights"],
            "missing": "refuse" if number else values["missing"],
        }


def _training_rows(loader: RowLoader) -> Source:
    """Return the scaled rows that are not held back, as pictures where they are."""
    rows: NDArray[Any] = np.empty((loader.count(), loader.chunk_shape[1]), loader.compute)
    done = 0
    for values, start in loader.source.blocks():
        kept = values[~loader.holdout.mask(start, start + len(values))]
        rows[done : done + len(kept)] = loader.scaler.scaled(kept, loader.compute)
        done += len(kept)
    shape = loader.source.schema.image_shape
    return open_source(rows if shape is None else rows.reshape(-1, *shape))
