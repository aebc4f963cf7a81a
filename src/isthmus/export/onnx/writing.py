"""Graphs as files."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from isthmus.core.errors import InvalidParameterError
from isthmus.core.files import atomic_write, check_writable
from isthmus.export.onnx.graph import LABELS_DOMAIN, LABELS_OPSET, OPSET, Graph, Node, Value
from isthmus.export.onnx.models import graph_of

# The format of files that the operator set came with; later ones are refused by runtimes of its time.
_IR_VERSION = 8
_MOST_BYTES = 2**31 - 2**20  # of one file of protobuf


def to_onnx(
    model: Any, path: str | os.PathLike[str] | None = None, part: str = "whole", *, overwrite: bool = False
) -> Any:
    """Return a fitted model as an ONNX model, and write it to a file.

    The graph takes rows in the units that `fit` saw and gives codes and reconstructions in these units: scaling,
    missing masks and the encoding of columns are part of it. The number of rows is free. Numbers are float32; where
    float32 cannot hold the rows, such as integers above 2**24, they are float64. Codes and reconstructions agree with
    isthmus's to float32 rounding, about 1e-6 of their size; a row with a cell that is not finite has codes of NaN,
    where `transform` raises. Weights of ``precision="float64"`` are rounded to float32.

    Parameters
    ----------
    model : estimator or isthmus.images.denoiser.Denoiser
        A fitted autoencoder, classifier or picture denoiser, or `Denoiser.shipped()`.
    path : path-like or None
        The file, such as ``"model.onnx"``, written completely or not at all; None writes none.
    part : {"encoder", "decoder", "whole"}
        Rows to ``codes``; ``codes`` to ``reconstruction``; or rows to both. A classifier has ``"encoder"`` and
        ``"whole"``, which gives ``label`` and ``probabilities``, and a denoiser ``"whole"``.
    overwrite : bool
        Replace an existing file.

    Returns
    -------
    proto : onnx.ModelProto
        The model, checked by ``onnx.checker``. Its ``metadata_props`` have the names and kinds of the columns, the
        scaling, the names of the codes and the version of isthmus.

    Raises
    ------
    InvalidParameterError
        With one line, where the model cannot be exported, or ``isthmus[onnx]`` is not installed.
    ExistingFileError, UnwritableError
        If the file exists and `overwrite` is false, or cannot be written.

    Notes
    -----
    Inputs and outputs are matrices of shape (n, columns), ``rows``, ``codes`` and ``reconstruction``. A table of mixed
    columns has an input of shape (n, 1) for each column, under its name: floats (NaN is missing), text ("" is missing)
    or, for dates and durations, integers in the unit that the metadata state. Its reconstructions are outputs
    ``NAME:reconstruction`` and, of categories, ``NAME:probabilities``.

    The decoder of a model with conditions has a second input, ``conditions`` of shape (n, conditions), in the order
    and units of the table's columns; of a table of mixed columns, an input for each column of conditions. NaN, and ""
    of text, is the mean of the training rows. A label that `fit` did not see gives rows of NaN.
    """
    if path is not None:
        check_writable(path, overwrite=overwrite)
    proto = to_model(graph_of(model, part))
    if path is not None:
        with atomic_write(path, overwrite=overwrite) as file:
            file.write(proto.SerializeToString())
            file.flush()
    return proto


def to_model(graph: Graph) -> Any:
    """Return a graph as a checked ``onnx.ModelProto``."""
    onnx = onnx_library()
    size = sum(array.nbytes for array in graph.constants.values() if array.dtype != object)
    if size > _MOST_BYTES:
        raise InvalidParameterError(
            f"the model has {size / 2**30:.1f} GiB of weights, but one ONNX file has at most 2; export its parts"
        )
    body = onnx.helper.make_graph(
        [_node(onnx, node) for node in graph.nodes],
        "isthmus",
        [_value(onnx, value) for value in graph.inputs],
        [_value(onnx, value) for value in graph.outputs],
        [tensor(onnx, name, array) for name, array in graph.used_constants().items()],
    )
    sets = [onnx.helper.make_opsetid("", OPSET)]
    if any(node.domain for node in graph.nodes):
        sets.append(onnx.helper.make_opsetid(LABELS_DOMAIN, LABELS_OPSET))
    proto = onnx.helper.make_model(body, opset_imports=sets, ir_version=_IR_VERSION, producer_name="isthmus")
    proto.producer_version = graph.about.get("isthmus.version", "")
    onnx.helper.set_model_props(proto, graph.about)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def onnx_library() -> Any:
    """Return the package ``onnx``; raise InvalidParameterError where it is not installed."""
    try:
        import onnx
        import onnx.checker
        import onnx.helper
    except ImportError as error:
        raise InvalidParameterError("onnx is not installed; pip install 'isthmus[onnx]'") from error
    return onnx


def _type(onnx: Any, name: str) -> int:
    names = {"float32": "FLOAT", "float64": "DOUBLE", "int64": "INT64", "string": "STRING", "bfloat16": "BFLOAT16"}
    return int(getattr(onnx.TensorProto, names[name]))


def tensor(onnx: Any, name: str, array: Any) -> Any:
    """Return an array as a tensor of ONNX."""
    if array.dtype == object:
        return onnx.helper.make_tensor(
            name, onnx.TensorProto.STRING, array.shape, [str(cell).encode() for cell in array.ravel()]
        )
    return onnx.numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)


def attributes_of(onnx: Any, node: Node) -> dict[str, Any]:
    """Return the attributes of a node as ONNX's helper takes them."""
    found = dict(node.attributes)
    if node.kind == "Cast":
        found["to"] = _type(onnx, found["to"])
    if node.kind == "ConstantOfShape":
        found["value"] = tensor(onnx, "value", found["value"])
    return found


def _node(onnx: Any, node: Node) -> Any:
    options = attributes_of(onnx, node)
    return onnx.helper.make_node(node.kind, list(node.inputs), list(node.outputs), domain=node.domain, **options)


def _value(onnx: Any, value: Value) -> Any:
    return onnx.helper.make_tensor_value_info(value.name, _type(onnx, value.dtype), list(value.shape))
