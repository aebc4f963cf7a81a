"""Colours and font sizes of figures, light and dark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import Colormap, LinearSegmentedColormap, ListedColormap

TITLE, TEXT, SMALL = 15, 13, 11  # points, in figures six to twelve inches wide


@dataclass(frozen=True)
class Style:
    """Colours of background, text, secondary lines, missing labels, classes, numbers and signed values."""

    paper: str
    ink: str
    muted: str
    missing: str
    palette: tuple[str, ...]
    sequential: Colormap
    diverging: Colormap

    @property
    def settings(self) -> dict[Any, Any]:
        """The style as matplotlib's rcParams."""
        inked = ("text.color", "axes.edgecolor", "axes.labelcolor", "axes.titlecolor", "xtick.color", "ytick.color")
        return {
            **dict.fromkeys(inked, self.ink),
            "figure.facecolor": self.paper,
            "axes.facecolor": self.paper,
            "axes.grid": False,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": TEXT,
            "axes.labelsize": TEXT,
            "font.size": TEXT,
            "text.parse_math": False,  # column names are not formulas; titles may contain them
            "figure.titlesize": TITLE,
            "figure.constrained_layout.w_pad": 0.1,  # inches
            "figure.constrained_layout.h_pad": 0.08,
            "xtick.labelsize": SMALL,
            "ytick.labelsize": SMALL,
            "legend.fontsize": SMALL,
            "legend.title_fontsize": TEXT,
            "legend.frameon": False,
            "lines.linewidth": 2.0,
        }


STYLES: dict[str, Style] = {
    "light": Style(
        paper="#ffffff",
        ink="#222222",
        muted="#9a9a9a",
        missing="#dcdcdc",
        # Petroff, "Accessible Color Sequences for Data Visualization", arXiv:2107.02270, the sequence of ten; its two
        # greys, which look like missing labels, are replaced by the colours farthest from the others.
        palette=(
            *("#3f90da", "#ffa90e", "#bd1f01", "#960069", "#832db6"),
            *("#a96b59", "#e76300", "#b9ac70", "#4b00f0", "#92dadd"),
        ),
        sequential=ListedColormap(mpl.colormaps["viridis"](np.linspace(0, 0.95, 256)), "viridis on white"),
        # Harrower and Brewer, "ColorBrewer.org", The Cartographic Journal 40, 2003: safe for red-green blindness.
        diverging=mpl.colormaps["RdBu_r"],
    ),
    "dark": Style(
        paper="#16181d",
        ink="#e8e8e8",
        muted="#7d828c",
        missing="#3d424d",
        # Found by simulated annealing: CIELAB distances of at least 25 under normal vision and full protanopia,
        # deuteranopia and tritanopia (Machado et al., IEEE TVCG 15, 2009), contrast to the background of at least 4.
        palette=(
            *("#7166fc", "#faff42", "#d93f63", "#c9fee9", "#04b19c"),
            *("#9d711e", "#e8b4f3", "#6cff93", "#8d6caa", "#9dbe11"),
        ),
        sequential=ListedColormap(mpl.colormaps["viridis"](np.linspace(0.2, 1, 256)), "viridis on black"),
        diverging=LinearSegmentedColormap.from_list(
            "blue, black, orange", ["#a8dcff", "#3d8fd6", "#16181d", "#d07a2c", "#ffdca8"]
        ),
    ),
}
