"""The figures of a fitted model and rows by name: a row of `PLOTS` for each of `isthmus.evaluation.plots.FIGURES`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError, InvalidParameterError, unknown_name
from isthmus.core.random import generator
from isthmus.data.sources.base import Block, Source
from isthmus.estimators.inputs import mixed_encoding, open_rows, rows_of
from isthmus.estimators.labelling import labels_of
from isthmus.estimators.report.columns import readers_of
from isthmus.estimators.report.image import image_of
from isthmus.estimators.report.noise import noise_of
from isthmus.estimators.report.passes import sampled, taken
from isthmus.estimators.streaming import float_of, inference_of
from isthmus.evaluation import plots
from isthmus.evaluation.code_report import activation_target, has_sparse_code
from isthmus.evaluation.plots.checks import unit_indices

Array = NDArray[Any]
_SEED = 0
_PAIRS = 5


@dataclass
class Drawn:
    """What a figure is made of; each part is computed when it is asked for.

    Parameters
    ----------
    model : FittedModel
        The model.
    X : object
        The rows.
    options : mapping of str to object
        What was given: ``color``, ``units``, ``n``, ``image_shape``.
    max_rows : int
        Of more rows, a random sample is drawn.
    """

    model: Any
    X: Any
    options: dict[str, Any]
    max_rows: int

    @cached_property
    def labelled(self) -> tuple[Any, str | None, Any]:
        """The rows without labels, the name of the labels, and the labels."""
        return labels_of(self.model, self.X, self.options.get("color"))

    @cached_property
    def source(self) -> Source:
        """The rows as a source."""
        return open_rows(self.model, self.labelled[0], reset=False)

    @cached_property
    def numbers(self) -> Array:
        """The rows that are drawn."""
        return sampled(rows_of(self.source), self.max_rows, _SEED)

    @cached_property
    def rows(self) -> Array:
        """The rows, as the model has them."""
        return taken(self.source, self.numbers)

    @cached_property
    def codes(self) -> Array:
        """Their codes."""
        return np.concatenate(list(inference_of(self.model).encode([Block(self.rows, 0)])))

    @cached_property
    def rebuilt(self) -> Array:
        """Their reconstructions, in their units."""
        found = inference_of(self.model).reconstruct([Block(self.rows, 0)], float_of(self.source))
        scaled = np.concatenate([made for _, made in found])
        rows: Array = self.model.scaler_.raw(scaled, np.float64, like=self.rows)
        return rows

    @property
    def names(self) -> list[str]:
        """The names of the code's units."""
        return [str(name) for name in self.model.get_feature_names_out()]

    @property
    def columns(self) -> list[str]:
        """The names of the rows' columns."""
        encoding = mixed_encoding(self.model)
        return list(self.source.schema.names) if encoding is None else list(encoding.names)

    @property
    def labels(self) -> dict[str, Any]:
        """Labels and their name, as figures take them."""
        _, name, labels = self.labelled
        if labels is None and name is not None:
            labels = self._column(name)
            return {"labels": labels, "label_name": name}
        if labels is None:
            return {}
        values = np.asarray(labels)
        if values.shape != (rows_of(self.source),):
            raise InvalidDataError(
                f"color has the shape {values.shape} for {rows_of(self.source):,} rows; pass one label for each row"
            )
        return {"labels": values[self.numbers], "label_name": "label" if name is None else name}

    def _column(self, name: str) -> Array:
        reader = next(one for one in readers_of(self.model, self.source.schema) if one.name == name)
        values = reader.values(self.rows)
        if not reader.levels:
            return values
        return np.array([None if value != value else reader.levels[int(value)] for value in values], object)

    @cached_property
    def shape(self) -> tuple[int, ...] | None:
        """The shape of a row that is a picture, or None."""
        return image_of(self.model, self.source, self.options.get("image_shape"), _SEED).shape

    @property
    def picture(self) -> tuple[int, ...]:
        """The shape of a row that is a picture."""
        if self.shape is None:
            raise InvalidParameterError(
                "this figure draws rows as pictures; pass image_shape=(height, width) (--image-shape HEIGHT,WIDTH)"
            )
        return self.shape

    def decode(self, codes: Array) -> Array:
        """Return the rows that codes stand for."""
        rows = np.asarray(self.model.inverse_transform(codes))
        return rows.reshape(len(rows), -1)

    def chosen(self, *names: str, **renamed: str) -> dict[str, Any]:
        """Return the options that were given, under the names that a figure has for them."""
        wanted = dict(zip(names, names, strict=True)) | renamed
        return {name: self.options[own] for name, own in wanted.items() if self.options.get(own) is not None}


class Plot(NamedTuple):
    """A figure of a model and rows: what it needs, in one line, the options it takes, and how it is drawn."""

    needs: str
    options: tuple[str, ...]
    draw: Callable[[Drawn, dict[str, Any]], Figure]


def plot(
    model: Any,
    X: Any,
    kind: str,
    *,
    color: Any = None,
    units: Sequence[int] | None = None,
    n: int | None = None,
    image_shape: Sequence[int] | None = None,
    title: str | None = None,
    dark: bool = False,
    max_rows: int = 10_000,
) -> Figure:
    """Return a figure of a fitted model and rows.

    Parameters
    ----------
    model : FittedModel or AutoencoderOutlierDetector
        The model.
    X : array-like of shape (n_samples, n_features), DataFrame, path or Source
        The rows.
    kind : str
        A name in `PLOTS`.
    color : str, array-like of shape (n_samples,) or None
        Labels: a column of `X`, a file with one for each row, or an array.
    units : sequence of int or None
        Units of the code.
    n : int or None
        How many rows, units or pictures are drawn; None is the figure's default.
    image_shape : sequence of int or None
        (height, width) or (height, width, channels) of rows that are pictures; None is what the model knows.
    title : str or None
        Title of the figure.
    dark : bool
        Draw for a dark background.
    max_rows : int
        Of more rows, a random sample of so many is drawn.

    Raises
    ------
    InvalidParameterError, InvalidDataError
        With one line: an unknown kind, an option that the figure does not have, or a model or rows that it is not of.
    """
    if kind not in PLOTS:
        raise unknown_name("kind", kind, PLOTS)
    row, given = PLOTS[kind], {"color": color, "units": units, "n": n, "image_shape": image_shape}
    for name, value in given.items():
        if value is not None and name not in row.options:
            taken_options = ", ".join(row.options) or "none of these"
            raise InvalidParameterError(f"{name}={value!r} has no effect on kind={kind!r}, which takes {taken_options}")
    if (kind == "outliers") != hasattr(model, "contributions"):
        raise InvalidParameterError(f"kind={kind!r} needs {row.needs}, not a model of class {type(model).__name__}")
    look: dict[str, Any] = {"dark": dark} | ({} if title is None else {"title": title})
    return row.draw(Drawn(model, X, given, max_rows), look)


def _codes(one: Drawn, look: dict[str, Any]) -> Figure:
    return plots.codes(one.codes, names=one.names, **one.labels, **one.chosen(components="units"), **look)


def _reconstructions(one: Drawn, look: dict[str, Any]) -> Figure:
    rows, made = one.rows, one.rebuilt
    whole = np.isfinite(rows).all(axis=1) if rows.dtype.kind == "f" else np.ones(len(rows), bool)
    if not whole.any():
        raise InvalidDataError("every row has a missing cell, and such rows are not drawn; impute them first")
    named = {"image_shape": one.shape} if one.shape is not None else {"names": one.columns}
    titles = [f"row {number}" for number in one.numbers[whole]]
    return plots.reconstructions(rows[whole], made[whole], titles=titles, **named, **one.chosen("n"), **look)


def _manifold(one: Drawn, look: dict[str, Any]) -> Figure:
    options = one.chosen("n", components="units")
    return plots.manifold(
        one.decode, one.codes, image_shape=one.picture, names=one.names, **one.labels, **options, **look
    )


def _history(one: Drawn, look: dict[str, Any]) -> Figure:
    return plots.history(one.model.history_, best=one.model.best_iter_, **look)


def _weights(one: Drawn, look: dict[str, Any]) -> Figure:
    return plots.weights(one.model.encoder_weights_[0], image_shape=one.picture, **one.chosen("n"), **look)


def _code_histograms(one: Drawn, look: dict[str, Any]) -> Figure:
    values, names = _some_units(one)
    return plots.code_histograms(values, names=names, **look)


def _correlations(one: Drawn, look: dict[str, Any]) -> Figure:
    values, names = _some_units(one)
    return plots.correlations(values, names=names, **look)


def _some_units(one: Drawn) -> tuple[Array, list[str]]:
    units = one.options.get("units")
    if units is None:
        return one.codes, one.names
    chosen = unit_indices("units", units, len(one.names))
    return one.codes[:, chosen], [one.names[unit] for unit in chosen]


def _atoms(one: Drawn, look: dict[str, Any]) -> Figure:
    sparse = has_sparse_code(one.model)
    more: dict[str, Any] = {"frequency": (one.codes != 0).mean(axis=0)} if sparse else {}
    return plots.atoms(one.model.components_, image_shape=one.picture, **more, **one.chosen("n"), **look)


def _density(one: Drawn, look: dict[str, Any]) -> Figure:
    return plots.density((one.codes != 0).mean(axis=0), **look)


def _activation(one: Drawn, look: dict[str, Any]) -> Figure:
    return plots.activation_against_target(one.codes.mean(axis=0), activation_target(one.model), **look)


def _top_rows(one: Drawn, look: dict[str, Any]) -> Figure:
    atoms = one.model.components_
    options = one.chosen("n", "units")
    return plots.top_rows(one.rows, one.codes, image_shape=one.picture, components=atoms, **options, **look)


def _parts(one: Drawn, look: dict[str, Any]) -> Figure:
    if not one.model.network_.is_linear_decoder:
        raise InvalidParameterError(
            "kind='parts' needs a model whose decoder is one layer, such as a SparseAutoencoder; this one has more"
        )
    base = one.decode(np.zeros((1, len(one.names))))[0]
    atoms = one.model.components_
    return plots.parts(one.rows, one.codes, atoms, base=base, image_shape=one.picture, **one.chosen("n"), **look)


def _gallery(one: Drawn, look: dict[str, Any]) -> Figure:
    shape, count = one.picture, int(one.options.get("n") or 6)
    pictures = {}
    for number, row, made in zip(one.numbers[:count], one.rows, one.rebuilt, strict=False):
        pictures[f"row {number}"] = row.reshape(shape)
        pictures[f"row {number} reconstructed"] = made.reshape(shape)
    return plots.gallery(pictures, **look)


def _tradeoffs(one: Drawn, look: dict[str, Any]) -> Figure:
    found = noise_of(one.model, one.source, _SEED)
    if found is None:
        raise InvalidParameterError(
            "kind='tradeoffs' needs a model that was trained with a corruption that has a level, and rows of numbers "
            "without missing cells"
        )
    curves = {name: (found.levels, errors) for name, errors in found.errors.items()}
    return plots.tradeoffs(curves, x_label=f"level of {found.what}", y_label="squared error to the clean row", **look)


def _outliers(one: Drawn, look: dict[str, Any]) -> Figure:
    found = one.model.contributions(one.X)
    return plots.outliers(found, one.model.threshold_, **one.chosen(top="n"), **look)


def _atlas(one: Drawn, look: dict[str, Any]) -> Figure:
    rows: dict[str, Any] = {} if one.shape is None else {"rows": one.rows, "image_shape": one.shape}
    options = one.chosen(components="units")
    return plots.atlas(one.codes, names=one.names, **rows, **one.labels, **options, **look)


def _morph(one: Drawn, look: dict[str, Any]) -> Figure:
    if len(one.rows) < 2:
        raise InvalidDataError("kind='morph' needs at least two rows")
    drawn = generator(_SEED).permutation(len(one.rows))[: 2 * _PAIRS]
    pairs = drawn[: len(drawn) // 2 * 2].reshape(-1, 2).tolist()
    return plots.morph(one.rows, one.codes, one.decode, pairs, image_shape=one.picture, **one.chosen("n"), **look)


def _error_maps(one: Drawn, look: dict[str, Any]) -> Figure:
    shape = one.picture
    errors = one.model.reconstruction_error(one.labelled[0], per="feature").reshape(shape)
    return plots.error_maps(errors if errors.ndim == 2 else errors.mean(axis=2), **look)


_PICTURES = "rows that are pictures"
# One row for each figure: what it needs, which options it takes, and how it is drawn.
PLOTS: dict[str, Plot] = {
    "codes": Plot("any model and rows", ("color", "units"), _codes),
    "reconstructions": Plot("any model and rows", ("n", "image_shape"), _reconstructions),
    "manifold": Plot(_PICTURES, ("color", "units", "n", "image_shape"), _manifold),
    "history": Plot("any model", (), _history),
    "weights": Plot(f"a model with dense layers, and {_PICTURES}", ("n", "image_shape"), _weights),
    "code_histograms": Plot("any model and rows", ("units",), _code_histograms),
    "atoms": Plot(_PICTURES, ("n", "image_shape"), _atoms),
    "density": Plot("any model and rows; it is meant for sparse codes", (), _density),
    "activation_against_target": Plot("any model and rows; it is meant for sparse codes", (), _activation),
    "top_rows": Plot(_PICTURES, ("units", "n", "image_shape"), _top_rows),
    "parts": Plot(f"a model whose decoder is one layer, and {_PICTURES}", ("n", "image_shape"), _parts),
    "gallery": Plot(_PICTURES, ("n", "image_shape"), _gallery),
    "tradeoffs": Plot("a model trained with a corruption, and rows of numbers", (), _tradeoffs),
    "outliers": Plot("a model that isthmus outliers --save wrote, an AutoencoderOutlierDetector", ("n",), _outliers),
    "atlas": Plot("a code of at least two units", ("color", "units", "image_shape"), _atlas),
    "morph": Plot(_PICTURES, ("n", "image_shape"), _morph),
    "correlations": Plot("any model and rows", ("units",), _correlations),
    "error_maps": Plot(_PICTURES, ("image_shape",), _error_maps),
}
