"""The claim of one fit on what it writes."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from isthmus.core.errors import InvalidParameterError, UnwritableError
from isthmus.core.files import described

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


class Claim:
    """A lock in a small file next to what a fit writes, which a fit that failed or was killed leaves behind.

    Parameters
    ----------
    path : Path
        The lock's file.
    target : object
        What is written, for messages.
    owner : str
        What the fit is recognised by.

    Attributes
    ----------
    left_behind : bool
        Whether the same fit failed, or was killed, while it wrote.

    Raises
    ------
    InvalidParameterError
        Where another fit writes to the target now.
    UnwritableError
        Where the file cannot be made.
    """

    def __init__(self, path: Path, target: object, owner: str) -> None:
        self.path, self.owner = path, owner
        self._taken = False
        try:
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise UnwritableError(f"cannot write {target}: {described(error)}") from error
        if fcntl is not None:
            with contextlib.suppress(OSError):  # of a file system without locks
                try:
                    fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    os.close(self._handle)
                    raise InvalidParameterError(
                        f"another fit writes {target} now; wait until it ends, or give each fit a path of its own"
                    ) from None
        self._before = os.read(self._handle, 256).decode(errors="replace")
        self.left_behind = self._before == owner

    def take(self) -> None:
        """Leave the owner's name in the file from now on."""
        os.lseek(self._handle, 0, os.SEEK_SET)
        os.ftruncate(self._handle, 0)
        os.write(self._handle, self.owner.encode())
        self._taken = True

    def release(self, *, finished: bool) -> None:
        """Unlock, and remove the file, unless what was written is not finished."""
        if finished if self._taken else not self._before:
            self.path.unlink(missing_ok=True)
        os.close(self._handle)
