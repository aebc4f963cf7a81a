"""Scalings: maps between raw and scaled rows, and the statistics of the rows that determine them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.core.lazy import attach
from isthmus.data.formats import SCALINGS as SCALINGS

if TYPE_CHECKING:
    from isthmus.data.scaling.maps import Patches as Patches
    from isthmus.data.scaling.maps import Recipe as Recipe
    from isthmus.data.scaling.maps import Scaler as Scaler
    from isthmus.data.scaling.maps import Scaling as Scaling
    from isthmus.data.scaling.maps import WhitenedPatches as WhitenedPatches
    from isthmus.data.scaling.maps import Whitening as Whitening
    from isthmus.data.scaling.statistics import ColumnStatistics as ColumnStatistics

_MODULES = {
    ".maps": ("Patches", "Recipe", "Scaler", "Scaling", "WhitenedPatches", "Whitening"),
    ".statistics": ("ColumnStatistics",),
}
__getattr__, __dir__ = attach(__name__, {name: module for module, names in _MODULES.items() for name in names})
