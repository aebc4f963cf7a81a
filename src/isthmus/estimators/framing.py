"""Rows that a model computes as a frame with the columns, types and library of the rows that came in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import get_config

from isthmus.data.encoding import TableEncoding
from isthmus.data.encoding.table import Unknown
from isthmus.data.filling import put
from isthmus.data.frames import Library, dense, eager, library_of

Array = NDArray[Any]


def decoded_codes(model: Any, X: Any, rows: Array, probabilities: bool = False) -> Any:
    """Return the rows that codes stand for: a frame where the model was fitted on one.

    Its library is the one that ``set_output`` names, else that of the frame that `fit` saw.
    """
    encoding = _encoding_of(model)
    if encoding is None:
        return rows
    library: Any = asked_library(model) or encoding.library
    return _with_index(encoding.decode(rows, library), X)


def asked_library(model: Any) -> str | None:
    """Return the library of frames that ``set_output``, or else scikit-learn's configuration, names."""
    asked = getattr(model, "_sklearn_output_config", {}).get("transform", get_config()["transform_output"])
    return asked if asked in ("pandas", "polars") else None


def as_asked(model: Any, frame: Any) -> Any:
    """Return a frame in the library that ``set_output`` names, its columns in their types; scikit-learn loses them."""
    asked, library = asked_library(model), library_of(frame)
    if asked is None or library in (None, asked):
        return frame
    if asked == "pandas":
        return frame.to_pandas()
    import polars as pl

    return pl.from_pandas(dense(frame)) if library == "pandas" else pl.from_arrow(frame)


def names_of_frame(model: Any, given: Any) -> Array:
    """Return the names of the columns of rows: those given, or what `fit` saw, or ``x0``, ``x1``, ….

    scikit-learn gives them to the frame that ``set_output`` asks for; only pandas has names that are no text.

    Raises
    ------
    ValueError
        If the names given are not those that `fit` saw.
    """
    own = getattr(model, "feature_names_in_", None)
    if given is not None:
        given = np.asarray(given, object)
        if len(given) != model.n_features_in_:
            raise ValueError("input_features should have length equal to number of features")
        if own is not None and list(given) != list(own):
            raise ValueError("input_features is not equal to feature_names_in_")
        return np.asarray(given)
    labels = getattr(model, "column_labels_", ())
    if asked_library(model) != "pandas":
        labels = tuple(map(str, labels))
    found = np.empty(model.n_features_in_, object)
    found[:] = own if own is not None else labels or [f"x{place}" for place in range(len(found))]
    return found


def further_codes(model: Any, X: Any, codes: Array) -> Any:
    """Return what a transform returns after its codes as ``set_output`` asks; scikit-learn wraps the codes alone."""
    library = asked_library(model)
    if library is None:
        return codes
    names = list(model.get_feature_names_out())
    if library == "pandas":
        import pandas as pd

        return _with_index(pd.DataFrame(codes, columns=names, copy=False), eager(X))
    import polars as pl

    return pl.DataFrame(codes, schema=names, orient="row")


def reconstructed_rows(model: Any, X: Any, rows: Array, probabilities: bool = False) -> Any:
    """Return reconstructions: of a frame one of its library; of a file of mixed columns a table of pyarrow."""
    encoding, library = _encoding_of(model), library_of(eager(X))
    if encoding is None or (library is None and encoding.is_plain):
        return rows
    library = library or "pyarrow"
    if probabilities:
        return _with_index(_numbers(encoding, rows, library), X)
    return _with_index(encoding.decode(rows, library), X)


def filled_rows(model: Any, X: Any, rows: Array, probabilities: bool = False) -> Any:
    """Return a frame with its missing cells filled in; observed cells stay as they are."""
    encoding, frame = _encoding_of(model), eager(X)
    if encoding is None or (library_of(frame) is None and encoding.is_plain):
        return rows
    if library_of(frame) is None:
        return encoding.decode(rows, "pyarrow")
    holes = np.isnan(encoding.compact(frame, unknown=Unknown()))
    chosen = np.flatnonzero(holes.any(axis=1))
    library = library_of(frame) if library_of(frame) == encoding.library else "pyarrow"
    filled = (encoding if library == encoding.library else encoding.as_arrow).decode(rows[chosen])
    cells = {}
    for place, column in enumerate(encoding.columns):
        inside = np.flatnonzero(holes[chosen, place] & ~np.isnan(rows[chosen, encoding.starts[place]]))
        if len(inside):
            cells[column.name] = chosen[inside], _listed(filled, place, inside)
    return put(frame, cells)


def _listed(frame: Any, place: int, rows: NDArray[np.intp]) -> list[Any]:
    """Return some cells of a column of a frame as objects of Python."""
    if library_of(frame) == "pandas":
        return list(frame.iloc[rows, place].astype(object))
    cells = frame.to_series(place).to_list() if library_of(frame) == "polars" else frame.column(place).to_pylist()
    return [cells[row] for row in rows]


def _encoding_of(model: Any) -> TableEncoding | None:
    return getattr(model, "encoding_", None)


def _numbers(encoding: TableEncoding, rows: Array, library: Library) -> Any:
    """Return encoded rows as a frame of numbers, a column for each level of a category."""
    cells = {}
    for place, name in enumerate(encoding.names):
        column = encoding.columns[encoding.column_of[place]]
        cells[name] = np.ascontiguousarray(column.unskewed(rows[:, place]) if column.skew else rows[:, place])
    if library == "pandas":
        import pandas as pd

        return pd.DataFrame(cells)
    if library == "polars":
        import polars as pl

        return pl.DataFrame(cells)
    import pyarrow as pa

    return pa.table(cells)


def _with_index(frame: Any, X: Any) -> Any:
    """Return a frame with the index of `X` and its index of columns, which has their names, if both are pandas's."""
    if library_of(frame) == "pandas" and library_of(X) == "pandas":
        if len(X) == len(frame):
            frame.index = X.index
        if list(X.columns) == list(frame.columns):
            frame.columns = X.columns
    return frame
