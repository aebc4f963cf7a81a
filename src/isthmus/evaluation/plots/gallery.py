"""Pictures of any size beside one another, each under its name."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from isthmus.core.errors import InvalidDataError
from isthmus.evaluation.plots.canvas import bare, canvas, panels
from isthmus.evaluation.plots.checks import Array, ArrayLike, check_count, checked_shape, matrix_of, named_sets
from isthmus.evaluation.plots.pictures import as_pictures, draw_picture, grey_range


def gallery(
    pictures: Mapping[str, ArrayLike],
    *,
    across: int | None = None,
    title: str | None = None,
    dark: bool = False,
) -> Figure:
    """Draw pictures beside one another, such as a photograph and what was rebuilt from more and more of its code.

    Parameters
    ----------
    pictures : mapping of str to array-like of shape (height, width) or (height, width, channels)
        Pictures by what to write above them. Each may have another size; they are drawn equally wide.
    across : int or None
        Pictures in a row; None chooses.
    title : str or None
        Title of the figure.
    dark : bool
        Draw for a dark background.

    Returns
    -------
    figure : matplotlib.figure.Figure
        What is black and what is white is one for all: the first picture's type's or usual range where it keeps to it,
        else its own.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        Where there are no pictures, one is not finite numbers in such a shape, or `across` is no number of them.
    """
    if not isinstance(pictures, Mapping):
        raise InvalidDataError("pictures have no names; pass a mapping of name to picture")
    shown = {name: _picture(picture, name) for name, picture in named_sets(pictures, "pictures").items()}
    first = next(iter(shown.values()))
    shades = grey_range(first)
    ratio = first.shape[0] / first.shape[1]
    if across is None:
        across = max(1, round(math.sqrt(len(shown) * ratio * 1.5)))
    check_count("across", across)
    across = min(across, len(shown))
    width = float(np.clip(12 / across, 1.6, 5))
    down = -(-len(shown) // across)
    height = (width * max(each.shape[0] / each.shape[1] for each in shown.values()) + 0.4) * down
    with canvas(dark, width * across + 0.2, height, title) as (figure, _):
        for ax, (name, picture) in zip(panels(figure, len(shown), across), shown.items(), strict=True):
            bare(ax)
            draw_picture(ax, as_pictures(picture.ravel(), shades, picture.shape)[0])
            ax.set_title(name)
    return figure


def _picture(values: ArrayLike, name: str) -> Array:
    array = np.asarray(values)
    if array.ndim not in (2, 3) or not array.size:
        raise InvalidDataError(f"picture {name!r} has shape {array.shape}; pass (height, width) or with channels last")
    shape = checked_shape(array.shape)
    return matrix_of(array.reshape(shape[0], -1), f"picture {name!r}").reshape(shape)
