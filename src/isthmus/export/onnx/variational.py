"""The nodes of networks with a Gaussian code: counts, and what the decoder reads besides a code."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.export.onnx.graph import Graph
from isthmus.networks import one_hot
from isthmus.networks.base import Network

_LEAST_SHARE = 1e-6  # of a level of a condition, before its logarithm is taken


def seen(graph: Graph, network: Any, x: str) -> str:
    """Return the name of rows as the encoder reads them: counts by their logarithms."""
    if not _counts(network):
        return x
    logarithms = graph.node("Log", graph.add(graph.node("Max", x, graph.number(0.0)), 1.0))
    return graph.node("Where", _mask(graph, network.is_condition, "conditions.mask"), x, logarithms)


def context_of(graph: Graph, network: Any, params: Any, x: str | None) -> str | None:
    """Return the name of what the decoder reads besides a code: of rows, or what is read where there are none."""
    if not network.n_context:
        return None
    if x is None:
        return graph.constant(np.asarray(params["context"])[None], "decoder.context")
    parts = []
    if network.conditions:
        places = graph.constant(network.conditions, "conditions.places", np.int64)
        parts.append(graph.node("Gather", x, places, axis=1))
    if network.counts:
        counts = graph.node("Where", _mask(graph, network.is_condition, "conditions.mask"), graph.number(0.0), x)
        total = graph.node("ReduceSum", counts, graph.sizes(1), keepdims=1)
        parts.append(graph.node("Log", graph.node("Max", total, graph.number(1.0))))
    return graph.node("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]


def conditions_of(graph: Graph, network: Any, context: str | None) -> str | None:
    """Return the name of the conditions in a context."""
    if context is None or not network.conditions:
        return None
    count = len(network.conditions)
    if not network.counts:
        return context
    return graph.node("Slice", context, graph.sizes(0), graph.sizes(count), graph.sizes(1))


def with_context(graph: Graph, network: Any, params: Any, pre_output: str, context: str | None) -> str:
    """Return the name of the output before its activation: shares of a sum of counts, and conditions as given."""
    if context is None:
        return pre_output
    if network.counts:
        count = len(network.conditions)
        is_condition = _mask(graph, network.is_condition, "conditions.mask")
        shares = graph.node("LogSoftmax", graph.node("Where", is_condition, graph.number(-np.inf), pre_output), axis=1)
        total = graph.node("Slice", context, graph.sizes(count), graph.sizes(count + 1), graph.sizes(1))
        pre_output = graph.node("Add", shares, total)
        zero_logit = params.get("likelihood", {}).get("zero_logit")
        if zero_logit is not None:
            inflation = graph.constant(np.logaddexp(0, zero_logit), "likelihood.zero_inflation")
            pre_output = graph.node("Sub", pre_output, inflation)
    own = conditions_of(graph, network, context)
    if own is None:
        return pre_output
    places = list(network.conditions)
    inside = one_hot.is_category(network.categories, network.n_features)[places]
    if inside.any():
        logarithms = graph.node("Log", graph.node("Max", own, graph.number(_LEAST_SHARE)))
        own = graph.node("Where", _mask(graph, inside, "conditions.categories"), logarithms, own)
    spread = np.zeros((len(places), network.n_features), np.float32)
    spread[np.arange(len(places)), places] = 1
    given = graph.node("MatMul", own, graph.constant(spread, "conditions.spread"))
    return graph.node("Where", _mask(graph, network.is_condition, "conditions.mask"), given, pre_output)


def as_given(graph: Graph, network: Any, pre_output: str, output: str) -> str:
    """Return the name of reconstructions whose conditions are what was given."""
    if not network.n_context or not network.conditions:
        return output
    numbers = network.is_condition & ~one_hot.is_category(network.categories, network.n_features)
    return graph.node("Where", _mask(graph, numbers, "conditions.numbers"), pre_output, output)


def output_activation(network: Network) -> str:
    """Return the activation of a network's output; the exponential of counts is ``"exp"``."""
    return "exp" if _counts(network) else network.output_activation


def _counts(network: Any) -> bool:
    return bool(getattr(network, "counts", False))


def _mask(graph: Graph, mask: NDArray[np.bool_], name: str) -> str:
    return graph.constant(mask[None], name, bool)
