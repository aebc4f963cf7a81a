"""Tables in Arrow's stream format, in which Hugging Face stores data sets."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from isthmus.data.sources.places import Place, RemoteFile

# The first bytes of a message; files without a stream begin with ARROW1 or FEA1.
_CONTINUATION = b"\xff\xff\xff\xff"


def is_arrow_stream(file: Place) -> bool:
    """Whether a file begins as a stream of Arrow does."""
    with file.open("rb") as stream:
        return bool(stream.read(4) == _CONTINUATION)


class StreamFragment:
    """A file in Arrow's stream format, with the methods of a pyarrow fragment."""

    def __init__(self, file: Place) -> None:
        self.file = file
        with self._opened() as reader:
            self.physical_schema = reader.schema

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        import pyarrow as pa

        stream = self.file.open() if isinstance(self.file, RemoteFile) else pa.memory_map(os.fsencode(self.file))
        with stream, pa.ipc.open_stream(stream) as reader:
            yield reader

    def count_rows(self) -> int:
        """Return the number of rows; of a local file only the metadata are read."""
        with self._opened() as reader:
            return sum(batch.num_rows for batch in reader)

    def to_batches(
        self, *, columns: Sequence[str], schema: Any = None, batch_size: int | None = None, **options: Any
    ) -> Iterator[Any]:
        """Yield the columns of consecutive rows."""
        with self._opened() as reader:
            for whole in reader:
                batch = whole.select(list(columns))
                batch.validate(full=True)
                if schema is not None:
                    batch = batch.cast(schema)
                for start in range(0, len(batch), batch_size or max(len(batch), 1)):
                    yield batch.slice(start, batch_size)
