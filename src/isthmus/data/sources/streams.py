"""Copies of what can be read only once, such as stdin and named pipes: rows are read several times."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from isthmus.core.errors import BrokenFileError, IsthmusError, UnwritableError
from isthmus.core.files import described, is_stream
from isthmus.data.formats import SOURCES
from isthmus.data.sources.places import FileList, suffix_of

STDIN = "-"
_STDIN_PATHS = ("/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
# The formats that the first bytes show; other content is read as CSV.
_SUFFIXES = {
    b"\x1f\x8b": ".csv.gz",
    b"\x28\xb5\x2f\xfd": ".csv.zst",
    b"BZh": ".csv.bz2",
    b"PAR1": ".parquet",
    b"\x93NUM": ".npy",
    b"ARRO": ".arrow",
    b"\xff\xff\xff\xff": ".arrow",
}
_LARGEST_HEADER = 100_000_000  # bytes, of a safetensors file

_LABELS: dict[str, str] = {}  # paths of copies -> names of streams


def is_read_once(where: Any) -> bool:
    """Whether a location is stdin, a named pipe or a device."""
    return isinstance(where, str | os.PathLike) and (os.fspath(where) == STDIN or is_stream(where))


@contextlib.contextmanager
def copied_stream(where: str | os.PathLike[str]) -> Iterator[str]:
    """Yield the path of a temporary copy of a stream, whose suffix is that of its name or of what it contains.

    `with_labels` replaces the path by the stream's name in a message.

    Raises
    ------
    BrokenFileError
        If the stream cannot be read, for example because stdin is closed.
    UnwritableError
        If the copy cannot be written.
    """
    name = os.fspath(where)
    label = "stdin" if name == STDIN else name
    with tempfile.TemporaryDirectory(prefix="isthmus-") as folder:
        with _opened(name, label) as stream:
            start = stream.read(9)
            known = suffix_of(Path(name).name, SOURCES)
            suffix = known or _suffix_shown(start)
            path = Path(folder, f"stream{suffix}")
            with path.open("wb") as file:
                try:
                    file.write(start)
                    shutil.copyfileobj(stream, file)
                except OSError as error:
                    raise UnwritableError(f"{label} cannot be copied to {folder}: {described(error)}") from error
        _LABELS[str(path)] = label
        yield str(path)


def _suffix_shown(start: bytes) -> str:
    """Return the suffix of the format that the first nine bytes of a file show."""
    if start[8:] == b"{" and int.from_bytes(start[:8], "little") <= _LARGEST_HEADER:
        return ".safetensors"
    return next((suffix for mark, suffix in _SUFFIXES.items() if start.startswith(mark)), ".csv")


def with_labels(text: str) -> str:
    """Return a message that names streams instead of their copies."""
    for path, label in _LABELS.items():
        text = text.replace(path, label)
    return text


def copied(where: Any) -> Any:
    """Return a stream's copy, which is removed when it is no longer referenced; anything else is returned unchanged."""
    if not is_read_once(where) or os.fspath(where) == STDIN:
        return where
    with contextlib.ExitStack() as stack:
        path = stack.enter_context(copied_stream(where))
        files = FileList(os.fspath(where), (Path(path),))
        weakref.finalize(files, stack.pop_all().close)
        return files


@contextlib.contextmanager
def _opened(name: str, label: str) -> Iterator[BinaryIO]:
    try:
        if name == STDIN or name in _STDIN_PATHS:
            if sys.stdin is None:
                raise BrokenFileError(f"{label} is closed; pass the path of a file")
            yield sys.stdin.buffer
            return
        with Path(name).open("rb") as stream:
            yield stream
    except IsthmusError:
        raise
    except OSError as error:
        raise BrokenFileError(f"{label} cannot be read: {described(error, reading=True)}") from error
