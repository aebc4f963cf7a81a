"""Rows and their active units: the contributions to a row, and the rows that activate a unit most strongly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure

from isthmus.core.errors import InvalidDataError
from isthmus.evaluation.plots import checks
from isthmus.evaluation.plots.canvas import canvas, remove_frame, short_number
from isthmus.evaluation.plots.checks import Array, ArrayLike, Sets, Shape, check_count, check_size, matrix_of
from isthmus.evaluation.plots.filters import scaled_filters
from isthmus.evaluation.plots.pictures import Range, as_pictures, draw_picture, gap_of, grey_range, mosaic_of
from isthmus.evaluation.plots.shared_docs import documented
from isthmus.evaluation.plots.style import Style

_MAX_UNITS = 8


@documented
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
    n : int
        Number of rows to draw, the first ones.
    n_parts : int
        Maximum number of contributions to draw per row: those of the largest norm, without those below 1 % of the
        row's largest norm. The sum includes all of them.

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
    matrix, shape = checks.picture_rows(rows, image_shape)
    values, atoms = matrix_of(codes, "codes"), matrix_of(components, "components").astype(np.float64)
    check_size(atoms.shape[1], shape, "components")
    if values.shape != (len(matrix), len(atoms)):
        raise InvalidDataError(
            f"codes have shape {values.shape}, but there are {len(matrix)} rows and {len(atoms)} components"
        )
    start = np.zeros(atoms.shape[1]) if base is None else checks.numbers_of(base, "base")
    check_size(len(start), shape, "base")
    values = values[:n].astype(np.float64)
    shades = grey_range(matrix)
    columns = {"row": as_pictures(matrix[:n], shades, shape)}
    if base is not None:
        columns["base"] = as_pictures(np.tile(start, (len(values), 1)), shades, shape)
    columns["sum"] = as_pictures(start + values @ atoms, shades, shape)
    return _draw(columns, values, atoms, shape, n_parts, title, dark)


def _draw(
    columns: Sets, codes: Array, atoms: Array, shape: Shape, n_parts: int, title: str | None, dark: bool
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
            contributions = (row[units, None] * atoms[units]).reshape(-1, *shape)
            limit = float(np.abs(contributions).max(initial=0))
            if len(shape) == 3:
                contributions = np.clip((contributions / limit + 1) / 2, 0, 1)
            colours = (style.diverging, (-limit, limit))
            _strip(axes[-2], contributions, row[units], n_drawn, "no unit is active", style, *colours)
        for ax, name in zip(grid[0], [*list(columns)[:-1], "parts", "sum"], strict=True):
            ax.set_title(name)
    return figure


@documented
def top_rows(
    rows: ArrayLike,
    codes: ArrayLike,
    units: int | Sequence[int] | None = None,
    *,
    image_shape: Sequence[int] | None = None,
    components: ArrayLike | None = None,
    n: int = 10,
    title: str | None = None,
    dark: bool = False,
) -> Figure:
    """Draw the rows that activate each unit most strongly, with the unit's atom.

    Parameters
    ----------
    rows : array-like of shape (n_samples, n_features), or pictures (n_samples, height, width[, channels])
        Rows.
    codes : array-like or scipy sparse matrix of shape (n_samples, n_components)
        Codes of the same rows.
    units : int, sequence of int or None
        The units; None uses the (at most eight) units that are active in the most rows.
    components : array-like of shape (n_components, n_features), optional
        Atoms of the units, such as an estimator's `components_`.
    n : int
        Maximum number of rows per unit; rows in which the unit is not active are not drawn.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The unit's activation is written below each row. Rows share one grey range; each atom is scaled by its largest
        absolute value.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        If shapes do not match, values are not finite, `image_shape` does not match the columns, or a unit does not
        exist.
    """
    check_count("n", n)
    matrix, shape = checks.picture_rows(rows, image_shape)
    chosen, activations = _chosen(codes, units, len(matrix))
    filters = None
    if components is not None:
        filters = matrix_of(components, "components").astype(np.float64)
        check_size(filters.shape[1], shape, "components")
        if len(filters) <= max(chosen):
            raise InvalidDataError(
                f"{len(filters)} components, but none for unit {max(chosen)}; pass one per unit of the code"
            )
    cell = float(np.clip(9 / n, 0.6, 1.3))
    height = (cell * shape[0] / shape[1] + 0.35) * len(chosen) + 0.4
    shades = grey_range(matrix)
    with canvas(dark, cell * (n + 2 * (filters is not None)) + 1.3, height, title) as (figure, style):
        # The width of the strip in widths of the atom, so that both are drawn at the same scale.
        strip = n + (n - 1) * gap_of(shape[1]) / shape[1]
        ratios = [strip] if filters is None else [1, strip]
        grid = figure.subplots(len(chosen), len(ratios), squeeze=False, width_ratios=ratios)
        for axes, unit, values in zip(grid, chosen, activations.T, strict=True):
            if filters is not None:
                picture, signed = scaled_filters(filters[[unit]], shape)
                draw_picture(axes[0], picture[0], style.diverging, (-1, 1) if signed else (0, 1))
                remove_frame(axes[0])
            order = np.argsort(-values, kind="stable")
            best = order[values[order] != 0][:n]
            _strip(axes[-1], as_pictures(matrix[best], shades, shape), values[best], n, "never active", style)
            axes[0].set_ylabel(f"unit {unit}", rotation=0, ha="right", va="center")
        if filters is not None:
            grid[0, 0].set_title("atom")
        grid[0, -1].set_title("rows with the largest activation")
    return figure


def _chosen(codes: ArrayLike, units: int | Sequence[int] | None, n_rows: int) -> tuple[list[int], Array]:
    """Return the indices of the units to draw, and their codes (rows, units)."""
    sparse = hasattr(codes, "tocsr")
    values: Any = codes.tocsr() if sparse else matrix_of(codes, "codes")
    if values.shape[0] != n_rows:
        raise InvalidDataError(f"{values.shape[0]} codes for {n_rows} rows; pass the codes of the same rows")
    if units is None:
        counts = np.asarray((values != 0).sum(axis=0)).ravel()
        units = np.argsort(-counts, kind="stable")[:_MAX_UNITS].tolist()
    chosen = checks.unit_indices("units", units, values.shape[1])
    some = values[:, chosen]
    return chosen, matrix_of(some.toarray() if sparse else some, "codes")


def _strip(
    ax: Axes,
    pictures: Array,
    numbers: Array,
    columns: int,
    empty: str,
    style: Style,
    colours: Colormap | str = "gray",
    limits: Range = (0, 1),
) -> None:
    """Draw pictures in one row with a number below each, or the text `empty` if there are none."""
    remove_frame(ax)
    if not len(pictures):
        ax.text(0.5, 0.5, empty, transform=ax.transAxes, ha="center", va="center", color=style.muted)
        return
    draw_picture(ax, mosaic_of(pictures, columns), colours, limits)
    width = pictures.shape[2]
    ticks = np.arange(len(numbers)) * (width + gap_of(width)) + (width - 1) / 2
    ax.set_xticks(ticks, [short_number(number) for number in numbers])
    ax.tick_params(length=0, pad=1)
