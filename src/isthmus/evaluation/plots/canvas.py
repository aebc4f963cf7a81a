"""What all figures share: a Figure without pyplot, its title, panels and colour bars; saving it to a file."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from isthmus.core.errors import InvalidParameterError, suggest
from isthmus.core.files import atomic_write
from isthmus.evaluation.plots.style import SMALL, STYLES, Style


class NotebookFigure(Figure):
    """A Figure that notebooks display even if pyplot was never imported."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png", facecolor=self.get_facecolor())
        return file.getvalue()


@contextmanager
def canvas(dark: bool, width: float, height: float, title: str | None) -> Iterator[tuple[Figure, Style]]:
    """Yield an empty figure of `width` by `height` inches (plus room for a title), with its style in effect."""
    style = STYLES["dark" if dark else "light"]
    with mpl.rc_context(style.settings):
        figure = NotebookFigure(figsize=(width, height + (0.4 if title else 0)), layout="constrained")
        if title:
            figure.suptitle(title, parse_math=True)
        yield figure, style
        insets = [inset for ax in figure.axes for inset in ax.child_axes]
        for ax in [*figure.axes, *insets]:
            # Ticks are created when the figure is drawn, after these settings have been reset.
            ax.tick_params(which="both", color=style.ink, labelcolor=style.ink, labelsize=SMALL)
            for axis, side in ((ax.xaxis, "bottom"), (ax.yaxis, "left")):
                axis.set_tick_params(which="minor", length=0)
                if ax.spines[side].get_visible() is False:
                    axis.set_tick_params(which="both", length=0)
            ax.grid(visible=False, which="both")


def panels(figure: Figure, count: int, columns: int, share: bool = False) -> list[Axes]:
    """Return `count` axes in rows of `columns`; `share` makes them share both scales."""
    grid = figure.subplots(math.ceil(count / columns), columns, squeeze=False, sharex=share, sharey=share).ravel()
    for ax in grid[count:]:
        ax.remove()
    return list(grid[:count])


def columns_for(count: int, ratio: float) -> int:
    """Return the number of columns for panels whose height is `ratio` times their width, with few empty cells."""
    ideal = math.sqrt(count * ratio * 1.5)
    return min(
        range(math.ceil(ideal * 0.75), max(1, min(count, int(ideal * 1.5))) + 1),
        key=lambda columns: (-count % columns, abs(columns - ideal), -columns),
        default=count,
    )


def colour_bar(figure: Figure, colours: ScalarMappable, label: str, **place: Any) -> Colorbar:
    """Draw a colour bar without a frame; `place` is the `ax` or `cax` of ``Figure.colorbar``."""
    bar = figure.colorbar(colours, **place)
    bar.outline.set_visible(False)
    bar.set_label(label)
    return bar


def remove_frame(ax: Axes) -> None:
    """Remove ticks and frame."""
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def log_ticks(axis: Axis, low: float, high: float) -> None:
    """Label a logarithmic axis with plain numbers, also at 2 and 5 if it spans less than three decades."""
    if high < 1e3 * low:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def short_number(number: float) -> str:
    """Return a number with three significant digits, or as an integer if it is from 1,000 to a million."""
    return f"{number:,.0f}" if 1000 <= number < 1e6 else f"{number:.3g}"


def save(figure: Figure, path: str | os.PathLike[str], *, dpi: int = 200, overwrite: bool = False) -> None:
    """Write a figure to a file, atomically.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Any figure.
    path : path-like
        Target file; its suffix is the format: ``.png``, or ``.svg`` and ``.pdf``, which are vector graphics except for
        scattered points and pictures.
    dpi : int
        Resolution of pixels, in dots per inch.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    InvalidParameterError
        If the suffix is another one.
    ExistingFileError
        If the file exists and `overwrite` is false.
    UnwritableError
        If the file cannot be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        raise InvalidParameterError(
            f"path={str(path)!r} must end in one of {', '.join(_FORMATS)}{suggest(suffix, _FORMATS)}"
        )
    # Type 42 keeps text as text, as publishers require; dates and random ids would make files of equal figures differ.
    with (
        atomic_write(path, overwrite=overwrite) as file,
        mpl.rc_context({"pdf.fonttype": 42, "svg.hashsalt": "isthmus"}),
    ):
        figure.savefig(file, format=suffix[1:], dpi=dpi, facecolor=figure.get_facecolor(), metadata=_FORMATS[suffix])


# Metadata that matplotlib writes by default, such as the date, is left out.
_FORMATS: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}
