"""Rows to ``.npy`` files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError
from isthmus.data.sinks.base import Sink
from isthmus.data.sources.arrow_columns import numpy_type

# Up to these, a type holds every integer exactly.
_EXACT = {np.dtype(np.float32): 2**24, np.dtype(np.float64): 2**53}


class NpySink(Sink):
    """Rows to a ``.npy`` file, whose header is rewritten when the number of rows is known.

    Kept columns must be numbers or booleans and are the first columns of the array; its type is the smallest that holds
    all columns.
    """

    def __init__(self, file: BinaryIO, names: Sequence[str], dtype: Any, kept: Any = None) -> None:
        super().__init__(file, names, dtype, kept)
        self.dtype = np.result_type(self.dtype, *(numpy_type(field.type) for field in kept or ()))
        self._write_header()

    def _check_kept(self, field: Any) -> None:
        import pyarrow as pa

        kind = field.type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
            raise InvalidDataError(
                f"column {field.name!r} holds {kind}, and a .npy file holds only numbers; write Parquet, Feather or CSV"
            )

    def _put(self, rows: NDArray[Any], kept: Any) -> None:
        if kept is not None:
            rows = np.column_stack([*(self._numbers(kept, field.name) for field in self.kept), rows])
        self.file.write(np.ascontiguousarray(rows, self.dtype).data)

    def _numbers(self, kept: Any, name: str) -> NDArray[Any]:
        """Return a kept column in the type of the array, NaN where a cell is missing; raise if a number is rounded."""
        import pyarrow as pa

        column = kept[name]
        if pa.types.is_boolean(column.type):
            column = column.cast(pa.uint8())
        exact = column.drop_null().to_numpy()
        values: NDArray[Any] = column.to_numpy().astype(self.dtype)
        largest = _EXACT[self.dtype]
        if exact.dtype.kind in "iu" and (wrong := np.flatnonzero((exact > largest) | (exact < -largest))).size:
            raise InvalidDataError(
                f"column {name!r} holds {exact[wrong[0]]}, which {self.dtype} would round; write Parquet"
            )
        return values

    def finish(self) -> None:
        """Write the header with the number of rows."""
        self.file.seek(0)
        self._write_header()

    def _write_header(self) -> None:
        # NumPy pads the header so that its length does not depend on the number of rows.
        shape = (self.n_rows, len(self.kept or ()) + len(self.names))
        np.lib.format.write_array_header_1_0(
            self.file, {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": shape}
        )
