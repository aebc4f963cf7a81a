"""PyTorch: a fitted model as a module."""

from __future__ import annotations

from typing import Any

from isthmus.core.errors import InvalidParameterError
from isthmus.export.onnx.models import graph_of

__all__ = ["to_torch"]


def to_torch(model: Any, part: str = "whole") -> Any:
    """Return a fitted model as a PyTorch module with the same outputs, to use in or to train with other modules.

    The module computes the nodes that `isthmus.onnx.to_onnx` writes, so it takes rows in the units that `fit` saw, and
    returns codes and reconstructions in these units. Weights and biases are parameters of the module, scaling and
    thresholds are buffers. It has no dropout, and no corruption.

    Parameters
    ----------
    model : estimator or isthmus.images.denoiser.Denoiser
        What `isthmus.onnx.to_onnx` takes.
    part : {"encoder", "decoder", "whole"}
        Rows to codes, codes to reconstructions, or rows to both.

    Returns
    -------
    module : torch.nn.Module
        Called with rows of shape (n, n_features), float32, it returns codes (n, n_components), reconstructions
        (n, n_features) or, with ``part="whole"``, both, reconstructions first. ``module.inputs`` and
        ``module.outputs`` have the names. A model of a table with text, categories or dates takes encoded rows,
        ``model.encoding_.encode(frame)``, and returns such.

    Raises
    ------
    InvalidParameterError
        With one line, where the model cannot be exported, or PyTorch is not installed.
    """
    try:
        from isthmus.export.torch.module import GraphModule
    except ModuleNotFoundError as error:
        raise InvalidParameterError("PyTorch is not installed; pip install torch") from error
    return GraphModule(graph_of(model, part, encoded=True)).eval()
