"""Figures of codes, rebuilt rows, training and weights: arrays in, a matplotlib Figure out.

Nothing here reads a file or a model, touches pyplot or needs a display. Every figure is drawn for white paper, or with
``dark=True`` for dark slides.
"""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, Colormap, LinearSegmentedColormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from isthmus.errors import InvalidDataError, InvalidParameterError, suggest
from isthmus.files import written_whole

Array = NDArray[Any]
ArrayLike = Any  # an array, a list or a frame

MOST_CLASSES = 20
MOST_PANELS = 64
_TITLE, _TEXT, _SMALL = 15, 13, 11  # points, in figures six to twelve inches wide
# Not drawn by `history`: a duration is no loss, and one batch's loss is the epoch's with noise on it.
_NOT_TERMS = ("epoch", "seconds", "last_batch_loss", "learning_rate")


# Figures -------------------------------------------------------------------------------------------------------


def codes(
    codes: ArrayLike | Mapping[str, ArrayLike],
    labels: ArrayLike | None = None,
    *,
    components: Sequence[int] = (0, 1),
    names: Sequence[str] | None = None,
    label_name: str | None = None,
    title: str | None = None,
    dark: bool = False,
) -> Figure:
    """Scatter two units of a code, coloured by label.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_components), or mapping of name to such arrays
        Codes; several sets of codes of the same rows are drawn side by side and share their colours.
    labels : array-like of shape (n_samples,) or None
        Whole numbers of at most 20 values get a colour bar in segments, other numbers a continuous one; strings,
        booleans and categories a legend, the commonest 19 by name where there are more than 20. Missing labels are
        grey and lie below.
    components : sequence of one or two int
        Which units to draw, from 0. One unit is drawn as a strip of points for each label, as label over code where
        labels are continuous, or as a histogram without labels; so are codes of one unit.
    names : sequence of str or None
        Names of the units; None takes a frame's column names, or "code 0", "code 1", ….
    label_name : str or None
        What the labels are; None takes a Series' name.
    title : str or None
        Title of the figure.
    dark : bool
        Draw for a dark background.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Points are smaller and more transparent the more there are, stand in a fixed random order so that no class
        covers the others, and are stored as pixels in vector files.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        Where codes are not finite numbers in two dimensions, labels are of another length, or a component is not there.
    """
    panels = _panels(codes, "codes")
    sets = {name: _matrix(values, f"codes {name!r}" if name else "codes") for name, values in panels.items()}
    n_rows = _common_length(sets)
    chosen = {name: _columns(components, values.shape[1]) for name, values in sets.items()}
    units = {name: _unit_names(names, panels[name], sets[name].shape[1]) for name in sets}
    across = min(len(sets), 3)
    down = -(-len(sets) // across)
    with _canvas(dark, 4.9 * across + 1.3, 4.6 * down + (0.5 if title else 0.1)) as (figure, style):
        key = _key(labels, n_rows, label_name, style)
        grid = figure.subplots(down, across, squeeze=False).ravel()
        for ax, (name, values) in zip(grid, sets.items(), strict=False):
            columns = chosen[name]
            _draw_codes(ax, values[:, columns], [units[name][k] for k in columns], key, style)
            ax.set_title(name or "")
        for ax in grid[len(sets) :]:
            ax.remove()
        flat = [ax for ax, name in zip(grid, sets, strict=False) if len(chosen[name]) == 2]
        if key is not None and flat:
            key.draw(figure, flat)
        _headline(figure, title)
    return figure


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
    _check_count("n", n)
    rows, shape = _rows(originals, image_shape, "originals")
    panels = _panels(rebuilt, "rebuilt")
    methods = {name or "rebuilt": _rows(each, shape, f"{name or 'rebuilt'} rows")[0] for name, each in panels.items()}
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
        center, spread, unit = _column_units(rows)
        rows, methods = (rows - center) / spread, {name: (each - center) / spread for name, each in methods.items()}
    labels = {name: f"{name}\nMSE {_short(_mean_square(rows, values))}" for name, values in methods.items()}
    some = {labels[name]: values[:shown] for name, values in methods.items()}
    if shape is not None:
        return _picture_rows(_as_shown(rows[:shown], rows), some, shape, heads, title, dark)
    features = _unit_names(names, originals, rows.shape[1], "feature")
    return _line_rows(rows[:shown], some, features, heads, unit, title, dark)


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
    _check_count("n", n)
    shape = _image_shape(image_shape)
    values = _matrix(codes, "codes")
    columns = _columns(components, values.shape[1])
    units = _unit_names(names, codes, values.shape[1])
    lines = [_line(values[:, k], n) for k in columns]
    mosaic, extent = _decoded(decode, values, columns, lines, shape)
    beside = labels is not None and len(columns) == 2
    ratio = mosaic.shape[0] / mosaic.shape[1]
    # Inches of one panel; the others are what labels, title and colour bar take.
    width = 5.4 if len(columns) == 2 else 11.0
    with _canvas(dark, 13.1 if beside else width + 1.0, width * ratio + (1.1 if title else 0.7)) as (figure, style):
        axes = figure.subplots(1, 2 if beside else 1, squeeze=False).ravel()
        _draw_picture(axes[0], mosaic, extent=extent)
        for ax in axes:
            ax.set_box_aspect(ratio)
            ax.set(xlabel=units[columns[0]], xlim=extent[:2], ylim=extent[2:])
            if len(columns) == 2:
                ax.set_ylabel(units[columns[1]])
            else:
                ax.set_yticks([])
        key = _key(labels, len(values), label_name, style) if beside else None
        if key is not None:
            _scatter(axes[1], values[:, columns], key, style)
            key.draw(figure, [axes[1]], None if key.named else _beside(axes[1]))
        _headline(figure, title)
    return figure


def history(
    history: Mapping[str, Sequence[float]],
    *,
    best: int | None = None,
    title: str | None = None,
    dark: bool = False,
) -> Figure:
    """Draw the loss over epochs, and the learning rate below it.

    Parameters
    ----------
    history : mapping of str to sequence of float
        One value per epoch, as an estimator's `history_`: ``loss``, ``validation_loss`` and any other named term;
        ``epoch`` where they do not count from 1. ``seconds`` and ``last_batch_loss`` are not drawn.
    best : int or None
        The epoch to mark as best; 0 is the start.
    title : str or None
        Title of the figure.
    dark : bool
        Draw for a dark background.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The loss axis is logarithmic where the losses are positive and span more than a factor of ten.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        Where the lists differ in length or hold nothing to draw, or `best` is no epoch.
    """
    terms, epochs = _terms(history)
    curves = {name: values for name, values in terms.items() if name not in _NOT_TERMS}
    rate = terms.get("learning_rate")
    if not any(np.isfinite(values).any() for values in curves.values()):
        raise InvalidDataError("the history has no finite loss to draw; pass a fitted estimator's history_")
    if best is not None and not 0 <= best <= epochs[-1]:
        raise InvalidParameterError(f"best={best!r} is no epoch; they are 0 (the start) to {epochs[-1]:g}")
    with _canvas(dark, 8.0, 4.5 if rate is None else 5.4) as (figure, style):
        ratios = [1] if rate is None else [4, 1]
        axes = figure.subplots(len(ratios), 1, squeeze=False, sharex=True, height_ratios=ratios).ravel()
        _draw_curves(axes[0], epochs, curves, style)
        if best is not None:
            _mark_best(axes[0], epochs, curves, best, style)
        axes[0].legend()
        if rate is not None:
            axes[1].plot(epochs, rate, color=style.muted, marker="o" if len(epochs) == 1 else None)
            axes[1].set_ylabel("learning\nrate")
            axes[1].set_ylim(bottom=0)
            axes[1].yaxis.set_major_locator(MaxNLocator(2))
        axes[-1].set_xlabel("epoch")
        axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.align_ylabels()
        _headline(figure, title)
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
    _check_count("n", n)
    shape = _image_shape(image_shape)
    matrix = _matrix(weights, "weights").astype(np.float64)
    _check_size(matrix.shape[0], shape, "weights (inputs, units)")
    order = np.argsort(-np.linalg.norm(matrix, axis=0), kind="stable") if sort else np.arange(matrix.shape[1])
    kept = matrix[:, order[:n]].T
    largest = np.abs(kept).max(axis=1, keepdims=True)
    pictures = np.divide(kept, largest, out=np.zeros_like(kept), where=largest > 0).reshape(-1, *shape)
    across = _across(len(kept), shape[0] / shape[1])
    mosaic = _mosaic(pictures if pictures.ndim == 3 else (pictures + 1) / 2, across)
    width = float(np.clip(1.1 * across, 4, 9))
    if title is None:
        which = ", largest norm first" if sort and len(kept) > 1 else ""
        title = f"{len(kept)} of {matrix.shape[1]} units{which}"
    with _canvas(dark, width + (1.4 if mosaic.ndim == 2 else 0.4), width * mosaic.shape[0] / mosaic.shape[1] + 0.7) as (
        figure,
        style,
    ):
        ax = figure.subplots()
        _bare(ax)
        image = _draw_picture(ax, mosaic, style.diverging, (-1, 1))
        if mosaic.ndim == 2:
            bar = figure.colorbar(image, cax=_beside(ax, 0.03), ticks=[-1, 0, 1])
            bar.outline.set_visible(False)
            bar.ax.set_yticklabels(["-max", "0", "max"])
            bar.set_label("weight")
        _headline(figure, title)
    return figure


def code_histograms(
    codes: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    title: str | None = None,
    dark: bool = False,
) -> Figure:
    """Draw a histogram of each unit of the code.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_components)
        Codes; the first 64 units are drawn, in their order.
    names : sequence of str or None
        Names of the units; None takes a frame's column names, or "code 0", "code 1", ….
    title : str or None
        Title of the figure; None says so where there are more than 64 units.
    dark : bool
        Draw for a dark background.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Where more than a fifth of a unit's values are 0, the histogram is of the others and their share is written
        beside it; a unit that never changes is called constant.

    Raises
    ------
    InvalidDataError
        Where codes are not finite numbers in two dimensions.
    """
    values = _matrix(codes, "codes")
    units = _unit_names(names, codes, values.shape[1])
    shown = min(values.shape[1], MOST_PANELS)
    if title is None and shown < values.shape[1]:
        title = f"first {shown} of {values.shape[1]} units"
    across = _across(shown, 0.75)
    down = -(-shown // across)
    # Few panels have room to be large; many are small and still legible.
    width = 6.0 if across == 1 else max(1.7, 9.0 / across)
    with _canvas(dark, width * across + 0.3, max(1.5, width * 0.72) * down + (0.6 if title else 0.2)) as (
        figure,
        style,
    ):
        grid = figure.subplots(down, across, squeeze=False).ravel()
        for k, ax in enumerate(grid[:shown]):
            _draw_histogram(ax, values[:, k], style)
            ax.set_title(units[k], fontsize=_TEXT if across < 6 else _SMALL)
        for ax in grid[shown:]:
            ax.remove()
        _headline(figure, title)
    return figure


def save(figure: Figure, path: str | os.PathLike[str], *, dpi: int = 200) -> None:
    """Write a figure to a file, whole or not at all.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Any figure.
    path : path-like
        Where; the suffix says how: ``.png`` for screens, ``.svg`` or ``.pdf`` for print, in vectors save for clouds of
        points and pictures.
    dpi : int
        Dots per inch of pixels.

    Raises
    ------
    InvalidParameterError
        For another suffix.
    UnwritableError
        Where the file cannot be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        raise InvalidParameterError(
            f"{path} does not end in one of {', '.join(_FORMATS)}, which say how to write a figure"
            f"{suggest(suffix, _FORMATS)}"
        )
    # Type 42 keeps text as text, as publishers ask; dates and random ids would make equal figures unequal files.
    settings: dict[Any, Any] = {"pdf.fonttype": 42, "svg.hashsalt": "isthmus"}
    with written_whole(path) as file, mpl.rc_context(settings):
        figure.savefig(file, format=suffix[1:], dpi=dpi, facecolor=figure.get_facecolor(), metadata=_FORMATS[suffix])


def _across(count: int, ratio: float) -> int:
    """Return how many panels, each `ratio` as high as wide, go in a row: as few empty places as a slide allows."""
    ideal = np.sqrt(count * ratio * 1.5)
    return min(
        range(max(1, int(ideal * 0.75)), max(1, min(count, int(ideal * 1.5))) + 1),
        key=lambda across: (-count % across, abs(across - ideal), -across),
        default=count,
    )


# Styles --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Style:
    """Colours of a figure: background, text, secondary lines, missing labels, classes, numbers and signed values."""

    paper: str
    ink: str
    muted: str
    missing: str
    palette: tuple[str, ...]
    sequential: Colormap
    diverging: Colormap

    @property
    def settings(self) -> dict[Any, Any]:
        """The style as matplotlib's rcParams."""
        inked = ("text.color", "axes.edgecolor", "axes.labelcolor", "axes.titlecolor", "xtick.color", "ytick.color")
        return {
            **dict.fromkeys(inked, self.ink),
            "figure.facecolor": self.paper,
            "axes.facecolor": self.paper,
            "axes.grid": False,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": _TEXT,
            "axes.labelsize": _TEXT,
            "font.size": _TEXT,
            "text.parse_math": False,  # a column named "$_{$" is no formula; a title may be one
            "figure.titlesize": _TITLE,
            "figure.constrained_layout.w_pad": 0.1,  # inches
            "figure.constrained_layout.h_pad": 0.08,
            "xtick.labelsize": _SMALL,
            "ytick.labelsize": _SMALL,
            "legend.fontsize": _SMALL,
            "legend.title_fontsize": _TEXT,
            "legend.frameon": False,
            "lines.linewidth": 2.0,
        }


class _Figure(Figure):
    """A Figure that notebooks draw without pyplot having been imported."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png", facecolor=self.get_facecolor())
        return file.getvalue()


@contextmanager
def _canvas(dark: bool, width: float, height: float) -> Iterator[tuple[Figure, Style]]:
    style = STYLES["dark" if dark else "light"]
    with mpl.rc_context(style.settings):
        figure = _Figure(figsize=(width, height), layout="constrained")
        yield figure, style
        insets = [inset for ax in figure.axes for inset in ax.child_axes]
        for ax in [*figure.axes, *insets]:
            # Ticks are made when the figure is drawn, when these settings are no longer in force.
            ax.tick_params(which="both", color=style.ink, labelcolor=style.ink, labelsize=_SMALL)
            for axis, side in ((ax.xaxis, "bottom"), (ax.yaxis, "left")):
                axis.set_tick_params(which="minor", length=0)
                if ax.spines[side].get_visible() is False:
                    axis.set_tick_params(which="both", length=0)
            ax.grid(visible=False, which="both")


def _beside(ax: Axes, thickness: float = 0.04) -> Axes:
    """Return a place for a colour bar exactly as high as `ax`, whatever the layout makes of that."""
    return ax.inset_axes((1.03, 0, thickness, 1))


def _headline(figure: Figure, title: str | None) -> None:
    if title:
        figure.suptitle(title, parse_math=True)


def _bare(ax: Axes) -> None:
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


# Labels --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Key:
    """What a row's colour means: `values` are numbers, or places in `classes`; NaN where a label is missing."""

    values: NDArray[np.float64]
    classes: tuple[str, ...]  # none for continuous labels
    named: bool
    name: str
    colours: Colormap
    scale: Normalize
    style: Style

    @property
    def missing(self) -> NDArray[np.bool_]:
        return np.isnan(self.values)

    def draw(self, figure: Figure, axes: list[Axes], cax: Axes | None = None) -> None:
        """Put the legend or the colour bar beside `axes`, or the bar into `cax`."""
        if self.named:
            self._legend(figure, axes[-1])
            return
        mappable = mpl.cm.ScalarMappable(self.scale, self.colours)
        if self.classes:
            bar = figure.colorbar(mappable, ax=axes, cax=cax, ticks=range(len(self.classes)), aspect=25)
            bar.ax.set_yticklabels(self.classes)
            bar.ax.tick_params(length=0)
        else:
            bar = figure.colorbar(mappable, ax=axes, cax=cax, aspect=25)
        bar.outline.set_visible(False)
        bar.set_label(f"{self.name} (grey: none)" if self.missing.any() else self.name)

    def _legend(self, figure: Figure, ax: Axes) -> None:
        entries: list[tuple[str, Any, str]]
        entries = [(name, self.colours(i), self.marker(i)) for i, name in enumerate(self.classes)]
        if self.missing.any():
            entries.append(("missing", self.style.missing, "o"))
        handles = [
            Line2D([], [], linestyle="", marker=marker, markersize=8, color=colour, label=name)
            for name, colour, marker in entries
        ]
        # Two columns where one would be taller than the figure.
        columns = 1 if len(handles) <= 14 else 2
        figure.set_figwidth(figure.get_figwidth() + 1.7 * (columns - 1))
        place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1, 1.02), "borderpad": 0}
        ax.legend(handles=handles, title=self.name, alignment="left", ncols=columns, handletextpad=0.2, **place)

    def marker(self, place: int) -> str:
        """Return the marker of a class: names beyond the palette's ten colours go round again as triangles."""
        return "^" if self.named and place >= len(self.style.palette) else "o"


def _key(labels: ArrayLike | None, n_rows: int, name: str | None, style: Style) -> _Key | None:
    if labels is None:
        return None
    values, classes, named = _classes(labels, n_rows)
    of_series = getattr(labels, "name", None)
    name = name if name is not None else of_series if isinstance(of_series, str) else ""
    if not classes:
        colours = style.sequential
        scale = Normalize(float(np.nanmin(values)), float(np.nanmax(values)))
    else:
        count, palette = len(classes), style.palette
        if count <= len(palette) or named:
            shades = [palette[i % len(palette)] for i in range(count)]
        else:
            # Numbers have an order, and so do these; twenty colours that all eyes tell apart do not exist.
            shades = list(style.sequential(np.linspace(0, 1, count)))
        if classes[-1].startswith("other ("):
            shades[-1] = style.ink
        colours, scale = ListedColormap(shades), BoundaryNorm(np.arange(count + 1) - 0.5, count)
    return _Key(values, classes, named, name, colours.with_extremes(bad=style.missing), scale, style)


def _classes(labels: ArrayLike, n_rows: int) -> tuple[NDArray[np.float64], tuple[str, ...], bool]:
    """Return numbers or places in the classes (NaN where missing), the classes, and whether these are names."""
    array = np.asarray(labels)
    if array.ndim != 1 or len(array) != n_rows:
        raise InvalidDataError(f"labels have shape {array.shape}, but there are {n_rows} rows; pass one for each")
    if array.dtype.kind in "iuf":
        return *_numbers(array.astype(np.float64)), False
    if array.dtype.kind not in "bOSUT":
        raise InvalidDataError(f"labels of dtype {array.dtype} cannot be drawn; pass numbers, strings or categories")
    objects = array.astype(str).tolist() if array.dtype.kind in "SU" else array.tolist()
    present = [value for value in objects if not _is_missing(value)]
    if not present:
        raise InvalidDataError("every label is missing; leave labels out")
    if all(isinstance(value, int | float | np.number) and not isinstance(value, bool) for value in present):
        return *_numbers(np.array([np.nan if _is_missing(value) else value for value in objects], float)), False
    counts = Counter(map(str, present))
    ordered = getattr(getattr(labels, "cat", labels), "categories", None)
    classes = sorted(counts) if ordered is None else [name for name in map(str, ordered) if name in counts]
    rare = set()
    if len(classes) > MOST_CLASSES:
        common = {name for name, _ in counts.most_common(MOST_CLASSES - 1)}
        rare = set(classes) - common
        classes = [*(name for name in classes if name in common), f"other ({len(rare)})"]
    places = {name: place for place, name in enumerate(classes)} | dict.fromkeys(rare, len(classes) - 1)
    values = [np.nan if _is_missing(value) else places[str(value)] for value in objects]
    return np.array(values, np.float64), tuple(classes), True


def _numbers(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    distinct = np.unique(values[~np.isnan(values)])
    if not len(distinct):
        raise InvalidDataError("every label is missing; leave labels out")
    if not np.isfinite(distinct).all():
        raise InvalidDataError("labels hold infinite numbers; replace or drop them")
    if len(distinct) > MOST_CLASSES or (distinct != np.round(distinct)).any():
        return values, ()
    places = np.where(np.isnan(values), np.nan, np.searchsorted(distinct, values))
    return places, tuple(f"{value:.0f}" for value in distinct)


def _is_missing(value: object) -> bool:
    # pandas' NA and NaT by their types' names, since pandas may not be installed.
    return (
        value is None
        or type(value).__name__ in ("NAType", "NaTType")
        or (isinstance(value, float | np.floating) and bool(np.isnan(value)))
    )


# Points and lines ----------------------------------------------------------------------------------------------


def _draw_codes(ax: Axes, values: Array, units: list[str], key: _Key | None, style: Style) -> None:
    ax.set_xlabel(units[0])
    if values.shape[1] == 2:
        ax.set_ylabel(units[1])
        _scatter(ax, values, key, style)
    elif key is None:
        _draw_histogram(ax, values[:, 0], style)
    elif not key.classes:
        _scatter(ax, np.column_stack([values[:, 0], key.values]), key, style)
        ax.set_ylabel(key.name or "label")
    else:
        rows = [*key.classes, *(["missing"] if key.missing.any() else [])]
        places = np.where(key.missing, len(key.classes), key.values)
        spread = np.random.default_rng(0).uniform(-0.35, 0.35, len(places))
        _scatter(ax, np.column_stack([values[:, 0], places + spread]), key, style)
        ax.set_yticks(range(len(rows)), rows)
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.set_ylabel(key.name)


def _scatter(ax: Axes, points: Array, key: _Key | None, style: Style) -> None:
    n_rows = len(points)
    # Ink on the page then grows with the root of the number of points: 40 square points each for a hundred, 1.6 for
    # 60,000.
    look: dict[str, Any] = {
        "s": float(np.clip(400 / np.sqrt(n_rows), 0.8, 45)),
        "alpha": float(np.clip(3.2 / n_rows**0.15, 0.5, 0.9)),
        "linewidths": 0,
        "rasterized": True,
    }
    order = np.random.default_rng(0).permutation(n_rows)
    if key is None:
        ax.scatter(points[order, 0], points[order, 1], color=style.palette[0], **look)
        return
    order = order[np.argsort(~key.missing[order], kind="stable")]
    markers = np.array([key.marker(i) for i in range(len(key.classes))] or ["o"])
    place = np.where(key.missing | (not key.classes), 0, key.values).astype(int)
    # A call draws one marker: several take turns in eight slices, so that neither covers the other.
    for rows in [order] if len(set(markers)) == 1 else np.array_split(order, 8):
        for marker in sorted(set(markers)):
            mine = rows[markers[place[rows]] == marker]
            ax.scatter(
                points[mine, 0],
                points[mine, 1],
                c=key.values[mine],
                cmap=key.colours,
                norm=key.scale,
                marker=marker,
                plotnonfinite=True,
                **look,
            )


def _draw_histogram(ax: Axes, values: Array, style: Style) -> None:
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(MaxNLocator(3))
    zeros = float(np.mean(values == 0))
    note = ""
    if values.min() == values.max():
        note = "constant"
    elif zeros > 0.2:
        values, note = values[values != 0], f"{zeros:.0%} zero"
    bins = int(np.clip(np.sqrt(len(values)), 5, 40))
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-6 * max(abs(low), abs(high)):
        low, high = low - 0.5, high + 0.5
    ax.hist(values, bins=bins, range=(low, high), color=style.palette[0], histtype="stepfilled")
    ax.margins(y=0.3 if note else 0.05)
    if note:
        ax.text(0.5, 0.98, note, transform=ax.transAxes, ha="center", va="top", fontsize=_SMALL)


def _terms(history: Mapping[str, Sequence[float]]) -> tuple[dict[str, Array], Array]:
    if not isinstance(history, Mapping):
        raise InvalidDataError(
            f"a history is a mapping of name to one number per epoch, not {type(history).__name__}; pass history_"
        )
    terms = {}
    for name, values in history.items():
        try:
            terms[name] = np.asarray(values, np.float64)
        except (TypeError, ValueError) as error:
            raise InvalidDataError(f"history {name!r} is not a list of numbers") from error
    lengths = {name: values.shape for name, values in terms.items()}
    if len(set(lengths.values())) > 1 or any(len(shape) != 1 for shape in lengths.values()):
        told = ", ".join(f"{name} {shape}" for name, shape in lengths.items())
        raise InvalidDataError(f"the history's lists differ in length ({told}); each has one number per epoch")
    n_epochs = len(next(iter(terms.values()), ()))
    if not n_epochs:
        raise InvalidDataError("the history is empty; fit for at least one epoch")
    return terms, terms.get("epoch", np.arange(1.0, n_epochs + 1))


def _draw_curves(ax: Axes, epochs: Array, curves: Mapping[str, Array], style: Style) -> None:
    marker = "o" if len(epochs) == 1 else None
    first = [name for name in ("loss", "validation_loss") if name in curves]
    for place, name in enumerate([*first, *(name for name in curves if name not in first)]):
        colour = style.palette[place % len(style.palette)]
        line = "-" if name in first else (0, (4, 1.5))
        ax.plot(epochs, curves[name], color=colour, linestyle=line, marker=marker, label=name.replace("_", " "))
    ax.set_ylabel("loss")
    leading = np.concatenate([curves[name] for name in first or curves])
    leading = leading[np.isfinite(leading)]
    if len(leading) and leading.min() > 0 and leading.max() > 10 * leading.min():
        ax.set_yscale("log", nonpositive="mask")
        if leading.max() < 1e3 * leading.min():
            ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())


def _mark_best(ax: Axes, epochs: Array, curves: Mapping[str, Array], best: int, style: Style) -> None:
    label = f"best: epoch {best}" if best else "best: the start"
    ax.axvline(best, color=style.muted, linewidth=1.2, linestyle=":", zorder=0, label=label)
    name = next((name for name in ("validation_loss", "loss") if name in curves), next(iter(curves)))
    at = epochs == best
    ax.plot(epochs[at], curves[name][at], "o", color=style.ink, markersize=8)


def _line_rows(
    rows: Array,
    methods: Mapping[str, Array],
    features: list[str],
    heads: list[str] | None,
    unit: str,
    title: str | None,
    dark: bool,
) -> Figure:
    shown, width = rows.shape
    across = min(shown, 2 if width > 60 else 3 if shown < 10 else 4)
    down = -(-shown // across)
    named = width <= 16 and not features[0].startswith("feature ")
    marks: dict[str, Any] = {"marker": "o", "markersize": 4, "linewidth": 1.2} if width <= 40 else {"linewidth": 1.4}
    with _canvas(dark, max(5.0, 3.4 * across), 1.9 * down + (1.8 if named else 1.0)) as (figure, style):
        grid = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True).ravel()
        for i, ax in enumerate(grid[:shown]):
            ax.plot(rows[i], color=style.muted, label="original", **{**marks, "linewidth": 3})
            for place, (name, values) in enumerate(methods.items()):
                label = name.replace("\n", ", ")
                ax.plot(values[i], color=style.palette[place % 10], label=label, **marks)
            ax.set_title(f"row {i}" if heads is None else heads[i])
            if named:
                ax.set_xticks(range(width), [_cut(feature) for feature in features], rotation=90)
            else:
                ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
            if i % across == 0:
                ax.set_ylabel(unit)
            # A panel above an empty place is the lowest of its column.
            ax.tick_params(labelbottom=i + across >= shown)
        for ax in grid[shown:]:
            ax.remove()
        figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(methods) + 1)
        figure.supxlabel("" if named else "feature", fontsize=_TEXT)
        _headline(figure, title)
    return figure


def _cut(name: str) -> str:
    return name if len(name) <= 18 else f"{name[:17]}…"


def _column_units(rows: Array) -> tuple[Array | float, Array | float, str]:
    """Return what to subtract from rows and divide them by, so that one axis serves all columns, and its unit."""
    spread = rows.std(axis=0, dtype=np.float64)
    varies = spread > 1e-9 * float(np.abs(rows).max())
    # Wider rows are signals rather than tables: one unit, though they may be still at their ends.
    if rows.shape[1] > 60 or not varies.any() or spread.max() <= 10 * spread[varies].min():
        return 0.0, 1.0, "value"
    return rows.mean(axis=0, dtype=np.float64), np.where(varies, spread, spread.max()), "z-score"


# Pictures ------------------------------------------------------------------------------------------------------


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
    with _canvas(dark, cell * shown + 3.2, max(2.2, height * (1 + 2 * len(methods)) + 0.4 + 0.5 * bool(title))) as (
        figure,
        style,
    ):
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
        _headline(figure, title)
    return figure


def _strip(
    ax: Axes, pictures: Array, name: str, colours: Colormap | str = "gray", limits: tuple[float, float] = (0, 1)
) -> AxesImage:
    _bare(ax)
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
    rows = _matrix(decode(grid), "what decode returns")
    _check_size(rows.shape[1], shape, "what decode returns")
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


# What is accepted ----------------------------------------------------------------------------------------------


def _panels(values: ArrayLike | Mapping[str, ArrayLike], what: str) -> dict[str, ArrayLike]:
    if not isinstance(values, Mapping):
        return {"": values}
    if not values:
        raise InvalidDataError(f"{what} is an empty mapping; pass at least one array in it")
    return {str(name): each for name, each in values.items()}


def _matrix(values: ArrayLike, what: str) -> Array:
    """Return finite numbers in two dimensions, at least one row and one column."""
    try:
        array = np.asarray(values)
        if array.dtype.kind in "OUST":
            array = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidDataError(f"{what} are not an array of numbers; convert or drop the others") from error
    if array.dtype.kind not in "biuf":
        raise InvalidDataError(f"{what} are not real numbers (dtype {array.dtype}); convert them")
    if array.ndim == 1 and len(array):
        raise InvalidDataError(
            f"{what} have one dimension, shape {array.shape}; reshape them to (rows, columns), "
            "with .reshape(-1, 1) if they are one column"
        )
    if array.ndim != 2:
        raise InvalidDataError(f"{what} have shape {array.shape}; pass an array of shape (rows, columns)")
    if not array.size:
        raise InvalidDataError(f"{what} are empty, shape {array.shape}; at least one row and one column are needed")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row, column = np.argwhere(~np.isfinite(array))[0]
        raise InvalidDataError(
            f"{what} hold {array[row, column]} at row {row}, column {column}; drop or impute such rows"
        )
    return array.astype(np.uint8) if array.dtype.kind == "b" else array


def _rows(values: ArrayLike, image_shape: Sequence[int] | None, what: str) -> tuple[Array, tuple[int, ...] | None]:
    """Return rows in two dimensions, and the shape of a picture where they are pictures."""
    # np.asarray refuses lists of lists of unequal length in words of its own; _matrix has better ones.
    array = np.asarray(values) if not isinstance(values, list | tuple) else np.asarray(values, object)
    if array.ndim in (3, 4):
        own = _image_shape(array.shape[1:])
        if image_shape is not None and own != _image_shape(image_shape):
            raise InvalidDataError(f"{what} are pictures of shape {own}, not of image_shape {tuple(image_shape)}")
        return _matrix(array.reshape(len(array), int(np.prod(own))), what), own
    matrix = _matrix(values, what)
    if image_shape is None:
        return matrix, None
    shape = _image_shape(image_shape)
    _check_size(matrix.shape[1], shape, what)
    return matrix, shape


def _image_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """Return (height, width), or (height, width, channels) for more channels than one."""
    try:
        sizes = tuple(int(size) for size in shape)
    except (TypeError, ValueError):
        sizes = ()
    if len(sizes) not in (2, 3) or min(sizes) < 1 or (len(sizes) == 3 and sizes[2] not in (1, 3, 4)):
        raise InvalidParameterError(
            f"image_shape={shape!r} is not (height, width) or (height, width, channels) with 1, 3 or 4 channels"
        )
    return sizes[:2] if sizes[-1] == 1 and len(sizes) == 3 else sizes


def _check_size(width: int, shape: tuple[int, ...], what: str) -> None:
    if width != int(np.prod(shape)):
        told = " x ".join(map(str, shape))
        raise InvalidParameterError(f"image_shape {told} makes {int(np.prod(shape))} values, but {what} have {width}")


def _common_length(sets: Mapping[str, Array]) -> int:
    lengths = {name: len(values) for name, values in sets.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise InvalidDataError(
            f"the sets of codes have different numbers of rows ({told}); pass codes of the same rows"
        )
    return next(iter(lengths.values()))


def _columns(components: Sequence[int], width: int) -> list[int]:
    if width == 1:
        return [0]
    try:
        chosen = [int(k) for k in components if k == int(k)]
        told = len(components)
    except (TypeError, ValueError):
        chosen, told = [], 0
    if len(chosen) != told or len(set(chosen)) != told or told not in (1, 2):
        raise InvalidParameterError(f"components={components!r} is not one or two different unit numbers")
    for k in chosen:
        if not 0 <= k < width:
            raise InvalidParameterError(f"components={components!r}: there is no unit {k}, only 0 to {width - 1}")
    return chosen


def _unit_names(names: Sequence[str] | None, values: ArrayLike, width: int, noun: str = "code") -> list[str]:
    if names is None:
        names = getattr(values, "columns", None)
    if names is None or (len(names) == width and not all(isinstance(name, str) for name in names)):
        return [f"{noun} {k}" for k in range(width)]
    if len(names) != width:
        raise InvalidDataError(f"there are {len(names)} names for {width} columns; pass one for each")
    return [str(name) for name in names]


def _check_count(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise InvalidParameterError(f"{name}={value!r} is not a whole number of at least 1")


def _mean_square(rows: Array, rebuilt: Array) -> float:
    total = 0.0
    for start in range(0, len(rows), 4096):
        there = rebuilt[start : start + 4096].astype(np.float64)
        total += float(np.square(there - rows[start : start + 4096]).sum())
    return total / rows.size


def _short(number: float) -> str:
    return f"{number:,.0f}" if 1000 <= number < 1e6 else f"{number:.3g}"


# Tables --------------------------------------------------------------------------------------------------------

STYLES: dict[str, Style] = {
    "light": Style(
        paper="#ffffff",
        ink="#222222",
        muted="#9a9a9a",
        missing="#dcdcdc",
        # Petroff, "Accessible Color Sequences for Data Visualization", arXiv:2107.02270, the sequence of ten.
        palette=(
            *("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6"),
            *("#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"),
        ),
        sequential=ListedColormap(mpl.colormaps["viridis"](np.linspace(0, 0.95, 256)), "viridis on white"),
        # Harrower and Brewer, "ColorBrewer.org", The Cartographic Journal 40, 2003: safe for red-green blindness.
        diverging=mpl.colormaps["RdBu_r"],
    ),
    "dark": Style(
        paper="#16181d",
        ink="#e8e8e8",
        muted="#7d828c",
        missing="#3d424d",
        # Found by annealing: at least 25 apart in CIELAB under normal sight and full protanopia, deuteranopia and
        # tritanopia (Machado et al., IEEE TVCG 15, 2009), contrast to the background at least 4; Petroff's red and
        # purple have 2.6.
        palette=(
            *("#7166fc", "#faff42", "#d93f63", "#c9fee9", "#04b19c"),
            *("#9d711e", "#e8b4f3", "#6cff93", "#8d6caa", "#9dbe11"),
        ),
        sequential=ListedColormap(mpl.colormaps["viridis"](np.linspace(0.2, 1, 256)), "viridis on black"),
        diverging=LinearSegmentedColormap.from_list(
            "blue, black, orange", ["#a8dcff", "#3d8fd6", "#16181d", "#d07a2c", "#ffdca8"]
        ),
    ),
}

# What matplotlib would write into the file by itself, such as today's date, kept out of it.
_FORMATS: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}

FIGURES: dict[str, Callable[..., Figure]] = {
    "codes": codes,
    "reconstructions": reconstructions,
    "manifold": manifold,
    "history": history,
    "weights": weights,
    "code_histograms": code_histograms,
}
