"""Objectives of training, one per file, and the tables of losses and reductions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from isthmus.core.registry import Registry

if TYPE_CHECKING:
    from jax import Array

# (reconstruction, output before its activation, target), each (B, D) -> the loss of each cell (B, D)
CellLoss = Callable[["Array", "Array", "Array"], "Array"]
# the losses of cells (B, D) -> the loss of each row (B,); rows are always averaged
Reduction = Callable[["Array"], "Array"]

LOSSES: Registry[CellLoss] = Registry(
    "loss",
    {
        "mse": "isthmus.losses.cells:squared_error",
        "bce": "isthmus.losses.cells:binary_cross_entropy",
        "huber": "isthmus.losses.cells:huber",
    },
)

REDUCTIONS: Registry[Reduction] = Registry(
    "loss_reduction",
    {
        "mean": "isthmus.losses.cells:mean",
        "sum": "isthmus.losses.cells:total",
        "half_sum": "isthmus.losses.cells:half_sum",
    },
)
