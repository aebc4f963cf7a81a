"""Labels as colours: segments of a bar, a continuous bar, or a legend."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from isthmus.errors import InvalidDataError
from isthmus.plots.checks import ArrayLike
from isthmus.plots.style import Style

MOST_CLASSES = 20


@dataclass(frozen=True)
class Key:
    """What a row's colour means: `values` are numbers, or places in `classes`; NaN where a label is missing."""

    values: NDArray[np.float64]
    classes: tuple[str, ...]  # none for continuous labels
    named: bool
    name: str
    colours: Colormap
    scale: Normalize
    style: Style

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Which rows have no label."""
        return np.isnan(self.values)

    def draw(self, figure: Figure, axes: list[Axes], cax: Axes | None = None) -> None:
        """Put the legend or the colour bar beside `axes`, or the bar into `cax`."""
        if self.named:
            self._legend(figure, axes[-1])
            return
        mappable = mpl.cm.ScalarMappable(self.scale, self.colours)
        if self.classes:
            bar = figure.colorbar(mappable, ax=axes, cax=cax, ticks=range(len(self.classes)), aspect=25)
            bar.ax.set_yticklabels(self.classes)
            bar.ax.tick_params(length=0)
        else:
            bar = figure.colorbar(mappable, ax=axes, cax=cax, aspect=25)
        bar.outline.set_visible(False)
        bar.set_label(f"{self.name} (grey: none)" if self.missing.any() else self.name)

    def _legend(self, figure: Figure, ax: Axes) -> None:
        entries: list[tuple[str, Any, str]]
        entries = [(name, self.colours(i), self.marker(i)) for i, name in enumerate(self.classes)]
        if self.missing.any():
            entries.append(("missing", self.style.missing, "o"))
        handles = [
            Line2D([], [], linestyle="", marker=marker, markersize=8, color=colour, label=name)
            for name, colour, marker in entries
        ]
        # Two columns where one would be taller than the figure.
        columns = 1 if len(handles) <= 14 else 2
        figure.set_figwidth(figure.get_figwidth() + 1.7 * (columns - 1))
        place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1, 1.02), "borderpad": 0}
        ax.legend(handles=handles, title=self.name, alignment="left", ncols=columns, handletextpad=0.2, **place)

    def marker(self, place: int) -> str:
        """Return the marker of a class: names beyond the palette's ten colours go round again as triangles."""
        return "^" if self.named and place >= len(self.style.palette) else "o"


def key_of(labels: ArrayLike | None, n_rows: int, name: str | None, style: Style) -> Key | None:
    """Return what labels look like, or None where there are none."""
    if labels is None:
        return None
    values, classes, named = _classes(labels, n_rows)
    of_series = getattr(labels, "name", None)
    name = name if name is not None else of_series if isinstance(of_series, str) else ""
    if not classes:
        colours = style.sequential
        scale = Normalize(float(np.nanmin(values)), float(np.nanmax(values)))
    else:
        count, palette = len(classes), style.palette
        if count <= len(palette) or named:
            shades = [palette[i % len(palette)] for i in range(count)]
        else:
            # Numbers have an order, and so do these; twenty colours that all eyes tell apart do not exist.
            shades = list(style.sequential(np.linspace(0, 1, count)))
        if classes[-1].startswith("other ("):
            shades[-1] = style.ink
        colours, scale = ListedColormap(shades), BoundaryNorm(np.arange(count + 1) - 0.5, count)
    return Key(values, classes, named, name, colours.with_extremes(bad=style.missing), scale, style)


def _classes(labels: ArrayLike, n_rows: int) -> tuple[NDArray[np.float64], tuple[str, ...], bool]:
    """Return numbers or places in the classes (NaN where missing), the classes, and whether these are names."""
    array = np.asarray(labels)
    if array.ndim != 1 or len(array) != n_rows:
        raise InvalidDataError(f"labels have shape {array.shape}, but there are {n_rows} rows; pass one for each")
    if array.dtype.kind in "iuf":
        return *_numbers(array.astype(np.float64)), False
    if array.dtype.kind not in "bOSUT":
        raise InvalidDataError(f"labels of dtype {array.dtype} cannot be drawn; pass numbers, strings or categories")
    objects = array.astype(str).tolist() if array.dtype.kind in "SU" else array.tolist()
    present = [value for value in objects if not _is_missing(value)]
    if not present:
        raise InvalidDataError("every label is missing; leave labels out")
    if all(isinstance(value, int | float | np.number) and not isinstance(value, bool) for value in present):
        return *_numbers(np.array([np.nan if _is_missing(value) else value for value in objects], float)), False
    counts = Counter(map(str, present))
    ordered = getattr(getattr(labels, "cat", labels), "categories", None)
    classes = sorted(counts) if ordered is None else [name for name in map(str, ordered) if name in counts]
    rare = set()
    if len(classes) > MOST_CLASSES:
        common = {name for name, _ in counts.most_common(MOST_CLASSES - 1)}
        rare = set(classes) - common
        classes = [*(name for name in classes if name in common), f"other ({len(rare)})"]
    places = {name: place for place, name in enumerate(classes)} | dict.fromkeys(rare, len(classes) - 1)
    values = [np.nan if _is_missing(value) else places[str(value)] for value in objects]
    return np.array(values, np.float64), tuple(classes), True


def _numbers(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    distinct = np.unique(values[~np.isnan(values)])
    if not len(distinct):
        raise InvalidDataError("every label is missing; leave labels out")
    if not np.isfinite(distinct).all():
        raise InvalidDataError("labels hold infinite numbers; replace or drop them")
    if len(distinct) > MOST_CLASSES or (distinct != np.round(distinct)).any():
        return values, ()
    places = np.where(np.isnan(values), np.nan, np.searchsorted(distinct, values))
    return places, tuple(f"{value:.0f}" for value in distinct)


def _is_missing(value: object) -> bool:
    # pandas' NA and NaT by their types' names, since pandas may not be installed.
    return (
        value is None
        or type(value).__name__ in ("NAType", "NaTType")
        or (isinstance(value, float | np.floating) and bool(np.isnan(value)))
    )
