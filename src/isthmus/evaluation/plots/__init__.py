"""Figures of codes, reconstructions, training and weights: functions from arrays to a matplotlib Figure.

No function reads a file or a model, imports pyplot or needs a display. Figures have a white background, or a dark one
with ``dark=True``.
"""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.figure import Figure

from isthmus.evaluation.plots.atlas import atlas
from isthmus.evaluation.plots.canvas import save
from isthmus.evaluation.plots.comparison import reconstructions
from isthmus.evaluation.plots.curves import history, tradeoffs
from isthmus.evaluation.plots.filters import atoms, weights
from isthmus.evaluation.plots.matrices import correlations, error_maps
from isthmus.evaluation.plots.morph import morph
from isthmus.evaluation.plots.parts import parts, top_rows
from isthmus.evaluation.plots.pictures import gallery
from isthmus.evaluation.plots.plane import codes, manifold
from isthmus.evaluation.plots.scores import outliers
from isthmus.evaluation.plots.style import STYLES, Style
from isthmus.evaluation.plots.units import activation_against_target, code_histograms, density

__all__ = [
    "FIGURES",
    "STYLES",
    "Style",
    "activation_against_target",
    "atlas",
    "atoms",
    "code_histograms",
    "codes",
    "correlations",
    "density",
    "error_maps",
    "gallery",
    "history",
    "manifold",
    "morph",
    "outliers",
    "parts",
    "reconstructions",
    "save",
    "top_rows",
    "tradeoffs",
    "weights",
]

_FIGURES: tuple[Callable[..., Figure], ...] = (
    *(codes, reconstructions, manifold, history, weights, code_histograms, atoms, density),
    *(activation_against_target, top_rows, parts, gallery, tradeoffs, outliers, atlas, morph, correlations, error_maps),
)
FIGURES = {figure.__name__: figure for figure in _FIGURES}
