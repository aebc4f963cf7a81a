"""Figures of codes, reconstructions, training and weights: functions from arrays to a matplotlib Figure.

No function reads a file or a model, imports pyplot or needs a display. Figures have a white background, or a dark one
with ``dark=True``.
"""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.figure import Figure

from isthmus.evaluation.plots.comparison import reconstructions
from isthmus.evaluation.plots.curves import history
from isthmus.evaluation.plots.dictionary import atoms
from isthmus.evaluation.plots.filters import weights
from isthmus.evaluation.plots.frequencies import density
from isthmus.evaluation.plots.gallery import gallery
from isthmus.evaluation.plots.histograms import code_histograms
from isthmus.evaluation.plots.parts import parts
from isthmus.evaluation.plots.plane import manifold
from isthmus.evaluation.plots.saving import save
from isthmus.evaluation.plots.scatter import codes
from isthmus.evaluation.plots.strongest import top_rows
from isthmus.evaluation.plots.style import STYLES, Style
from isthmus.evaluation.plots.targets import activation_against_target
from isthmus.evaluation.plots.tradeoffs import tradeoffs

__all__ = [
    "FIGURES",
    "STYLES",
    "Style",
    "activation_against_target",
    "atoms",
    "code_histograms",
    "codes",
    "density",
    "gallery",
    "history",
    "manifold",
    "parts",
    "reconstructions",
    "save",
    "top_rows",
    "tradeoffs",
    "weights",
]

FIGURES: dict[str, Callable[..., Figure]] = {
    "codes": codes,
    "reconstructions": reconstructions,
    "manifold": manifold,
    "history": history,
    "weights": weights,
    "code_histograms": code_histograms,
    "atoms": atoms,
    "density": density,
    "activation_against_target": activation_against_target,
    "top_rows": top_rows,
    "parts": parts,
    "gallery": gallery,
    "tradeoffs": tradeoffs,
}
