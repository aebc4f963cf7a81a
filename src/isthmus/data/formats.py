"""The tables of file formats and of scalings, and what dates and times may become."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from isthmus.core.registry import Registry

if TYPE_CHECKING:
    from isthmus.data.scaling.maps import Recipe
    from isthmus.data.sinks.base import Sink

HEIF = (".heic", ".heif", ".hif")
# The last four are read where Pillow has a plugin for them.
PICTURES = (
    *(".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".pgm", ".ppm", ".pbm", ".pnm"),
    *(".avif", *HEIF),
)
_READERS = {
    "arrays:NpySource": (".npy",),
    "arrays:NpzSource": (".npz",),
    "tensors:SafetensorsSource": (".safetensors",),
    "text:CsvSource": (".csv", ".csv.gz", ".csv.zst", ".tsv", ".tsv.gz", ".tsv.zst"),
    "columnar:ParquetSource": (".parquet", ".pq"),
    "columnar:FeatherSource": (".feather", ".arrow"),
    "images:IdxSource": (".idx", ".idx.gz", "-ubyte", "-ubyte.gz"),
    "images:ImageFolderSource": (".zip", *PICTURES),
}
_WRITERS = {
    "arrow:ParquetSink": (".parquet", ".pq"),
    "arrow:FeatherSink": (".feather", ".arrow"),
    "text:CsvSink": (".csv",),
    "text:GzipCsvSink": (".csv.gz",),
    "text:ZstdCsvSink": (".csv.zst",),
    "text:TsvSink": (".tsv",),
    "text:GzipTsvSink": (".tsv.gz",),
    "text:ZstdTsvSink": (".tsv.zst",),
    "npy:NpySink": (".npy",),
}
# See `isthmus.data.encoding.TableEncoding.learn`.
DATETIMES = ("elapsed", "calendar", "refuse")
_SCALINGS = ("minmax", "standard", "robust", "mean_norm", "shared", "patches", "zca", "whitened_patches")


def _by_suffix(folder: str, classes: dict[str, tuple[str, ...]]) -> Registry[type[Any]]:
    rows = {suffix: f"isthmus.data.{folder}.{row}" for row, suffixes in classes.items() for suffix in suffixes}
    return Registry("suffix", rows)


# The suffix of a file's name, in lower case -> a class that is called with a path and makes a `Source`. It may name the
# options of `open_source` that it takes in a class attribute `options`. The longest suffix that fits is used.
SOURCES = _by_suffix("sources", _READERS)
SINKS: Registry[type[Sink]] = _by_suffix("sinks", _WRITERS)
# For rows that are mostly zeros, formats that store only the cells that are not 0.
SPARSE_SINKS: Registry[type[Sink]] = _by_suffix("sinks", {"sparse:SparseParquetSink": (".parquet", ".pq")})
SCALINGS: Registry[Recipe] = Registry(
    "scaling", {name: f"isthmus.data.scaling.choosing:{name.upper()}" for name in _SCALINGS}
)
