"""What a checkpoint and the run that continues from it must have in common."""

from __future__ import annotations

import hashlib
from numbers import Integral
from typing import Any

import jax
import numpy as np

from isthmus.core.functions import fingerprint, is_function, name_of
from isthmus.core.parameters import values_of
from isthmus.core.processes import all_gathered
from isthmus.data.sources.base import Source
from isthmus.data.sources.content import add_sums, content_sum
from isthmus.estimators.fit.rows import FitRows
from isthmus.estimators.inputs import rows_of

# The parameters that may differ: how long, what is printed, and where.
MAY_CHANGE = {"max_epochs", "verbose", "display_step", "device"}


def identity_of(estimator: Any, given: FitRows, *, warm: bool) -> dict[str, str]:
    """Return, by name and as text, what has to be equal in a run and in the one that continues it."""
    source, hold = given.source, given.hold
    values = {name: value for name, value in values_of(estimator).items() if name not in MAY_CHANGE}
    if not isinstance(values["random_state"], Integral):
        values["random_state"] = "drawn"
    # The text of a long array leaves its middle out, and that of a NumPy number has its type.
    numpy = np.ndarray | np.generic
    plain = {name: value.tolist() if isinstance(value, numpy) else value for name, value in values.items()}
    identity = {name: _as_text(value) for name, value in plain.items()}
    identity |= {"estimator": type(estimator).__name__, "rows": str(rows_of(source)), "data": _content(source)}
    if given.validation is not None:
        identity["validation data"] = _content(given.validation)
    if hold is not None:
        identity["validation_by"] = f"{hold} {getattr(hold, 'digest', '')}".strip()
    if given.weights is not None:
        identity["sample_weight"] = given.weights.digest
    if given.validation_weights is not None:
        identity["sample_weight of validation_data"] = given.validation_weights.digest
    if warm:
        digest = hashlib.blake2b(digest_size=16)
        for leaf in jax.tree.leaves(estimator.params_):
            digest.update(np.ascontiguousarray(leaf).tobytes())
        identity["warm start"] = digest.hexdigest()
    return identity


def _as_text(value: Any) -> str:
    return f"{name_of(value)} ({fingerprint(value)})" if is_function(value) else repr(value)


def _content(source: Source) -> str:
    """Return a hash of all rows, each process having read a share of them."""
    own = content_sum(source, jax.process_index(), jax.process_count())
    return add_sums(all_gathered(own))
