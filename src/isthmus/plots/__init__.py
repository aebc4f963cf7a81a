"""Figures of codes, rebuilt rows, training and weights: arrays in, a matplotlib Figure out.

Nothing here reads a file or a model, touches pyplot or needs a display. Every figure is drawn for white paper, or with
``dark=True`` for dark slides. Each figure has a room of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.figure import Figure

from isthmus.plots.comparison import reconstructions
from isthmus.plots.curves import history
from isthmus.plots.dictionary import atoms
from isthmus.plots.filters import weights
from isthmus.plots.frequencies import density
from isthmus.plots.gallery import gallery
from isthmus.plots.histograms import code_histograms
from isthmus.plots.parts import parts
from isthmus.plots.plane import manifold
from isthmus.plots.saving import save
from isthmus.plots.scatter import codes
from isthmus.plots.strongest import top_rows
from isthmus.plots.style import STYLES, Style
from isthmus.plots.targets import activation_against_target
from isthmus.plots.tradeoffs import tradeoffs

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
