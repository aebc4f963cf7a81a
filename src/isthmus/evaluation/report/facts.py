"""What a report says, as numbers and texts: collected from a model by `isthmus.estimators.report`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from numpy.typing import NDArray

Array = NDArray[Any]
Shape = tuple[int, ...]
Lines = tuple[tuple[str, str], ...]  # names and texts


class Image(NamedTuple):
    """The shape of rows that are pictures, None of others, and the values of black and white."""

    shape: Shape | None = None
    shades: tuple[float, float] = (0.0, 1.0)


NO_IMAGE = Image()


@dataclass(frozen=True)
class About:
    """What the model is, which rows the report reads, and how to repeat both.

    Attributes
    ----------
    kind, data : str
        The class of the model, and what the rows are called.
    rows, columns : int
        The rows of the report and their columns.
    structure : tuple of (str, str)
        The network, the scaling and the result of training.
    changed : tuple of (str, str, str)
        The parameters that differ from their defaults: name, value and default.
    python : str
        The lines of Python that repeat the fit.
    command : str or None
        The command that does; None where a parameter cannot be given as text.
    versions, fingerprint : str
        Of the packages, and a hash of the rows.
    notes : tuple of str
        What the report says of a part of the rows only.
    """

    kind: str
    data: str
    rows: int
    columns: int
    structure: Lines
    changed: tuple[tuple[str, str, str], ...]
    python: str
    command: str | None
    versions: str
    fingerprint: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Training:
    """The history of a fit, and its best epoch."""

    history: Mapping[str, Sequence[float]]
    best: int | None


@dataclass(frozen=True)
class Errors:
    """Squared errors of one method, in scaled units, and the share of the variance that it explains."""

    by_row: Array
    by_column: Array
    mean: float
    explained: float


@dataclass(frozen=True)
class Cell:
    """A cell of a row with its reconstruction, as texts, and its share of the row's squared error."""

    column: str
    value: str
    rebuilt: str
    share: float


@dataclass(frozen=True)
class Row:
    """A row with a large error: its number, its errors, and its cells or its pictures (row, model, PCA)."""

    number: int
    error: float
    pca_error: float | None
    cells: tuple[Cell, ...] = ()
    pictures: tuple[Array, ...] = ()


@dataclass(frozen=True)
class Reconstruction:
    """Errors of the model and of PCA with as many components, by column and by row.

    Attributes
    ----------
    names : tuple of str
        The columns.
    model, pca : Errors
        `pca` is None where PCA cannot be computed.
    components : int
        The components of PCA.
    pca_note : str
        On which rows PCA was fitted.
    worst : tuple of Row
        The rows with the largest errors.
    image : Image
        Whether the rows are pictures.
    """

    names: tuple[str, ...]
    model: Errors
    pca: Errors | None
    components: int
    pca_note: str
    worst: tuple[Row, ...]
    image: Image = NO_IMAGE


@dataclass(frozen=True)
class MapColumn:
    """What the points of the map can be coloured by.

    Attributes
    ----------
    name : str
        The column.
    values : ndarray of float64 of shape (n,)
        Numbers, the places of `levels`, or days since `origin`; NaN where a cell is missing.
    levels : tuple of str
        Of a category; empty otherwise.
    origin : float or None
        Milliseconds since 1970 of a date's day 0; None of other columns.
    whole : bool
        Whether the numbers are integers.
    feature : bool
        Whether it is a column of the rows, which the hover card shows.
    """

    name: str
    values: Array
    levels: tuple[str, ...] = ()
    origin: float | None = None
    whole: bool = False
    feature: bool = True


@dataclass(frozen=True)
class Layer:
    """A layer of a decoder: what a hidden layer does to ``x @ weight + bias``.

    Attributes
    ----------
    weight : ndarray of shape (inputs, outputs)
        The matrix.
    bias : ndarray of shape (outputs,)
        The bias.
    activation : str
        The activation's name.
    gain : ndarray of shape (outputs,) or None
        The gain of layer normalisation, None without one.
    """

    weight: Array
    bias: Array
    activation: str
    gain: Array | None = None


@dataclass(frozen=True)
class DecodedColumn:
    """How a column's decoded numbers are shown.

    Attributes
    ----------
    name, kind : str
        The column, and what its cells are.
    start, stop : int
        Its numbers in a decoded row.
    levels : tuple of str
        Of a category, one for each number.
    skew : tuple of float
        How a transformed number is taken back, as `isthmus.data.encoding.skew.steps_back`; empty otherwise.
    origin : float or None
        Milliseconds since 1970 of a date's day 0.
    step : float
        Milliseconds of which dates are multiples, counted from `origin`.
    """

    name: str
    kind: str
    start: int
    stop: int
    levels: tuple[str, ...] = ()
    skew: tuple[float, ...] = ()
    origin: float | None = None
    step: float = 1.0


@dataclass(frozen=True)
class Decoder:
    """A dense decoder from code to rows in their units.

    Attributes
    ----------
    layers : tuple of Layer
        From the code to the row, the last one before the output's activation.
    path : ndarray of shape (n_components, n_features) or None
        The linear path, added to the last layer.
    output : str
        The output's activation.
    groups : tuple of (int, int)
        Columns over which the output is a softmax.
    scale, center : ndarray of shape (n_features,)
        ``output * scale + center`` is the row.
    mixing : ndarray of shape (n_features, n_features) or None
        A matrix that the output is multiplied by instead of `scale`.
    columns : tuple of DecodedColumn
        Empty for pictures.
    """

    layers: tuple[Layer, ...]
    path: Array | None
    output: str
    groups: tuple[tuple[int, int], ...]
    scale: Array
    center: Array
    mixing: Array | None = None
    columns: tuple[DecodedColumn, ...] = ()


@dataclass(frozen=True)
class Grid:
    """Decoded pictures on a square grid of the plane, for a network that the page cannot compute.

    Attributes
    ----------
    low, high : (float, float)
        The first and the last code, in both directions.
    pictures : ndarray of shape (side * side, height, width[, channels])
        From 0 to 1; the first unit grows along a line of pictures, the second from line to line.
    """

    low: tuple[float, float]
    high: tuple[float, float]
    pictures: Array


@dataclass(frozen=True)
class CodeMap:
    """The points of the map, and what can be seen of them.

    Attributes
    ----------
    numbers : ndarray of int of shape (n,)
        The numbers of the rows.
    axes : tuple of (str, ndarray of shape (n,))
        What a point's place may be; the first two are those of the start.
    plane : bool
        Whether the first two axes are the whole code.
    columns : tuple of MapColumn
        What the points can be coloured by.
    color : int
        The column of the start.
    units : tuple of (int, float, float, float)
        The units with a slider: number, low, high and the start.
    code : ndarray of shape (n_components,)
        The mean code, from which sliders start.
    decoder : Decoder or None
        What the page decodes with; None where the network is not dense or too large.
    grid : Grid or None
        Of a plane without a decoder.
    pictures : ndarray of shape (m, height, width[, channels]) or None
        Thumbnails, from 0 to 1, in the order in which points get one while there is room.
    pictured : ndarray of int of shape (m,)
        The points that they belong to.
    image : Image
        Whether the rows are pictures.
    """

    numbers: Array
    axes: tuple[tuple[str, Array], ...]
    plane: bool
    columns: tuple[MapColumn, ...]
    color: int
    units: tuple[tuple[int, float, float, float], ...]
    code: Array
    decoder: Decoder | None
    grid: Grid | None = None
    pictures: Array | None = None
    pictured: Array | None = None
    image: Image = NO_IMAGE


@dataclass(frozen=True)
class Codes:
    """A sample of codes (n, n_components), and the number of rows it is drawn from."""

    sample: Array
    rows: int


@dataclass(frozen=True)
class Unit:
    """A unit of a sparse code.

    Attributes
    ----------
    number : int
        Its place in the code.
    frequency, mean, largest : float
        The share of rows in which it is active, and its mean and largest activation.
    atom : tuple of (str, float)
        The columns that it changes most, in the rows' units; empty for pictures.
    picture : ndarray or None
        The atom as a picture.
    strongest : tuple of (int, float)
        The rows that activate it most, and its activations.
    pictures : ndarray or None
        These rows as pictures, from 0 to 1.
    """

    number: int
    frequency: float
    mean: float
    largest: float
    atom: tuple[tuple[str, float], ...] = ()
    picture: Array | None = None
    strongest: tuple[tuple[int, float], ...] = ()
    pictures: Array | None = None


@dataclass(frozen=True)
class SparseCode:
    """Statistics of the units of a sparse code, and its most used units."""

    frequency: Array
    mean: Array
    target: float | None
    active: float  # units active in a mean row
    units: tuple[Unit, ...]


@dataclass(frozen=True)
class Noise:
    """Errors at levels of noise: levels, errors by name, what the noise is, and the number of rows."""

    levels: Array
    errors: Mapping[str, Array]
    what: str
    rows: int


@dataclass(frozen=True)
class Problem:
    """A possible problem of the rows: a heading, one line, and a table with the names of its columns."""

    title: str
    text: str
    head: tuple[str, ...] = ()
    table: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Facts:
    """All parts of a report; None where there is nothing to say."""

    about: About
    training: Training | None
    reconstruction: Reconstruction
    map: CodeMap | None
    codes: Codes
    sparse: SparseCode | None
    noise: Noise | None
    problems: tuple[Problem, ...]
