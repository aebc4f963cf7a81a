"""Rows decomposed into the contributions of their active units, as pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.evaluation.plots.canvas import canvas, remove_frame, short_number
from isthmus.evaluation.plots.checks import Array, ArrayLike, check_count, check_size, matrix_of, numbers_of, rows_of
from isthmus.evaluation.plots.pictures import as_pictures, draw_picture, gap_of, grey_range, mosaic_of
from isthmus.evaluation.plots.style import Style


def parts(
    rows: ArrayLike,
    codes: ArrayLike,
    components: ArrayLike,
    *,
    base: ArrayLike | None = None,
    image_shape: Sequence[int] | None = None,
    n: int = 5,
    n_parts: int = 8,
    title: str | None = None,
    dark: bool = False,
) -> Figure:
    """Draw rows decomposed into the contributions of their active units, largest first, with their sum.

    Parameters
    ----------
    rows : array-like of shape (n_samples, n_features), or pictures (n_samples, height, width[, channels])
        Rows.
    codes : array-like of shape (n_samples, n_components)
        Codes of the same rows.
    components : array-like of shape (n_components, n_features)
        Atoms of the units, such as the `components_` of an estimator whose decoder has one layer.
    base : array-like of shape (n_features,), optional
        What the contributions are added to, such as ``model.inverse_transform`` of a code of zeros; None is 0.
    image_shape : sequence of int or None
        (height, width) or (height, width, channels) of a row; may be None if `rows` has the shape of pictures.
    n : int
        Number of rows to draw, the first ones.
    n_parts : int
        Maximum number of contributions to draw per row: those of the largest norm, without those below 1 % of the
        row's largest norm. The sum includes all of them.
    title : str or None
        Title of the figure.
    dark : bool
        Draw for a dark background.

    Returns
    -------
    figure : matplotlib.figure.Figure
        A contribution is an atom times the activation of its unit, which is written below it. The contributions to
        a row share one colour scale with zero in its middle (mid-grey in colour pictures); rows, base and sums share
        one grey range.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        If shapes do not match, values are not finite, or `image_shape` does not match the number of columns.
    """
    check_count("n", n)
    check_count("n_parts", n_parts)
    matrix, shape = rows_of(rows, image_shape, "rows")
    if shape is None:
        raise InvalidParameterError(
            "image_shape=None, but rows are drawn as pictures; pass the (height, width) of a row"
        )
    values, atoms = matrix_of(codes, "codes"), matrix_of(components, "components").astype(np.float64)
    check_size(atoms.shape[1], shape, "components")
    if values.shape != (len(matrix), len(atoms)):
        raise InvalidDataError(
            f"codes have shape {values.shape}, but there are {len(matrix)} rows and {len(atoms)} components"
        )
    start = np.zeros(atoms.shape[1]) if base is None else numbers_of(base, "base")
    check_size(len(start), shape, "base")
    values = values[:n].astype(np.float64)
    shades = grey_range(matrix)
    columns = {"row": as_pictures(matrix[:n], shades, shape)}
    if base is not None:
        columns["base"] = as_pictures(np.tile(start, (len(values), 1)), shades, shape)
    columns["sum"] = as_pictures(start + values @ atoms, shades, shape)
    return _draw(columns, values, atoms, shape, n_parts, title, dark)


def _draw(
    columns: dict[str, Array],
    codes: Array,
    atoms: Array,
    shape: tuple[int, ...],
    n_parts: int,
    title: str | None,
    dark: bool,
) -> Figure:
    norms = np.abs(codes) * np.linalg.norm(atoms, axis=1)
    order = np.argsort(-norms, axis=1, kind="stable")
    counts = np.count_nonzero((norms > 0) & (norms >= 0.01 * norms.max(axis=1, keepdims=True)), axis=1)
    n_drawn = max(1, min(n_parts, int(counts.max())))
    chosen = [units[: min(count, n_drawn)] for units, count in zip(order, counts, strict=True)]
    strip = n_drawn + (n_drawn - 1) * gap_of(shape[1]) / shape[1]
    cell = float(np.clip(11 / (n_drawn + len(columns)), 0.6, 1.4))
    ratios = [1.0] * (len(columns) - 1) + [strip, 1.0]
    height = (cell * shape[0] / shape[1] + 0.35) * len(codes) + 0.4
    with canvas(dark, cell * (sum(ratios) + 0.3 * len(ratios)), height, title) as (figure, style):
        grid = figure.subplots(len(codes), len(ratios), squeeze=False, width_ratios=ratios)
        for axes, row, units, *singles in zip(grid, codes, chosen, *columns.values(), strict=True):
            for ax, picture in zip([*axes[:-2], axes[-1]], singles, strict=True):
                remove_frame(ax)
                draw_picture(ax, picture)
            _strip(axes[-2], row[units], atoms[units], shape, n_drawn, style)
        for ax, name in zip(grid[0], [*list(columns)[:-1], "parts", "sum"], strict=True):
            ax.set_title(name)
    return figure


def _strip(ax: Axes, values: Array, atoms: Array, shape: tuple[int, ...], columns: int, style: Style) -> None:
    remove_frame(ax)
    if not len(values):
        ax.text(0.5, 0.5, "no unit is active", transform=ax.transAxes, ha="center", va="center", color=style.muted)
        return
    pictures = (values[:, None] * atoms).reshape(-1, *shape)
    limit = float(np.abs(pictures).max())
    if len(shape) == 3:
        pictures = np.clip((pictures / limit + 1) / 2, 0, 1)
    draw_picture(ax, mosaic_of(pictures, columns), style.diverging, (-limit, limit))
    step = shape[1] + gap_of(shape[1])
    ax.set_xticks(np.arange(len(values)) * step + (shape[1] - 1) / 2, [short_number(value) for value in values])
    ax.tick_params(length=0, pad=1)
