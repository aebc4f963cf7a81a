"""Rows as pictures: their grey range, and many pictures in one mosaic."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.image import AxesImage

from isthmus.evaluation.plots.checks import Array


def grey_range(rows: Array) -> tuple[float, float]:
    """Return the values of black and white: (0, 255) or (0, 1) if the values lie in that range, else their range."""
    low, high = float(rows.min()), float(rows.max())
    if rows.dtype == np.uint8 and high > 1:
        return 0, 255
    if low >= 0 and high <= 1:
        return 0, 1
    return low, high if high > low else low + 1


def as_pictures(rows: Array, shades: tuple[float, float], shape: tuple[int, ...]) -> Array:
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
    limits: tuple[float, float] = (0, 1),
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
