"""Finding picture files by name, in folders and zip archives, and by pattern."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from isthmus.core.errors import BrokenFileError, InvalidDataError, MissingFileError
from isthmus.data.sources.arrays import one_line
from isthmus.images.files import SUFFIXES, read_bytes

_PATTERN = "*?["


class FoundPicture(NamedTuple):
    """A picture to read."""

    name: str  # relative to the folder or archive, with forward slashes
    where: str  # for messages
    read: Callable[[], bytes]
    file: Path  # for a picture in an archive, the archive
    alone: bool  # given as a file rather than found


def find_pictures(text: str, output: Path) -> list[FoundPicture]:
    """Return the pictures of a file, a folder, a ``.zip`` archive or a pattern, sorted by name.

    Parameters
    ----------
    text : str
        A path, or a pattern such as ``"holiday/**/*.jpg"``.
    output : pathlib.Path
        The output folder; if it is below `text`, its files are left out, since an earlier run wrote them.

    Raises
    ------
    MissingFileError
        If the path does not exist.
    InvalidDataError
        If it has no files with a picture's suffix.
    BrokenFileError
        If an archive cannot be opened.
    """
    path = Path(text)
    if path.is_dir():
        files = [file for file in path.rglob("*") if file.is_file() and not _is_output(file, output, path)]
        return _listed(path, files, f"{text} has no pictures ({', '.join(SUFFIXES)})")
    if path.is_file() and path.suffix.lower() == ".zip":
        return _in_archive(path)
    if path.exists():
        return [_of_file(path, path.name, alone=True)]
    if not any(sign in text for sign in _PATTERN):
        raise MissingFileError(f"{text} does not exist; check the spelling")
    fixed = next(place for place, part in enumerate(path.parts) if any(sign in part for sign in _PATTERN))
    root, pattern = Path(*path.parts[:fixed]), str(Path(*path.parts[fixed:]))
    return _listed(root, root.glob(pattern), f"{text} matches no pictures ({', '.join(SUFFIXES)})")


def _listed(root: Path, files: Iterable[Path], nothing: str) -> list[FoundPicture]:
    named = {file.relative_to(root).as_posix(): file for file in files if file.is_file()}
    found = [_of_file(named[name], name, alone=False) for name in sorted(named) if _is_picture(name)]
    if not found:
        raise InvalidDataError(nothing)
    return found


def _of_file(path: Path, name: str, *, alone: bool) -> FoundPicture:
    return FoundPicture(name, str(path), lambda: read_bytes(path, str(path)), path, alone)


def _in_archive(path: Path) -> list[FoundPicture]:
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise BrokenFileError(f"{path} cannot be opened: {one_line(error)}; download it again") from error
    names = sorted({name for name in archive.namelist() if _is_picture(name)})
    if not names:
        raise InvalidDataError(f"{path} has no pictures ({', '.join(SUFFIXES)})")
    return [
        FoundPicture(name, f"{path}/{name}", partial(_read, archive, path, name), path, alone=False) for name in names
    ]


def _read(archive: zipfile.ZipFile, path: Path, name: str) -> bytes:
    place = PurePosixPath(name)
    if place.is_absolute() or ".." in place.parts or "\\" in name:
        raise BrokenFileError(f"{path}/{name} would be written outside the output folder; rename it")
    try:
        return archive.read(name)
    # A damaged archive raises any exception, one with a password a RuntimeError.
    except Exception as error:
        raise BrokenFileError(f"{path}/{name} cannot be read: {one_line(error)}") from error


def _is_picture(name: str) -> bool:
    parts = PurePosixPath(name).parts
    hidden = any((part.startswith(".") and part != "..") or part == "__MACOSX" for part in parts)
    return name.lower().endswith(SUFFIXES) and not hidden


def _is_output(file: Path, output: Path, folder: Path) -> bool:
    """Whether a file is below the output folder, and that one is below the folder to read."""
    inside = output.absolute()
    return inside != folder.absolute() and inside in file.absolute().parents
