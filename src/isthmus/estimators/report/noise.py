"""The error of a denoiser against noise, for a report."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from isthmus import corruption as corruptions
from isthmus.core.errors import IsthmusError
from isthmus.data.sources.base import Source
from isthmus.estimators.inputs import mixed_encoding, rows_of
from isthmus.estimators.report.passes import sampled, taken
from isthmus.estimators.robustness import robustness
from isthmus.evaluation.report.facts import Noise

_ROWS, _CELLS = 2_000, 1 << 22


def noise_of(model: Any, source: Source, seed: int) -> Noise | None:
    """Return errors at levels of the noise that a model was trained with; None of models without such a level."""
    own = getattr(model, "corruption", None)
    if own is None or mixed_encoding(model) is not None or type(model).__name__ == "NeighborAutoencoder":
        return None
    count = min(_ROWS, max(50, _CELLS // source.schema.n_features))
    rows = taken(source, sampled(rows_of(source), count, seed))
    if rows.dtype.kind == "f" and np.isnan(rows).any():
        return None
    try:
        corruption = corruptions.resolve(own, getattr(model, "corruption_level", None))
        if corruption is None or not corruption.main:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the model was fitted on rows with names, which these do not have
            curve = robustness(model, _like(source, rows), None, None, corruption, seed)
    except IsthmusError:
        return None
    return Noise(curve.levels, curve.errors, corruptions.name_of(corruption), len(rows))


def _like(source: Source, rows: Any) -> Any:
    """Return rows with the schema of their source: its names and its pictures."""
    from isthmus.data.sources import ArraySource

    return ArraySource(rows, schema=source.schema)
