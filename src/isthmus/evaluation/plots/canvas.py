"""What every figure is drawn on: a Figure without pyplot, its title, its panels and the places of colour bars."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure

from isthmus.evaluation.plots.style import SMALL, STYLES, Style


class NotebookFigure(Figure):
    """A Figure that notebooks draw without pyplot having been imported."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png", facecolor=self.get_facecolor())
        return file.getvalue()


@contextmanager
def canvas(dark: bool, width: float, height: float, title: str | None) -> Iterator[tuple[Figure, Style]]:
    """Give a figure to draw on, `width` by `height` inches and more for a title, while its style is in force."""
    style = STYLES["dark" if dark else "light"]
    with mpl.rc_context(style.settings):
        figure = NotebookFigure(figsize=(width, height + (0.4 if title else 0)), layout="constrained")
        if title:
            figure.suptitle(title, parse_math=True)
        yield figure, style
        insets = [inset for ax in figure.axes for inset in ax.child_axes]
        for ax in [*figure.axes, *insets]:
            # Ticks are made when the figure is drawn, when these settings are no longer in force.
            ax.tick_params(which="both", color=style.ink, labelcolor=style.ink, labelsize=SMALL)
            for axis, side in ((ax.xaxis, "bottom"), (ax.yaxis, "left")):
                axis.set_tick_params(which="minor", length=0)
                if ax.spines[side].get_visible() is False:
                    axis.set_tick_params(which="both", length=0)
            ax.grid(visible=False, which="both")


def panels(figure: Figure, count: int, across: int, share: bool = False) -> list[Axes]:
    """Return `count` axes in rows of `across`, which may share their two axes."""
    down = math.ceil(count / across)
    grid = figure.subplots(down, across, squeeze=False, sharex=share, sharey=share).ravel()
    for ax in grid[count:]:
        ax.remove()
    return list(grid[:count])


def panels_across(count: int, ratio: float) -> int:
    """Return how many panels, each `ratio` as high as wide, go in a row: as few empty places as a slide allows."""
    ideal = math.sqrt(count * ratio * 1.5)
    return min(
        range(max(1, int(ideal * 0.75)), max(1, min(count, int(ideal * 1.5))) + 1),
        key=lambda across: (-count % across, abs(across - ideal), -across),
        default=count,
    )


def extra(ax: Axes, thickness: float = 0.04) -> Axes:
    """Return a place for a colour bar exactly as high as `ax`, whatever the layout makes of that."""
    return ax.inset_axes((1.03, 0, thickness, 1))


def colour_bar(figure: Figure, colours: ScalarMappable, label: str, **place: Any) -> Colorbar:
    """Draw a colour bar without a frame where `place` says, by `ax` or `cax`."""
    bar = figure.colorbar(colours, **place)
    bar.outline.set_visible(False)
    bar.set_label(label)
    return bar


def bare(ax: Axes) -> None:
    """Take ticks and frame away."""
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def short_number(number: float) -> str:
    """Return a number in three digits, or in full where it has four to six before the point."""
    return f"{number:,.0f}" if 1000 <= number < 1e6 else f"{number:.3g}"
