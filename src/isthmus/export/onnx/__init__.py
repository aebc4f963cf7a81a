"""ONNX: a fitted model as a graph that other runtimes compute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.core.lazy import attach

if TYPE_CHECKING:
    from isthmus.export.onnx.writing import to_onnx as to_onnx

__all__ = ["to_onnx"]

__getattr__, __dir__ = attach(__name__, {"to_onnx": ".writing"})
