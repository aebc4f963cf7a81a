"""Rows as pictures: their grey range, many of them in one mosaic, and galleries of any pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from isthmus.core.errors import InvalidDataError
from isthmus.evaluation.plots.canvas import canvas, panels, remove_frame
from isthmus.evaluation.plots.checks import Array, ArrayLike, Shape, check_count, checked_shape, matrix_of, named_sets
from isthmus.evaluation.plots.shared_docs import documented

Range = tuple[float, float]  # the values of black and white


def grey_range(rows: Array) -> Range:
    """Return the values of black and white: (0, 255) or (0, 1) if the values lie in that range, else their range."""
    low, high = float(rows.min()), float(rows.max())
    if rows.dtype == np.uint8 and high > 1:
        return 0, 255
    if low >= 0 and high <= 1:
        return 0, 1
    return low, high if high > low else low + 1


def as_pictures(rows: Array, shades: Range, shape: Shape) -> Array:
    """Return rows as pictures of `shape`, from 0 (black) to 1 (white)."""
    low, high = shades
    return np.clip((rows.astype(np.float64) - low) / (high - low), 0, 1).reshape(-1, *shape)


def gap_of(width: int) -> int:
    """Return the number of pixels between two pictures of a mosaic."""
    return max(1, round(0.07 * width))


def mosaic_of(pictures: Array, columns: int, *, gap: int | None = None) -> Array:
    """Return pictures (n, height, width[, channels]) as one picture, `columns` per row, with transparent gaps."""
    count, height, width = pictures.shape[:3]
    n_rows = math.ceil(count / columns)
    gap = gap_of(width) if gap is None else gap
    if pictures.ndim == 4 and pictures.shape[3] == 3:
        pictures = np.concatenate([pictures, np.ones_like(pictures[..., :1])], axis=3)
    transparent = np.nan if pictures.ndim == 3 else 0.0
    mosaic = np.full((n_rows, height + gap, columns, width + gap, *pictures.shape[3:]), transparent)
    for i, picture in enumerate(pictures):
        mosaic[i // columns, :height, i % columns, :width] = picture
    mosaic = mosaic.reshape(n_rows * (height + gap), columns * (width + gap), *pictures.shape[3:])
    return mosaic[: len(mosaic) - gap, : mosaic.shape[1] - gap]


def draw_picture(
    ax: Axes,
    picture: Array,
    colours: Colormap | str = "gray",
    limits: Range = (0, 1),
    extent: tuple[float, float, float, float] | None = None,
) -> AxesImage:
    """Draw a picture with square pixels, or stretched to `extent` (left, right, bottom, top)."""
    return ax.imshow(
        picture,
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1],
        extent=extent,
        aspect="equal" if extent is None else "auto",
        interpolation="nearest" if picture.shape[1] < 1000 else "auto",
    )


@documented
def gallery(
    pictures: Mapping[str, ArrayLike], *, columns: int | None = None, title: str | None = None, dark: bool = False
) -> Figure:
    """Draw a grid of pictures, such as a photograph and its reconstructions.

    Parameters
    ----------
    pictures : mapping of str to array-like of shape (height, width) or (height, width, channels)
        Pictures by name. Their sizes may differ; all are drawn with the same width.
    columns : int or None
        Number of pictures per row; None chooses it.

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
