"""Files that are written whole: beside their target, and renamed into place when complete."""

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
    """Give a file to write to that takes `path`'s place when it is complete; until then, whatever is there stays.

    Raises
    ------
    UnwritableError
        In one line, where the file cannot be written.
    """
    target = Path(path)
    handle, extra = _opened_beside(target)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files only their owner may read; a result is as readable as any other new file.
        mask = os.umask(0)
        os.umask(mask)
        extra.chmod(0o666 & ~mask)
        extra.replace(target)
    # Some of our own errors are OSErrors too, such as a missing file that was to be read: they tell their own tale.
    except IsthmusError:
        extra.unlink(missing_ok=True)
        raise
    except OSError as error:
        extra.unlink(missing_ok=True)
        raise _unwritable(target, error) from error
    except BaseException:
        extra.unlink(missing_ok=True)
        raise


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise UnwritableError where a file could not be written: better before a long fit than after it."""
    handle, extra = _opened_beside(Path(path))
    os.close(handle)
    extra.unlink()


def _opened_beside(target: Path) -> tuple[int, Path]:
    if target.is_dir():
        raise UnwritableError(f"cannot write {target}: it is a folder; name a file in it")
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise _unwritable(target, error) from error
    return handle, Path(name)


def _unwritable(target: Path, error: OSError) -> UnwritableError:
    return UnwritableError(f"cannot write {target}: {error.strerror or error}")
