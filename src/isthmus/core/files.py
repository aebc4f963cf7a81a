"""Atomic writes: a temporary file in the target's folder, renamed when complete."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from isthmus.core.errors import IsthmusError, UnwritableError


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces `path` when the block ends; if the block raises, `path` stays as it was.

    Raises
    ------
    UnwritableError
        If the file cannot be written.
    """
    target = Path(path)
    handle, temporary = _open_temporary(target)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp creates files that only their owner may read; the result gets the mode of any new file.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(target)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        # An IsthmusError may be an OSError too, such as a missing input file: its message stays.
        if isinstance(error, OSError) and not isinstance(error, IsthmusError):
            raise _unwritable(target, error) from error
        raise


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise UnwritableError if a file could not be written, so that this is known before a long fit."""
    handle, temporary = _open_temporary(Path(path))
    os.close(handle)
    temporary.unlink()


def make_folder(path: Path) -> None:
    """Create a folder and its parents, or raise UnwritableError; an existing folder is kept."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnwritableError(f"cannot create the folder {path}: {error.strerror or error}") from error


def _open_temporary(target: Path) -> tuple[int, Path]:
    if target.is_dir():
        raise UnwritableError(f"cannot write {target}: it is a folder; name a file in it")
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise _unwritable(target, error) from error
    return handle, Path(name)


def _unwritable(target: Path, error: OSError) -> UnwritableError:
    return UnwritableError(f"cannot write {target}: {error.strerror or error}")
