"""Sinks of rows: blocks of rows to Parquet, Feather, CSV and ``.npy`` files or URLs, or to stdout."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from isthmus.data.sinks.registry import SINKS, SPARSE_SINKS

if TYPE_CHECKING:
    from isthmus.data.sinks.arrow import FeatherSink, ParquetSink
    from isthmus.data.sinks.base import Sink
    from isthmus.data.sinks.npy import NpySink
    from isthmus.data.sinks.opening import open_sink, sink_kind
    from isthmus.data.sinks.sparse import SparseParquetSink
    from isthmus.data.sinks.text import CsvSink

__all__ = [
    "SINKS",
    "SPARSE_SINKS",
    "CsvSink",
    "FeatherSink",
    "NpySink",
    "ParquetSink",
    "Sink",
    "SparseParquetSink",
    "open_sink",
    "sink_kind",
]

_HOMES = {
    "CsvSink": "text",
    "FeatherSink": "arrow",
    "NpySink": "npy",
    "ParquetSink": "arrow",
    "Sink": "base",
    "SparseParquetSink": "sparse",
    "open_sink": "opening",
    "sink_kind": "opening",
}

if not TYPE_CHECKING:  # so that type checkers find names that do not exist

    def __getattr__(name: str) -> Any:
        """Import a name when it is first used."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
