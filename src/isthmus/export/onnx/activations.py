"""The nodes of activation functions: a row for each of `isthmus.networks.activations.ACTIVATIONS`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from isthmus.core.errors import InvalidParameterError
from isthmus.core.registry import Registry
from isthmus.export.onnx.graph import Graph
from isthmus.networks.activations import Activation

Emit = Callable[[Graph, str], str]  # (graph, the name of the input) -> the name of the output


def _identity(graph: Graph, x: str) -> str:
    return x


def _of(kind: str, **attributes: Any) -> Emit:
    """Return the function that emits one node."""
    return lambda graph, x: graph.node(kind, x, **attributes)


def _gelu(graph: Graph, x: str) -> str:
    """Emit the approximation with tanh of Hendrycks and Gimpel (2016), as JAX computes it by default.

    The node Gelu is of a later operator set; runtimes recognise these nodes and compute them at once.
    """
    cube = graph.times(graph.node("Pow", x, graph.number(3.0)), 0.044715)
    inner = graph.times(graph.node("Add", x, cube), math.sqrt(2 / math.pi))
    share = graph.add(graph.node("Tanh", inner), 1.0)
    return graph.node("Mul", graph.times(x, 0.5), share)


def _silu(graph: Graph, x: str) -> str:
    return graph.node("Mul", x, graph.node("Sigmoid", x))


NODES: Registry[Emit] = Registry(
    "activation with nodes of ONNX",
    {
        "sigmoid": _of("Sigmoid"),
        "tanh": _of("Tanh"),
        "relu": _of("Relu"),
        "leaky_relu": _of("LeakyRelu", alpha=0.01),
        "elu": _of("Elu", alpha=1.0),
        "gelu": _gelu,
        "silu": _silu,
        "softplus": _of("Softplus"),
        "identity": _identity,
    },
)


def activated(graph: Graph, name: Activation, x: str) -> str:
    """Return the name of an activation function's output.

    Raises
    ------
    InvalidParameterError
        If the function has no row in `NODES`.
    """
    if not isinstance(name, str) or name not in NODES:
        remedy = (
            "" if isinstance(name, str) else "register it by name in isthmus.networks.activations.ACTIVATIONS, and "
        )
        raise InvalidParameterError(
            f"activation={name!r} cannot be exported; {remedy}add a row to isthmus.export.onnx.activations.NODES"
        )
    return NODES[name](graph, x)
