"""The nodes of scalings: raw rows to scaled rows and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from isthmus.core.errors import InvalidParameterError
from isthmus.data.scaling import Scaler, Scaling, Whitening
from isthmus.data.scaling.maps import Patches, WhitenedPatches
from isthmus.export.onnx.graph import Graph

# Of `Patches`: cells are mapped to 0.5, 0.4 either side, at three deviations.
_MIDDLE, _HALF = 0.5, 0.4


class Scaled(NamedTuple):
    """Scaled rows, and the mean of each row that the scaling removed, None where it removes none."""

    rows: str
    means: str | None = None


class Maps(NamedTuple):
    """What emits a scaling and its inverse."""

    scaled: Callable[[Graph, Any, str, Any], Scaled]  # (graph, scaling, raw rows, their type)
    raw: Callable[[Graph, Any, str, str | None, Any], str]  # (graph, scaling, scaled rows, row means, the type)


def is_wide(scaling: Scaling) -> bool:
    """Whether raw rows need float64: float32 cannot hold them, or their differences would lose digits."""
    return scaling.wide or (isinstance(scaling, Scaler) and not scaling.exact_in(np.dtype(np.float32)))


def maps_of(scaling: Scaling) -> Maps:
    """Return what emits a scaling and its inverse; raise InvalidParameterError if its class has no row in `NODES`."""
    if type(scaling) not in NODES:
        raise InvalidParameterError(
            f"scaling={scaling.kind!r} cannot be exported; add a row to isthmus.export.onnx.scalings.NODES"
        )
    return NODES[type(scaling)]


def _scaler(graph: Graph, scaling: Scaler, rows: str, dtype: Any) -> Scaled:
    if scaling.center.any():
        rows = graph.node("Sub", rows, graph.constant(scaling.center, "scaling.center", dtype))
    if (scaling.scale != 1).any():
        rows = graph.node("Div", rows, graph.constant(scaling.scale, "scaling.scale", dtype))
    return Scaled(rows)


def _scaler_back(graph: Graph, scaling: Scaler, rows: str, means: str | None, dtype: Any) -> str:
    if (scaling.scale != 1).any():
        rows = graph.node("Mul", rows, graph.constant(scaling.scale, "scaling.scale", dtype))
    if scaling.center.any():
        rows = graph.node("Add", rows, graph.constant(scaling.center, "scaling.center", dtype))
    return rows


def _number(graph: Graph, kind: str, rows: str, value: float, dtype: Any) -> str:
    return graph.node(kind, rows, graph.number(value, dtype))


def _patches(graph: Graph, scaling: Patches, rows: str, dtype: Any) -> Scaled:
    # The arguments of ReduceMean differ by operator set, those of ReduceSum do not.
    means = _number(graph, "Div", graph.node("ReduceSum", rows, graph.sizes(1), keepdims=1), scaling.width, dtype)
    rows = _number(graph, "Mul", graph.node("Sub", rows, means), scaling._factor, dtype)
    rows = graph.node("Clip", rows, graph.number(-_HALF, dtype), graph.number(_HALF, dtype))
    return Scaled(_number(graph, "Add", rows, _MIDDLE, dtype), means)


def _patches_back(graph: Graph, scaling: Patches, rows: str, means: str | None, dtype: Any) -> str:
    rows = _number(graph, "Div", _number(graph, "Sub", rows, _MIDDLE, dtype), scaling._factor, dtype)
    return _number(graph, "Add", rows, scaling.level, dtype) if means is None else graph.node("Add", rows, means)


def _whitening(graph: Graph, scaling: Whitening, rows: str, dtype: Any) -> Scaled:
    rows = graph.node("Sub", rows, graph.constant(scaling.center, "scaling.center", dtype))
    return Scaled(graph.node("MatMul", rows, graph.constant(scaling.whitening, "scaling.whitening", dtype)))


def _whitening_back(graph: Graph, scaling: Whitening, rows: str, means: str | None, dtype: Any) -> str:
    rows = graph.node("MatMul", rows, graph.constant(scaling.colouring, "scaling.colouring", dtype))
    return graph.node("Add", rows, graph.constant(scaling.center, "scaling.center", dtype))


def _whitened_patches(graph: Graph, scaling: WhitenedPatches, rows: str, dtype: Any) -> Scaled:
    return _patches(graph, scaling.patches, _whitening(graph, scaling.whitening, rows, dtype).rows, dtype)


def _whitened_patches_back(graph: Graph, scaling: WhitenedPatches, rows: str, means: str | None, dtype: Any) -> str:
    whitened = _patches_back(graph, scaling.patches, rows, means, dtype)
    return _whitening_back(graph, scaling.whitening, whitened, None, dtype)


NODES: dict[type[Scaling], Maps] = {
    Scaler: Maps(_scaler, _scaler_back),
    Patches: Maps(_patches, _patches_back),
    Whitening: Maps(_whitening, _whitening_back),
    WhitenedPatches: Maps(_whitened_patches, _whitened_patches_back),
}
