"""Class labels of any library as an array of one NumPy type, none of them missing."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import assert_all_finite, column_or_1d

from isthmus.core.errors import InvalidDataError
from isthmus.data.frame_columns import is_null


def class_labels(y: Any) -> NDArray[Any]:
    """Return the labels of rows, (n,), in their own type: integers stay exact and booleans stay booleans.

    Parameters
    ----------
    y : array-like of shape (n,)
        Labels: an array, a list, or a column of pandas, polars or pyarrow.

    Raises
    ------
    InvalidDataError
        Where a label is missing, labels are of several types, or they are no classes.
    """
    try:
        labels = column_or_1d(_exact(y), warn=True)
        _refuse(_missing(labels), "missing")
        labels = _of_one_type(labels)
        assert_all_finite(labels, input_name="y")
        check_classification_targets(labels)
    except InvalidDataError:
        raise
    except (TypeError, ValueError) as error:
        raise InvalidDataError(str(error)) from None
    return labels


def _exact(y: Any) -> Any:
    """Return labels without their mask where they have one; of nullable types scikit-learn would make floats."""
    if isinstance(y, np.ma.MaskedArray):
        _refuse(np.ma.getmaskarray(y).ravel(), "masked")
        return np.asarray(y)
    dtype = getattr(getattr(y, "dtype", None), "numpy_dtype", None)
    if dtype is not None and dtype.kind in "biuf" and hasattr(y, "isna"):
        _refuse(np.asarray(y.isna()), "missing")
        return np.asarray(y.to_numpy(dtype=dtype))
    return y


def _refuse(missing: NDArray[np.bool_], word: str) -> None:
    if missing.any():
        raise InvalidDataError(f"the label of row {int(missing.argmax())} is {word}; drop the rows without a label")


def _missing(labels: NDArray[Any]) -> NDArray[np.bool_]:
    if labels.dtype.kind == "O":
        return np.fromiter((is_null(label) for label in labels), bool, len(labels))
    return np.asarray(labels != labels)  # NaN and NaT


def _of_one_type(labels: NDArray[Any]) -> NDArray[Any]:
    """Return Python objects as an array of numbers or booleans where they all are; text stays."""
    if labels.dtype.kind != "O":
        return labels
    kinds = {_kind(label): label for label in labels[::-1]}
    if len(kinds) > 1 and set(kinds) != {"integers", "numbers"}:
        raise InvalidDataError(f"the labels are a mixture of {' and '.join(sorted(kinds))}; give labels of one type")
    kind, label = next(iter(kinds.items()), ("text", ""))
    if kind == "text":
        return labels
    plain = np.array(labels.tolist())
    if kind not in ("booleans", "integers", "numbers") or plain.dtype.kind == "O":
        raise InvalidDataError(f"the labels are {kind}, such as {label!r}; convert them to text or integers")
    return plain


def _kind(label: Any) -> str:
    if isinstance(label, bool | np.bool_):
        return "booleans"
    if isinstance(label, str):
        return "text"
    if isinstance(label, Integral):
        return "integers"
    return "numbers" if isinstance(label, Real) else f"{type(label).__name__} objects"
