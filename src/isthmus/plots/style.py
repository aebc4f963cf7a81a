"""Paper and slides: sizes, colours, and the empty figure that each drawing starts from."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, ListedColormap
from matplotlib.figure import Figure

_TITLE, _TEXT, _SMALL = 15, 13, 11  # points, in figures six to twelve inches wide


def tiles_across(count: int, ratio: float) -> int:
    """Return how many panels, each `ratio` as high as wide, go in a row: as few empty places as a slide allows."""
    ideal = np.sqrt(count * ratio * 1.5)
    return min(
        range(max(1, int(ideal * 0.75)), max(1, min(count, int(ideal * 1.5))) + 1),
        key=lambda across: (-count % across, abs(across - ideal), -across),
        default=count,
    )


@dataclass(frozen=True)
class Style:
    """Colours of a figure: background, text, secondary lines, missing labels, classes, numbers and signed values."""

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
            "axes.titlesize": _TEXT,
            "axes.labelsize": _TEXT,
            "font.size": _TEXT,
            "text.parse_math": False,  # a column named "$_{$" is no formula; a title may be one
            "figure.titlesize": _TITLE,
            "figure.constrained_layout.w_pad": 0.1,  # inches
            "figure.constrained_layout.h_pad": 0.08,
            "xtick.labelsize": _SMALL,
            "ytick.labelsize": _SMALL,
            "legend.fontsize": _SMALL,
            "legend.title_fontsize": _TEXT,
            "legend.frameon": False,
            "lines.linewidth": 2.0,
        }


class _Figure(Figure):
    """A Figure that notebooks draw without pyplot having been imported."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png", facecolor=self.get_facecolor())
        return file.getvalue()


@contextmanager
def canvas(dark: bool, width: float, height: float) -> Iterator[tuple[Figure, Style]]:
    """Give an empty figure of a size in inches, and the style to draw in."""
    style = STYLES["dark" if dark else "light"]
    with mpl.rc_context(style.settings):
        figure = _Figure(figsize=(width, height), layout="constrained")
        yield figure, style
        insets = [inset for ax in figure.axes for inset in ax.child_axes]
        for ax in [*figure.axes, *insets]:
            # Ticks are made when the figure is drawn, when these settings are no longer in force.
            ax.tick_params(which="both", color=style.ink, labelcolor=style.ink, labelsize=_SMALL)
            for axis, side in ((ax.xaxis, "bottom"), (ax.yaxis, "left")):
                axis.set_tick_params(which="minor", length=0)
                if ax.spines[side].get_visible() is False:
                    axis.set_tick_params(which="both", length=0)
            ax.grid(visible=False, which="both")


def axes_beside(ax: Axes, thickness: float = 0.04) -> Axes:
    """Return a place for a colour bar exactly as high as `ax`, whatever the layout makes of that."""
    return ax.inset_axes((1.03, 0, thickness, 1))


def headline(figure: Figure, title: str | None) -> None:
    """Write a title over the whole figure, where there is one."""
    if title:
        figure.suptitle(title, parse_math=True)


def bare(ax: Axes) -> None:
    """Take ticks and spines off."""
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


STYLES: dict[str, Style] = {
    "light": Style(
        paper="#ffffff",
        ink="#222222",
        muted="#9a9a9a",
        missing="#dcdcdc",
        # Petroff, "Accessible Color Sequences for Data Visualization", arXiv:2107.02270, the sequence of ten.
        palette=(
            *("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6"),
            *("#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"),
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
        # Found by annealing: at least 25 apart in CIELAB under normal sight and full protanopia, deuteranopia and
        # tritanopia (Machado et al., IEEE TVCG 15, 2009), contrast to the background at least 4; Petroff's red and
        # purple have 2.6.
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
