"""Maps between raw and scaled rows: by column, by the mean of each row, and by linear combinations of columns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from isthmus.data.scaling.statistics import ColumnStatistics, Quantity

Floats = NDArray[np.float64]
Array = NDArray[Any]

_TILE_ROWS = 64
# Ng maps patches to [0.1, 0.9], three deviations either side of 0.5, where the slope of a sigmoid is not small.
_MIDDLE, _HALF_RANGE, _DEVIATIONS = 0.5, 0.4, 3.0


class Scaling(ABC):
    """An immutable map from raw rows to scaled rows and back.

    Attributes
    ----------
    kind : str
        A name in `SCALINGS`, ``"unit"`` (already in [0, 1], or divided by one number) or ``"none"``.
    near_bounds : bool
        Whether the scaled values are in [0, 1] and often near its bounds, as for drawings and not for photographs.
    wide : bool
        Whether float32 cannot hold the raw rows, such as integers above 2**24.
    """

    kind: str
    near_bounds: bool = False
    wide: bool = False

    # The fields that a model file stores, and the number of their axes, each of n_features.
    @property
    @abstractmethod
    def n_features(self) -> int:
        """The number of columns."""

    @property
    def affine(self) -> tuple[Floats, Floats] | None:
        """``(center, scale)`` if the map is ``(raw - center) / scale`` by column, else None."""
        return None

    def widened(self) -> Self:
        """Return the same map of rows that need float64."""
        return replace(self, wide=True)  # type: ignore[type-var]

    def exact_in(self, compute: np.dtype[Any]) -> bool:
        """Whether raw values can be scaled in a type of floats without losing digits or leaving its range."""
        return False

    @abstractmethod
    def scaled(self, raw: Array, dtype: Any = np.float32) -> Array:
        """Return scaled rows, computed in float64; the bits of each depend only on that row."""

    @abstractmethod
    def raw(self, scaled: Array, dtype: Any, like: Array | None = None) -> Array:
        """Return rows in the units of the raw data; a mean that scaling removed is taken from the rows `like`."""

    @abstractmethod
    def directions(self, rows: Array) -> Floats:
        """Return differences of scaled rows (rows, n_features), such as decoder atoms, in the units of the raw data."""

    def reach(self, low: Floats, high: Floats) -> tuple[float, float]:
        """Return the smallest and largest scaled value of rows whose columns are between `low` and `high`.

        Infinities if there is no useful bound.
        """
        return -np.inf, np.inf


@dataclass(frozen=True, eq=False)
class Scaler(Scaling):
    """The affine map ``scaled = (raw - center) / scale`` by column.

    Attributes
    ----------
    kind, near_bounds, wide : str, bool, bool
        As in `Scaling`.
    center, scale : ndarray of shape (n_features,)
        In the units of the raw data, float64.
    extreme : ndarray of shape (n_features,) or None
        For each column that is scaled by its median and quartiles, since a few cells are far out: its standard
        deviation as a multiple of what its quartiles let expect. 0 for other columns; None without any such column.
    """

    kind: str
    center: Floats
    scale: Floats
    near_bounds: bool = False
    wide: bool = False
    extreme: Floats | None = None

    @property
    def n_features(self) -> int:
        """The number of columns."""
        return len(self.center)

    @property
    def affine(self) -> tuple[Floats, Floats]:
        """``(center, scale)``."""
        return self.center, self.scale

    @cached_property
    def _limits(self) -> tuple[float, float, float, float]:
        """Largest center, smallest and largest scale, and the largest center in scales."""
        center = np.abs(np.nan_to_num(self.center))
        with np.errstate(over="ignore"):
            ratio = float((center / self.scale).max(initial=0))
        return float(center.max(initial=0)), float(self.scale.min(initial=1)), float(self.scale.max(initial=1)), ratio

    def exact_in(self, compute: np.dtype[Any]) -> bool:
        """Whether raw values can be scaled in a type of floats without losing digits or leaving its range."""
        center, least, most, ratio = self._limits
        floats = np.finfo(compute)
        room = float(floats.max) * 1e-7
        return max(center, most) < room and least > 1e7 * float(floats.tiny) and ratio * float(floats.eps) < 1e-3

    def scaled(self, raw: Array, dtype: Any = np.float32) -> Array:
        """Return scaled rows, computed in float64, so that large offsets lose no digits.

        Values outside the range of the type are infinite.
        """
        with np.errstate(over="ignore"):
            return ((raw.astype(np.float64) - self.center) / self.scale).astype(dtype)

    def raw(self, scaled: Array, dtype: Any, like: Array | None = None) -> Array:
        """Return rows in the units of the raw data; values outside the range of the type are its largest."""
        with np.errstate(over="ignore"):
            return _saturated((scaled * self.scale + self.center).astype(dtype))

    def directions(self, rows: Array) -> Floats:
        """Return directions in the units of the raw data."""
        return np.asarray(rows, np.float64) * self.scale

    def reach(self, low: Floats, high: Floats) -> tuple[float, float]:
        """Return the smallest and largest scaled value of rows whose columns are between `low` and `high`."""
        return float(((low - self.center) / self.scale).min()), float(((high - self.center) / self.scale).max())


@dataclass(frozen=True, eq=False)
class Patches(Scaling):
    """Ng's preprocessing of patches: subtract the mean of each row, clip at three deviations, map to [0.1, 0.9].

    A cell ``x`` of a row with mean ``m`` becomes ``0.5 + 0.4 clip((x - m) / (3 deviation), -1, 1)``.

    Attributes
    ----------
    width : int
        The number of columns.
    deviation : float
        The standard deviation of all cells about the mean of their row.
    level : float
        The mean of all cells, which `raw` adds if the mean of a row is unknown.

    References
    ----------
    A. Ng, Sparse autoencoder, CS294A lecture notes, Stanford (2011), and its exercise's ``sampleIMAGES``.
    """

    width: int
    deviation: float
    level: float = 0.0
    wide: bool = False
    kind = "patches"

    @property
    def n_features(self) -> int:
        """The number of columns."""
        return self.width

    @property
    def _factor(self) -> float:
        return _HALF_RANGE / (_DEVIATIONS * self.deviation)

    def scaled(self, raw: Array, dtype: Any = np.float32) -> Array:
        """Return rows minus their means, clipped and mapped to [0.1, 0.9]."""
        wide = _wide(raw)
        with np.errstate(invalid="ignore", over="ignore"):
            wide -= wide.mean(axis=1, keepdims=True)
            wide *= self._factor
        np.clip(wide, -_HALF_RANGE, _HALF_RANGE, out=wide)
        wide += _MIDDLE
        return wide.astype(dtype, copy=False)

    def raw(self, scaled: Array, dtype: Any, like: Array | None = None) -> Array:
        """Return rows in the units of the raw data, about the means of the rows `like` or, if None, about `level`.

        Clipped cells stay at three deviations.
        """
        means = self.level if like is None else _wide(like).mean(axis=1, keepdims=True)
        with np.errstate(over="ignore"):
            return _saturated((self.directions(scaled - np.float64(_MIDDLE)) + means).astype(dtype))

    def directions(self, rows: Array) -> Floats:
        """Return directions in the units of the raw data."""
        return np.asarray(rows, np.float64) / self._factor

    def reach(self, low: Floats, high: Floats) -> tuple[float, float]:
        """Return 0.1 and 0.9."""
        return _MIDDLE - _HALF_RANGE, _MIDDLE + _HALF_RANGE


@dataclass(frozen=True, eq=False)
class Whitening(Scaling):
    """Zero-phase (ZCA) whitening: subtract column means, then multiply by ``W = U diag(1 / sqrt(s + epsilon)) U^T``.

    ``U diag(s) U^T`` is the covariance of the columns. `epsilon` is `EPSILON` times the mean of ``s``, so that it does
    not depend on the units; it damps directions of less variance, in photographs the finest, which are mostly noise.
    The scaled rows have covariance ``U diag(s / (s + epsilon)) U^T`` and look like the pictures with sharpened edges.
    Only column means are subtracted, as by Bell and Sejnowski and by Krizhevsky: the inverse map would need row means.

    Attributes
    ----------
    center : ndarray of shape (n_features,)
        The means of the columns.
    whitening, colouring : ndarray of shape (n_features, n_features)
        W and its inverse, both symmetric.

    References
    ----------
    A. J. Bell and T. J. Sejnowski, The "independent components" of natural scenes are edge filters, Vision Research 37
    (1997). A. Krizhevsky, Learning multiple layers of features from tiny images, University of Toronto (2009), app. A.
    """

    EPSILON: ClassVar[float] = 0.01

    center: Floats
    whitening: Floats
    colouring: Floats
    wide: bool = False
    kind = "zca"

    @property
    def n_features(self) -> int:
        """The number of columns."""
        return len(self.center)

    def scaled(self, raw: Array, dtype: Any = np.float32) -> Array:
        """Return whitened rows."""
        with np.errstate(invalid="ignore", over="ignore"):
            return _mixed(_wide(raw) - self.center, self.whitening).astype(dtype, copy=False)

    def raw(self, scaled: Array, dtype: Any, like: Array | None = None) -> Array:
        """Return rows in the units of the raw data, exact to rounding."""
        with np.errstate(over="ignore", invalid="ignore"):
            return _saturated((self.directions(scaled) + self.center).astype(dtype))

    def directions(self, rows: Array) -> Floats:
        """Return directions in the units of the raw data."""
        return _mixed(np.asarray(rows, np.float64), self.colouring)


@dataclass(frozen=True, eq=False)
class WhitenedPatches(Scaling):
    """Whitening, then Ng's preprocessing, the order of his exercise.

    In the exercise, as by Olshausen and Field, pictures are whitened before patches are cut. Here, patches are.

    Attributes
    ----------
    whitening : Whitening
        The map from raw to whitened rows.
    patches : Patches
        The map from whitened rows to [0.1, 0.9].

    References
    ----------
    B. A. Olshausen and D. J. Field, Emergence of simple-cell receptive field properties by learning a sparse code for
    natural images, Nature 381 (1996).
    """

    whitening: Whitening
    patches: Patches
    wide: bool = False
    kind = "whitened_patches"

    @property
    def n_features(self) -> int:
        """The number of columns."""
        return self.whitening.n_features

    def scaled(self, raw: Array, dtype: Any = np.float32) -> Array:
        """Return whitened rows minus their means, clipped and mapped to [0.1, 0.9]."""
        return self.patches.scaled(self.whitening.scaled(raw, np.float64), dtype)

    def raw(self, scaled: Array, dtype: Any, like: Array | None = None) -> Array:
        """Return rows in the units of the raw data, with the whitened means of the rows `like` or, if None, 0."""
        whitened = None if like is None else self.whitening.scaled(like, np.float64)
        return self.whitening.raw(self.patches.raw(scaled, np.float64, whitened), dtype)

    def directions(self, rows: Array) -> Floats:
        """Return directions in the units of the raw data."""
        return self.whitening.directions(self.patches.directions(rows))

    def reach(self, low: Floats, high: Floats) -> tuple[float, float]:
        """Return 0.1 and 0.9."""
        return self.patches.reach(low, high)


class Recipe(NamedTuple):
    """One scaling: the function that makes it from statistics, the statistics it needs, and its class."""

    fit: Callable[[ColumnStatistics], Scaling]
    gathers: tuple[Quantity, ...] = ()
    makes: type[Scaling] = Scaler


def _saturated(rows: Array) -> Array:
    """Return rows with the largest float in place of infinity; those passed are written to."""
    # One sum is cheaper than a mask, and is not finite where a cell is not.
    with np.errstate(over="ignore", invalid="ignore"):
        if not np.isfinite(rows.sum()):
            largest = np.finfo(rows.dtype).max
            np.clip(rows, -largest, largest, out=rows)
    return rows


def _wide(rows: Array) -> Floats:
    # In one memory order, on which the rounding of row means depends.
    return rows.astype(np.float64, order="C")


def _mixed(rows: Floats, matrix: Floats) -> Floats:
    # BLAS chooses a kernel by the number of rows, and kernels round differently; in tiles of one shape, the result of a
    # row depends only on that row.
    count, width = rows.shape
    tiles = np.zeros((-(-count // _TILE_ROWS), _TILE_ROWS, width))
    tiles.reshape(-1, width)[:count] = rows
    return np.asarray((tiles @ matrix).reshape(-1, width)[:count])
