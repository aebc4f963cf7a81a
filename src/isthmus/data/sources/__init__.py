"""Sources of rows: arrays, tables and pictures, in memory and in files, behind one protocol."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from isthmus.data.sources.registry import PICTURES, SOURCES

if TYPE_CHECKING:
    from isthmus.data.sources.arrays import ArraySource, NpySource, NpzSource
    from isthmus.data.sources.arrow import ArrowSource, is_arrow
    from isthmus.data.sources.base import Block, Column, ColumnKind, Schema, Source
    from isthmus.data.sources.columnar import FeatherSource, ParquetSource
    from isthmus.data.sources.images import IdxSource, ImageFolderSource, read_idx
    from isthmus.data.sources.many import RemoteNpySource, SequenceSource, StackedSource
    from isthmus.data.sources.opening import is_iterator, is_sequence, open_source, source_kind
    from isthmus.data.sources.patches import PatchSource, from_patches, to_patches
    from isthmus.data.sources.places import is_location
    from isthmus.data.sources.sparse import CsrSource, SparseCodesSource
    from isthmus.data.sources.tables import TableSource
    from isthmus.data.sources.text import CsvSource

__all__ = [
    "PICTURES",
    "SOURCES",
    "ArraySource",
    "ArrowSource",
    "Block",
    "Column",
    "ColumnKind",
    "CsrSource",
    "CsvSource",
    "FeatherSource",
    "IdxSource",
    "ImageFolderSource",
    "NpySource",
    "NpzSource",
    "ParquetSource",
    "PatchSource",
    "RemoteNpySource",
    "Schema",
    "SequenceSource",
    "Source",
    "SparseCodesSource",
    "StackedSource",
    "TableSource",
    "from_patches",
    "is_arrow",
    "is_iterator",
    "is_location",
    "is_sequence",
    "open_source",
    "read_idx",
    "source_kind",
    "to_patches",
]

_MODULES = {
    "arrays": ("ArraySource", "NpySource", "NpzSource"),
    "arrow": ("ArrowSource", "is_arrow"),
    "base": ("Block", "Column", "ColumnKind", "Schema", "Source"),
    "columnar": ("FeatherSource", "ParquetSource"),
    "images": ("IdxSource", "ImageFolderSource", "read_idx"),
    "many": ("RemoteNpySource", "SequenceSource", "StackedSource"),
    "opening": ("is_iterator", "is_sequence", "open_source", "source_kind"),
    "patches": ("PatchSource", "from_patches", "to_patches"),
    "places": ("is_location",),
    "sparse": ("CsrSource", "SparseCodesSource"),
    "tables": ("TableSource",),
    "text": ("CsvSource",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

if not TYPE_CHECKING:  # so that type checkers find names that do not exist

    def __getattr__(name: str) -> Any:
        """Import a name when it is first used."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
