"""What a user hands in, as a source: arrays and frames through scikit-learn's own checks, files through theirs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import validate_data

from isthmus.errors import InvalidDataError
from isthmus.scaling import refuse_non_finite
from isthmus.sources import ArraySource, open_source
from isthmus.sources.base import Block, Source


def is_outside(X: object) -> bool:
    """Whether `X` is a path or a source rather than something array-like."""
    return isinstance(X, str | os.PathLike) or (isinstance(X, Source) and not isinstance(X, np.ndarray))


def open_rows(estimator: Any, X: Any, *, reset: bool) -> Source:
    """Return `X` as a source with random access, its width and names checked or, with ``reset=True``, remembered."""
    if not is_outside(X):
        X = validate_data(estimator, X, reset=reset, dtype="numeric", ensure_all_finite=False, order=None)
        return ArraySource(_computable(X))
    source = open_source(X)
    if source.n_rows == 0:
        raise InvalidDataError(f"{X} holds no rows; a fit needs at least one")
    _check_columns(estimator, source, reset=reset)
    return source if source.random_access and source.n_rows is not None else _in_memory(source)


def _computable(X: NDArray[Any]) -> NDArray[Any]:
    if X.dtype.kind == "b":
        return X.view(np.uint8) if X.flags.c_contiguous else X.astype(np.uint8)
    if X.dtype.kind not in "iuf":
        raise InvalidDataError(f"Input X has values of type {X.dtype}; convert them to numbers first")
    return X.astype(np.float64) if X.dtype.itemsize > 8 else X


def _check_columns(estimator: Any, source: Source, *, reset: bool) -> None:
    names = np.array(source.schema.names, dtype=object)
    if reset:
        estimator.n_features_in_ = source.schema.n_features
        estimator.__dict__.pop("feature_names_in_", None)
        if source.schema.named:
            estimator.feature_names_in_ = names
        return
    if source.schema.n_features != estimator.n_features_in_:
        raise InvalidDataError(
            f"X has {source.schema.n_features} features, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input"
        )
    expected = getattr(estimator, "feature_names_in_", None)
    if expected is not None and source.schema.named and list(names) != list(expected):
        other = next((a, b) for a, b in zip(names, expected, strict=True) if a != b)
        raise InvalidDataError(
            f"X has a column {other[0]!r} where the model was fitted on {other[1]!r}; put the columns in that order"
        )


def _in_memory(source: Source) -> Source:
    blocks = [block.values for block in source.blocks()]
    if not blocks or not sum(map(len, blocks)):
        raise InvalidDataError("the source holds no rows; a fit needs at least one")
    return ArraySource(np.concatenate(blocks), schema=source.schema)


def rows_of(source: Source) -> int:
    """Return the number of rows of a source that `open_rows` opened."""
    assert source.n_rows is not None
    return source.n_rows


def finite_blocks(source: Source, names: Sequence[str] = ()) -> Iterator[Block]:
    """Yield a source's blocks in order, refusing the first cell that is not finite."""
    for block in source.blocks():
        # One sum is cheaper than a mask, and a NaN or an infinity never leaves it finite.
        if block.values.dtype.kind == "f" and not np.isfinite(block.values.sum(dtype=np.float64)):
            refuse_non_finite(block.values, block.start, names)
        yield block
