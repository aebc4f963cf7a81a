"""Rows that are pictures: rebuilt ones over originals, the decoder over its plane, weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from isthmus.errors import InvalidDataError
from isthmus.plots.checks import (
    Array,
    ArrayLike,
    check_count,
    check_size,
    checked_shape,
    chosen_columns,
    matrix_of,
    panels_of,
    rows_of,
    unit_names,
)
from isthmus.plots.curves import column_units, line_rows
from isthmus.plots.labels import key_of
from isthmus.plots.scatter import scatter_points
from isthmus.plots.style import axes_beside, bare, canvas, headline, tiles_across


def reconstructions(
    originals: ArrayLike,
    rebuilt: ArrayLike | Mapping[str, ArrayLike],
    *,
    image_shape: Sequence[int] | None = None,
    n: int = 10,
    names: Sequence[str] | None = None,
    titles: Sequence[object] | None = None,
    title: str | None = None,
    dark: bool = False,
) -> Figure:
    """Draw rows over what was rebuilt from their codes, and the difference.

    Parameters
    ----------
    originals : array-like of shape (n_samples, n_features), or pictures (n_samples, height, width[, channels])
        Rows.
    rebuilt : array-like of the same shape, or mapping of method to such arrays
        The same rows rebuilt, by one method or by several to compare.
    image_shape : sequence of int or None
        (height, width) or (height, width, channels) of a row that is a picture. None draws rows as lines, unless
        `originals` have the pictures' shape themselves.
    n : int
        The first `n` rows are drawn; the mean squared error (MSE) is over all rows, in the units that are drawn.
    names : sequence of str or None
        Names of the features, for rows drawn as lines; None takes a frame's column names.
    titles : sequence or None
        What to write above each of the first `n` rows, such as their labels.
    title : str or None
        Title of the figure.
    dark : bool
        Draw for a dark background.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Differences (rebuilt - original, the mean over colour channels) share one range. Rows drawn as lines, if they
        have at most 60 columns and these differ more than tenfold in spread, are drawn as z-scores: in each column's
        standard deviations from its mean, over the originals.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        Where shapes do not fit, values are not finite, or `image_shape` is not the row's size.
    """
    check_count("n", n)
    rows, shape = rows_of(originals, image_shape, "originals")
    panels = panels_of(rebuilt, "rebuilt")
    methods = {name or "rebuilt": rows_of(each, shape, f"{name or 'rebuilt'} rows")[0] for name, each in panels.items()}
    for name, values in methods.items():
        if values.shape != rows.shape:
            raise InvalidDataError(
                f"{name} rows have shape {values.shape}, but the originals {rows.shape}; pass the same rows, rebuilt"
            )
    shown = min(n, len(rows))
    heads = None if titles is None else [str(head) for head in titles][:shown]
    if heads is not None and len(heads) < shown:
        raise InvalidDataError(f"there are {len(heads)} titles for {shown} rows; pass one for each")
    if shape is None:
        center, spread, unit = column_units(rows)
        rows, methods = (rows - center) / spread, {name: (each - center) / spread for name, each in methods.items()}
    labels = {name: f"{name}\nMSE {_short(_mean_square(rows, values))}" for name, values in methods.items()}
    some = {labels[name]: values[:shown] for name, values in methods.items()}
    if shape is not None:
        return _picture_rows(_as_shown(rows[:shown], rows), some, shape, heads, title, dark)
    features = unit_names(names, originals, rows.shape[1], "feature")
    return line_rows(rows[:shown], some, features, heads, unit, title, dark)


def manifold(
    decode: Callable[[Array], ArrayLike],
    codes: ArrayLike,
    *,
    image_shape: Sequence[int],
    n: int = 20,
    components: Sequence[int] = (0, 1),
    labels: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    label_name: str | None = None,
    title: str | None = None,
    dark: bool = False,
) -> Figure:
    """Draw the decoder's pictures over the plane of the code.

    Parameters
    ----------
    decode : callable
        From codes (n_codes, n_components) to rows (n_codes, n_features), such as a model's `inverse_transform`;
        called once.
    codes : array-like of shape (n_samples, n_components)
        Codes of real rows: the plane reaches from their 1st to their 99th percentile.
    image_shape : sequence of int
        (height, width) or (height, width, channels) of a row.
    n : int
        Pictures along each axis.
    components : sequence of one or two int
        The units that span the plane, or the line; other units stay at their median.
    labels : array-like of shape (n_samples,) or None
        Labels as `codes` takes them: the codes are then drawn beside the pictures, over the same plane.
    names : sequence of str or None
        Names of the units.
    label_name : str or None
        What the labels are.
    title : str or None
        Title of the figure.
    dark : bool
        Draw for a dark background.

    Returns
    -------
    figure : matplotlib.figure.Figure
        One mosaic whose axes are in code units, each picture centred on its code.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        Where codes are not finite, or what `decode` returns is not rows of `image_shape`.
    """
    check_count("n", n)
    shape = checked_shape(image_shape)
    values = matrix_of(codes, "codes")
    columns = chosen_columns(components, values.shape[1])
    units = unit_names(names, codes, values.shape[1])
    lines = [_line(values[:, k], n) for k in columns]
    mosaic, extent = _decoded(decode, values, columns, lines, shape)
    beside = labels is not None and len(columns) == 2
    ratio = mosaic.shape[0] / mosaic.shape[1]
    # Inches of one panel; the others are what labels, title and colour bar take.
    width = 5.4 if len(columns) == 2 else 11.0
    with canvas(dark, 13.1 if beside else width + 1.0, width * ratio + (1.1 if title else 0.7)) as (figure, style):
        axes = figure.subplots(1, 2 if beside else 1, squeeze=False).ravel()
        _draw_picture(axes[0], mosaic, extent=extent)
        for ax in axes:
            ax.set_box_aspect(ratio)
            ax.set(xlabel=units[columns[0]], xlim=extent[:2], ylim=extent[2:])
            if len(columns) == 2:
                ax.set_ylabel(units[columns[1]])
            else:
                ax.set_yticks([])
        key = key_of(labels, len(values), label_name, style) if beside else None
        if key is not None:
            scatter_points(axes[1], values[:, columns], key, style)
            key.draw(figure, [axes[1]], None if key.named else axes_beside(axes[1]))
        headline(figure, title)
    return figure


def weights(
    weights: ArrayLike,
    *,
    image_shape: Sequence[int],
    n: int = 64,
    sort: bool = True,
    title: str | None = None,
    dark: bool = False,
) -> Figure:
    """Draw what each unit of a layer looks for: the columns of its matrix as pictures.

    Parameters
    ----------
    weights : array-like of shape (n_inputs, n_units)
        The matrix, such as the first of an estimator's `encoder_weights_`, or the last of its `decoder_weights_`
        transposed.
    image_shape : sequence of int
        (height, width) or (height, width, channels) of the inputs.
    n : int
        Units to draw, at most.
    sort : bool
        Draw the units of the largest norm, largest first; False keeps their order.
    title : str or None
        Title of the figure; None says which units are drawn.
    dark : bool
        Draw for a dark background.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Each picture is scaled to its own largest absolute weight; zero is in the middle of the colours, or mid-grey in
        colour pictures.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        Where weights are not finite numbers in two dimensions, or `image_shape` is not the number of inputs.
    """
    check_count("n", n)
    shape = checked_shape(image_shape)
    matrix = matrix_of(weights, "weights").astype(np.float64)
    check_size(matrix.shape[0], shape, "weights (inputs, units)")
    order = np.argsort(-np.linalg.norm(matrix, axis=0), kind="stable") if sort else np.arange(matrix.shape[1])
    kept = matrix[:, order[:n]].T
    largest = np.abs(kept).max(axis=1, keepdims=True)
    pictures = np.divide(kept, largest, out=np.zeros_like(kept), where=largest > 0).reshape(-1, *shape)
    across = tiles_across(len(kept), shape[0] / shape[1])
    mosaic = _mosaic(pictures if pictures.ndim == 3 else (pictures + 1) / 2, across)
    width = float(np.clip(1.1 * across, 4, 9))
    if title is None:
        which = ", largest norm first" if sort and len(kept) > 1 else ""
        title = f"{len(kept)} of {matrix.shape[1]} units{which}"
    with canvas(dark, width + (1.4 if mosaic.ndim == 2 else 0.4), width * mosaic.shape[0] / mosaic.shape[1] + 0.7) as (
        figure,
        style,
    ):
        ax = figure.subplots()
        bare(ax)
        image = _draw_picture(ax, mosaic, style.diverging, (-1, 1))
        if mosaic.ndim == 2:
            bar = figure.colorbar(image, cax=axes_beside(ax, 0.03), ticks=[-1, 0, 1])
            bar.outline.set_visible(False)
            bar.ax.set_yticklabels(["-max", "0", "max"])
            bar.set_label("weight")
        headline(figure, title)
    return figure


@dataclass(frozen=True)
class _Shown:
    rows: Array
    low: float
    high: float


def _as_shown(some: Array, rows: Array) -> _Shown:
    """Say which values are black and white: the type's or the usual range where rows keep to it, else their own."""
    low, high = float(rows.min()), float(rows.max())
    if rows.dtype == np.uint8 and high > 1:
        return _Shown(some, 0, 255)
    if low >= 0 and high <= 1:
        return _Shown(some, 0, 1)
    return _Shown(some, low, high if high > low else low + 1)


def _scaled(rows: Array, shown: _Shown, shape: tuple[int, ...]) -> Array:
    share = (rows.astype(np.float64) - shown.low) / (shown.high - shown.low)
    return np.clip(share, 0, 1).reshape(-1, *shape)


def _picture_rows(
    originals: _Shown,
    methods: Mapping[str, Array],
    shape: tuple[int, ...],
    heads: list[str] | None,
    title: str | None,
    dark: bool,
) -> Figure:
    shown, first = len(originals.rows), _scaled(originals.rows, originals, shape)
    differences = {
        name: (values.astype(np.float64) - originals.rows).reshape(shown, *shape) for name, values in methods.items()
    }
    flat = {name: each if each.ndim == 3 else each.mean(axis=3) for name, each in differences.items()}
    most = max(float(np.abs(each).max()) for each in flat.values()) or 1.0
    cell = float(np.clip(10 / shown, 0.55, 1.4))
    height = cell * shape[0] / shape[1] + 0.08
    # Beside the pictures stand the rows' names, at about nine letters an inch, and the colour bar.
    letters = max(len(line) for name in (*methods, "difference") for line in name.splitlines())
    width = cell * shown + 1.7 + letters / 9
    with canvas(dark, width, max(2.2, height * (1 + 2 * len(methods)) + 0.4 + 0.5 * bool(title))) as (figure, style):
        axes = figure.subplots(1 + 2 * len(methods), 1)
        _strip(axes[0], first, "original")
        if heads is not None:
            step = axes[0].images[0].get_array().shape[1] / shown
            axes[0].set_xticks((np.arange(shown) + 0.5) * step - 0.5, heads)
            axes[0].tick_params(bottom=False, labelbottom=False, labeltop=True, pad=0)
        for place, (name, values) in enumerate(methods.items()):
            _strip(axes[1 + 2 * place], _scaled(values, originals, shape), name)
            image = _strip(axes[2 + 2 * place], flat[name], "difference", style.diverging, (-most, most))
        bar = figure.colorbar(image, ax=list(axes), aspect=25, pad=0.02)
        bar.set_label("rebuilt - original")
        bar.ax.yaxis.set_major_locator(MaxNLocator(4, symmetric=True))
        bar.outline.set_visible(False)
        headline(figure, title)
    return figure


def _strip(
    ax: Axes, pictures: Array, name: str, colours: Colormap | str = "gray", limits: tuple[float, float] = (0, 1)
) -> AxesImage:
    bare(ax)
    ax.set_ylabel(name, rotation=0, ha="right", va="center")
    return _draw_picture(ax, _mosaic(pictures, len(pictures)), colours, limits)


def _draw_picture(
    ax: Axes,
    picture: Array,
    colours: Colormap | str = "gray",
    limits: tuple[float, float] = (0, 1),
    extent: tuple[float, float, float, float] | None = None,
) -> AxesImage:
    return ax.imshow(
        picture,
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1],
        extent=extent,
        aspect="equal" if extent is None else "auto",
        interpolation="nearest" if picture.shape[1] < 1000 else "auto",
    )


def _mosaic(pictures: Array, across: int, *, gap: int | None = None) -> Array:
    """Lay pictures (n, height, width[, channels]) out in rows of `across`, transparent between them."""
    count, height, width = pictures.shape[:3]
    down = -(-count // across)
    gap = max(1, round(0.07 * width)) if gap is None else gap
    if pictures.ndim == 4 and pictures.shape[3] == 3:
        pictures = np.concatenate([pictures, np.ones_like(pictures[..., :1])], axis=3)
    between = np.nan if pictures.ndim == 3 else 0.0
    whole = np.full((down, height + gap, across, width + gap, *pictures.shape[3:]), between)
    for i, picture in enumerate(pictures):
        whole[i // across, :height, i % across, :width] = picture
    whole = whole.reshape(down * (height + gap), across * (width + gap), *pictures.shape[3:])
    return whole[: len(whole) - gap, : whole.shape[1] - gap]


def _line(values: Array, n: int) -> Array:
    low, high = (float(each) for each in np.quantile(values, [0.01, 0.99]))
    if not high > low:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, n) if n > 1 else np.array([(low + high) / 2])


def _decoded(
    decode: Callable[[Array], ArrayLike],
    codes: Array,
    columns: list[int],
    lines: list[Array],
    shape: tuple[int, ...],
) -> tuple[Array, tuple[float, float, float, float]]:
    """Return the mosaic of the pictures over a plane or a line of codes, and its extent in code units."""
    across, down = len(lines[0]), len(lines[1]) if len(lines) == 2 else 1
    grid = np.tile(np.median(codes, axis=0), (across * down, 1)).astype(np.result_type(codes, np.float32))
    grid[:, columns[0]] = np.tile(lines[0], down)
    if len(lines) == 2:
        grid[:, columns[1]] = np.repeat(lines[1][::-1], across)  # the first row of pictures is the top one
    rows = matrix_of(decode(grid), "what decode returns")
    check_size(rows.shape[1], shape, "what decode returns")
    if len(rows) != len(grid):
        raise InvalidDataError(f"decode returned {len(rows)} rows for {len(grid)} codes; it must return one for each")
    mosaic = _mosaic(_scaled(rows, _as_shown(rows, rows), shape), across, gap=0)
    edges: list[float] = []
    for line in lines:
        half = (line[1] - line[0]) / 2 if len(line) > 1 else 0.5
        edges += [float(line[0] - half), float(line[-1] + half)]
    if len(lines) == 1:
        edges += [-0.5, 0.5]
    return mosaic, (edges[0], edges[1], edges[2], edges[3])


def _mean_square(rows: Array, rebuilt: Array) -> float:
    total = 0.0
    for start in range(0, len(rows), 4096):
        there = rebuilt[start : start + 4096].astype(np.float64)
        total += float(np.square(there - rows[start : start + 4096]).sum())
    return total / rows.size


def _short(number: float) -> str:
    return f"{number:,.0f}" if 1000 <= number < 1e6 else f"{number:.3g}"
