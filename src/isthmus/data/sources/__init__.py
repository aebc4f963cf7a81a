"""Sources of rows: arrays, tables and pictures, in memory and in files, behind one protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from isthmus.core.lazy import attach
from isthmus.core.registry import Registry

if TYPE_CHECKING:
    from isthmus.data.sources.arrays import ArraySource as ArraySource
    from isthmus.data.sources.arrays import NpySource as NpySource
    from isthmus.data.sources.arrays import NpzSource as NpzSource
    from isthmus.data.sources.arrow import ArrowSource as ArrowSource
    from isthmus.data.sources.base import Block as Block
    from isthmus.data.sources.base import Column as Column
    from isthmus.data.sources.base import Schema as Schema
    from isthmus.data.sources.base import Source as Source
    from isthmus.data.sources.columnar import FeatherSource as FeatherSource
    from isthmus.data.sources.columnar import ParquetSource as ParquetSource
    from isthmus.data.sources.images import IdxSource as IdxSource
    from isthmus.data.sources.images import ImageFolderSource as ImageFolderSource
    from isthmus.data.sources.images import read_idx as read_idx
    from isthmus.data.sources.many import RemoteNpySource as RemoteNpySource
    from isthmus.data.sources.many import SequenceSource as SequenceSource
    from isthmus.data.sources.many import StackedSource as StackedSource
    from isthmus.data.sources.opening import open_source as open_source
    from isthmus.data.sources.patches import PatchSource as PatchSource
    from isthmus.data.sources.patches import from_patches as from_patches
    from isthmus.data.sources.patches import to_patches as to_patches
    from isthmus.data.sources.sparse import CsrSource as CsrSource
    from isthmus.data.sources.sparse import SparseCodesSource as SparseCodesSource
    from isthmus.data.sources.tables import TableSource as TableSource
    from isthmus.data.sources.text import CsvSource as CsvSource

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".pgm", ".ppm")
_FORMATS = {
    "arrays:NpySource": (".npy",),
    "arrays:NpzSource": (".npz",),
    "text:CsvSource": (".csv", ".csv.gz", ".csv.zst", ".tsv", ".tsv.gz", ".tsv.zst"),
    "columnar:ParquetSource": (".parquet", ".pq"),
    "columnar:FeatherSource": (".feather", ".arrow"),
    "images:IdxSource": (".idx", ".idx.gz", "-ubyte", "-ubyte.gz"),
    "images:ImageFolderSource": (".zip", *PICTURES),
}
# The suffix of a file's name, in lower case -> a class that is called with a path and makes a `Source`. It may name the
# options of `open_source` that it takes in a class attribute `options`. The longest suffix that fits is used.
SOURCES: Registry[type[Any]] = Registry(
    "suffix", {suffix: f"{__name__}.{kind}" for kind, suffixes in _FORMATS.items() for suffix in suffixes}
)
_MODULES = {
    ".arrays": ("ArraySource", "NpySource", "NpzSource"),
    ".arrow": ("ArrowSource",),
    ".base": ("Block", "Column", "Schema", "Source"),
    ".columnar": ("FeatherSource", "ParquetSource"),
    ".images": ("IdxSource", "ImageFolderSource", "read_idx"),
    ".many": ("RemoteNpySource", "SequenceSource", "StackedSource"),
    ".opening": ("open_source",),
    ".patches": ("PatchSource", "from_patches", "to_patches"),
    ".sparse": ("CsrSource", "SparseCodesSource"),
    ".tables": ("TableSource",),
    ".text": ("CsvSource",),
}
__getattr__, __dir__ = attach(__name__, {name: module for module, names in _MODULES.items() for name in names})
