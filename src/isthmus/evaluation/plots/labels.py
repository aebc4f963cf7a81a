"""Labels as colours: classes or numbers, with a legend or a colour bar."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError
from isthmus.evaluation.plots.canvas import colour_bar
from isthmus.evaluation.plots.checks import ArrayLike, bulk
from isthmus.evaluation.plots.style import Style

MAX_CLASSES = 20


class Labels(NamedTuple):
    """One label per row: numbers, or indices into `classes`; NaN if missing."""

    values: NDArray[np.float64]
    classes: tuple[str, ...] = ()  # empty for continuous labels
    named: bool = False  # whether the classes are names, which have no order
    merged: bool = False  # whether the last class contains all rare classes


@dataclass(frozen=True)
class ColourKey:
    """Colours and markers of labels."""

    values: NDArray[np.float64]
    classes: tuple[str, ...]
    named: bool
    name: str
    colours: Colormap
    scale: Normalize
    style: Style

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Which labels are missing."""
        return np.isnan(self.values)

    def marker(self, index: int) -> str:
        """Return the marker of a class: a triangle for names that repeat the palette's ten colours, else a circle."""
        return "^" if self.named and index >= len(self.style.palette) else "o"

    @property
    def _extend(self) -> str:
        """At which ends of the scale there are values beyond it."""
        if self.classes:
            return "neither"
        low, high = self.scale.vmin or 0.0, self.scale.vmax or 0.0
        names = [name for name, out in (("min", self.values < low), ("max", self.values > high)) if out.any()]
        return "both" if len(names) == 2 else names[0] if names else "neither"

    def draw(self, figure: Figure, axes: list[Axes], cax: Axes | None = None) -> None:
        """Draw the legend or the colour bar next to `axes`, or the colour bar into `cax`."""
        if self.named:
            self._legend(figure, axes[-1])
            return
        label = f"{self.name} (grey: none)" if self.missing.any() else self.name
        ticks = range(len(self.classes)) if self.classes else None
        shades = ScalarMappable(self.scale, self.colours)
        bar = colour_bar(figure, shades, label, ax=axes, cax=cax, ticks=ticks, aspect=25, extend=self._extend)
        if self.classes:
            bar.ax.set_yticklabels(self.classes)
            bar.ax.tick_params(length=0)

    def _legend(self, figure: Figure, ax: Axes) -> None:
        entries: list[tuple[str, Any, str]]
        entries = [(name, self.colours(i), self.marker(i)) for i, name in enumerate(self.classes)]
        if self.missing.any():
            entries.append(("missing", self.style.missing, "o"))
        handles = [
            Line2D([], [], linestyle="", marker=marker, markersize=8, color=colour, label=name)
            for name, colour, marker in entries
        ]
        # Two columns if one would be taller than the figure.
        columns = 1 if len(handles) <= 14 else 2
        figure.set_figwidth(figure.get_figwidth() + 1.7 * (columns - 1))
        position: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1, 1.02), "borderpad": 0}
        ax.legend(handles=handles, title=self.name, alignment="left", ncols=columns, handletextpad=0.2, **position)


def colour_key(labels: ArrayLike | None, n_rows: int, name: str | None, style: Style) -> ColourKey | None:
    """Return the colour key of `n_rows` labels, or None without labels."""
    if labels is None:
        return None
    values, classes, named, merged = _read(labels, n_rows)
    if name is None:
        series_name = getattr(labels, "name", None)
        name = series_name if isinstance(series_name, str) else ""
    colours, scale = style.sequential, Normalize(*bulk(values) or (float(np.nanmin(values)), float(np.nanmax(values))))
    if classes:
        count, palette = len(classes), style.palette
        if count <= len(palette) or named:
            shades = [palette[i % len(palette)] for i in range(count)]
        else:
            # Ordered colours for ordered numbers: there are no twenty colours that the colour-blind can distinguish.
            shades = list(style.sequential(np.linspace(0, 1, count)))
        if merged:
            shades[-1] = style.ink
        colours, scale = ListedColormap(shades), BoundaryNorm(np.arange(count + 1) - 0.5, count)
    return ColourKey(values, classes, named, name, colours.with_extremes(bad=style.missing), scale, style)


def _read(labels: ArrayLike, n_rows: int) -> Labels:
    array = np.asarray(labels)
    if array.ndim != 1 or len(array) != n_rows:
        raise InvalidDataError(f"labels have shape {array.shape}, but there are {n_rows} rows; pass one label per row")
    if array.dtype.kind in "iuf":
        return _of_numbers(array.astype(np.float64))
    if array.dtype.kind not in "bOSUT":
        raise InvalidDataError(f"labels of dtype {array.dtype} cannot be drawn; pass numbers, strings or categories")
    values = array.astype(str).tolist() if array.dtype.kind in "SU" else array.tolist()
    values = [None if _is_missing(value) else value for value in values]
    present = [value for value in values if value is not None]
    if all(isinstance(value, int | float | np.number) and not isinstance(value, bool) for value in present):
        return _of_numbers(np.array(values, np.float64))
    categories = getattr(getattr(labels, "cat", labels), "categories", None)
    return _of_names([None if value is None else str(value) for value in values], categories)


def _of_numbers(values: NDArray[np.float64]) -> Labels:
    distinct = np.unique(values[~np.isnan(values)])
    if not len(distinct):
        raise InvalidDataError("all labels are missing; omit labels")
    if not np.isfinite(distinct).all():
        raise InvalidDataError("labels contain infinite numbers; replace or drop them")
    if len(distinct) > MAX_CLASSES or (distinct != np.round(distinct)).any():
        return Labels(values)
    indices = np.where(np.isnan(values), np.nan, np.searchsorted(distinct, values))
    return Labels(indices, tuple(f"{value:.0f}" for value in distinct))


def _of_names(names: list[str | None], order: ArrayLike | None) -> Labels:
    """Return names as classes, in the order of the categories if given; of too many, the rarest become one class."""
    counts = Counter(name for name in names if name is not None)
    classes = sorted(counts) if order is None else [name for name in map(str, order) if name in counts]
    rare: set[str] = set()
    if len(classes) > MAX_CLASSES:
        common = {name for name, _ in counts.most_common(MAX_CLASSES - 1)}
        rare = set(classes) - common
        classes = [*(name for name in classes if name in common), f"other ({len(rare)})"]
    indices = {name: index for index, name in enumerate(classes)} | dict.fromkeys(rare, len(classes) - 1)
    values = np.array([np.nan if name is None else indices[name] for name in names], np.float64)
    return Labels(values, tuple(classes), named=True, merged=bool(rare))


def _is_missing(value: object) -> bool:
    # pandas' NA and NaT are recognized by their type names: pandas may not be installed.
    return (
        value is None
        or type(value).__name__ in ("NAType", "NaTType")
        or (isinstance(value, float | np.floating) and bool(np.isnan(value)))
    )
