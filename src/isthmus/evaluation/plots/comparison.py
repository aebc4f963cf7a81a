"""Rows over what was rebuilt from their codes, as pictures or as lines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from isthmus.core.errors import InvalidDataError
from isthmus.evaluation.plots.canvas import bare, canvas, colour_bar, panels, short_number
from isthmus.evaluation.plots.checks import Array, ArrayLike, check_count, named_sets, rows_of, unit_names
from isthmus.evaluation.plots.pictures import as_pictures, draw_picture, grey_range, mosaic_of
from isthmus.evaluation.plots.style import TEXT


def reconstructions(
    originals: ArrayLike,
    rebuilt: ArrayLike | Mapping[str, ArrayLike],
    *,
    image_shape: Sequence[int] | None = None,
    n: int = 10,
    names: Sequence[str] | None = None,
    titles: Sequence[object] | None = None,
    title: str | None = None,
    dark: bool = False,
) -> Figure:
    """Draw rows over what was rebuilt from their codes, and the difference.

    Parameters
    ----------
    originals : array-like of shape (n_samples, n_features), or pictures (n_samples, height, width[, channels])
        Rows.
    rebuilt : array-like of the same shape, or mapping of method to such arrays
        The same rows rebuilt, by one method or by several to compare.
    image_shape : sequence of int or None
        (height, width) or (height, width, channels) of a row that is a picture. None draws rows as lines, unless
        `originals` have the pictures' shape themselves.
    n : int
        The first `n` rows are drawn; the mean squared error (MSE) is over all rows, in the units that are drawn.
    names : sequence of str or None
        Names of the features, for rows drawn as lines; None takes a frame's column names.
    titles : sequence or None
        What to write above each of the first `n` rows, such as their labels.
    title : str or None
        Title of the figure.
    dark : bool
        Draw for a dark background.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Differences (rebuilt - original, the mean over colour channels) share one range. Rows drawn as lines, if they
        have at most 60 columns and these differ more than tenfold in spread, are drawn as z-scores: in each column's
        standard deviations from its mean, over the originals.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        Where shapes do not fit, values are not finite, or `image_shape` is not the row's size.
    """
    check_count("n", n)
    rows, shape = rows_of(originals, image_shape, "originals")
    given = {name or "rebuilt": each for name, each in named_sets(rebuilt, "rebuilt").items()}
    methods = {name: rows_of(each, shape, f"{name} rows")[0] for name, each in given.items()}
    for name, values in methods.items():
        if values.shape != rows.shape:
            raise InvalidDataError(
                f"{name} rows have shape {values.shape}, but the originals {rows.shape}; pass the same rows, rebuilt"
            )
    shown = min(n, len(rows))
    heads = None if titles is None else [str(head) for head in titles][:shown]
    if heads is not None and len(heads) < shown:
        raise InvalidDataError(f"there are {len(heads)} titles for {shown} rows; pass one for each")
    if shape is None:
        center, spread, unit = _column_units(rows)
        rows, methods = (rows - center) / spread, {name: (each - center) / spread for name, each in methods.items()}
    labels = {name: f"{name}\nMSE {short_number(_mean_square(rows, values))}" for name, values in methods.items()}
    some = {labels[name]: values[:shown] for name, values in methods.items()}
    if shape is not None:
        return _picture_rows(rows[:shown], some, shape, grey_range(rows), heads, title, dark)
    features = unit_names(names, originals, rows.shape[1], "feature")
    return _line_rows(rows[:shown], some, features, heads, unit, title, dark)


def _picture_rows(
    rows: Array,
    methods: Mapping[str, Array],
    shape: tuple[int, ...],
    shades: tuple[float, float],
    heads: list[str] | None,
    title: str | None,
    dark: bool,
) -> Figure:
    shown = len(rows)
    differences = {name: (values.astype(np.float64) - rows).reshape(shown, *shape) for name, values in methods.items()}
    flat = {name: each if each.ndim == 3 else each.mean(axis=3) for name, each in differences.items()}
    most = max(float(np.abs(each).max()) for each in flat.values()) or 1.0
    strips = 1 + 2 * len(methods)
    cell = float(np.clip(10 / shown, 0.55, 1.4))
    height = max(2.2, (cell * shape[0] / shape[1] + 0.08) * strips + 0.4)
    # Beside the pictures stand the rows' names, at about nine letters an inch, and the colour bar.
    letters = max(len(line) for name in (*methods, "difference") for line in name.splitlines())
    with canvas(dark, cell * shown + 1.7 + letters / 9, height, title) as (figure, style):
        axes = panels(figure, strips, 1)
        mosaic = _strip(axes[0], as_pictures(rows, shades, shape), "original")
        if heads is not None:
            step = mosaic.get_size()[1] / shown
            axes[0].set_xticks((np.arange(shown) + 0.5) * step - 0.5, heads)
            axes[0].tick_params(bottom=False, labelbottom=False, labeltop=True, pad=0)
        for ax, below, name in zip(axes[1::2], axes[2::2], methods, strict=True):
            _strip(ax, as_pictures(methods[name], shades, shape), name)
            image = _strip(below, flat[name], "difference", style.diverging, (-most, most))
        bar = colour_bar(figure, image, "rebuilt - original", ax=axes, aspect=25, pad=0.02)
        bar.ax.yaxis.set_major_locator(MaxNLocator(4, symmetric=True))
    return figure


def _strip(
    ax: Axes, pictures: Array, name: str, colours: Colormap | str = "gray", limits: tuple[float, float] = (0, 1)
) -> AxesImage:
    bare(ax)
    ax.set_ylabel(name, rotation=0, ha="right", va="center")
    return draw_picture(ax, mosaic_of(pictures, len(pictures)), colours, limits)


def _line_rows(
    rows: Array,
    methods: Mapping[str, Array],
    features: list[str],
    heads: list[str] | None,
    unit: str,
    title: str | None,
    dark: bool,
) -> Figure:
    shown, width = rows.shape
    across = min(shown, 2 if width > 60 else 3 if shown < 10 else 4)
    named = width <= 16 and not features[0].startswith("feature ")
    ticks = [name if len(name) <= 18 else f"{name[:17]}…" for name in features]
    marks: dict[str, Any] = {"marker": "o", "markersize": 4, "linewidth": 1.2} if width <= 40 else {"linewidth": 1.4}
    height = 1.9 * math.ceil(shown / across) + (1.8 if named else 1.0)
    with canvas(dark, max(5.0, 3.4 * across), height, title) as (figure, style):
        axes = panels(figure, shown, across, share=True)
        for i, ax in enumerate(axes):
            ax.plot(rows[i], color=style.muted, label="original", **{**marks, "linewidth": 3})
            for place, (name, values) in enumerate(methods.items()):
                label = name.replace("\n", ", ")
                ax.plot(values[i], color=style.palette[place % len(style.palette)], label=label, **marks)
            ax.set_title(f"row {i}" if heads is None else heads[i])
            if named:
                ax.set_xticks(range(width), ticks, rotation=90)
            else:
                ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
            if i % across == 0:
                ax.set_ylabel(unit)
            # A panel above an empty place is the lowest of its column.
            ax.tick_params(labelbottom=i + across >= shown)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(methods) + 1)
        figure.supxlabel("" if named else "feature", fontsize=TEXT)
    return figure


def _column_units(rows: Array) -> tuple[Array | float, Array | float, str]:
    """Return what to subtract from rows and divide them by, so that one axis serves all columns, and its unit."""
    spread = rows.std(axis=0, dtype=np.float64)
    varies = spread > 1e-9 * float(np.abs(rows).max())
    # Wider rows are signals rather than tables: one unit, though they may be still at their ends.
    if rows.shape[1] > 60 or not varies.any() or spread.max() <= 10 * spread[varies].min():
        return 0.0, 1.0, "value"
    return rows.mean(axis=0, dtype=np.float64), np.where(varies, spread, spread.max()), "z-score"


def _mean_square(rows: Array, rebuilt: Array) -> float:
    total = 0.0
    for start in range(0, len(rows), 4096):
        there = rebuilt[start : start + 4096].astype(np.float64)
        total += float(np.square(there - rows[start : start + 4096]).sum())
    return total / rows.size
