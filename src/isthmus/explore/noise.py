"""Rows with the noise that a denoiser was trained against, at any level."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from isthmus import corruption as corruptions
from isthmus.core.errors import IsthmusError
from isthmus.core.random import Stream, key_words
from isthmus.core.types import Batch, Noise
from isthmus.data.sources.arrays import ArraySource
from isthmus.data.splitting import NO_HOLDOUT
from isthmus.engine.loop import in_type
from isthmus.estimators.fit.preparing import columns_of, measure
from isthmus.explore.explored import Explored

Array = NDArray[Any]

_OTHERS = 31  # further rows of the batch: some corruptions take cells from them
_SAMPLE = 2000  # rows from which the columns' ranges are taken


class RowNoise:
    """The corruption of a model, for single rows.

    Attributes
    ----------
    name : str
        The corruption's name.
    level, highest : float
        The model's own level, and the highest that makes sense.
    """

    def __init__(self, explored: Explored, corruption: Any) -> None:
        self._explored = explored
        self._corruption = corruption
        own = getattr(corruption, corruption.main)
        own = max(own) if isinstance(own, tuple) else own
        if callable(own):
            own = max(float(own(share)) for share in np.linspace(0, 1, 11))
        self.name, self.level = corruptions.name_of(corruption), float(own)
        self.highest = float(min(2 * self.level, corruption.level_kind.high)) or 1.0
        step = max(1, explored.n_rows // _SAMPLE)
        sample = explored.rows(np.arange(0, explored.n_rows, step)[:_SAMPLE])
        self._others = explored.model.scaler_.scaled(sample[:_OTHERS], np.float32)
        statistics = measure(ArraySource(sample), None, (), NO_HOLDOUT, moments=True, missing=True)
        columns = columns_of(statistics, explored.model.scaler_, explored.source.schema.column_of)
        columns, static = in_type(columns, np.float32), corruption.static()
        words = jnp.asarray(key_words(0, Stream.NOISE))

        def corrupted(x: Any, number: Any, draw: Any, scheduled: Any) -> Any:
            batch = Batch(x, jnp.ones(len(x), jnp.float32), number)
            return static(Noise(words, draw), batch, columns, scheduled).x

        self._corrupted = jax.jit(corrupted)

    def of(self, raw: Array, number: int, level: float, draw: int) -> Array:
        """Return one row (1, D) with noise of a level; each `draw` is another one."""
        scaler = self._explored.model.scaler_
        scaled = np.concatenate([scaler.scaled(raw, np.float32), self._others])
        schedules = replace(self._corruption, **{self._corruption.main: level}).schedules()
        scheduled = {name: jnp.float32(schedule(np.ones(1))[0]) for name, schedule in schedules.items()}
        numbers = np.arange(len(scaled), dtype=np.uint64)[:, None] + np.array([[number, 0]], np.uint64)
        place = jnp.asarray(numbers.astype(np.uint32) * np.array([1, 0], np.uint32))
        with self._explored.lock:
            noisy = np.asarray(self._corrupted(jnp.asarray(scaled), place, jnp.uint32(draw), scheduled))[:1]
        rows: Array = scaler.raw(noisy, self._explored.dtype, like=raw)
        return rows


def noise_of(explored: Explored) -> RowNoise | None:
    """Return the noise of a model that was trained against one with a level; None for other models."""
    model = explored.model
    if getattr(model, "corruption", None) is None:
        return None
    try:
        found = corruptions.resolve(model.corruption, getattr(model, "corruption_level", None))
        if found is None or not found.main:
            return None
        found = found.bound(explored.image_shape)
        found.check(explored.n_features, model.scaler_.affine is not None)
    except IsthmusError:
        return None
    return RowNoise(explored, found)
