"""Picture files to read: by name, in folders and zip archives, by pattern."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from isthmus.core.errors import BrokenFileError, InvalidDataError, MissingFileError
from isthmus.data.sources.arrays import one_line
from isthmus.images.files import SUFFIXES

_PATTERN = "*?["


class FoundPicture(NamedTuple):
    """A picture to read."""

    name: str  # below where it was found, with forward slashes
    where: str
    read: Callable[[], bytes]
    file: Path  # the archive, of what is in one
    alone: bool  # named as a file, rather than found


def find_pictures(text: str, output: Path) -> list[FoundPicture]:
    """Return the pictures of a file, a folder, a ``.zip`` archive or a pattern, by name.

    Parameters
    ----------
    text : str
        A path, or a pattern such as ``"holiday/**/*.jpg"``.
    output : pathlib.Path
        Where results go; what an earlier run left there, in a folder below `text`, is passed over.

    Raises
    ------
    MissingFileError
        If there is no such path.
    InvalidDataError
        If nothing in it has a picture's suffix.
    BrokenFileError
        If an archive cannot be opened.
    """
    path = Path(text)
    if path.is_dir():
        files = [file for file in path.rglob("*") if file.is_file() and not _lies_in(file, output, path)]
        return _listed(path, files, f"{text} holds no pictures ({', '.join(SUFFIXES)})")
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
    def read() -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise BrokenFileError(f"{path} cannot be opened: {error.strerror or error}") from error

    return FoundPicture(name, str(path), read, path, alone)


def _in_archive(path: Path) -> list[FoundPicture]:
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise BrokenFileError(f"{path} cannot be opened: {one_line(error)}; fetch it again") from error
    names = sorted({name for name in archive.namelist() if _is_picture(name)})
    if not names:
        raise InvalidDataError(f"{path} holds no pictures ({', '.join(SUFFIXES)})")

    def reader(name: str) -> Callable[[], bytes]:
        def read() -> bytes:
            place = PurePosixPath(name)
            if place.is_absolute() or ".." in place.parts or "\\" in name:
                raise BrokenFileError(f"{path}/{name} would be written outside the folder of the others; rename it")
            try:
                return archive.read(name)
            # A damaged archive stumbles anywhere; one with a password is a RuntimeError.
            except Exception as error:
                raise BrokenFileError(f"{path}/{name} cannot be read: {one_line(error)}") from error

        return read

    return [FoundPicture(name, f"{path}/{name}", reader(name), path, alone=False) for name in names]


def _is_picture(name: str) -> bool:
    parts = PurePosixPath(name).parts
    hidden = any((part.startswith(".") and part != "..") or part == "__MACOSX" for part in parts)
    return name.lower().endswith(SUFFIXES) and not hidden


def _lies_in(file: Path, output: Path, folder: Path) -> bool:
    """Tell what an earlier run left: it went to a folder below the one it read."""
    inside = output.absolute()
    return inside != folder.absolute() and inside in file.absolute().parents
