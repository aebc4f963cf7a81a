"""The decoder of a fitted model, for the page: dense layers, then the map from scaled rows to rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.data.scaling.maps import Scaling
from isthmus.estimators.inputs import mixed_encoding
from isthmus.estimators.report.columns import ColumnReader
from isthmus.evaluation.report.facts import DecodedColumn, Decoder, Layer
from isthmus.networks.dense import Dense
from isthmus.networks.variational import VariationalDense

Array = NDArray[Any]
_WIDEST = 1024  # columns of a scaling that mixes columns
_MOST_WEIGHTS = 1_000_000  # two bytes each
_SHOWN = 60  # columns of a table
# The activations that `web/decoder.js` has; others can be registered in Python.
ACTIVATIONS = frozenset({"identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu", "silu", "softplus"})


def decoder_of(model: Any, readers: tuple[ColumnReader, ...], *, pictures: bool) -> Decoder | None:
    """Return the decoder of a model with a dense network; None of others, and where it is too large for a page.

    Parameters
    ----------
    model : FittedModel
        The model.
    readers : tuple of ColumnReader
        The columns of its rows.
    pictures : bool
        Whether rows are shown as pictures instead of by column.
    """
    network = model.network_
    if type(network) not in (Dense, VariationalDense) or network.n_context:
        return None
    if not {network.activation, network.output_activation} <= ACTIVATIONS:
        return None
    weights, layers = network.decoder_weights(model.params_), model.params_["decoder"]
    path = network.path(model.params_)
    scale, center, mixing = _to_rows(model.scaler_)
    size = sum(weight.size for weight in weights) + sum(each.size for each in (mixing,) if each is not None)
    if center is None or scale is None or size + (0 if path is None else path[1].size) > _MOST_WEIGHTS:
        return None
    last = len(layers) - 1
    made = tuple(
        Layer(
            np.asarray(weight),
            np.asarray(layer["bias"]),
            "identity" if place == last else network.activation,
            np.asarray(layer["gain"]) if network.layer_norm and place < last else None,
        )
        for place, (weight, layer) in enumerate(zip(weights, layers, strict=True))
    )
    return Decoder(
        made,
        None if path is None else np.asarray(path[1]),
        network.output_activation,
        network.categories,
        scale,
        center,
        mixing,
        () if pictures else _columns(model, readers),
    )


def _columns(model: Any, readers: tuple[ColumnReader, ...]) -> tuple[DecodedColumn, ...]:
    shown = readers[:_SHOWN] if mixed_encoding(model) is None else readers
    return tuple(reader.decoded() for reader in shown)


def _to_rows(scaler: Scaling) -> tuple[Array | None, Array | None, Array | None]:
    """Return scale, center and, where columns are mixed, the matrix of the map from scaled rows to rows."""
    width = scaler.n_features
    if scaler.affine is not None:
        center, scale = scaler.affine
        return np.asarray(scale), np.asarray(center), None
    if width > _WIDEST:
        return None, None, None
    matrix = scaler.directions(np.eye(width))
    center = scaler.raw(np.zeros((1, width)), np.float64)[0]
    diagonal = np.diag(matrix)
    if np.array_equal(matrix, np.diag(diagonal)):
        return diagonal, center, None
    return np.ones(width), center, matrix
