"""Scalings: maps between raw and scaled rows, and the statistics of the rows that determine them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.core.lazy import attach
from isthmus.core.registry import Registry

if TYPE_CHECKING:
    from isthmus.data.scaling.choosing import Recipe as Recipe
    from isthmus.data.scaling.choosing import choose_scaler as choose_scaler
    from isthmus.data.scaling.choosing import gathered as gathered
    from isthmus.data.scaling.choosing import sample_stride as sample_stride
    from isthmus.data.scaling.choosing import scaled_in_program as scaled_in_program
    from isthmus.data.scaling.choosing import scaler_class as scaler_class
    from isthmus.data.scaling.maps import Patches as Patches
    from isthmus.data.scaling.maps import Scaler as Scaler
    from isthmus.data.scaling.maps import Scaling as Scaling
    from isthmus.data.scaling.maps import WhitenedPatches as WhitenedPatches
    from isthmus.data.scaling.maps import Whitening as Whitening
    from isthmus.data.scaling.statistics import ColumnStatistics as ColumnStatistics
    from isthmus.data.scaling.statistics import refuse_non_finite as refuse_non_finite

_NAMES = ("minmax", "standard", "robust", "mean_norm", "patches", "zca", "whitened_patches")
SCALINGS: Registry[Recipe] = Registry("scaling", {name: f"{__name__}.choosing:{name.upper()}" for name in _NAMES})
_MODULES = {
    ".choosing": ("Recipe", "choose_scaler", "gathered", "sample_stride", "scaled_in_program", "scaler_class"),
    ".maps": ("Patches", "Scaler", "Scaling", "WhitenedPatches", "Whitening"),
    ".statistics": ("ColumnStatistics", "refuse_non_finite"),
}
__getattr__, __dir__ = attach(__name__, {name: module for module, names in _MODULES.items() for name in names})
