"""Rows and their reconstructions, as pictures or as lines."""

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
from isthmus.evaluation.plots.canvas import canvas, colour_bar, panels, remove_frame, short_number
from isthmus.evaluation.plots.checks import Array, ArrayLike, Sets, Shape, check_count, named_sets, rows_of, unit_names
from isthmus.evaluation.plots.pictures import Range, as_pictures, draw_picture, grey_range, mosaic_of
from isthmus.evaluation.plots.shared_docs import documented
from isthmus.evaluation.plots.style import TEXT


@documented
def reconstructions(
    originals: ArrayLike,
    reconstructed: ArrayLike | Mapping[str, ArrayLike],
    *,
    image_shape: Sequence[int] | None = None,
    n: int = 10,
    names: Sequence[str] | None = None,
    titles: Sequence[object] | None = None,
    title: str | None = None,
    dark: bool = False,
) -> Figure:
    """Draw rows above their reconstructions and the differences.

    Parameters
    ----------
    originals : array-like of shape (n_samples, n_features), or pictures (n_samples, height, width[, channels])
        Rows.
    reconstructed : array-like of the same shape, or mapping of method to such arrays
        Reconstructions of the same rows, by one method or by several.
    image_shape : sequence of int or None
        (height, width) or (height, width, channels) of a row that is a picture. None draws rows as lines, unless
        `originals` has the shape of pictures.
    n : int
        Number of rows to draw, the first ones. The mean squared error (MSE) is over all rows, in the units drawn.
    names : sequence of str or None
        Feature names, for rows drawn as lines; None uses the column names of a frame.
    titles : sequence or None
        Text above each of the first `n` rows, such as their labels.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Differences (reconstruction - original, averaged over colour channels) share one colour scale. Rows drawn as
        lines are z-scores, by the means and standard deviations of the originals' columns, if there are at most 60
        columns and their standard deviations differ by more than a factor of ten.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        If shapes do not match, values are not finite, or `image_shape` does not match the number of columns.
    """
    check_count("n", n)
    rows, shape = rows_of(originals, image_shape, "originals")
    given = {name or "reconstructed": each for name, each in named_sets(reconstructed, "reconstructed").items()}
    methods = {name: rows_of(each, shape, f"{name} rows")[0] for name, each in given.items()}
    for name, values in methods.items():
        if values.shape != rows.shape:
            raise InvalidDataError(
                f"{name} rows have shape {values.shape}, but the originals {rows.shape}; pass one per original row"
            )
    shown = min(n, len(rows))
    headings = None if titles is None else [str(heading) for heading in titles][:shown]
    if headings is not None and len(headings) < shown:
        raise InvalidDataError(f"{len(headings)} titles for {shown} rows; pass one per row")
    if shape is None:
        center, spread, unit = _column_units(rows)
        rows, methods = (rows - center) / spread, {name: (each - center) / spread for name, each in methods.items()}
    labels = {name: f"{name}\nMSE {short_number(_mean_square(rows, values))}" for name, values in methods.items()}
    some = {labels[name]: values[:shown] for name, values in methods.items()}
    if shape is not None:
        return _picture_rows(rows[:shown], some, shape, grey_range(rows), headings, title, dark)
    features = unit_names(names, originals, rows.shape[1], "feature")
    numbered = [f"row {i}" for i in range(shown)]
    return _line_rows(rows[:shown], some, features, headings or numbered, unit, title, dark)


def _picture_rows(
    rows: Array, methods: Sets, shape: Shape, shades: Range, headings: list[str] | None, title: str | None, dark: bool
) -> Figure:
    shown = len(rows)
    differences = {name: (values.astype(np.float64) - rows).reshape(shown, *shape) for name, values in methods.items()}
    flat = {name: each if each.ndim == 3 else each.mean(axis=3) for name, each in differences.items()}
    most = max(float(np.abs(each).max()) for each in flat.values()) or 1.0
    strips = 1 + 2 * len(methods)
    cell = float(np.clip(10 / shown, 0.55, 1.4))
    height = max(2.2, (cell * shape[0] / shape[1] + 0.08) * strips + 0.4)
    # Left of the pictures are the labels, at about nine letters per inch, and right of them is the colour bar.
    letters = max(len(line) for name in (*methods, "difference") for line in name.splitlines())
    with canvas(dark, cell * shown + 1.7 + letters / 9, height, title) as (figure, style):
        axes = panels(figure, strips, 1)
        mosaic = _strip(axes[0], as_pictures(rows, shades, shape), "original")
        if headings is not None:
            step = mosaic.get_size()[1] / shown
            axes[0].set_xticks((np.arange(shown) + 0.5) * step - 0.5, headings)
            axes[0].tick_params(bottom=False, labelbottom=False, labeltop=True, pad=0)
        for ax, below, name in zip(axes[1::2], axes[2::2], methods, strict=True):
            _strip(ax, as_pictures(methods[name], shades, shape), name)
            image = _strip(below, flat[name], "difference", style.diverging, (-most, most))
        bar = colour_bar(figure, image, "reconstruction - original", ax=axes, aspect=25, pad=0.02)
        bar.ax.yaxis.set_major_locator(MaxNLocator(4, symmetric=True))
    return figure


def _strip(ax: Axes, pictures: Array, name: str, colours: Colormap | str = "gray", limits: Range = (0, 1)) -> AxesImage:
    remove_frame(ax)
    ax.set_ylabel(name, rotation=0, ha="right", va="center")
    return draw_picture(ax, mosaic_of(pictures, len(pictures)), colours, limits)


def _line_rows(
    rows: Array, methods: Sets, features: list[str], headings: list[str], unit: str, title: str | None, dark: bool
) -> Figure:
    shown, width = rows.shape
    n_columns = min(shown, 2 if width > 60 else 3 if shown < 10 else 4)
    named = width <= 16 and not features[0].startswith("feature ")
    ticks = [name if len(name) <= 18 else f"{name[:17]}…" for name in features]
    marks: dict[str, Any] = {"marker": "o", "markersize": 4, "linewidth": 1.2} if width <= 40 else {"linewidth": 1.4}
    height = 1.9 * math.ceil(shown / n_columns) + (1.8 if named else 1.0)
    with canvas(dark, max(5.0, 3.4 * n_columns), height, title) as (figure, style):
        axes = panels(figure, shown, n_columns, share=True)
        for i, ax in enumerate(axes):
            ax.plot(rows[i], color=style.muted, label="original", **{**marks, "linewidth": 3})
            for i_method, (name, values) in enumerate(methods.items()):
                label = name.replace("\n", ", ")
                ax.plot(values[i], color=style.palette[i_method % len(style.palette)], label=label, **marks)
            ax.set_title(headings[i])
            if named:
                ax.set_xticks(range(width), ticks, rotation=90)
            else:
                ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
            if i % n_columns == 0:
                ax.set_ylabel(unit)
            # A panel above an empty cell is the lowest of its column.
            ax.tick_params(labelbottom=i + n_columns >= shown)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(methods) + 1)
        figure.supxlabel("" if named else "feature", fontsize=TEXT)
    return figure


def _column_units(rows: Array) -> tuple[Array | float, Array | float, str]:
    """Return what to subtract from all columns and to divide them by, so that they share one axis, and its label."""
    spread = rows.std(axis=0, dtype=np.float64)
    varies = spread > 1e-9 * float(np.abs(rows).max())
    # Wider rows are signals rather than tables: all columns have one unit, even if some hardly vary.
    if rows.shape[1] > 60 or not varies.any() or spread.max() <= 10 * spread[varies].min():
        return 0.0, 1.0, "value"
    return rows.mean(axis=0, dtype=np.float64), np.where(varies, spread, spread.max()), "z-score"


def _mean_square(rows: Array, reconstructed: Array) -> float:
    total = 0.0
    for start in range(0, len(rows), 4096):
        block = reconstructed[start : start + 4096].astype(np.float64)
        total += float(np.square(block - rows[start : start + 4096]).sum())
    return total / rows.size
