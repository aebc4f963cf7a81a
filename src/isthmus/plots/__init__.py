"""Figures of codes, rebuilt rows, training and weights: arrays in, a matplotlib Figure out.

Nothing here reads a file or a model, touches pyplot or needs a display. Every figure is drawn for white paper, or with
``dark=True`` for dark slides.
"""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.figure import Figure

from isthmus.plots.curves import history
from isthmus.plots.pictures import manifold, reconstructions, weights
from isthmus.plots.saving import save
from isthmus.plots.scatter import code_histograms, codes
from isthmus.plots.style import STYLES

__all__ = [
    "FIGURES",
    "STYLES",
    "code_histograms",
    "codes",
    "history",
    "manifold",
    "reconstructions",
    "save",
    "weights",
]

FIGURES: dict[str, Callable[..., Figure]] = {
    "codes": codes,
    "reconstructions": reconstructions,
    "manifold": manifold,
    "history": history,
    "weights": weights,
    "code_histograms": code_histograms,
}
