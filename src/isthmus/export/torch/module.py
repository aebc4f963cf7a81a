"""A graph as a module of PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from isthmus.core.errors import InvalidParameterError
from isthmus.export.onnx.graph import Graph
from isthmus.export.torch.operations import OPERATIONS

# The names of arrays that were not learned by a gradient.
_FIXED = ("scaling.", "code.", "conditions.", "number_")


class GraphModule(nn.Module):  # type: ignore[misc]
    """A module that computes the nodes of a graph in their order.

    Parameters
    ----------
    graph : Graph
        Its nodes need a row in `OPERATIONS`, its inputs and outputs are numbers.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        for node in graph.nodes:
            if node.kind not in OPERATIONS:
                raise InvalidParameterError(
                    f"the operation {node.kind} cannot be computed with PyTorch; add a row to "
                    "isthmus.export.torch.operations.OPERATIONS"
                )
        self.nodes = graph.nodes
        self.inputs = tuple(value.name for value in graph.inputs)
        self.outputs = tuple(value.name for value in graph.outputs)
        self.about = dict(graph.about)
        self.sizes: dict[str, list[int]] = {}
        self.names: dict[str, str] = {}
        for name, array in graph.used_constants().items():
            self._keep(name, array)

    def _keep(self, name: str, array: Any) -> None:
        if name.startswith("sizes_"):
            self.sizes[name] = [int(size) for size in array]
            return
        self.names[name] = own = name.replace(".", "_")  # a module's names have no dots
        tensor = torch.from_numpy(np.array(array))
        if array.dtype == np.float32 and array.ndim and not name.startswith(_FIXED):
            self.register_parameter(own, nn.Parameter(tensor))
        else:
            self.register_buffer(own, tensor, persistent=not name.startswith("number_"))

    def forward(self, *inputs: Any) -> Any:
        """Return the outputs in the order of ``outputs``: a tensor, or a tuple of several."""
        if len(inputs) != len(self.inputs):
            raise InvalidParameterError(f"the module takes {', '.join(self.inputs)}, but got {len(inputs)} inputs")
        values: dict[str, Any] = dict(zip(self.inputs, inputs, strict=True))
        values |= self.sizes | {name: getattr(self, own) for name, own in self.names.items()}
        for node in self.nodes:
            found = OPERATIONS[node.kind](node.attributes, *(values[name] for name in node.inputs))
            found = found if isinstance(found, tuple) else (found,)
            values |= zip(node.outputs, found, strict=True)
        outputs = tuple(values[name] for name in self.outputs)
        return outputs if len(outputs) > 1 else outputs[0]

    def extra_repr(self) -> str:
        """Return what the module takes and gives."""
        return f"{', '.join(self.inputs)} -> {', '.join(self.outputs)}"
