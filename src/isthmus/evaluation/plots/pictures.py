"""Rows as pictures: which values are black and white, and many pictures laid out as one."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.image import AxesImage

from isthmus.evaluation.plots.checks import Array


def grey_range(rows: Array) -> tuple[float, float]:
    """Return what is black and what is white: the type's or the usual range where rows keep to it, else their own."""
    low, high = float(rows.min()), float(rows.max())
    if rows.dtype == np.uint8 and high > 1:
        return 0, 255
    if low >= 0 and high <= 1:
        return 0, 1
    return low, high if high > low else low + 1


def as_pictures(rows: Array, shades: tuple[float, float], shape: tuple[int, ...]) -> Array:
    """Return rows as pictures of `shape`, 0 where they are black and 1 where they are white."""
    low, high = shades
    return np.clip((rows.astype(np.float64) - low) / (high - low), 0, 1).reshape(-1, *shape)


def gap_of(width: int) -> int:
    """Return how many cells lie between two pictures of a mosaic."""
    return max(1, round(0.07 * width))


def mosaic_of(pictures: Array, across: int, *, gap: int | None = None) -> Array:
    """Lay pictures (n, height, width[, channels]) out in rows of `across`, transparent between them."""
    count, height, width = pictures.shape[:3]
    down = math.ceil(count / across)
    gap = gap_of(width) if gap is None else gap
    if pictures.ndim == 4 and pictures.shape[3] == 3:
        pictures = np.concatenate([pictures, np.ones_like(pictures[..., :1])], axis=3)
    between = np.nan if pictures.ndim == 3 else 0.0
    whole = np.full((down, height + gap, across, width + gap, *pictures.shape[3:]), between)
    for i, picture in enumerate(pictures):
        whole[i // across, :height, i % across, :width] = picture
    whole = whole.reshape(down * (height + gap), across * (width + gap), *pictures.shape[3:])
    return whole[: len(whole) - gap, : whole.shape[1] - gap]


def draw_picture(
    ax: Axes,
    picture: Array,
    colours: Colormap | str = "gray",
    limits: tuple[float, float] = (0, 1),
    extent: tuple[float, float, float, float] | None = None,
) -> AxesImage:
    """Draw a picture of square cells, or stretched over an `extent` (left, right, bottom, top)."""
    return ax.imshow(
        picture,
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1],
        extent=extent,
        aspect="equal" if extent is None else "auto",
        interpolation="nearest" if picture.shape[1] < 1000 else "auto",
    )
