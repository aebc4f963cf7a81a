"""Validation rows chosen together: the last rows, or all rows that share a value of a column."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError
from isthmus.data.named_columns import NamedColumns
from isthmus.data.sources import TableSource, open_source
from isthmus.data.sources.places import is_location
from isthmus.data.sources.spooled import gathered_rows
from isthmus.data.splitting import Holdout, MaskHoldout

LAST = "last"
GIVEN = "groups"  # by an array rather than a column
_IN_MEMORY = 1 << 30  # bytes


class Hold(Protocol):
    """A rule that chooses validation rows; ``str`` gives its name."""

    def __call__(self, seed: int, share: float) -> Holdout:
        """Return the validation rows for a seed and a share of the rows in (0, 1)."""
        ...

    def selected(self, rows: NDArray[np.integer]) -> Hold:
        """Return the rule for a table of these rows, by their numbers, alone."""
        ...


class LastRows:
    """Hold out the last share of `n_rows` rows."""

    def __init__(self, n_rows: int) -> None:
        self.n_rows = n_rows

    def __call__(self, seed: int, share: float) -> MaskHoldout:
        """Return the validation rows: at least one of several, and never all."""
        count = min(max(1, round(share * self.n_rows)), self.n_rows - 1)
        return MaskHoldout(np.arange(self.n_rows) >= self.n_rows - count)

    def selected(self, rows: NDArray[np.integer]) -> LastRows:
        """Return the rule for a table of these rows alone."""
        return LastRows(len(rows))

    def __str__(self) -> str:
        return LAST


class Groups:
    """Hold out whole groups of rows, in the order of a hash of seed and value, until they make up the share.

    Parameters
    ----------
    name : str
        The column.
    codes : ndarray of int of shape (n_rows,)
        The group of each row.
    values : list of str
        The value that the rows of each group share.
    parameter : str
        The parameter that named the column, for messages.

    Raises
    ------
    InvalidDataError
        If there are fewer than two groups.
    """

    def __init__(
        self, name: str, codes: NDArray[np.integer], values: list[str], parameter: str = "validation_by"
    ) -> None:
        self.name = name
        self.codes = codes
        self.values = values
        self.parameter = parameter
        if len(values) < 2:
            found = f"all rows are of one group, {values[0]!r}" if values else "there are no rows"
            named = name if name == GIVEN else f"{parameter}={name!r}"
            raise InvalidDataError(f"{named}: {found}; hold out single rows instead")

    def __call__(self, seed: int, share: float) -> MaskHoldout:
        """Return the validation rows: at least one group, and never all."""
        key = seed.to_bytes(8, "little")
        hashes = [hashlib.blake2b(value.encode(), digest_size=8, key=key).digest() for value in self.values]
        drawn = sorted(range(len(hashes)), key=hashes.__getitem__)
        rows = np.cumsum(np.bincount(self.codes, minlength=len(self.values))[drawn])
        count = int(np.searchsorted(rows, share * len(self.codes))) + 1
        chosen = np.zeros(len(self.values), bool)
        chosen[drawn[: min(count, len(drawn) - 1)]] = True
        return MaskHoldout(chosen[self.codes], self.codes)

    def selected(self, rows: NDArray[np.integer]) -> Groups:
        """Return the rule for a table of these rows alone."""
        present, codes = np.unique(self.codes[rows], return_inverse=True)
        return Groups(
            self.name, codes.astype(self.codes.dtype), [self.values[place] for place in present], self.parameter
        )

    def __str__(self) -> str:
        return self.name

    @property
    def digest(self) -> str:
        """A hash of the group of each row."""
        found = hashlib.blake2b(repr(self.values).encode(), digest_size=8)
        found.update(self.codes.tobytes())
        return found.hexdigest()


def groups_of(values: Any, n_rows: int) -> Groups:
    """Return the rule that holds out whole groups.

    Parameters
    ----------
    values : array-like of shape (n_rows,)
        The group of each row; None and NaN are a group like any other.
    n_rows : int
        The number of rows.

    Raises
    ------
    InvalidDataError
        If there is not one value for each row, or all are equal.
    """
    import pyarrow as pa

    column = np.asarray(values)
    if column.shape != (n_rows,):
        raise InvalidDataError(f"groups has shape {column.shape}, but there are {n_rows} rows; pass one value for each")
    if column.dtype.kind == "O":
        column = np.array([str(value) for value in column])
    return grouped(GIVEN, [pa.array(column)])


def split_by(X: Any, by: str) -> tuple[Any, Hold]:
    """Return the rows without the column that groups them, and the rule that chooses validation rows.

    Parameters
    ----------
    X : array-like, DataFrame, str, os.PathLike or Source
        The rows, as `isthmus.open_source` takes them.
    by : str
        ``"last"`` for the last rows, or the name of a column, whose type does not matter. A missing value is a group
        like any other.

    Returns
    -------
    rows : object
        `X`, or a source of it, without the column.
    hold : Hold
        Its call ``hold(seed, share)`` gives the validation rows; ``str(hold)`` is `by`.

    Raises
    ------
    InvalidParameterError
        If `X` has no such column, or is a source that reads the column as a feature.
    InvalidDataError
        If all rows have the same value.
    """
    if by == LAST:
        rows, n_rows = _counted(X)
        return rows, LastRows(n_rows)
    table = NamedColumns(X, {"validation_by": by})
    return table.rows, grouped(by, table.values(by))


def _counted(X: Any) -> tuple[Any, int]:
    """Return rows and their number; text files, which do not state it, are read and kept."""
    if not is_location(X) and (hasattr(X, "shape") or hasattr(X, "__len__")):
        return X, int(X.shape[0]) if hasattr(X, "shape") else len(X)
    source = open_source(X, kinds={})
    if isinstance(source, TableSource) and source.is_mixed:
        return source, source.n_rows or sum(len(frame) for frame, _ in source.frames())
    if source.n_rows is None:
        source = gathered_rows(source, _IN_MEMORY)
    assert source.n_rows is not None
    return source, source.n_rows


def grouped(name: str, columns: Iterable[Any], parameter: str = "validation_by") -> Groups:
    """Return the groups of an Arrow column that comes in pieces; `parameter` is what named it."""
    import pyarrow as pa

    known: dict[str, int] = {}
    codes = [np.empty(0, np.int32)]
    for column in columns:
        encoded = column.dictionary_encode()
        for chunk in encoded.chunks if isinstance(encoded, pa.ChunkedArray) else [encoded]:
            values = [*map(str, chunk.dictionary.to_pylist()), *(["None"] if chunk.null_count else [])]
            here = np.array([known.setdefault(value, len(known)) for value in values], np.int32)
            codes.append(here[chunk.indices.fill_null(len(values) - 1).to_numpy(zero_copy_only=False)])
    return Groups(name, np.concatenate(codes), list(known), parameter)
