"""Arrow types and columns as numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import BrokenFileError, IsthmusError, MissingFileError
from isthmus.data.sources.arrays import one_line
from isthmus.data.sources.base import ColumnKind


def is_numeric(kind: Any) -> bool:
    """Whether values of an Arrow type can be read as numbers."""
    from pyarrow import types

    return bool(
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_boolean(kind)
        or types.is_decimal(kind)
        or types.is_null(kind)
    )


def describe_type(kind: Any) -> str:
    """Return an Arrow type in words, for messages."""
    from pyarrow import types

    if types.is_dictionary(kind):
        return "categories"
    if types.is_temporal(kind):
        return f"dates or times ({kind})"
    if types.is_nested(kind):
        return f"nested values ({kind})"
    return f"text ({kind})" if types.is_string(kind) or types.is_large_string(kind) else f"{kind} values"


def numpy_type(kind: Any) -> np.dtype[Any]:
    """Return the narrowest NumPy type that holds a numeric Arrow type."""
    from pyarrow import types

    if types.is_boolean(kind):
        return np.dtype(np.uint8)
    if types.is_decimal(kind) or types.is_null(kind):
        return np.dtype(np.float64)
    dtype: np.dtype[Any] = np.dtype(kind.to_pandas_dtype())
    return dtype


def column_kind(kinds: Sequence[Any]) -> ColumnKind:
    """Return the kind of a column that has these Arrow types in the files of a table."""
    from pyarrow import types

    if all(types.is_boolean(kind) for kind in kinds):
        return "boolean"
    return "integer" if all(types.is_integer(kind) or types.is_boolean(kind) for kind in kinds) else "real"


def numbers(column: Any) -> NDArray[Any]:
    """Return an Arrow column as NumPy numbers; booleans are uint8, and missing cells make it float64 with NaN."""
    import pyarrow as pa

    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    if not pa.types.is_floating(column.type) and (column.null_count or not pa.types.is_integer(column.type)):
        # Unsafe: integers above 2**53 are rounded, as by NumPy.
        column = column.cast(pa.float64(), safe=False)
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return values


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise errors of pyarrow as one-line errors that name the file."""
    import pyarrow as pa

    try:
        yield
    except IsthmusError:
        raise
    except FileNotFoundError as error:
        raise MissingFileError(f"{path} was removed while it was read") from error
    except (pa.ArrowException, ValueError, OSError) as error:
        message = re.sub(r"^Could not open .*?: Invalid: ", "", one_line(error))
        message = re.sub(r"Row #(\d+):", r"row \1:", message)
        raise BrokenFileError(f"{path} cannot be read: {message[:300]}") from error
