"""Converters of skl2onnx, with which a scikit-learn pipeline that holds an estimator becomes one ONNX model."""

from __future__ import annotations

from typing import Any

import numpy as np

from isthmus.core.errors import InvalidParameterError
from isthmus.estimators import ESTIMATORS
from isthmus.export.onnx.graph import Graph
from isthmus.export.onnx.models import CODES, CONVERTED, graph_of
from isthmus.export.onnx.writing import attributes_of, onnx_library, tensor


def register_converters() -> None:
    """Make skl2onnx convert the estimators of isthmus, alone and as steps of a pipeline.

    Autoencoders convert to their codes, as `transform` gives them, and a classifier to its labels and probabilities.
    Call it once, before ``skl2onnx.convert_sklearn`` or ``skl2onnx.to_onnx``. Needs ``skl2onnx``.

    Raises
    ------
    InvalidParameterError
        If ``skl2onnx`` is not installed.
    """
    try:
        from skl2onnx import update_registered_converter
        from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes
    except ImportError as error:
        raise InvalidParameterError("skl2onnx is not installed; pip install skl2onnx") from error
    for name in CONVERTED:
        classifies = name == "AutoencoderClassifier"
        shapes = calculate_linear_classifier_output_shapes if classifies else _shapes
        # The parser of classifiers asks for these options.
        own = (
            {"zipmap": [True, False, "columns"], "output_class_labels": [False, True], "nocl": [True, False]}
            if classifies
            else None
        )
        update_registered_converter(ESTIMATORS[name], f"Isthmus{name}", shapes, convert, options=own)


def _shapes(operator: Any) -> None:
    """Give the output of an autoencoder its type."""
    from skl2onnx.common.data_types import FloatTensorType

    operator.outputs[0].type = FloatTensorType([None, operator.raw_operator.n_components_])


# skl2onnx passes these by name.
def convert(scope: Any, operator: Any, container: Any) -> None:
    """Add the nodes of a fitted estimator to the graph of skl2onnx."""
    onnx, model = onnx_library(), operator.raw_operator
    classifies = hasattr(model, "classes_")
    given = operator.inputs[0].full_name
    rows = scope.get_unique_variable_name("rows")
    container.add_node("Cast", given, rows, name=scope.get_unique_operator_name("Cast"), to=onnx.TensorProto.FLOAT)
    graph = graph_of(model, "whole" if classifies else "encoder", rows)
    names = {rows: rows}
    wanted = ("label", "probabilities") if classifies else (CODES,)
    names |= {name: output.full_name for name, output in zip(wanted, operator.outputs, strict=True)}
    _add(onnx, graph, names, scope, container)


def _add(onnx: Any, graph: Graph, names: dict[str, str], scope: Any, container: Any) -> None:
    def named(name: str) -> str:
        if name not in names:
            names[name] = scope.get_unique_variable_name(name)
        return names[name]

    for name, array in graph.used_constants().items():
        proto = tensor(onnx, named(name), array)
        content = proto if array.dtype != object else [str(cell).encode() for cell in np.ravel(array)]
        container.add_initializer(named(name), proto.data_type, array.shape, content)
    for node in graph.nodes:
        container.add_node(
            node.kind,
            [named(name) for name in node.inputs],
            [named(name) for name in node.outputs],
            op_domain=node.domain,
            name=scope.get_unique_operator_name(node.kind),
            **attributes_of(onnx, node),
        )
