"""The nodes of sparsity methods: a row for each class of `SPARSITIES` and `CODES`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from isthmus.core.errors import InvalidParameterError
from isthmus.export.onnx.activations import activated
from isthmus.export.onnx.graph import Graph
from isthmus.networks.base import Network
from isthmus.sparsity import (
    KL,
    L1,
    BatchTopK,
    Gated,
    JumpReLU,
    Lifetime,
    Matryoshka,
    Sparsity,
    TopK,
    VectorQuantization,
)

# (graph, sparsity, network, its parameters, the sparsity's state, the pre-code) -> the code
Emit = Callable[[Graph, Any, Network, Any, Any, str], str]


def _activated(graph: Graph, sparsity: Any, network: Network, params: Any, state: Any, pre_code: str) -> str:
    return activated(graph, network.code_activation, pre_code)


def _topk(graph: Graph, sparsity: TopK, network: Network, params: Any, state: Any, pre_code: str) -> str:
    values, k = activated(graph, network.code_activation, pre_code), sparsity.k_of(network.n_components)
    if k == network.n_components:
        return values
    # Of equal values TopK takes the first, as isthmus does.
    largest, places = graph.nodes_of("TopK", values, graph.sizes(k), n_outputs=2, axis=1)
    zeros = graph.node("ConstantOfShape", graph.node("Shape", values), value=np.zeros(1, np.float32))
    return graph.node("ScatterElements", zeros, places, largest, axis=1)


def _batch_topk(graph: Graph, sparsity: BatchTopK, network: Network, params: Any, state: Any, pre_code: str) -> str:
    values = activated(graph, network.code_activation, pre_code)
    rows = None if sparsity.rule == "paper" else network.decoder_rows(params)
    sizes = values
    if rows is not None:
        squares = np.sum(np.asarray(rows, np.float32) ** 2, axis=1)
        lengths = np.sqrt(np.maximum(squares, np.finfo(np.float32).tiny))
        sizes = graph.node("Mul", values, graph.constant(lengths, "code.decoder_lengths"))
    threshold = np.float32(state["threshold"]) / np.maximum(np.float32(state["known"]), np.float32(1e-12))
    large = graph.node("GreaterOrEqual", sizes, graph.constant(threshold, "code.threshold"))
    positive = graph.node("Greater", values, graph.number(0.0))
    return graph.where(graph.node("And", large, positive), values, 0.0)


def _jumprelu(graph: Graph, sparsity: JumpReLU, network: Network, params: Any, state: Any, pre_code: str) -> str:
    values = activated(graph, network.code_activation, pre_code)
    threshold = graph.constant(np.exp(params["sparsity"]["log_threshold"]), "code.thresholds")
    return graph.where(graph.node("Greater", values, threshold), values, 0.0)


def _gated(graph: Graph, sparsity: Gated, network: Network, params: Any, state: Any, pre_code: str) -> str:
    own = params["sparsity"]
    scale, known = np.exp(np.asarray(own["log_scale"], np.float64)), np.asarray(network.code_bias(params), np.float64)
    shift = graph.constant(own["magnitude_bias"] - scale * known, "code.magnitude_bias")
    scaled = graph.node("Mul", pre_code, graph.constant(scale, "code.magnitude_scale"))
    magnitude = graph.node("Relu", graph.node("Add", scaled, shift))
    return graph.where(graph.node("Greater", pre_code, graph.number(0.0)), magnitude, 0.0)


def _inner(graph: Graph, sparsity: Matryoshka, network: Network, params: Any, state: Any, pre_code: str) -> str:
    return sparse_code(graph, sparsity.selection, network, params, state, pre_code)


def _quantised(
    graph: Graph, sparsity: VectorQuantization, network: Network, params: Any, state: Any, pre_code: str
) -> str:
    values, parts = activated(graph, network.code_activation, pre_code), []
    codebook, known = np.asarray(state["codebook"], np.float64), np.asarray(state["count"]) > 0
    size = codebook.shape[2]
    for number, entries in enumerate(codebook):
        entries = entries[known[number]] if known[number].any() else entries[:1]
        center = entries.mean(axis=0)
        part = values
        if len(codebook) > 1:
            bounds = graph.sizes(number * size), graph.sizes((number + 1) * size)
            part = graph.node("Slice", values, *bounds, graph.sizes(1))
        part = graph.node("Sub", part, graph.constant(center, f"code.center_{number}"))
        # The nearest entry has the largest product, less half its squared length; of several ArgMax takes the first.
        weight = graph.constant((entries - center).T, f"code.entries_{number}")
        halves = graph.constant(-np.sum((entries - center) ** 2, axis=1) / 2, f"code.lengths_{number}")
        place = graph.node("ArgMax", graph.product(part, weight, halves, rounded=False), axis=1, keepdims=0)
        table = graph.constant(entries, f"code.codebook_{number}")
        parts.append(graph.node("Gather", table, place, axis=0))
    return parts[0] if len(parts) == 1 else graph.node("Concat", *parts, axis=1)


NODES: dict[type[Sparsity], Emit] = {
    KL: _activated,
    L1: _activated,
    Lifetime: _activated,
    TopK: _topk,
    BatchTopK: _batch_topk,
    JumpReLU: _jumprelu,
    Gated: _gated,
    Matryoshka: _inner,
    VectorQuantization: _quantised,
}


def sparse_code(graph: Graph, sparsity: Any, network: Network, params: Any, state: Any, pre_code: str) -> str:
    """Return the name of the code of a pre-code.

    Raises
    ------
    InvalidParameterError
        If the sparsity's class has no row in `NODES`.
    """
    if sparsity is None:
        return _activated(graph, sparsity, network, params, state, pre_code)
    if type(sparsity) not in NODES:
        raise InvalidParameterError(
            f"sparsity={sparsity!r} cannot be exported; add a row to isthmus.export.onnx.sparsities.NODES"
        )
    return NODES[type(sparsity)](graph, sparsity, network, params, state, pre_code)
