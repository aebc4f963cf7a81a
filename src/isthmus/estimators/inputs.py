"""User input as a source: arrays and frames through scikit-learn's checks, files through those of their format."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils.validation import check_array, validate_data

from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.data.columns import refuse_duplicates
from isthmus.data.encoding import TableEncoding
from isthmus.data.frames import eager, labels_of, library_of, matrix_of, objects_matrix
from isthmus.data.list_frames import spread_lists
from isthmus.data.scaling.statistics import refuse_non_finite
from isthmus.data.sources import ArraySource, CsrSource, SparseCodesSource, TableSource, open_source
from isthmus.data.sources.arrow import is_arrow
from isthmus.data.sources.base import Block, Source, is_source
from isthmus.data.sources.encoded import EncodedSource, open_mixed
from isthmus.data.sources.images import PictureFiles, luminance
from isthmus.data.sources.list_columns import pandas_index
from isthmus.data.sources.opening import is_iterator, is_sequence, source_kind
from isthmus.data.sources.places import is_location
from isthmus.data.sources.sparse import csr_blocks, refuse_non_finite_cells, sparse_frame
from isthmus.data.sources.spooled import gathered_rows
from isthmus.data.sources.streams import copied
from isthmus.estimators.fit.memory import NO_LIMIT, Memory
from isthmus.estimators.lost_integers import warn_of_frame, warn_of_table
from isthmus.losses import LIKELIHOODS

# What a fit stores of the columns.
COLUMN_ATTRIBUTES = ("n_features_in_", "feature_names_in_", "column_labels_", "encoding_")


def is_external(X: object) -> bool:
    """Whether `X` is a location, a source, a data set or an iterator rather than array-like."""
    if is_location(X) or is_iterator(X) or is_sequence(X):
        return True
    # A table of pyarrow is a frame, as those of pandas and polars are.
    is_data_set = (is_arrow(X) and not hasattr(X, "to_pandas")) or type(X).__module__.startswith("datasets")
    return is_data_set or is_source(X)


def open_rows(estimator: Any, X: Any, *, reset: bool, memory: Memory = NO_LIMIT) -> Source:
    """Return `X` as a source with random access, its width and names checked or, with ``reset=True``, remembered."""
    X = _without_index(estimator, eager(X), reset=reset)
    if isinstance(X, np.ndarray) and X.ndim > 2 and _takes_pictures(estimator):
        X = open_source(X)
    if library_of(X) is not None:
        return sparse_columns(estimator, X, reset=reset) or _open_frame(estimator, spread_lists(X), reset=reset)
    if issparse(X):
        return CsrSource(_checked_sparse(estimator, X, reset=reset))
    if not is_external(X):
        array = array_rows(estimator, X, reset=reset)
        return ArraySource(array.view(np.uint8) if array.dtype.kind == "b" and array.flags.c_contiguous else array)
    source = _open_columns(estimator, X) if not reset else _open_new(estimator, X)
    if source.n_rows == 0:
        raise InvalidDataError(f"{X} has no rows; at least one is needed")
    _check_columns(estimator, source, reset=reset)
    if isinstance(source, SparseCodesSource):
        return CsrSource(source.csr(), schema=source.schema)
    if source.random_access and source.n_rows is not None:
        return source
    rows = gathered_rows(source, memory.for_tables)
    if reset:
        warn_of_table(source, rows)
    return rows


def _takes_pictures(estimator: Any) -> bool:
    parameters = estimator.get_params(deep=False)
    return parameters.get("channels") is not None or parameters.get("network") == "convolutional"


def _without_index(estimator: Any, X: Any, *, reset: bool) -> Any:
    """Return a table of pyarrow without the index that pandas wrote into it, unless the model was fitted on that."""
    if not is_arrow(X) or not hasattr(X, "drop_columns"):
        return X
    known = () if reset else getattr(estimator, "feature_names_in_", ())
    return X.drop_columns([name for name in pandas_index(X.schema) if name not in known])


def open_stream(estimator: Any, X: Any) -> Source:
    """Return `X` as a source whose blocks are read when they are asked for, its width and names checked."""
    if not is_external(X) or library_of(X) is not None:
        return open_rows(estimator, X, reset=False)
    source = _open_columns(estimator, X)
    _check_columns(estimator, source, reset=False)
    return source


def open_codes(X: Any, names: Sequence[str]) -> Source:
    """Return codes as a source: of a table that has columns of all these names, those columns, else everything."""
    if issparse(X):
        return CsrSource(X)
    X = copied(X)
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
    X = copied(X)  # it may be opened twice
    names, encoding = getattr(estimator, "feature_names_in_", None), mixed_encoding(estimator)
    if encoding is not None:
        wanted: dict[str, Any] = {"columns": list(names)} if names is not None and is_table(X) else {}
        return open_mixed(X, encoding=encoding, **wanted)
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


def array_rows(estimator: Any, X: Any, *, reset: bool) -> NDArray[Any]:
    """Return an array-like as an array of numbers or booleans, checked by scikit-learn, with NaN in masked cells."""
    if reset:
        forget_labels(estimator)
    _refuse_other_than_table(estimator)
    try:
        rows: NDArray[Any] = validate_data(
            estimator, numbers_of(X), reset=reset, dtype="numeric", ensure_all_finite=False, order=None
        )
    except ValueError as error:
        raise _brief(error) from None
    if rows.dtype.kind not in "biuf":
        raise InvalidDataError(f"Input X has values of type {rows.dtype}; convert them to numbers first")
    return rows.astype(np.float64) if rows.dtype.itemsize > 8 else rows


def _checked_sparse(estimator: Any, X: Any, *, reset: bool) -> Any:
    """Return a sparse matrix as CSR, checked by scikit-learn, but for its values."""
    if reset:
        forget_labels(estimator)
    if X.ndim != 2:
        raise InvalidDataError(f"Expected 2D array, got a sparse array of shape {X.shape} instead; give it two axes")
    try:
        return validate_data(estimator, X, reset=reset, accept_sparse="csr", dtype="numeric", ensure_all_finite=False)
    except ValueError as error:
        raise _brief(error) from None


def sparse_columns(estimator: Any, X: Any, *, reset: bool) -> CsrSource | None:
    """Return a pandas frame of sparse columns as a source, its names checked; None for any other frame."""
    if library_of(X) != "pandas" or (source := sparse_frame(X)) is None:
        return None
    check_names(estimator, X, reset=reset)
    return source


def numbers_of(X: Any) -> Any:
    """Return a masked array with NaN in its masked cells, Python objects as numbers, and all else as it is.

    scikit-learn would use the values under the mask, parse text, and take dates for numbers.
    """
    if isinstance(X, list | tuple) and any(isinstance(row, np.ma.MaskedArray) for row in X):
        X = np.ma.stack(X)
    if isinstance(X, np.ma.MaskedArray):
        masked = np.ma.getmaskarray(X)
        if not masked.any():
            return np.asarray(X.data)
        return np.ma.filled(X.astype(X.dtype if X.dtype.kind in "fO" else np.float64), np.nan)
    if isinstance(X, list | tuple) and len(X) and not hasattr(X[0], "__array__"):
        try:
            X = np.asarray(X)
        except ValueError:
            return X  # scikit-learn has a message for it
    if isinstance(X, np.ndarray) and X.dtype.names:
        raise InvalidDataError(
            "structured arrays are not supported; pass a DataFrame, or an array from "
            "numpy.lib.recfunctions.structured_to_unstructured"
        )
    if isinstance(X, np.ndarray) and X.dtype.kind == "O" and X.ndim == 2:
        return objects_matrix(X)
    return X


def _open_frame(estimator: Any, X: Any, *, reset: bool) -> Source:
    """Return a frame as a source: of numbers as they are, or of the numbers that its columns are encoded as."""
    _refuse_empty_or_ambiguous(X)
    continued = _continued(estimator) if reset else None
    check_names(estimator, X, reset=reset)
    options = _encoding_options(estimator)
    if reset and options:
        names = [column.name for column in continued.columns] if continued is not None else None
        estimator.encoding_ = continued if names == labels_of(X) else TableEncoding.learn(X, **options)
    encoding = mixed_encoding(estimator)
    source = ArraySource(_frame_rows(X)) if encoding is None else open_mixed(X, encoding=encoding)
    if reset and source.dtype.kind == "f":
        warn_of_frame(X)
    return source


def _refuse_empty_or_ambiguous(X: Any) -> None:
    refuse_duplicates(X)
    if not len(X):
        raise InvalidDataError(
            f"Found array with 0 sample(s) (shape={tuple(X.shape)}) while a minimum of 1 is required"
        )


def _open_new(estimator: Any, X: Any) -> Source:
    options = _encoding_options(estimator)
    return open_mixed(X, encoding=_continued(estimator), **options) if options else open_source(X)


def _continued(estimator: Any) -> TableEncoding | None:
    """Return the encoding that a warm start continues with, as with the scaling: the network knows its levels."""
    return mixed_encoding(estimator) if getattr(estimator, "warm_start", False) else None


def _encoding_options(estimator: Any) -> dict[str, Any]:
    """Return what an estimator makes of dates and skewed numbers; nothing for one that takes numbers alone.

    Counts and pixels stay as they are.
    """
    datetimes = getattr(estimator, "datetimes", None)
    likelihood = getattr(estimator, "likelihood", None)
    counts = getattr(LIKELIHOODS[likelihood] if isinstance(likelihood, str) else likelihood, "counts", False)
    pixels = getattr(estimator, "network", None) == "convolutional"
    unskew = getattr(estimator, "scaling", None) == "auto" and not counts and not pixels
    return {} if datetimes is None else {"datetimes": datetimes, "unskew": unskew}


def mixed_encoding(estimator: Any) -> TableEncoding | None:
    """Return how the columns of the table that an estimator was fitted on are encoded; None if all are numbers."""
    encoding = getattr(estimator, "encoding_", None)
    return None if encoding is None or encoding.is_plain else encoding


def cell_names(estimator: Any) -> list[str]:
    """Return the name of the column that each cell of a row comes from, as `fit` saw it; empty without names."""
    encoding = mixed_encoding(estimator)
    if encoding is None:
        return list(getattr(estimator, "feature_names_in_", ()))
    return [str(encoding.columns[place].name) for place in encoding.column_of]


def _frame_rows(X: Any) -> NDArray[Any]:
    try:
        rows: NDArray[Any] = check_array(matrix_of(X), ensure_all_finite=False, input_name="X")
    except ValueError as error:
        raise _brief(error) from None
    return rows


def check_names(estimator: Any, X: Any, *, reset: bool) -> None:
    """Check the names of a frame's columns and their order or, with ``reset=True``, store them.

    Names that are text are `feature_names_in_`, by scikit-learn's rules; others, such as numbers or the tuples of a
    pandas MultiIndex, are `column_labels_`.
    """
    labels = tuple(_plain_label(label) for label in labels_of(X))
    known = getattr(estimator, "column_labels_", ())
    if not reset and known != labels and len(known) == len(labels):
        other = next((a, b) for a, b in zip(labels, known, strict=True) if a != b)
        raise InvalidDataError(
            f"X has a column {other[0]!r} where the model was fitted on {other[1]!r}; put the columns in the order of "
            "fit, or pass X.to_numpy() to take them by place"
        )
    try:
        validate_data(estimator, X, reset=reset, skip_check_array=True)
    except ValueError as error:
        raise _brief(error) from None
    if reset:
        forget_labels(estimator)
        if not all(isinstance(label, str) for label in labels_of(X)):
            estimator.column_labels_ = labels


def _refuse_other_than_table(estimator: Any) -> None:
    encoding = mixed_encoding(estimator)
    if encoding is not None:
        kinds = sorted({column.kind for column in encoding.columns} & {"category", "datetime", "duration"})
        raise InvalidDataError(
            f"the model was fitted on a table with columns of the kind {' and '.join(kinds)}; give a table with these "
            "columns, not an array"
        )


def forget_labels(estimator: Any) -> None:
    """Remove what an earlier fit knew of names that are no text, and of the kinds of columns."""
    estimator.__dict__.pop("column_labels_", None)
    estimator.__dict__.pop("encoding_", None)


def forget_columns(estimator: Any) -> None:
    """Remove what an earlier fit knew of the columns."""
    for name in COLUMN_ATTRIBUTES:
        estimator.__dict__.pop(name, None)


def _plain_label(label: Any) -> Any:
    if isinstance(label, np.generic):
        label = label.item()
    if isinstance(label, tuple):
        return tuple(map(_plain_label, label))
    return label if isinstance(label, str | int | float) else str(label)


def _brief(error: ValueError) -> InvalidDataError:
    """Return scikit-learn's error as one of isthmus, without the array it prints, where it prints one."""
    lines = str(error).splitlines()
    if lines[0].startswith("Complex data"):
        return InvalidDataError(f"{lines[0]}: give real and imaginary parts as columns of their own")
    if lines[0].startswith("Found array with dim"):
        return InvalidDataError(
            f"{lines[0]} Flatten each row with X.reshape(len(X), -1), or pass pictures to ConvolutionalAutoencoder."
        )
    if lines[-1].startswith("Reshape your data"):
        return InvalidDataError(f"{lines[0].rstrip(':')}. {lines[-1]}")
    return error if isinstance(error, InvalidDataError) else InvalidDataError(str(error))


def _check_columns(estimator: Any, source: Source, *, reset: bool) -> None:
    encoding = source.encoding if isinstance(source, EncodedSource) else None
    columns = source.schema.names if encoding is None else [str(column.name) for column in encoding.columns]
    names = np.array(columns, dtype=object)
    if reset:
        forget_labels(estimator)
        estimator.n_features_in_ = len(names)
        estimator.__dict__.pop("feature_names_in_", None)
        if source.schema.named:
            estimator.feature_names_in_ = names
        if encoding is not None:
            estimator.encoding_ = encoding
        return
    if encoding is None and mixed_encoding(estimator) is not None:
        _refuse_other_than_table(estimator)
    if len(names) != estimator.n_features_in_:
        raise InvalidDataError(
            f"X has {len(names)} features, but {type(estimator).__name__} is expecting "
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
                numbers = getattr(source, "numbers", None)  # of rows that were selected from another source
                refuse_non_finite(block.values, block.start, names, missing=missing, numbers=numbers)
        yield block


def finite_csr(
    source: Source, names: Sequence[str] = (), start: int = 0, stop: int | None = None
) -> Iterator[tuple[Any, int]]:
    """Yield a sparse source's rows as CSR matrices with the number of the first, refusing a cell that is not finite."""
    for rows, first in csr_blocks(source, start, stop):
        refuse_non_finite_cells(rows, first, names)
        yield rows, first


def each_picture(X: Any, *, grey: bool) -> Iterator[NDArray[Any]]:
    """Yield the pictures of a folder, zip, file, array or sequence one by one; each file is read when it is needed.

    With ``grey=True`` the colours of files become luminance.

    Raises
    ------
    InvalidDataError
        Where an array does not have the shape of a picture, or a pixel is masked, NaN or infinite.
    """
    if isinstance(X, str | os.PathLike):
        files = PictureFiles(X)
        for number in range(len(files)):
            picture = files.read(number)
            _refuse_lost_pixels(picture, files.where(number))
            yield luminance(picture) if grey and picture.ndim == 3 else picture
        return
    for number, given in enumerate(X):
        if isinstance(given, str | os.PathLike):
            yield from each_picture(given, grey=grey)
            continue
        picture = np.asarray(numbers_of(given))
        if picture.ndim not in (2, 3) or not picture.size:
            raise InvalidDataError(
                f"a picture has shape (height, width) or (height, width, channels), not {picture.shape}"
            )
        _refuse_lost_pixels(picture, f"picture {number}")
        yield picture


def _refuse_lost_pixels(picture: NDArray[Any], name: str) -> None:
    if picture.dtype.kind == "f" and not np.isfinite(picture).all():
        line, column = np.argwhere(~np.isfinite(picture))[0][:2]
        what = "NaN or a masked pixel" if np.isnan(picture[line, column]).any() else "infinity"
        raise InvalidDataError(f"{name} holds {what} at line {line}, column {column}; repair or leave it out")
