"""Morphs: what the decoder makes of the points on the straight line between the codes of two rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.evaluation.plots import checks
from isthmus.evaluation.plots.canvas import canvas, remove_frame
from isthmus.evaluation.plots.checks import Array, ArrayLike, matrix_of
from isthmus.evaluation.plots.pictures import as_pictures, draw_picture, gap_of, grey_range, mosaic_of
from isthmus.evaluation.plots.shared_docs import documented
from isthmus.evaluation.plots.style import Style


@documented
def morph(
    rows: ArrayLike,
    codes: ArrayLike,
    decode: Callable[[Array], ArrayLike],
    pairs: Sequence[Sequence[int]],
    *,
    image_shape: Sequence[int] | None = None,
    n: int = 9,
    title: str | None = None,
    dark: bool = False,
) -> Figure:
    """Draw one picture turning into another, by way of the straight line between their codes.

    Parameters
    ----------
    rows : array-like of shape (n_samples, n_features) or (n_samples, height, width[, channels])
        Rows that are pictures.
    codes : array-like of shape (n_samples, n_components)
        Their codes.
    decode : callable
        Maps codes (n_codes, n_components) to rows, such as a model's `inverse_transform`. Called once.
    pairs : sequence of pairs of int
        The numbers of the two rows of each morph.
    n : int
        Number of decoded pictures in each morph; the first and the last are the reconstructions of the two rows.

    Returns
    -------
    figure : matplotlib.figure.Figure
        A line for each pair: the first row, the decoded pictures, and the second row. Codes of two units are drawn as
        a map in a second panel, with the line of each pair.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        If a row does not exist, or `decode` does not return rows of the shape of the pictures.
    """
    checks.check_count("n", n)
    matrix, shape = checks.picture_rows(rows, image_shape)
    points = matrix_of(codes, "codes")
    if len(points) != len(matrix):
        raise InvalidDataError(f"{len(points)} codes for {len(matrix)} rows; pass the codes of the same rows")
    chosen = _pairs(pairs, len(matrix))
    steps = np.linspace(0, 1, n)[:, None]
    lines = [(1 - steps) * points[first] + steps * points[last] for first, last in chosen]
    made = np.asarray(decode(np.concatenate(lines).astype(np.result_type(points, np.float32))))
    decoded = matrix_of(made.reshape(len(made), -1), "the rows returned by decode")
    if decoded.shape != (n * len(chosen), matrix.shape[1]):
        raise InvalidDataError(
            f"decode returned an array of shape {made.shape} for {n * len(chosen)} codes; it must return one row of "
            f"{matrix.shape[1]} values per code"
        )
    shades = grey_range(matrix)
    mapped = points.shape[1] == 2
    cell = float(np.clip(7.5 / n, 0.5, 1))
    height = max(cell * shape[0] / shape[1] * 1.25 * len(chosen) + 0.3, 3.6 if mapped else 0)
    width = cell * (n + 3.2)
    with canvas(dark, width + 0.6 + (height if mapped else 0), height, title) as (figure, style):
        grid = figure.add_gridspec(len(chosen), 1 + mapped, width_ratios=[width, height] if mapped else None)
        ends = as_pictures(matrix[np.ravel(chosen)], shades, shape)
        between = as_pictures(decoded, shades, shape).reshape(len(chosen), n, *ends.shape[1:])
        for number, part in enumerate(between):
            ax = figure.add_subplot(grid[number, 0])
            _strip(ax, ends[2 * number], part, ends[2 * number + 1], f"{number + 1}" if mapped else "")
            if number == 0:
                ax.set_title("two rows, and the decoded line between their codes")
        if mapped:
            _paths(figure.add_subplot(grid[:, 1]), points, chosen, style)
    return figure


def _pairs(pairs: Sequence[Sequence[int]], n_rows: int) -> list[list[int]]:
    try:
        chosen = np.asarray(pairs)
    except ValueError:
        chosen = np.zeros(0)
    if chosen.ndim != 2 or chosen.shape[1:] != (2,) or not len(chosen) or chosen.dtype.kind not in "iu":
        raise InvalidParameterError(f"pairs={pairs!r} must be pairs of row numbers, such as [(0, 1)]")
    for row in chosen.ravel():
        if not 0 <= row < n_rows:
            raise InvalidParameterError(f"pairs={pairs!r}: row {row} does not exist; rows are 0 to {n_rows - 1}")
    found: list[list[int]] = chosen.tolist()
    return found


def _strip(ax: Axes, first: Array, between: Array, last: Array, name: str) -> None:
    """Draw a morph in one line, its two rows apart from the decoded pictures."""
    remove_frame(ax)
    mosaic = mosaic_of(np.concatenate([first[None], between, last[None]]), len(between) + 2)
    step = between.shape[2] + gap_of(between.shape[2])
    space = np.full((len(mosaic), 2 * gap_of(between.shape[2]), *mosaic.shape[2:]), np.nan if mosaic.ndim == 2 else 0)
    parts = [mosaic[:, :step], space, mosaic[:, step:-step], space, mosaic[:, -step:]]
    draw_picture(ax, np.concatenate(parts, axis=1))
    ax.set_ylabel(name, rotation=0, ha="right", va="center")


def _paths(ax: Axes, points: Array, pairs: list[list[int]], style: Style) -> None:
    """Draw the lines between the codes of pairs, over all codes."""
    size = float(np.clip(200 / np.sqrt(len(points)), 0.5, 20))
    ax.scatter(points[:, 0], points[:, 1], s=size, color=style.missing, linewidths=0, rasterized=True)
    for number, pair in enumerate(pairs):
        colour = style.palette[number % len(style.palette)]
        ax.plot(*points[pair].T, "o-", color=colour, markersize=5, linewidth=1.5)
        ax.annotate(f"{number + 1}", points[pair[0]], xytext=(4, 4), textcoords="offset points", color=colour)
    ax.set(xticks=[], yticks=[], xlabel="code 0", ylabel="code 1")
