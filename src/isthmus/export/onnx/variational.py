"""The nodes of networks with a Gaussian code: counts, and what the decoder reads besides a code."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isthmus.export.onnx import tables
from isthmus.export.onnx.graph import Graph
from isthmus.export.onnx.rows import N_ROWS, RowFormat
from isthmus.networks import one_hot
from isthmus.networks.activations import Activation
from isthmus.networks.base import Network

CONDITIONS = "conditions"
_LEAST_SHARE = 1e-6  # of a level of a condition, before its logarithm is taken


class Context(NamedTuple):
    """The names of what a decoder reads besides a code."""

    conditions: str | None = None  # (n, C), or (1, C) for all rows
    total: str | None = None  # of counts, the logarithm of their sum, (n, 1) or (1, 1)


NO_CONTEXT = Context()


def seen(graph: Graph, network: Any, x: str) -> str:
    """Return the name of rows as the encoder reads them: counts by their logarithms."""
    if not _counts(network):
        return x
    logarithms = graph.node("Log", graph.add(graph.node("Max", x, graph.number(0.0)), 1.0))
    return graph.node("Where", _mask(graph, network.is_condition, "conditions.mask"), x, logarithms)


# What the decoder reads ----------------------------------------------------------------------------------------------


def context_of(graph: Graph, network: Any, x: str) -> Context:
    """Return what the decoder reads besides the codes of scaled rows."""
    if not network.n_context:
        return NO_CONTEXT
    own = total = None
    if network.conditions:
        own = condition_cells(graph, network, x)
    if network.counts:
        counts = graph.node("Where", _mask(graph, network.is_condition, "conditions.mask"), graph.number(0.0), x)
        total = graph.node("ReduceSum", counts, graph.sizes(1), keepdims=1)
        total = graph.node("Log", graph.node("Max", total, graph.number(1.0)))
    return Context(own, total)


def usual_context(graph: Graph, network: Any, params: Any) -> Context:
    """Return what the decoder reads besides a code where nothing is given: the means of the training rows."""
    if not network.n_context:
        return NO_CONTEXT
    values, count = np.asarray(params["context"])[None], len(network.conditions)
    own = graph.constant(values[:, :count], "conditions.usual") if count else None
    return Context(own, graph.constant(values[:, count:], "conditions.usual_total") if network.counts else None)


def asked_context(graph: Graph, network: Any, params: Any, form: RowFormat) -> Context:
    """Emit inputs for a decoder's conditions, in the units of the rows, and return what it reads besides a code.

    They are one matrix or, of a table of mixed columns, one for each column. A missing cell stands for the mean of the
    training rows. A label that is none of the levels is refused by rows of NaN, since a graph cannot raise.
    """
    usual = usual_context(graph, network, params)
    if usual.conditions is None:
        return usual
    places = list(network.conditions)
    if form.encoding is None:
        raw = graph.input(CONDITIONS, form.dtype, (N_ROWS, len(places)))
    else:
        columns = sorted(set(form.encoding.column_of[places].tolist()))
        raw = tables.read(graph, form.encoding, form.dtype, N_ROWS, columns)
    center, scale = (np.broadcast_to(one, network.n_features)[places] for one in _affine(form))
    kind = np.dtype(form.dtype)
    shifted = graph.node("Sub", raw, graph.constant(center[None], "scaling.conditions_center", kind))
    scaled = graph.node("Div", shifted, graph.constant(scale[None], "scaling.conditions_scale", kind))
    if form.dtype != "float32":
        scaled = graph.cast(scaled, "float32")
    own = graph.node("Where", graph.node("IsNaN", scaled), usual.conditions, scaled)
    return Context(_known_levels(graph, network, own), usual.total)


def _affine(form: RowFormat) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    assert form.scaling.affine is not None, "a fit with conditions has a scaling by column"
    return form.scaling.affine


def _known_levels(graph: Graph, network: Any, own: str) -> str:
    """Return the name of conditions that are NaN in rows where a category has none of its levels."""
    places = np.asarray(network.conditions)
    inside = [(places >= first) & (places < stop) for first, stop in network.categories]
    if not inside:
        return own
    counted = graph.node("MatMul", own, graph.constant(np.stack(inside, axis=1), "conditions.levels"))
    found = graph.node("Greater", counted, graph.number(0.0))
    unknown = graph.node("Where", found, graph.number(0.0), graph.number(np.nan))
    return graph.node("Add", own, graph.node("ReduceSum", unknown, graph.sizes(1), keepdims=1))


def condition_cells(graph: Graph, network: Any, x: str) -> str:
    """Return the name of the conditions (n, C) of scaled rows."""
    return graph.node("Gather", x, graph.constant(network.conditions, "conditions.places", np.int64), axis=1)


def picture_cells(graph: Graph, network: Any, x: str) -> str:
    """Return the name of the cells of pictures (n, P) in scaled rows that have conditions too."""
    places = np.flatnonzero(~network.is_condition)
    return graph.node("Gather", x, graph.constant(places, "conditions.pixels", np.int64), axis=1)


def with_condition_cells(graph: Graph, network: Any, output: str) -> str:
    """Return the name of rows (n, D) with the cells of pictures (n, P); their conditions are any numbers."""
    places = np.cumsum(~network.is_condition) - 1
    return graph.node("Gather", output, graph.constant(np.maximum(places, 0), "conditions.rows", np.int64), axis=1)


# What the decoder gives ----------------------------------------------------------------------------------------------


def with_context(graph: Graph, network: Any, params: Any, pre_output: str, context: Context) -> str:
    """Return the name of the output before its activation: shares of a sum of counts, and conditions as given."""
    if context.total is not None:
        is_condition = _mask(graph, network.is_condition, "conditions.mask")
        shares = graph.node("LogSoftmax", graph.node("Where", is_condition, graph.number(-np.inf), pre_output), axis=1)
        pre_output = graph.node("Add", shares, context.total)
        zero_logit = params.get("likelihood", {}).get("zero_logit")
        if zero_logit is not None:
            inflation = graph.constant(np.logaddexp(0, zero_logit), "likelihood.zero_inflation")
            pre_output = graph.node("Sub", pre_output, inflation)
    if context.conditions is None:
        return pre_output
    places, own = list(network.conditions), context.conditions
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


def output_activation(network: Network) -> Activation:
    """Return the activation of a network's output; the exponential of counts is ``"exp"``."""
    return "exp" if _counts(network) else network.output_activation


def _counts(network: Any) -> bool:
    return bool(getattr(network, "counts", False))


def _mask(graph: Graph, mask: NDArray[np.bool_], name: str) -> str:
    return graph.constant(mask[None], name, bool)
