"""The table of file formats."""

from __future__ import annotations

from typing import Any

from isthmus.core.registry import Registry

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".pgm", ".ppm")

_CSV = "isthmus.data.sources.text:CsvSource"
_PARQUET = "isthmus.data.sources.columnar:ParquetSource"
_FEATHER = "isthmus.data.sources.columnar:FeatherSource"
_IDX = "isthmus.data.sources.images:IdxSource"
_IMAGES = "isthmus.data.sources.images:ImageFolderSource"

# The suffix of a file's name, in lower case -> a class that is called with a path and makes a `Source`. It may name the
# options of `open_source` that it takes in a class attribute `options`. The longest suffix that fits is used.
SOURCES: Registry[type[Any]] = Registry(
    "suffix",
    {
        ".npy": "isthmus.data.sources.arrays:NpySource",
        ".npz": "isthmus.data.sources.arrays:NpzSource",
        ".csv": _CSV,
        ".csv.gz": _CSV,
        ".csv.zst": _CSV,
        ".tsv": _CSV,
        ".tsv.gz": _CSV,
        ".tsv.zst": _CSV,
        ".parquet": _PARQUET,
        ".pq": _PARQUET,
        ".feather": _FEATHER,
        ".arrow": _FEATHER,
        ".idx": _IDX,
        ".idx.gz": _IDX,
        "-ubyte": _IDX,
        "-ubyte.gz": _IDX,
        ".zip": _IMAGES,
        **dict.fromkeys(PICTURES, _IMAGES),
    },
)
