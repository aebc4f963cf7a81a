"""Sinks of rows: blocks of rows to Parquet, Feather, CSV and ``.npy`` files or URLs, or to stdout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.core.lazy import attach
from isthmus.core.registry import Registry

if TYPE_CHECKING:
    from isthmus.data.sinks.arrow import FeatherSink as FeatherSink
    from isthmus.data.sinks.arrow import ParquetSink as ParquetSink
    from isthmus.data.sinks.base import Sink as Sink
    from isthmus.data.sinks.npy import NpySink as NpySink
    from isthmus.data.sinks.opening import open_sink as open_sink
    from isthmus.data.sinks.opening import sink_kind as sink_kind
    from isthmus.data.sinks.sparse import SparseParquetSink as SparseParquetSink
    from isthmus.data.sinks.text import CsvSink as CsvSink

# The suffix of a file's name, in lower case -> its class. The longest suffix that fits is used.
SINKS: Registry[type[Sink]] = Registry(
    "suffix",
    {
        **dict.fromkeys((".parquet", ".pq"), f"{__name__}.arrow:ParquetSink"),
        **dict.fromkeys((".feather", ".arrow"), f"{__name__}.arrow:FeatherSink"),
        ".csv": f"{__name__}.text:CsvSink",
        ".csv.gz": f"{__name__}.text:GzipCsvSink",
        ".csv.zst": f"{__name__}.text:ZstdCsvSink",
        ".tsv": f"{__name__}.text:TsvSink",
        ".tsv.gz": f"{__name__}.text:GzipTsvSink",
        ".tsv.zst": f"{__name__}.text:ZstdTsvSink",
        ".npy": f"{__name__}.npy:NpySink",
    },
)
# For rows that are mostly zeros, formats that store only the cells that are not 0.
SPARSE_SINKS: Registry[type[Sink]] = Registry(
    "suffix", dict.fromkeys((".parquet", ".pq"), f"{__name__}.sparse:SparseParquetSink")
)
_MODULES = {
    ".arrow": ("FeatherSink", "ParquetSink"),
    ".base": ("Sink",),
    ".npy": ("NpySink",),
    ".opening": ("open_sink", "sink_kind"),
    ".sparse": ("SparseParquetSink",),
    ".text": ("CsvSink",),
}
__getattr__, __dir__ = attach(__name__, {name: module for module, names in _MODULES.items() for name in names})
