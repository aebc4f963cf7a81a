"""The nodes of the residual denoiser."""

from __future__ import annotations

import json

import numpy as np

from isthmus.export.onnx.graph import Graph
from isthmus.export.onnx.networks import convolution
from isthmus.images.denoiser import Denoiser
from isthmus.networks.residual import ResidualDenoiser

_FREE = ("n", "height", "width")


def denoiser_graph(denoiser: Denoiser) -> Graph:
    """Return the graph of a denoiser: pictures (n, height, width) and noise (n,), both in one unit, to pictures.

    Heights and widths are multiples of `ResidualDenoiser.multiple`; a file says which.
    """
    graph, network = Graph(), denoiser.network
    pictures, noise = graph.input("pictures", "float32", _FREE), graph.input("noise", "float32", ("n",))
    planes = graph.node("Unsqueeze", pictures, graph.sizes(1))
    predicted = _Emitter(graph, network, denoiser).noise(planes, noise)
    cleaned = graph.node("Squeeze", graph.node("Sub", planes, predicted), graph.sizes(1))
    graph.output(cleaned, "cleaned", "float32", _FREE)
    graph.about |= {
        "isthmus.pictures": "grey, 0 is black and 1 is white; height and width are multiples of isthmus.multiple",
        "isthmus.multiple": json.dumps(network.multiple),
        "isthmus.noise": "the standard deviation of the noise of each picture, in the unit of the pixels",
        "isthmus.largest_noise": json.dumps(denoiser.strongest / 255),
    }
    return graph


class _Emitter:
    """Emits the levels of the network, as `ResidualDenoiser` computes them."""

    def __init__(self, graph: Graph, network: ResidualDenoiser, denoiser: Denoiser) -> None:
        self.graph, self.network, self.params = graph, network, denoiser.params

    def noise(self, planes: str, noise: str) -> str:
        """Return the name of the predicted noise (n, 1, height, width)."""
        graph = self.graph
        pixels = graph.node("SpaceToDepth", planes, blocksize=2)
        count, sides = graph.node("Shape", pixels, start=0, end=1), graph.node("Shape", pixels, start=2)
        shape = graph.node("Concat", count, graph.sizes(1), sides, axis=0)
        level = graph.node("Expand", graph.node("Unsqueeze", noise, graph.sizes(1, 2, 3)), shape)
        x = self._convolved("enter", graph.node("Concat", pixels, level, axis=1))
        return graph.node("DepthToSpace", self._convolved("leave", self._level(x, 0)), blocksize=2, mode="DCR")

    def _level(self, x: str, level: int) -> str:
        graph = self.graph
        x = self._blocks(x, f"{level}.down", level)
        if level == len(self.network.widths) - 1:
            return x
        lower = self._convolved(f"{level}.lower", graph.node("SpaceToDepth", x, blocksize=2))
        above = self._convolved(f"{level}.raise", self._level(lower, level + 1))
        x = graph.node("Add", x, graph.node("DepthToSpace", above, blocksize=2, mode="DCR"))
        return self._blocks(x, f"{level}.up", level)

    def _blocks(self, x: str, name: str, level: int) -> str:
        for block in range(self.network.blocks[level]):
            hidden = self.graph.node("Relu", self._convolved(f"{name}.{block}.first", x))
            x = self.graph.node("Add", x, self._convolved(f"{name}.{block}.second", hidden))
        return x

    def _convolved(self, name: str, x: str) -> str:
        kernel = np.asarray(self.params[name], np.float32).transpose(3, 2, 0, 1)
        return convolution(self.graph, x, self.graph.constant(kernel, name))
