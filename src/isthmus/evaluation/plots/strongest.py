"""The rows that activate units most strongly, as pictures, with the units' atoms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.evaluation.plots.canvas import canvas, remove_frame, short_number
from isthmus.evaluation.plots.checks import Array, ArrayLike, check_count, check_size, matrix_of, rows_of
from isthmus.evaluation.plots.filters import scaled_filters
from isthmus.evaluation.plots.pictures import as_pictures, draw_picture, gap_of, grey_range, mosaic_of
from isthmus.evaluation.plots.style import Style

_MAX_UNITS = 8


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
    image_shape : sequence of int or None
        (height, width) or (height, width, channels) of a row; may be None if `rows` has the shape of pictures.
    components : array-like of shape (n_components, n_features), optional
        Atoms of the units, such as an estimator's `components_`.
    n : int
        Maximum number of rows per unit; rows in which the unit is not active are not drawn.
    title : str or None
        Title of the figure.
    dark : bool
        Draw for a dark background.

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
    matrix, shape = rows_of(rows, image_shape, "rows")
    if shape is None:
        raise InvalidParameterError(
            "image_shape=None, but rows are drawn as pictures; pass the (height, width) of a row"
        )
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
            _strip(axes[-1], as_pictures(matrix[best], shades, shape), values[best], n, shape, style)
            axes[0].set_ylabel(f"unit {unit}", rotation=0, ha="right", va="center")
        if filters is not None:
            grid[0, 0].set_title("atom")
        grid[0, -1].set_title("rows with the largest activation")
    return figure


def _strip(ax: Axes, pictures: Array, values: Array, n: int, shape: tuple[int, ...], style: Style) -> None:
    remove_frame(ax)
    if not len(pictures):
        ax.text(0.5, 0.5, "never active", transform=ax.transAxes, ha="center", va="center", color=style.muted)
        return
    draw_picture(ax, mosaic_of(pictures, n))
    step = shape[1] + gap_of(shape[1])
    ax.set_xticks(np.arange(len(values)) * step + (shape[1] - 1) / 2, [short_number(value) for value in values])
    ax.tick_params(length=0, pad=1)


def _chosen(codes: ArrayLike, units: int | Sequence[int] | None, n_rows: int) -> tuple[list[int], Array]:
    """Return the indices of the units to draw, and their codes (rows, units)."""
    sparse = hasattr(codes, "tocsr")
    values: Any = codes.tocsr() if sparse else matrix_of(codes, "codes")
    if values.shape[0] != n_rows:
        raise InvalidDataError(f"{values.shape[0]} codes for {n_rows} rows; pass the codes of the same rows")
    width = values.shape[1]
    if units is None:
        counts = np.asarray((values != 0).sum(axis=0)).ravel()
        units = np.argsort(-counts, kind="stable")[:_MAX_UNITS].tolist()
    try:
        chosen = [int(unit) for unit in np.atleast_1d(np.asarray(units)) if unit == int(unit)]
    except (TypeError, ValueError):
        chosen = []
    if not chosen or len(chosen) != np.size(units):
        raise InvalidParameterError(f"units={units!r} must be a unit index or a list of unit indices")
    for unit in chosen:
        if not 0 <= unit < width:
            raise InvalidParameterError(f"units={units!r}: unit {unit} does not exist; units are 0 to {width - 1}")
    some = values[:, chosen]
    return chosen, matrix_of(some.toarray() if sparse else some, "codes")
