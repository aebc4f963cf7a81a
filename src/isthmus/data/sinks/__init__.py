"""Sinks of rows: blocks of rows to Parquet, Feather, CSV and ``.npy`` files or URLs, or to stdout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.core.lazy import attach
from isthmus.data.formats import SINKS as SINKS
from isthmus.data.formats import SPARSE_SINKS as SPARSE_SINKS

if TYPE_CHECKING:
    from isthmus.data.sinks.arrow import FeatherSink as FeatherSink
    from isthmus.data.sinks.arrow import ParquetSink as ParquetSink
    from isthmus.data.sinks.base import Sink as Sink
    from isthmus.data.sinks.npy import NpySink as NpySink
    from isthmus.data.sinks.opening import kept_types as kept_types
    from isthmus.data.sinks.opening import open_sink as open_sink
    from isthmus.data.sinks.opening import sink_kind as sink_kind
    from isthmus.data.sinks.sparse import SparseParquetSink as SparseParquetSink
    from isthmus.data.sinks.text import CsvSink as CsvSink

_OTHERS = {"Sink": ".base", "kept_types": ".opening", "open_sink": ".opening", "sink_kind": ".opening"}
__getattr__, __dir__ = attach(__name__, {**SINKS.places(), **SPARSE_SINKS.places(), **_OTHERS})
