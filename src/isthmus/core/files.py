"""Writing files: what may be overwritten, and atomic writes through a temporary file in the target's folder.

One rule holds for everything that isthmus writes. A file that is read is never written over; another existing file only
if `overwrite` is given. Streams (stdout, named pipes, ``/dev/null``) are written to directly.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from isthmus.core.errors import ExistingFileError, IsthmusError, UnwritableError

STDOUT = "-"
# Links to open files of a process.
_OPEN_FILES = re.compile(r"/dev/(stdin|stdout|stderr)|/(?:dev|proc/self)/fd/(\d+)")
_STANDARD_FILES = {"stdin": 0, "stdout": 1, "stderr": 2}


def is_stream(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a pipe, a device or an open file such as ``/dev/stdin``, which is read or written only once."""
    if _open_file(path) is not None:
        return True
    found = Path(path)
    try:
        return found.exists() and not found.is_file() and not found.is_dir()
    except OSError:
        return False


def is_stdout(path: str | os.PathLike[str]) -> bool:
    """Whether what is written to a path goes to stdout: ``-``, ``/dev/stdout``, or a link to the pipe that it is."""
    name = os.fspath(path)
    if name == STDOUT or _open_file(name) == 1:
        return True
    try:
        return is_stream(name) and os.path.samestat(Path(name).stat(), os.fstat(1))
    except OSError:
        return False


def _open_file(path: str | os.PathLike[str]) -> int | None:
    """Return the number of the open file that a path names."""
    found = _OPEN_FILES.fullmatch(os.fspath(path))
    return None if found is None else int(found[2]) if found[2] else _STANDARD_FILES[found[1]]


def check_overwriting(
    path: str | os.PathLike[str], *, overwrite: bool = False, reads: Iterable[str | os.PathLike[str]] = ()
) -> None:
    """Raise ExistingFileError if a path is one of the files that are read, or exists and `overwrite` is false.

    Parameters
    ----------
    path : str or os.PathLike
        The file to write.
    overwrite : bool
        Whether a file that is not read may be replaced.
    reads : iterable of str or os.PathLike
        The files that are read, which are recognised through links and under other spellings too.
    """
    target = Path(path)
    if is_stream(target) or not target.exists():
        return
    for read in reads:
        if Path(read).exists() and target.samefile(read):
            raise ExistingFileError(f"{target} is read by this command; pass another path to write to")
    if not overwrite and not target.is_dir():
        raise ExistingFileError(already_exists(target))


def already_exists(path: object) -> str:
    """Return the message for a file that exists and is not to be overwritten."""
    return f"{path} exists; pass another path, or --force (overwrite=True) to overwrite it"


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[BinaryIO]:
    """Open a temporary file that becomes `path` when the block ends; if the block raises, `path` stays as it was.

    A link is followed. What is written to a stream is collected in a temporary file, since some formats write their
    header last, and is then copied.

    Parameters
    ----------
    path : str or os.PathLike
        The file.
    overwrite : bool
        Whether an existing file is replaced.

    Raises
    ------
    ExistingFileError
        If the file exists, or another process has written it by the end of the block, and `overwrite` is false.
    UnwritableError
        If the file cannot be written.
    """
    if is_stream(path):
        with _stream(path) as file:
            yield file
        return
    check_overwriting(path, overwrite=overwrite)
    target = Path(path)
    handle, temporary = _open_temporary(target)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _take_over(temporary, target)
        _rename(temporary, target, overwrite)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        # An IsthmusError may be an OSError too, such as a missing input file: its message stays.
        if isinstance(error, OSError) and not isinstance(error, IsthmusError):
            raise _unwritable(target, error) from error
        raise


def _take_over(temporary: Path, target: Path) -> None:
    """Give a file owner, group and mode of the one that it replaces, as far as allowed, or the mode of any new file."""
    try:
        before = target.stat()
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        return
    if hasattr(os, "chown"):  # not on Windows
        for owner in (before.st_uid, -1):  # only root may give a file away; its group is that of others who use it
            with contextlib.suppress(OSError):
                os.chown(temporary, owner, before.st_gid)
                break
    temporary.chmod(stat.S_IMODE(before.st_mode))


def _rename(temporary: Path, target: Path, overwrite: bool) -> None:
    if not overwrite:
        try:
            # Unlike a rename, a link fails if the target exists by now.
            os.link(temporary, os.path.realpath(target))
        except FileExistsError as error:
            raise ExistingFileError(f"{target} was written by another process meanwhile; pass another path") from error
        except OSError:  # a file system without links
            check_overwriting(target)
        else:
            temporary.unlink()
            return
    temporary.replace(os.path.realpath(target))


@contextlib.contextmanager
def _stream(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    try:
        # Opened first, so that a reader of a pipe sees its end if the block fails.
        with _opened_stream(path) as stream, tempfile.TemporaryFile(prefix="isthmus-out-") as file:
            yield file
            file.seek(0)
            shutil.copyfileobj(file, stream)
    except IsthmusError:
        raise
    except OSError as error:
        if isinstance(error, BrokenPipeError) and is_stdout(path):
            raise  # the reader has seen enough, which is no failure
        raise _unwritable(Path(path), error) from error


def _opened_stream(path: str | os.PathLike[str]) -> BinaryIO:
    number = _open_file(path)
    if number is None:
        return Path(path).open("wb")
    # The open file itself: by its name, a file that stdout is redirected to would be emptied and have a second end.
    return os.fdopen(os.dup(number), "wb")


def check_writable(
    path: str | os.PathLike[str], *, overwrite: bool = False, reads: Iterable[str | os.PathLike[str]] = ()
) -> None:
    """Raise the error of `check_overwriting`, or UnwritableError if a file could not be written: before a long fit."""
    check_overwriting(path, overwrite=overwrite, reads=reads)
    if is_stream(path):
        return
    handle, temporary = _open_temporary(Path(path))
    os.close(handle)
    temporary.unlink()


def make_folder(path: Path) -> None:
    """Create a folder and its parents, or raise UnwritableError; an existing folder is kept."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise UnwritableError(f"cannot create the folder {path}: it is a file; name a folder") from error
    except OSError as error:
        raise UnwritableError(f"cannot create the folder {path}: {error.strerror or error}") from error


def _open_temporary(target: Path) -> tuple[int, Path]:
    if target.is_dir():
        raise UnwritableError(f"cannot write {target}: it is a folder; name a file in it")
    try:
        folder = Path(os.path.realpath(target)).parent  # it fails in a working directory that was removed
        handle, name = tempfile.mkstemp(prefix=f".{target.name[:60]}.", dir=folder)
    except OSError as error:
        raise _unwritable(target, error) from error
    return handle, Path(name)


_REMEDIES = {
    errno.ENOENT: "create the folder first",
    errno.EACCES: "name a folder that you may write to",
    errno.EROFS: "name a folder that you may write to",
    errno.ENOSPC: "free some space, or write to another disk",
    errno.EDQUOT: "free some space, or write to another disk",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f), or write to another disk",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENAMETOOLONG: "shorten the name",
}
_READING_REMEDIES = {
    errno.ENOENT: "check the spelling and the working directory",
    errno.EACCES: "you may not read it",
}


def _unwritable(target: Path, error: OSError) -> UnwritableError:
    return UnwritableError(f"cannot write {target}: {described(error)}")


def described(error: OSError, *, reading: bool = False) -> str:
    """Return what the operating system says, and the remedy if it is known: that of writing, or of reading."""
    remedy = (_REMEDIES | _READING_REMEDIES if reading else _REMEDIES).get(error.errno or 0)
    return f"{error.strerror or error}{f'; {remedy}' if remedy else ''}"
