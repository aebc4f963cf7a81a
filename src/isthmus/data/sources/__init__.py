"""Sources of rows: arrays, tables and pictures, in memory and in files, behind one protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.core.lazy import attach
from isthmus.data.formats import SOURCES as SOURCES

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
    from isthmus.data.sources.places import TextPath as TextPath
    from isthmus.data.sources.sparse import CsrSource as CsrSource
    from isthmus.data.sources.sparse import SparseCodesSource as SparseCodesSource
    from isthmus.data.sources.tables import TableSource as TableSource
    from isthmus.data.sources.text import CsvSource as CsvSource

_OTHERS = {
    ".arrays": ("ArraySource",),
    ".arrow": ("ArrowSource",),
    ".base": ("Block", "Column", "Schema", "Source"),
    ".images": ("read_idx",),
    ".many": ("RemoteNpySource", "SequenceSource", "StackedSource"),
    ".opening": ("open_source",),
    ".patches": ("PatchSource", "from_patches", "to_patches"),
    ".places": ("TextPath",),
    ".sparse": ("CsrSource", "SparseCodesSource"),
    ".tables": ("TableSource",),
}
_MODULES = {name: module for module, names in _OTHERS.items() for name in names}
__getattr__, __dir__ = attach(__name__, {**SOURCES.places(), **_MODULES})
