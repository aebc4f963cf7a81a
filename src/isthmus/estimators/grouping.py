"""Rows that are held back together: the last ones, or whole groups by a column."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.data.sources import TableSource, is_location, open_source
from isthmus.data.splitting import MaskHoldout

LAST = "last"


class LastRows:
    """Holds back the last share of rows."""

    def __init__(self, n_rows: int) -> None:
        self.n_rows = n_rows

    def __call__(self, seed: int, share: float) -> MaskHoldout:
        """Return the rows that are held back; at least one, and never all."""
        held = min(max(1, round(share * self.n_rows)), self.n_rows - 1)
        return MaskHoldout(np.arange(self.n_rows) >= self.n_rows - held)

    def __str__(self) -> str:
        return LAST


class Groups:
    """Holds back whole groups of rows, drawn by a hash of seed and value until their rows make up the share.

    Parameters
    ----------
    name : str
        The column.
    codes : array of int of shape (n_rows,)
        Each row's group.
    values : list of str
        What each group's rows have in common.
    """

    def __init__(self, name: str, codes: NDArray[np.integer], values: list[str]) -> None:
        self.name = name
        self.codes = codes
        self.values = values
        if len(values) < 2:
            raise InvalidDataError(
                f"validation_by={name!r}: all rows are of one group, {values[0]!r}; hold back by row"
            )

    def __call__(self, seed: int, share: float) -> MaskHoldout:
        """Return the rows that are held back: at least one group's, and never all."""
        drawn = sorted(range(len(self.values)), key=lambda code: _words(seed, self.values[code]))
        rows = np.cumsum(np.bincount(self.codes, minlength=len(self.values))[drawn])
        held = int(np.searchsorted(rows, share * len(self.codes))) + 1
        chosen = np.zeros(len(self.values), bool)
        chosen[drawn[: min(held, len(drawn) - 1)]] = True
        return MaskHoldout(chosen[self.codes])

    def __str__(self) -> str:
        return self.name


def _words(seed: int, value: str) -> bytes:
    return hashlib.blake2b(value.encode(), digest_size=8, key=seed.to_bytes(8, "little")).digest()


def holdout_by(estimator: Any, X: Any, by: str | None, validation_data: Any) -> tuple[Any, Any]:
    """Return the rows without the column they are grouped by, and what holds some of them back; None by row.

    Raises
    ------
    InvalidParameterError
        If there is no such column, or nothing would be held back at all.
    """
    if by is None:
        return X, None
    if validation_data is not None or not estimator.early_stopping:
        why = "validation_data is given" if validation_data is not None else "early_stopping=False"
        raise InvalidParameterError(f"validation_by={by!r} has no effect: no rows are held back, since {why}")
    if by == LAST:
        # Of text, only reading tells how many rows there are: what it is read into is kept.
        source = X if hasattr(X, "__len__") and not isinstance(X, str) else _counted(X)
        n_rows = source.n_rows if hasattr(source, "n_rows") else len(source)
        return source, LastRows(n_rows) if n_rows > 1 else None
    if is_location(X) or isinstance(X, TableSource):
        return _of_table(X, by)
    if by in list(getattr(X, "columns", ())):
        column, rest = X[by], X.drop(columns=by) if hasattr(X, "iloc") else X.drop(by)
        return rest, _grouped(by, [column.to_arrow() if hasattr(column, "to_arrow") else column])
    raise InvalidParameterError(
        f"validation_by={by!r} is neither 'last' nor a column of these rows; give a table or a frame that has one"
    )


def _counted(X: Any) -> Any:
    from isthmus.data.sources.spooled import gathered_rows

    source = open_source(X)
    return source if source.n_rows is not None else gathered_rows(source, 1 << 30)


def _of_table(X: Any, by: str) -> tuple[Any, Groups]:
    source: Any = X if isinstance(X, TableSource) else open_source(X, drop=[by])
    if by in source.schema.names:
        raise InvalidParameterError(f"validation_by={by!r} is a feature of this source; open it with drop=[{by!r}]")
    return source, _grouped(by, (kept.column(0) for _, kept in source.blocks_keeping([by])))


def _grouped(name: str, columns: Any) -> Groups:
    import pyarrow as pa

    known: dict[str, int] = {}
    codes = []
    for column in columns:
        given = isinstance(column, pa.Array | pa.ChunkedArray)
        encoded = (column if given else pa.array(column, from_pandas=True)).dictionary_encode()
        for chunk in encoded.chunks if isinstance(encoded, pa.ChunkedArray) else [encoded]:
            # A missing value is a group like any other.
            values = [*map(str, chunk.dictionary.to_pylist()), *(["None"] if chunk.null_count else [])]
            here = np.array([known.setdefault(value, len(known)) for value in values], np.int32)
            codes.append(here[chunk.indices.fill_null(len(values) - 1).to_numpy(zero_copy_only=False)])
    return Groups(name, np.concatenate(codes), list(known))
