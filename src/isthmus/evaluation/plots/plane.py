"""Decoded pictures over a plane of codes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.figure import Figure

from isthmus.core.errors import InvalidDataError
from isthmus.evaluation.plots.canvas import canvas, colour_bar_axes, panels
from isthmus.evaluation.plots.checks import (
    Array,
    ArrayLike,
    check_count,
    check_size,
    checked_shape,
    chosen_units,
    matrix_of,
    unit_names,
)
from isthmus.evaluation.plots.labels import colour_key
from isthmus.evaluation.plots.pictures import as_pictures, draw_picture, grey_range, mosaic_of
from isthmus.evaluation.plots.scatter import draw_points


def manifold(
    decode: Callable[[Array], ArrayLike],
    codes: ArrayLike,
    *,
    image_shape: Sequence[int],
    n: int = 20,
    components: Sequence[int] = (0, 1),
    labels: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    label_name: str | None = None,
    title: str | None = None,
    dark: bool = False,
) -> Figure:
    """Draw the decoder's pictures on a grid of codes.

    Parameters
    ----------
    decode : callable
        Maps codes (n_codes, n_components) to rows (n_codes, n_features), such as a model's `inverse_transform`.
        Called once.
    codes : array-like of shape (n_samples, n_components)
        Codes of rows: the grid spans their 1st to 99th percentiles.
    image_shape : sequence of int
        (height, width) or (height, width, channels) of a row.
    n : int
        Number of pictures along each axis.
    components : sequence of one or two int
        The units that vary over the plane, or the line; the others have their median value.
    labels : array-like of shape (n_samples,) or None
        Labels as in `codes`: the codes are then drawn in a second panel, over the same plane. Not drawn for a single
        unit.
    names : sequence of str or None
        Names of the units.
    label_name : str or None
        Name of the labels.
    title : str or None
        Title of the figure.
    dark : bool
        Draw for a dark background.

    Returns
    -------
    figure : matplotlib.figure.Figure
        One mosaic with axes in units of the code; each picture is centred on its code.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        If the codes are not finite, or `decode` does not return rows of `image_shape`.
    """
    check_count("n", n)
    shape = checked_shape(image_shape)
    values = matrix_of(codes, "codes")
    columns = chosen_units(components, values.shape[1])
    units = unit_names(names, codes, values.shape[1])
    mosaic, extent = _decoded(decode, values, columns, shape, n)
    ratio = mosaic.shape[0] / mosaic.shape[1]
    is_plane = len(columns) == 2
    count = 2 if is_plane and labels is not None else 1
    # Width of one panel in inches; the figure adds the width of labels and colour bar.
    width = 5.4 if is_plane else 11.0
    with canvas(dark, 13.1 if count == 2 else width + 1.0, width * ratio + 0.7, title) as (figure, style):
        axes = panels(figure, count, count)
        draw_picture(axes[0], mosaic, extent=extent)
        for ax in axes:
            ax.set_box_aspect(ratio)
            ax.set(xlabel=units[columns[0]], xlim=extent[:2], ylim=extent[2:])
            if is_plane:
                ax.set_ylabel(units[columns[1]])
            else:
                ax.set_yticks([])
        key = colour_key(labels, len(values), label_name, style) if count == 2 else None
        if key is not None:
            draw_points(axes[1], values[:, columns], key, style)
            key.draw(figure, [axes[1]], None if key.named else colour_bar_axes(axes[1]))
    return figure


def _decoded(
    decode: Callable[[Array], ArrayLike], codes: Array, columns: list[int], shape: tuple[int, ...], n: int
) -> tuple[Array, tuple[float, float, float, float]]:
    """Return the mosaic of the decoded grid of codes, and its extent in units of the code."""
    lines = [_line(codes[:, k], n) for k in columns]
    x, y = lines if len(lines) == 2 else (*lines, np.zeros(1))
    # The first row of pictures is at the top.
    points = np.column_stack([np.tile(x, len(y)), np.repeat(y[::-1], len(x))])
    grid = np.tile(np.median(codes, axis=0), (len(points), 1)).astype(np.result_type(codes, np.float32))
    grid[:, columns] = points[:, : len(columns)]
    rows = matrix_of(decode(grid), "the rows returned by decode")
    check_size(rows.shape[1], shape, "the rows returned by decode")
    if len(rows) != len(grid):
        raise InvalidDataError(
            f"decode returned {len(rows)} rows for {len(grid)} codes; it must return one row per code"
        )
    mosaic = mosaic_of(as_pictures(rows, grey_range(rows), shape), len(x), gap=0)
    return mosaic, (*_edges(x), *_edges(y))


def _line(values: Array, n: int) -> Array:
    low, high = (float(each) for each in np.quantile(values, [0.01, 0.99]))
    if not high > low:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, n) if n > 1 else np.array([(low + high) / 2])


def _edges(line: Array) -> tuple[float, float]:
    """Return the outer edges of pictures that are centred on the points of `line`."""
    half = (line[1] - line[0]) / 2 if len(line) > 1 else 0.5
    return float(line[0] - half), float(line[-1] + half)
