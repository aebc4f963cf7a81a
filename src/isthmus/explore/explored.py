"""A fitted model and rows for the explorer's page: codes of all rows, and single rows by number."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import svds

from isthmus.core.errors import InvalidDataError
from isthmus.data.sources.base import Block, Source
from isthmus.engine.inference import blocks_for
from isthmus.estimators.fit.memory import Memory
from isthmus.estimators.inputs import mixed_encoding, open_rows, rows_of
from isthmus.estimators.scoring import by_column, comparable
from isthmus.estimators.streaming import Progress, float_of, inference_of, rows_float

Array = NDArray[Any]
Floats = NDArray[np.float32]

MOST_SHOWN = 1_000_000  # rows, unless more are asked for
_MOST_BYTES = 1 << 30  # of codes
_SAMPLED = 20_000  # rows from which the main directions of the codes are computed
_FEW = 8  # rows of one call of the network, where a page asks for single rows


@dataclass(frozen=True)
class Totals:
    """Sums over the rows that are shown, by encoded column, each (D,); missing cells are left out."""

    count: Array
    total: Array
    squares: Array
    low: Array
    high: Array

    @property
    def deviation(self) -> Array:
        """The standard deviation of each column."""
        count = np.maximum(self.count, 1)
        return np.sqrt(np.maximum(self.squares / count - np.square(self.total / count), 0))


class Explored:
    """A fitted model and rows; everything that a page shows is computed here.

    Parameters
    ----------
    model : Autoencoder or NeighborAutoencoder
        The model.
    rows : array-like, DataFrame, path or Source
        What `transform` takes.
    sample : int or None
        Show a random sample of so many rows; None shows all, but at most a million.
    image_shape : tuple of int or None
        The shape of a row that is a picture; None is the shape that the rows or the model know.
    progress : callable or None
        As in `transform_to`.

    Attributes
    ----------
    numbers : ndarray of int64
        The numbers of the rows that are shown, in rising order.
    codes : ndarray of float32 of shape (n_rows, n_components)
        Their codes.
    errors : ndarray of float32 of shape (n_rows,)
        Their reconstruction errors, as `reconstruction_error` returns them.
    lock : Lock
        Held while files are read or the network computes: one request does so at a time.

    Raises
    ------
    InvalidDataError
        With one line, where the rows do not fit the model, or the image shape does not fit the rows.
    """

    def __init__(
        self,
        model: Any,
        rows: Any,
        *,
        sample: int | None = None,
        image_shape: tuple[int, ...] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.model = model
        self.source: Source = open_rows(model, rows, reset=False, memory=Memory.of(None))
        self.encoding = mixed_encoding(model)
        self.n_all = rows_of(self.source)
        self.numbers = self._sampled(sample)
        self.n_rows = len(self.numbers)
        self.n_features = self.source.schema.n_features
        self.n_components = int(model.n_components_)
        self.image_shape = self._shape(image_shape)
        self.inference = inference_of(model)
        # The same network and weights, for few rows at once: one row costs a hundredth of a whole block.
        self._small = copy.copy(self.inference)
        self._small.rows = _FEW
        self.lock, self._atoms_lock = threading.Lock(), threading.Lock()
        self._encode(progress)

    def _sampled(self, sample: int | None) -> NDArray[np.int64]:
        most = max(1, _MOST_BYTES // (4 * int(self.model.n_components_)))
        wanted = min(self.n_all, MOST_SHOWN if sample is None else sample, most)
        if wanted == self.n_all:
            return np.arange(self.n_all)
        chosen = np.random.default_rng(0).choice(self.n_all, wanted, replace=False)
        return np.sort(chosen).astype(np.int64)

    def _shape(self, given: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if self.encoding is not None:
            return None
        shape = given or self.source.schema.image_shape or self.model.image_shape_
        if shape is None:
            return None
        if int(np.prod(shape)) != self.n_features or len(shape) not in (2, 3):
            raise InvalidDataError(
                f"image_shape={tuple(shape)} is not the shape of rows of {self.n_features} cells; give height and "
                "width, and the number of channels if it is not 1"
            )
        return tuple(int(edge) for edge in shape)

    def _blocks(self) -> Iterator[Block]:
        if self.n_rows == self.n_all:
            yield from blocks_for(self.source, self.inference.rows)
            return
        for start in range(0, self.n_rows, self.inference.rows):
            chosen = self.numbers[start : start + self.inference.rows]
            yield Block(self._taken(chosen), start)

    def _taken(self, numbers: NDArray[np.int64]) -> Array:
        out = np.empty((len(numbers), self.n_features), self.source.dtype)
        self.source.take(numbers, out)
        return out

    def _encode(self, progress: Progress | None) -> None:
        codes = np.empty((self.n_rows, self.n_components), np.float32)
        errors = np.empty(self.n_rows, np.float32)
        sums: Any = None
        done = 0
        for raw, code, rebuilt in self.inference.round_trip(self._blocks(), float_of(self.source)):
            end = done + len(raw)
            codes[done:end] = code
            scaled, new = comparable(self.model, raw, rebuilt)
            cells = by_column(self.model, np.square(scaled - new))
            seen = ~np.isnan(cells)
            errors[done:end] = np.nansum(cells, axis=1) / np.maximum(seen.sum(axis=1), 1)
            sums = _added(sums, raw)
            done = end
            if progress is not None:
                progress(done, self.n_rows)
        self.codes, self.errors, self.totals = codes, errors, Totals(*sums)

    # All codes -------------------------------------------------------------------------------------------------

    @cached_property
    def density(self) -> Array:
        """The share of rows in which each unit is active, (K,)."""
        found: Array = np.count_nonzero(self.codes, axis=0) / max(1, self.n_rows)
        return found

    @property
    def is_sparse(self) -> bool:
        """Whether the code is sparse: units are at 0 in many rows."""
        return bool(self.density.mean() < 0.9)

    @cached_property
    def axes(self) -> Array:
        """The directions along which the codes vary most, (2, K): of a code of one or two units, the units."""
        width = self.n_components
        if width <= 2:
            return np.eye(width, dtype=np.float32)
        sample = self.codes[:: max(1, self.n_rows // _SAMPLED)].astype(np.float64)
        directions = principal_axes(sample - sample.mean(axis=0))
        # The largest entry of each is positive, so that a map is the same each time.
        signs = np.sign(directions[[0, 1], np.abs(directions).argmax(axis=1)])
        return (np.where(signs == 0, 1.0, signs)[:, None] * directions).astype(np.float32)

    # Single rows -----------------------------------------------------------------------------------------------

    @property
    def dtype(self) -> Any:
        """The type in which rows are decoded."""
        return rows_float(self.model, self.source)

    def rows(self, places: Array) -> Array:
        """Return rows by their places among those shown, (n, D), as the source has them."""
        with self.lock:
            return self._taken(self.numbers[places])

    def reconstructions(self, raw: Array) -> tuple[Array, Array, Array]:
        """Return the codes of a few raw rows, their reconstructions, and the errors of their columns."""
        with self.lock:
            parts = [*self._small.round_trip([Block(raw, 0)], float_of(self.source))]
        codes, scaled = (np.concatenate([part[place] for part in parts]) for place in (1, 2))
        cells = by_column(self.model, np.square(np.subtract(*comparable(self.model, raw, scaled))))
        return codes, self.model.scaler_.raw(scaled, self.dtype, like=raw), cells

    def decode(self, codes: Floats) -> Array:
        """Return the rows that a few codes stand for, (n, D)."""
        with self.lock:
            scaled = np.concatenate([*self._small.decode([Block(codes, 0)])])
        rows: Array = self.model.scaler_.raw(scaled, self.dtype)
        return rows

    @cached_property
    def atoms(self) -> Array | None:
        """The change of a row per unit of code, (K, D); None where it would be too large to compute."""
        if not self.model.network_.is_linear_decoder and self.n_components * self.n_features > 1 << 24:
            return None
        # Compiling it takes seconds, in which rows are asked for: it has a lock of its own.
        with self._atoms_lock:
            if "atoms" not in self.__dict__:
                self.__dict__["atoms"] = np.asarray(self.model.components_)
            found: Array = self.__dict__["atoms"]
            return found

    def warm(self) -> None:
        """Compile what single rows need, so that the first request is not delayed."""
        codes, _, _ = self.reconstructions(self.rows(np.zeros(1, int)))
        self.decode(codes.astype(np.float32))
        _ = self.atoms

    def end(self) -> None:
        """Wait for the computation in progress, and start no other: a process cannot end while XLA compiles."""
        self.lock.acquire()
        self._atoms_lock.acquire()

    # Words -----------------------------------------------------------------------------------------------------

    @cached_property
    def names(self) -> list[str]:
        """The names of the table's columns."""
        if self.encoding is not None:
            return [str(column.name) for column in self.encoding.columns]
        return [str(name) for name in getattr(self.model, "feature_names_in_", self.source.schema.names)]

    def texts(self, rows: Array) -> list[list[str]]:
        """Return rows as text: the cells of each, by column of the table."""
        if self.encoding is None:
            return [[text_of(cell) for cell in row.tolist()] for row in np.asarray(rows)]
        columns = self.encoding.as_arrow.decode(rows).columns
        return [
            [text_of(cell) for cell in row] for row in zip(*(column.to_pylist() for column in columns), strict=True)
        ]


def principal_axes(centred: Array) -> Array:
    """Return the first two principal axes (2, K) of centred rows (n, K), K > 2; a wide code takes a second."""
    width = centred.shape[1]
    if width <= 256:
        directions: Array = np.linalg.eigh(centred.T @ centred)[1].T[::-1][:2]
        return directions
    if min(centred.shape) <= 2 or not centred.any():
        return np.eye(2, width)
    start = np.random.default_rng(0).normal(size=min(centred.shape))
    found: Array = svds(centred, k=2, v0=start)[2][::-1]
    return found


def text_of(cell: Any) -> str:
    """Return a cell as text; a missing one is empty."""
    if cell is None or (isinstance(cell, float) and np.isnan(cell)):
        return ""
    if isinstance(cell, float):
        return f"{cell:.0f}" if cell.is_integer() and abs(cell) < 1e15 else f"{cell:.5g}"
    return str(cell).removesuffix(" 00:00:00")[:200]


def _added(sums: Any, raw: Array) -> tuple[Array, ...]:
    """Return sums over rows with those of a block added."""
    cells = raw.astype(np.float64)
    seen = ~np.isnan(cells)
    known = np.where(seen, cells, 0.0)
    low, high = (np.where(seen, cells, edge) for edge in (np.inf, -np.inf))
    here = (seen.sum(0), known.sum(0), np.square(known).sum(0), low.min(0), high.max(0))
    if sums is None:
        return here
    count, total, squares = (np.add(a, b) for a, b in zip(sums[:3], here[:3], strict=True))
    return count, total, squares, np.minimum(sums[3], here[3]), np.maximum(sums[4], here[4])
