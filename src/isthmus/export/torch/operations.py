"""What PyTorch computes for each kind of node: a row for each kind that `isthmus.export.onnx` emits for numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

# (attributes, inputs) -> the output, or a tuple of several
Operation = Callable[..., Any]


def _plain(function: Callable[..., Any]) -> Operation:
    """Return the operation of a node without attributes."""
    return lambda attributes, *values: function(*values)


def _gemm(attributes: Any, x: Any, weight: Any, bias: Any = None) -> Any:
    product = x @ (weight.T if attributes.get("transB") else weight)
    return product if bias is None else product + bias


def _cast(attributes: Any, x: Any) -> Any:
    return x.to(getattr(torch, attributes["to"]))


def _normalised(attributes: Any, x: Any, gain: Any, bias: Any) -> Any:
    return functional.layer_norm(x, x.shape[-1:], gain, bias, attributes["epsilon"])


def _top(attributes: Any, x: Any, k: list[int]) -> tuple[Any, Any]:
    found = torch.topk(x, k[0], dim=attributes["axis"])
    return found.values, found.indices


def _scattered(attributes: Any, x: Any, places: Any, values: Any) -> Any:
    return x.to(values.device).scatter(attributes["axis"], places, values)


def _padded(attributes: Any, x: Any, pads: list[int]) -> Any:
    # Of images (n, c, h, w), below and to the right alone; PyTorch counts from the last axis.
    return functional.pad(x, (pads[3], pads[7], pads[2], pads[6]), mode="replicate")


def _sliced(attributes: Any, x: Any, starts: list[int], stops: list[int], axes: list[int]) -> Any:
    for start, stop, axis in zip(starts, stops, axes, strict=True):
        x = x.narrow(axis, start, stop - start)
    return x


def _to_channels(attributes: Any, x: Any) -> Any:
    n, channels, height, width = x.shape
    x = x.reshape(n, channels, height // 2, 2, width // 2, 2).permute(0, 3, 5, 1, 2, 4)
    return x.reshape(n, 4 * channels, height // 2, width // 2)


def _to_pixels(attributes: Any, x: Any) -> Any:
    n, channels, height, width = x.shape
    x = x.reshape(n, 2, 2, channels // 4, height, width).permute(0, 3, 4, 1, 5, 2)
    return x.reshape(n, channels // 4, 2 * height, 2 * width)


def _convolved(attributes: Any, x: Any, kernel: Any, bias: Any = None) -> Any:
    return functional.conv2d(x, kernel, bias, padding=tuple(attributes["pads"][:2]))


def _joined(attributes: Any, *values: Any) -> Any:
    if all(isinstance(value, list) for value in values):
        return [size for value in values for size in value]
    return torch.cat(values, dim=attributes["axis"])


def _shape(attributes: Any, x: Any) -> list[int]:
    return list(x.shape)[attributes.get("start", 0) : attributes.get("end", None)]


def _widened(attributes: Any, x: Any, axes: list[int]) -> Any:
    for axis in axes:
        x = x.unsqueeze(axis)
    return x


OPERATIONS: dict[str, Operation] = {
    "Add": _plain(torch.add),
    "And": _plain(torch.logical_and),
    "ArgMax": lambda attributes, x: torch.argmax(x, attributes["axis"], keepdim=bool(attributes["keepdims"])),
    "Cast": _cast,
    "Clip": _plain(torch.clamp),
    "Concat": _joined,
    "ConstantOfShape": lambda attributes, shape: torch.zeros(shape),
    "Conv": _convolved,
    "DepthToSpace": _to_pixels,
    "Div": _plain(torch.div),
    "Exp": _plain(torch.exp),
    "Elu": lambda attributes, x: functional.elu(x, attributes["alpha"]),
    "Expand": lambda attributes, x, shape: x.expand(shape),
    "Flatten": lambda attributes, x: x.flatten(attributes["axis"]),
    "Gather": lambda attributes, table, places: torch.index_select(table, attributes["axis"], places),
    "Gemm": _gemm,
    "Greater": _plain(torch.gt),
    "GreaterOrEqual": _plain(torch.ge),
    "Identity": _plain(lambda x: x),
    "IsNaN": _plain(torch.isnan),
    "LayerNormalization": _normalised,
    "LeakyRelu": lambda attributes, x: functional.leaky_relu(x, attributes["alpha"]),
    "Log": _plain(torch.log),
    "LogSoftmax": lambda attributes, x: torch.log_softmax(x, attributes["axis"]),
    "MatMul": _plain(torch.matmul),
    "Max": _plain(torch.maximum),
    "Mul": _plain(torch.mul),
    "Pad": _padded,
    "Pow": _plain(torch.pow),
    "ReduceSum": lambda attributes, x, axes: x.sum(axes, keepdim=bool(attributes["keepdims"])),
    "Relu": _plain(torch.relu),
    "Reshape": _plain(torch.reshape),
    "ScatterElements": _scattered,
    "Shape": _shape,
    "Sigmoid": _plain(torch.sigmoid),
    "Slice": _sliced,
    "Softmax": lambda attributes, x: torch.softmax(x, attributes["axis"]),
    "Softplus": _plain(functional.softplus),
    "SpaceToDepth": _to_channels,
    "Squeeze": lambda attributes, x, axes: x.squeeze(axes[0]),
    "Sub": _plain(torch.sub),
    "Tanh": _plain(torch.tanh),
    "TopK": _top,
    "Transpose": lambda attributes, x: x.permute(attributes["perm"]),
    "Unsqueeze": _widened,
    "Where": _plain(torch.where),
}
