"""The table of scalings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.core.registry import Registry

if TYPE_CHECKING:
    from isthmus.data.scaling.recipes import Recipe

SCALINGS: Registry[Recipe] = Registry(
    "scaling",
    {
        "minmax": "isthmus.data.scaling.recipes:MINMAX",
        "standard": "isthmus.data.scaling.recipes:STANDARD",
        "robust": "isthmus.data.scaling.recipes:ROBUST",
        "mean_norm": "isthmus.data.scaling.recipes:MEAN_NORM",
        "patches": "isthmus.data.scaling.recipes:PATCHES",
        "zca": "isthmus.data.scaling.recipes:ZCA",
        "whitened_patches": "isthmus.data.scaling.recipes:WHITENED_PATCHES",
    },
)
