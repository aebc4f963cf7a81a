"""The table of file formats that rows are written in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.core.registry import Registry

if TYPE_CHECKING:
    from isthmus.data.sinks.base import Sink

_PARQUET = "isthmus.data.sinks.arrow:ParquetSink"
_FEATHER = "isthmus.data.sinks.arrow:FeatherSink"
_SPARSE_PARQUET = "isthmus.data.sinks.sparse:SparseParquetSink"

# The suffix of a file's name, in lower case -> its class. The longest suffix that fits is used.
SINKS: Registry[type[Sink]] = Registry(
    "suffix",
    {
        ".parquet": _PARQUET,
        ".pq": _PARQUET,
        ".feather": _FEATHER,
        ".arrow": _FEATHER,
        ".csv": "isthmus.data.sinks.text:CsvSink",
        ".csv.gz": "isthmus.data.sinks.text:GzipCsvSink",
        ".csv.zst": "isthmus.data.sinks.text:ZstdCsvSink",
        ".tsv": "isthmus.data.sinks.text:TsvSink",
        ".tsv.gz": "isthmus.data.sinks.text:GzipTsvSink",
        ".tsv.zst": "isthmus.data.sinks.text:ZstdTsvSink",
        ".npy": "isthmus.data.sinks.npy:NpySink",
    },
)
# For rows that are mostly zeros, formats that store only the cells that are not 0.
SPARSE_SINKS: Registry[type[Sink]] = Registry("suffix", {".parquet": _SPARSE_PARQUET, ".pq": _SPARSE_PARQUET})
