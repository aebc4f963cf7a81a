"""Scalings: maps between raw and scaled rows, and the statistics of the rows that determine them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from isthmus.data.scaling.registry import SCALINGS

if TYPE_CHECKING:
    from isthmus.data.scaling.choosing import choose_scaler, gathered, sample_stride, scaled_in_program, scaler_class
    from isthmus.data.scaling.maps import Patches, Scaler, Scaling, WhitenedPatches, Whitening
    from isthmus.data.scaling.recipes import Recipe
    from isthmus.data.scaling.statistics import ColumnStatistics, refuse_non_finite

__all__ = [
    "SCALINGS",
    "ColumnStatistics",
    "Patches",
    "Recipe",
    "Scaler",
    "Scaling",
    "WhitenedPatches",
    "Whitening",
    "choose_scaler",
    "gathered",
    "refuse_non_finite",
    "sample_stride",
    "scaled_in_program",
    "scaler_class",
]

_MODULES = {
    "choosing": ("choose_scaler", "gathered", "sample_stride", "scaled_in_program", "scaler_class"),
    "maps": ("Patches", "Scaler", "Scaling", "WhitenedPatches", "Whitening"),
    "recipes": ("Recipe",),
    "statistics": ("ColumnStatistics", "refuse_non_finite"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

if not TYPE_CHECKING:  # so that type checkers find names that do not exist

    def __getattr__(name: str) -> Any:
        """Import a name when it is first used."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
