"""A grid of pictures of any size, with their names."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from isthmus.core.errors import InvalidDataError
from isthmus.evaluation.plots.canvas import canvas, panels, remove_frame
from isthmus.evaluation.plots.checks import Array, ArrayLike, check_count, checked_shape, matrix_of, named_sets
from isthmus.evaluation.plots.pictures import as_pictures, draw_picture, grey_range


def gallery(
    pictures: Mapping[str, ArrayLike],
    *,
    columns: int | None = None,
    title: str | None = None,
    dark: bool = False,
) -> Figure:
    """Draw a grid of pictures, such as a photograph and its reconstructions.

    Parameters
    ----------
    pictures : mapping of str to array-like of shape (height, width) or (height, width, channels)
        Pictures by name. Their sizes may differ; all are drawn with the same width.
    columns : int or None
        Number of pictures per row; None chooses it.
    title : str or None
        Title of the figure.
    dark : bool
        Draw for a dark background.

    Returns
    -------
    figure : matplotlib.figure.Figure
        All pictures share one grey range: 0 to 255 or 0 to 1 if the first picture's values lie in it, else the first
        picture's range.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        If there are no pictures, a picture has another shape or is not finite, or `columns` is not an integer >= 1.
    """
    if not isinstance(pictures, Mapping):
        raise InvalidDataError("pictures must be a mapping; pass a mapping of name to picture")
    shown = {name: _picture(picture, name) for name, picture in named_sets(pictures, "pictures").items()}
    first = next(iter(shown.values()))
    shades = grey_range(first)
    ratio = first.shape[0] / first.shape[1]
    if columns is None:
        columns = max(1, round(math.sqrt(len(shown) * ratio * 1.5)))
    check_count("columns", columns)
    columns = min(columns, len(shown))
    width = float(np.clip(12 / columns, 1.6, 5))
    n_rows = -(-len(shown) // columns)
    height = (width * max(each.shape[0] / each.shape[1] for each in shown.values()) + 0.4) * n_rows
    with canvas(dark, width * columns + 0.2, height, title) as (figure, _):
        for ax, (name, picture) in zip(panels(figure, len(shown), columns), shown.items(), strict=True):
            remove_frame(ax)
            draw_picture(ax, as_pictures(picture.ravel(), shades, picture.shape)[0])
            ax.set_title(name)
    return figure


def _picture(values: ArrayLike, name: str) -> Array:
    array = np.asarray(values)
    if array.ndim not in (2, 3) or not array.size:
        raise InvalidDataError(
            f"picture {name!r} has shape {array.shape}; pass (height, width) or (height, width, channels)"
        )
    shape = checked_shape(array.shape)
    return matrix_of(array.reshape(shape[0], -1), f"picture {name!r}").reshape(shape)
