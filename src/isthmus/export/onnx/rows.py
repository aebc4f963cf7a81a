"""The rows that a graph takes and gives: raw ones, as one matrix or, of a table of mixed columns, column by column."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from isthmus.core.errors import InvalidParameterError
from isthmus.data.encoding import TableEncoding
from isthmus.data.scaling import Scaling
from isthmus.export.onnx import tables
from isthmus.export.onnx.graph import Graph
from isthmus.export.onnx.scalings import is_wide, maps_of

ROWS, RECONSTRUCTION, N_ROWS = "rows", "reconstruction", "n"


class RowFormat(NamedTuple):
    """What raw rows are."""

    scaling: Scaling
    encoding: TableEncoding | None  # of a table of mixed columns
    indicator: bool  # whether missing cells are allowed

    @property
    def dtype(self) -> str:
        """The type of raw numbers."""
        exact = not is_wide(self.scaling) and (self.encoding is None or self.encoding.dtype == np.float32)
        return "float32" if exact else "float64"


class Given(NamedTuple):
    """What the rows of a graph are made into."""

    rows: str  # scaled, float32, without missing cells
    missing: str | None  # 1 where a cell is missing
    means: str | None  # the row means that the scaling removed
    check: str  # (n, 1): 0, and NaN for a row with a cell that is not finite


def read_rows(graph: Graph, form: RowFormat, given: str | None = None) -> Given:
    """Emit the inputs of a graph, and their scaling.

    Parameters
    ----------
    graph : Graph
        The graph.
    form : RowFormat
        What the rows are.
    given : str or None
        The name of rows that are there already, as float32; None makes inputs.
    """
    if given is not None:
        if form.encoding is not None:
            raise InvalidParameterError(
                "a model of a table with text, categories or dates cannot be converted as a step of a pipeline, whose "
                "rows are one matrix; export it with to_onnx"
            )
        raw = given if form.dtype == "float32" else graph.cast(given, form.dtype)
    elif form.encoding is not None:
        raw = tables.read(graph, form.encoding, form.dtype, N_ROWS)
    else:
        raw = graph.input(ROWS, form.dtype, (N_ROWS, form.scaling.n_features))
    rows, means = maps_of(form.scaling).scaled(graph, form.scaling, raw, np.dtype(form.dtype))
    if form.dtype != "float32":
        rows = graph.cast(rows, "float32")
    missing = None
    if form.indicator:
        holes = graph.node("IsNaN", rows)
        missing = graph.cast(holes, "float32")
        rows = graph.node("Where", holes, graph.number(0.0), rows)
    # Otherwise a comparison with a missing cell is false, and tanh of an infinite one is 1: codes like any others.
    total = graph.node("ReduceSum", rows, graph.sizes(1), keepdims=1)
    return Given(rows, missing, means, graph.node("Sub", total, total))


def write_rows(graph: Graph, form: RowFormat, scaled: str, means: str | None = None) -> None:
    """Emit the outputs of a graph for scaled reconstructions."""
    if form.dtype != "float32":
        scaled = graph.cast(scaled, form.dtype)
    raw = maps_of(form.scaling).raw(graph, form.scaling, scaled, means, np.dtype(form.dtype))
    if form.encoding is not None:
        tables.write(graph, form.encoding, raw, form.dtype, N_ROWS)
    else:
        graph.output(raw, RECONSTRUCTION, form.dtype, (N_ROWS, form.scaling.n_features))
