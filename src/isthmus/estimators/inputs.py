"""User input as a source: arrays and frames through scikit-learn's checks, files through those of their format."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils.validation import validate_data

from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.data.scaling.statistics import refuse_non_finite
from isthmus.data.sources import ArraySource, CsrSource, TableSource, open_source
from isthmus.data.sources.arrow import is_arrow
from isthmus.data.sources.base import Block, Source, is_source
from isthmus.data.sources.images import PictureFiles, luminance
from isthmus.data.sources.opening import is_iterator, is_sequence, source_kind
from isthmus.data.sources.places import is_location
from isthmus.data.sources.spooled import gathered_rows
from isthmus.estimators.fit.memory import NO_LIMIT, Memory


def is_external(X: object) -> bool:
    """Whether `X` is a location, a source, a data set or an iterator rather than array-like."""
    if is_location(X) or is_iterator(X) or is_sequence(X):
        return True
    # A table of pyarrow goes through scikit-learn's checks, as other frames do.
    is_data_set = (is_arrow(X) and not hasattr(X, "to_pandas")) or type(X).__module__.startswith("datasets")
    return is_data_set or is_source(X)


def open_rows(estimator: Any, X: Any, *, reset: bool, memory: Memory = NO_LIMIT) -> Source:
    """Return `X` as a source with random access, its width and names checked or, with ``reset=True``, remembered."""
    if isinstance(X, np.ndarray) and X.ndim > 2 and estimator.get_params(deep=False).get("channels") is not None:
        X = open_source(X)
    if not is_external(X):
        if isinstance(X, np.ma.MaskedArray) and X.mask.any():
            # scikit-learn would use the values under the mask; NaN is refused, with row and column.
            X = np.ma.filled(X.astype(np.float64), np.nan)
        try:
            X = validate_data(estimator, X, reset=reset, dtype="numeric", ensure_all_finite=False, order=None)
        except ValueError as error:
            raise _brief(error) from None
        return ArraySource(_computable(X))
    source = _open_columns(estimator, X) if not reset else open_source(X)
    if source.n_rows == 0:
        raise InvalidDataError(f"{X} has no rows; at least one is needed")
    _check_columns(estimator, source, reset=reset)
    return source if source.random_access and source.n_rows is not None else gathered_rows(source, memory.for_tables)


def open_stream(estimator: Any, X: Any) -> Source:
    """Return `X` as a source whose blocks are read when they are asked for, its width and names checked."""
    if not is_external(X):
        return open_rows(estimator, X, reset=False)
    source = _open_columns(estimator, X)
    _check_columns(estimator, source, reset=False)
    return source


def open_codes(X: Any, names: Sequence[str]) -> Source:
    """Return codes as a source: of a table that has columns of all these names, those columns, else everything."""
    if issparse(X):
        return CsrSource(X)
    if is_table(X):
        with suppress(InvalidParameterError):
            return open_source(X, columns=list(names))
    return open_source(X)


def is_table(X: Any) -> bool:
    """Whether `X` is the location or data set of a table, whose columns have names."""
    kind = source_kind(X) if is_location(X) else None
    return is_arrow(X) or (isinstance(kind, type) and issubclass(kind, TableSource))


def _open_columns(estimator: Any, X: Any) -> Source:
    """Open rows for a fitted estimator; of a table with named columns, read those the estimator was fitted on."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None or not is_table(X):
        return open_source(X)
    try:
        return open_source(X, columns=list(names))
    except InvalidParameterError:
        # A text file without a header has no names to compare; its columns are numbers, so this does not fail for text.
        with suppress(InvalidDataError):
            source = open_source(X)
            if not source.schema.named:
                return source
        raise


def _brief(error: ValueError) -> ValueError:
    """Return scikit-learn's error without the array it prints, where it prints one."""
    lines = str(error).splitlines()
    if lines[0].startswith("Complex data"):
        return InvalidDataError(f"{lines[0]}: give real and imaginary parts as columns of their own")
    if lines[-1].startswith("Reshape your data"):
        return InvalidDataError(f"{lines[0].rstrip(':')}. {lines[-1]}")
    return error


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


def rows_of(source: Source) -> int:
    """Return the number of rows of a source that `open_rows` opened."""
    assert source.n_rows is not None
    return source.n_rows


def finite_blocks(
    source: Source, names: Sequence[str] = (), start: int = 0, stop: int | None = None, *, missing: bool = False
) -> Iterator[Block]:
    """Yield a source's blocks in order, refusing the first cell that is not finite; NaN is allowed where `missing`."""
    for block in source.blocks(start, stop):
        if block.values.dtype.kind == "f":
            # One sum is cheaper than a mask, and is not finite where a cell is NaN or infinite.
            with np.errstate(over="ignore", invalid="ignore"):
                total = block.values.sum(dtype=np.float64)
            if not np.isfinite(total):
                refuse_non_finite(block.values, block.start, names, missing=missing)
        yield block


def each_picture(X: Any, *, grey: bool) -> Iterator[NDArray[Any]]:
    """Yield the pictures of a folder, zip, file, array or sequence one by one; each file is read when it is needed.

    With ``grey=True`` the colours of files become luminance.

    Raises
    ------
    InvalidDataError
        Where an array does not have the shape of a picture.
    """
    if isinstance(X, str | os.PathLike):
        files = PictureFiles(X)
        for number in range(len(files)):
            picture = files.read(number)
            yield luminance(picture) if grey and picture.ndim == 3 else picture
        return
    for given in X:
        if isinstance(given, str | os.PathLike):
            yield from each_picture(given, grey=grey)
            continue
        picture = np.asarray(given)
        if picture.ndim not in (2, 3) or not picture.size:
            raise InvalidDataError(
                f"a picture has shape (height, width) or (height, width, channels), not {picture.shape}"
            )
        yield picture
