"""ONNX: a fitted model as a graph that other runtimes compute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.core.lazy import attach

if TYPE_CHECKING:
    from isthmus.export.onnx.pipelines import register_converters as register_converters
    from isthmus.export.onnx.writing import to_onnx as to_onnx

__all__ = ["register_converters", "to_onnx"]

__getattr__, __dir__ = attach(__name__, {"register_converters": ".pipelines", "to_onnx": ".writing"})
