"""Rows taken apart: what each active unit of a code puts into them, as pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.evaluation.plots.canvas import bare, canvas, short_number
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
    """Draw rows taken apart: each beside its active units' atoms, strongest first, and what they add up to.

    Parameters
    ----------
    rows : array-like of shape (n_samples, n_features), or pictures (n_samples, height, width[, channels])
        Rows.
    codes : array-like of shape (n_samples, n_components)
        Codes of the same rows.
    components : array-like of shape (n_components, n_features)
        The units' atoms, such as the `components_` of an estimator whose decoder has one layer.
    base : array-like of shape (n_features,), optional
        What the atoms are added to, such as ``model.inverse_transform`` of a code of zeros; None is nothing.
    image_shape : sequence of int or None
        (height, width) or (height, width, channels) of a row; None where `rows` have the pictures' shape themselves.
    n : int
        The first `n` rows are drawn.
    n_parts : int
        Parts to draw of each row, at most: those of the largest norm, and none below a hundredth of the row's largest.
        The sum is of all.
    title : str or None
        Title of the figure.
    dark : bool
        Draw for a dark background.

    Returns
    -------
    figure : matplotlib.figure.Figure
        A part is an atom times the row's code, whose value stands below it. The parts of a row share one range of
        colours, zero in its middle, or mid-grey in colour pictures; rows, base and sums share one range of grey.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        Where shapes do not fit, values are not finite, or `image_shape` is not the row's size.
    """
    check_count("n", n)
    check_count("n_parts", n_parts)
    matrix, shape = rows_of(rows, image_shape, "rows")
    if shape is None:
        raise InvalidParameterError("image_shape=None: rows are drawn as pictures; pass (height, width) of a row")
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
    seen = np.count_nonzero((norms > 0) & (norms >= 0.01 * norms.max(axis=1, keepdims=True)), axis=1)
    most = max(1, min(n_parts, int(seen.max())))
    chosen = [units[: min(count, most)] for units, count in zip(order, seen, strict=True)]
    strip = most + (most - 1) * gap_of(shape[1]) / shape[1]
    cell = float(np.clip(11 / (most + len(columns)), 0.6, 1.4))
    ratios = [1.0] * (len(columns) - 1) + [strip, 1.0]
    height = (cell * shape[0] / shape[1] + 0.35) * len(codes) + 0.4
    with canvas(dark, cell * (sum(ratios) + 0.3 * len(ratios)), height, title) as (figure, style):
        grid = figure.subplots(len(codes), len(ratios), squeeze=False, width_ratios=ratios)
        for axes, row, units, *singles in zip(grid, codes, chosen, *columns.values(), strict=True):
            for ax, picture in zip([*axes[:-2], axes[-1]], singles, strict=True):
                bare(ax)
                draw_picture(ax, picture)
            _strip(axes[-2], row[units], atoms[units], shape, most, style)
        for ax, name in zip(grid[0], [*list(columns)[:-1], "parts", "sum"], strict=True):
            ax.set_title(name)
    return figure


def _strip(ax: Axes, values: Array, atoms: Array, shape: tuple[int, ...], most: int, style: Style) -> None:
    bare(ax)
    if not len(values):
        ax.text(0.5, 0.5, "no unit is active", transform=ax.transAxes, ha="center", va="center", color=style.muted)
        return
    pictures = (values[:, None] * atoms).reshape(-1, *shape)
    limit = float(np.abs(pictures).max())
    if len(shape) == 3:
        pictures = np.clip((pictures / limit + 1) / 2, 0, 1)
    draw_picture(ax, mosaic_of(pictures, most), style.diverging, (-limit, limit))
    step = shape[1] + gap_of(shape[1])
    ax.set_xticks(np.arange(len(values)) * step + (shape[1] - 1) / 2, [short_number(value) for value in values])
    ax.tick_params(length=0, pad=1)
