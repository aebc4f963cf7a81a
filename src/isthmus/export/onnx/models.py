"""The graph of a fitted estimator's part, and which estimators have one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.validation import check_is_fitted

from isthmus.core.errors import InvalidParameterError, unknown_name
from isthmus.core.registry import Registry
from isthmus.core.version import __version__
from isthmus.estimators.inputs import mixed_encoding
from isthmus.export.onnx import tables
from isthmus.export.onnx.denoising import denoiser_graph
from isthmus.export.onnx.graph import OPSET, Graph
from isthmus.export.onnx.networks import nodes_of, reconstruction
from isthmus.export.onnx.rows import N_ROWS, Given, RowFormat, read_rows, write_rows
from isthmus.export.onnx.sparsities import sparse_code
from isthmus.export.onnx.variational import asked_context, context_of
from isthmus.images.denoiser import Denoiser

PARTS = ("encoder", "decoder", "whole")
CODES = "codes"

# (model, part, the name of rows that are there already or None, whether rows are encoded) -> its graph
Build = Callable[[Any, str, str | None, bool], Graph]


class Refused(NamedTuple):
    """Why an estimator has no graph, and the remedy."""

    reason: str


def graph_of(model: Any, part: str = "whole", rows: str | None = None, *, encoded: bool = False) -> Graph:
    """Return the nodes of a fitted model.

    Parameters
    ----------
    model : estimator or Denoiser
        What `BUILDERS` has a row for.
    part : {"encoder", "decoder", "whole"}
        Rows to codes, codes to rows, or rows to codes and reconstructions.
    rows : str or None
        The name of rows, float32, in a graph that this one is added to; None makes inputs.
    encoded : bool
        Whether rows of a table of mixed columns are the encoded ones, (n, W), going in and coming out, and a classifier
        gives probabilities alone: for what computes with numbers only.

    Raises
    ------
    InvalidParameterError
        With one line, where the model or the part cannot be exported.
    """
    if part not in PARTS:
        raise unknown_name("part", part, PARTS)
    name = kind_of(model)
    build = BUILDERS[name]
    if isinstance(build, Refused):
        raise InvalidParameterError(f"{name} cannot be exported: {build.reason}")
    if not isinstance(model, Denoiser):
        check_is_fitted(model)
    graph = build(model, part, rows, encoded)
    graph.about |= {
        "isthmus.version": __version__,
        "isthmus.estimator": type(model).__name__,
        "isthmus.part": part,
        "isthmus.opset": str(OPSET),
    }
    return graph


def kind_of(model: Any) -> str:
    """Return the row of `BUILDERS` for a model; a subclass has that of its base."""
    for cls in type(model).__mro__:
        if cls.__name__ in BUILDERS:
            return cls.__name__
    raise InvalidParameterError(
        f"{type(model).__name__} cannot be exported; add a row to isthmus.export.onnx.models.BUILDERS"
    )


# Autoencoders --------------------------------------------------------------------------------------------------------


def _autoencoder(model: Any, part: str, rows: str | None, encoded: bool) -> Graph:
    network = model.network_
    nodes_of(network)
    graph = Graph(rounded=network.precision == "bfloat16")
    form = RowFormat(model.scaler_, None if encoded else mixed_encoding(model), network.indicator)
    graph.about |= _about_rows(model, form) | {"isthmus.codes": _json(map(str, model.get_feature_names_out()))}
    given = None
    if part == "decoder":
        codes = graph.input(CODES, "float32", (N_ROWS, network.n_components))
    else:
        given = read_rows(graph, form, rows)
        codes = _codes(graph, model, given)
    if part != "encoder":
        if given is None:
            context = asked_context(graph, network, model.params_, form)
        else:
            context = context_of(graph, network, given.rows)
        pre_output = nodes_of(network).decode(graph, network, model.params_, codes, context)
        output = reconstruction(graph, network, pre_output)
        write_rows(graph, form, output, None if given is None else given.means)
    if part != "decoder":
        graph.output(codes, CODES, "float32", (N_ROWS, network.n_components))
    return graph


def _codes(graph: Graph, model: Any, given: Given) -> str:
    network, params = model.network_, model.params_
    pre_code = nodes_of(network).encode(graph, network, params, given.rows, given.missing)
    codes = sparse_code(graph, model.sparsity_, network, params, model.sparsity_state_, pre_code)
    return graph.node("Add", codes, given.check)


def _about_rows(model: Any, form: RowFormat) -> dict[str, str]:
    """Return what a file says of the columns and of the scaling."""
    if form.encoding is not None:
        columns = tables.described(form.encoding)
    else:
        mixed = mixed_encoding(model)
        names = getattr(model, "feature_names_in_", None) if mixed is None else mixed.names
        names = [f"x{i}" for i in range(form.scaling.n_features)] if names is None else map(str, names)
        columns = [{"name": name, "kind": "real"} for name in names]
    scaling: dict[str, Any] = {"kind": form.scaling.kind}
    if form.scaling.affine is not None:
        center, scale = form.scaling.affine
        scaling |= {"center": center.tolist(), "scale": scale.tolist()}
    shape = getattr(model, "image_shape_", None)
    more = {} if shape is None else {"isthmus.image_shape": json.dumps(list(map(int, shape)))}
    if places := list(getattr(model.network_, "conditions", ())):
        numbers = places if form.encoding is None else sorted(set(form.encoding.column_of[places].tolist()))
        more["isthmus.conditions"] = _json(columns[number]["name"] for number in numbers)
    missing = {"isthmus.missing": "NaN" if form.indicator else "refused: a row with NaN has codes of NaN"}
    return {"isthmus.columns": json.dumps(columns), "isthmus.scaling": json.dumps(scaling), **missing, **more}


def _json(values: Any) -> str:
    return json.dumps(list(values))


# Classifiers ---------------------------------------------------------------------------------------------------------


def _classifier(model: Any, part: str, rows: str | None, encoded: bool) -> Graph:
    if part == "decoder":
        raise InvalidParameterError(
            "part='decoder' has no meaning for a classifier; use part='whole', or model.autoencoder_.to_onnx"
        )
    body, fitted = model.network_.body, model.autoencoder_
    graph = Graph(rounded=body.precision == "bfloat16")
    form = RowFormat(fitted.scaler_, None if encoded else mixed_encoding(model), body.indicator)
    graph.about |= _about_rows(model, form) | {"isthmus.classes": _json(map(str, model.classes_))}
    given = read_rows(graph, form, rows)
    pre_code = nodes_of(body).encode(graph, body, model.params_, given.rows, given.missing)
    codes = graph.node("Add", sparse_code(graph, None, body, model.params_, (), pre_code), given.check)
    if part == "encoder":
        graph.output(codes, CODES, "float32", (N_ROWS, body.n_components))
        return graph
    head = {name: graph.constant(leaf, f"head.{name}") for name, leaf in model.params_["head"].items()}
    logits = graph.product(codes, head["weight"], head["bias"], rounded=False)
    probabilities = graph.node("Softmax", logits, axis=1)
    if not encoded:
        classes, kind = _labels(model.classes_)
        place = graph.node("ArgMax", probabilities, axis=1, keepdims=0)
        label = graph.node("Gather", graph.constant(classes, "classes", classes.dtype), place)
        graph.output(label, "label", kind, (N_ROWS,))
    graph.output(probabilities, "probabilities", "float32", (N_ROWS, len(model.classes_)))
    return graph


def _labels(classes: Any) -> tuple[Any, str]:
    """Return the classes in a type that ONNX has, and its name."""
    if classes.dtype.kind in "iub":
        return classes.astype(np.int64), "int64"
    if classes.dtype.kind == "f":
        return classes.astype(np.float64), "float64"
    return np.array([str(label) for label in classes], object), "string"


# Denoisers -----------------------------------------------------------------------------------------------------------


def _denoiser(model: Any, part: str, rows: str | None, encoded: bool) -> Graph:
    if part != "whole":
        raise InvalidParameterError(f"part={part!r} has no meaning for a denoiser; use part='whole'")
    denoiser = model if isinstance(model, Denoiser) else model.denoiser_
    return denoiser_graph(denoiser)


_PATCHES = Refused(
    "it cuts pictures into patches and assembles them again, which is no part of the network; export its "
    "autoencoder_, which takes patches as rows"
)
_IMPUTER = Refused(
    "its conditional means need a Cholesky factorisation, which ONNX does not have; use Autoencoder(missing='mask'), "
    "whose export takes NaN"
)
_OUTLIERS = Refused(
    "its scores are distances to training rows, not what a network computes; export one of its estimators_, whose "
    "reconstructions these scores use"
)

BUILDERS: Registry[Build | Refused] = Registry(
    "estimator with nodes of ONNX",
    {
        "Autoencoder": _autoencoder,
        "AutoencoderClassifier": _classifier,
        "AutoencoderImputer": _IMPUTER,
        "AutoencoderOutlierDetector": _OUTLIERS,
        "ConvolutionalAutoencoder": _autoencoder,
        "Denoiser": _denoiser,
        "DenoisingAutoencoder": _autoencoder,
        "NeighborAutoencoder": _autoencoder,
        "PatchAutoencoder": _PATCHES,
        "PictureDenoiser": _denoiser,
        "SparseAutoencoder": _autoencoder,
        "VariationalAutoencoder": _autoencoder,
        "VectorQuantizedAutoencoder": _autoencoder,
    },
)

# The estimators that skl2onnx can convert: those whose rows are one matrix.
CONVERTED = tuple(name for name, build in BUILDERS.items() if build in (_autoencoder, _classifier))
