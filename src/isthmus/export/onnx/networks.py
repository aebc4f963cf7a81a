"""The nodes of networks: a row for each class of `isthmus.networks.FAMILIES`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from isthmus.core.errors import InvalidParameterError
from isthmus.export.onnx import variational
from isthmus.export.onnx.activations import activated
from isthmus.export.onnx.graph import Graph
from isthmus.export.onnx.variational import NO_CONTEXT, Context
from isthmus.networks.activations import Activation
from isthmus.networks.base import Network
from isthmus.networks.convolutional import Convolutional
from isthmus.networks.custom import Custom
from isthmus.networks.dense import Dense
from isthmus.networks.variational import VariationalConvolutional, VariationalDense

_LEAST_VARIANCE = 1e-5  # that layer normalisation adds


class Halves(NamedTuple):
    """What emits a network's halves."""

    # (graph, network, params, scaled rows, missing mask or None) -> the pre-code
    encode: Callable[[Graph, Any, Any, str, str | None], str]
    # (graph, network, params, code, what the decoder reads besides it) -> the output before its activation
    decode: Callable[[Graph, Any, Any, str, Context], str]


def nodes_of(network: Network) -> Halves:
    """Return what emits a network's halves.

    Raises
    ------
    InvalidParameterError
        If the network's class has no row in `NODES`, or is a user's own.
    """
    if isinstance(network, Custom):
        raise InvalidParameterError(
            "a network of your own cannot be exported, since its code is not known as nodes; use network=None, or "
            "export the modules that your factory returns with their own library"
        )
    if type(network) not in NODES:
        raise InvalidParameterError(
            f"network={type(network).__name__} cannot be exported; add a row to isthmus.export.onnx.networks.NODES"
        )
    return NODES[type(network)]


def reconstruction(graph: Graph, network: Network, pre_output: str) -> str:
    """Return the name of the output after its activation: of a category, the probabilities of its levels."""
    return variational.as_given(graph, network, pre_output, _activated_output(graph, network, pre_output))


def _activated_output(graph: Graph, network: Network, pre_output: str) -> str:
    name = variational.output_activation(network)
    if not network.categories:
        return _output(graph, name, pre_output)
    pieces, place = [], 0
    bounds = [*network.categories, (network.n_features, network.n_features)]
    for first, stop in bounds:
        if place < first:
            piece = _columns(graph, pre_output, place, first)
            pieces.append(_output(graph, name, piece))
        if first < stop:
            pieces.append(graph.node("Softmax", _columns(graph, pre_output, first, stop), axis=1))
        place = stop
    return graph.node("Concat", *pieces, axis=1) if len(pieces) > 1 else pieces[0]


def _output(graph: Graph, name: Activation, x: str) -> str:
    return graph.node("Exp", x) if name == "exp" else activated(graph, name, x)


def _columns(graph: Graph, value: str, first: int, stop: int) -> str:
    return graph.node("Slice", value, graph.sizes(first), graph.sizes(stop), graph.sizes(1))


# Dense ---------------------------------------------------------------------------------------------------------------


def _layer(graph: Graph, params: Any, half: str, number: int, part: str) -> str:
    number %= len(params[half])
    return graph.constant(params[half][number][part], f"{half}.{number}.{part}")


def _dense_encode(graph: Graph, network: Dense, params: Any, x: str, missing: str | None) -> str:
    x = variational.seen(graph, network, x)
    hidden = graph.node("Sub", x, _layer(graph, params, "decoder", -1, "bias")) if network.pre_bias else x
    last = len(network.encoder_sizes)
    for number in range(last + 1):
        weight = _layer(graph, params, "encoder", number, "weight")
        more = None
        if missing is not None and network.indicator and not number:
            more = graph.product(missing, graph.constant(params["indicator"], "encoder.missing"))
        hidden = _dense_layer(graph, network, params, "encoder", number, hidden, weight, more, is_last=number == last)
    if network.linear_path:
        straight = graph.product(x, graph.constant(params["encoder_path"], "encoder.path"))
        hidden = graph.node("Add", hidden, straight)
    return hidden


def _dense_decode(graph: Graph, network: Dense, params: Any, code: str, context: Context = NO_CONTEXT) -> str:
    hidden, last = code, len(network.decoder_sizes)
    more = _conditioned(graph, network, params, context, lambda matrix: matrix)
    for number in range(last + 1):
        half, place = ("encoder", last - number) if network.tied else ("decoder", number)
        weight = _layer(graph, params, half, place, "weight")
        own = None if number else more
        hidden = _dense_layer(graph, network, params, "decoder", number, hidden, weight, own, is_last=number == last)
    if network.linear_path:
        name = "encoder" if network.tied else "decoder"
        path = graph.constant(params[f"{name}_path"], f"{name}.path")
        hidden = graph.node("Add", hidden, graph.product(code, path, transposed=network.tied))
    return variational.with_context(graph, network, params, hidden, context)


def _dense_layer(
    graph: Graph,
    network: Dense,
    params: Any,
    half: str,
    number: int,
    x: str,
    weight: str,
    more: str | None,
    *,
    is_last: bool,
) -> str:
    normed = network.layer_norm and not is_last
    bias = _layer(graph, params, half, number, "bias")
    pre = graph.product(x, weight, None if normed else bias, transposed=network.tied and half == "decoder")
    if more is not None:
        pre = graph.node("Add", pre, more)
    if normed:
        gain = _layer(graph, params, half, number, "gain")
        pre = graph.node("LayerNormalization", pre, gain, bias, axis=-1, epsilon=_LEAST_VARIANCE)
    return pre if is_last else activated(graph, network.activation, pre)


def _conditioned(
    graph: Graph, network: Any, params: Any, context: Context, arranged: Callable[[Any], Any]
) -> str | None:
    """Return the name of what conditions add to the decoder's first product."""
    own = context.conditions
    if own is None:
        return None
    return graph.product(own, graph.constant(arranged(np.asarray(params["conditioned"])), "decoder.conditions"))


# Convolutional -------------------------------------------------------------------------------------------------------
# ONNX has channels first, isthmus last; the order of the pixels of a block is the same in both.


def _convolutional_encode(graph: Graph, network: Convolutional, params: Any, x: str, missing: str | None) -> str:
    height, width, own = network.image_shape
    lines, columns, deepest = network.grid
    step = 1 << len(network.channels)
    x = variational.seen(graph, network, x)
    shift = None
    if getattr(network, "conditions", ()):
        given = variational.condition_cells(graph, network, x)
        shift = graph.product(given, graph.constant(params["encoder_conditioned"], "encoder.conditions"))
        shift = graph.node("Reshape", shift, graph.sizes(-1, network.channels[0], 1, 1))
        x = variational.picture_cells(graph, network, x)
    hidden = graph.node("Reshape", x, graph.sizes(-1, height, width, own))
    hidden = graph.node("Transpose", hidden, perm=[0, 3, 1, 2])
    below, right = lines * step - height, columns * step - width
    if below or right:
        hidden = graph.node("Pad", hidden, graph.sizes(0, 0, 0, 0, 0, 0, below, right), mode="edge")
    for number in range(len(network.channels)):
        hidden = graph.node("SpaceToDepth", hidden, blocksize=2)
        hidden = _convolved(graph, params, "encoder", number, hidden)
        if shift is not None and not number:
            hidden = graph.node("Add", hidden, shift)
        hidden = activated(graph, network.activation, hidden)
    weight = np.asarray(params["encoder"][-1]["weight"]).reshape(lines, columns, deepest, network.n_components)
    flat = weight.transpose(2, 0, 1, 3).reshape(-1, network.n_components)
    kernel = graph.constant(flat, f"encoder.{len(network.channels)}.weight")
    return graph.product(graph.node("Flatten", hidden, axis=1), kernel, _layer(graph, params, "encoder", -1, "bias"))


def _convolutional_decode(
    graph: Graph, network: Convolutional, params: Any, code: str, context: Context = NO_CONTEXT
) -> str:
    height, width, _ = network.image_shape
    lines, columns, deepest = network.grid
    first = params["decoder"][0]

    def arranged(matrix: Any) -> Any:
        """Return a matrix (inputs, cells) with the channels of its outputs first."""
        return matrix.reshape(-1, lines, columns, deepest).transpose(0, 3, 1, 2).reshape(len(matrix), -1)

    kernel = graph.constant(arranged(np.asarray(first["weight"])), "decoder.0.weight")
    hidden = graph.product(code, kernel, graph.constant(arranged(first["bias"][None])[0], "decoder.0.bias"))
    more = _conditioned(graph, network, params, context, arranged)
    if more is not None:
        hidden = graph.node("Add", hidden, more)
    hidden = graph.node("Reshape", hidden, graph.sizes(-1, deepest, lines, columns))
    for number in range(1, len(network.channels) + 1):
        hidden = _convolved(graph, params, "decoder", number, activated(graph, network.activation, hidden))
        hidden = graph.node("DepthToSpace", hidden, blocksize=2, mode="DCR")
    step = 1 << len(network.channels)
    if (lines * step, columns * step) != (height, width):
        hidden = graph.node("Slice", hidden, graph.sizes(0, 0), graph.sizes(height, width), graph.sizes(2, 3))
    output = graph.node("Flatten", graph.node("Transpose", hidden, perm=[0, 2, 3, 1]), axis=1)
    if context.conditions is not None:
        output = variational.with_condition_cells(graph, network, output)
    return variational.with_context(graph, network, params, output, context)


def _convolved(graph: Graph, params: Any, half: str, number: int, x: str) -> str:
    layer = params[half][number]
    kernel = graph.constant(np.asarray(layer["weight"]).transpose(3, 2, 0, 1), f"{half}.{number}.weight")
    return convolution(graph, x, kernel, graph.constant(layer["bias"], f"{half}.{number}.bias"))


def convolution(graph: Graph, x: str, kernel: str, bias: str | None = None) -> str:
    """Return the name of images convolved with a kernel of odd sides (output, input, h, w), padded by 0."""
    sides = graph.constants[kernel].shape[2:]
    inputs = (x, kernel) if bias is None else (x, kernel, bias)
    pads = [side // 2 for side in (*sides, *sides)]
    return graph.node("Conv", *inputs, kernel_shape=list(sides), pads=pads)


NODES: dict[type[Network], Halves] = {
    Dense: Halves(_dense_encode, _dense_decode),
    VariationalDense: Halves(_dense_encode, _dense_decode),
    Convolutional: Halves(_convolutional_encode, _convolutional_decode),
    VariationalConvolutional: Halves(_convolutional_encode, _convolutional_decode),
}
