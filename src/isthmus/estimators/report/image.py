"""Whether the rows of a model are pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from isthmus.data.sources.base import Source
from isthmus.estimators.inputs import rows_of
from isthmus.estimators.report.passes import sampled, taken
from isthmus.evaluation.plots.checks import check_size, checked_shape
from isthmus.evaluation.plots.pictures import grey_range
from isthmus.evaluation.report.facts import Image

_SEEN = 200  # rows that show the range of pictures


def image_of(model: Any, source: Source, given: Sequence[int] | None, seed: int) -> Image:
    """Return the shape of rows that are pictures that can be shown, and the values of black and white."""
    if given is not None:
        check_size(source.schema.n_features, checked_shape(given), "the rows")
    known = model.image_shape_ or getattr(model.network_, "image_shape", None) or source.schema.image_shape
    shape = known if given is None else tuple(given)
    channels = 1 if shape is None or len(shape) == 2 else shape[2]
    if shape is None or channels not in (1, 3) or int(np.prod(shape)) != source.schema.n_features:
        return Image()
    rows = taken(source, sampled(rows_of(source), _SEEN, seed))
    low, high = grey_range(np.nan_to_num(rows))
    return Image(tuple(int(side) for side in (shape[:2] if channels == 1 else shape)), (float(low), float(high)))
