"""Finding picture files by name, in folders and zip archives, and by pattern."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from isthmus.core.errors import BrokenFileError, InvalidDataError, MissingFileError
from isthmus.data.sources.arrays import one_line
from isthmus.data.sources.images import OTHERS, is_supported, remedy
from isthmus.data.sources.walking import files_below, files_matching, printable, split_pattern
from isthmus.images.files import SUFFIXES, read_bytes

_PATTERN = "*?["


class FoundPicture(NamedTuple):
    """A picture to read."""

    name: str  # relative to the folder or archive, with forward slashes
    where: str
    read: Callable[[], bytes]
    file: Path  # for a picture in an archive, the archive
    alone: bool  # given as a file rather than found


class PassedOver(NamedTuple):
    """A file or folder that was found and is not read."""

    path: str
    reason: str


class Found(NamedTuple):
    """The pictures of one input, and what else there is."""

    pictures: list[FoundPicture]
    passed_over: list[PassedOver]


def find_pictures(text: str, output: Path) -> Found:
    """Return the pictures of a file, a folder, a ``.zip`` archive or a pattern, sorted by name.

    Links to folders are followed, but no folder is read twice. Suffixes may have capitals, in patterns too.

    Parameters
    ----------
    text : str
        A path, or a pattern such as ``"holiday/**/*.jpg"``.
    output : pathlib.Path
        The output folder; if it is below `text`, its files are left out, since an earlier run wrote them.

    Raises
    ------
    MissingFileError
        If the path is empty or does not exist.
    InvalidDataError
        If it has no files with a picture's suffix.
    BrokenFileError
        If an archive cannot be opened.
    """
    if not text:  # Path("") is the working folder
        raise MissingFileError("the path of the pictures is empty; give the name of a file or a folder")
    path, others = Path(text), _Others()
    if path.is_dir():
        files = [file for file in files_below(path, passed_over=others.add) if not _is_output(file, output, path)]
        return _listed(path, files, f"{text} has no pictures", others)
    if path.is_file() and path.suffix.lower() == ".zip":
        return _in_archive(path, others)
    if path.exists():
        return Found([_of_file(path, path.name, alone=True)], [])
    if not any(sign in text for sign in _PATTERN):
        raise MissingFileError(f"{printable(text)} does not exist; check the spelling")
    root = split_pattern(text)[0]
    files = files_matching(text, hidden=True, passed_over=others.add)
    return _listed(root, files, f"{text} matches no pictures", others)


class _Others:
    """Collects what is passed over."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}

    def add(self, path: Path | str, reason: str) -> None:
        self.found.setdefault(str(path), reason)

    def takes(self, root: Path, name: str) -> bool:
        """Whether a file is no picture to read; if so, it is added, or the hidden folder that contains it."""
        parts = PurePosixPath(name).parts
        for place, part in enumerate(parts):
            if (part.startswith(".") and part != "..") or part == "__MACOSX":
                self.add(root.joinpath(*parts[: place + 1]), "hidden")
                return True
        if name.lower().endswith(SUFFIXES) and is_supported(name):
            return False
        is_picture = name.lower().endswith((*SUFFIXES, *OTHERS))
        self.add(root / name, remedy(name) if is_picture else "not a picture by its suffix")
        return True

    def checked(self, found: list[FoundPicture], nothing: str) -> Found:
        others = [PassedOver(path, reason) for path, reason in sorted(self.found.items())]
        if not found:
            seen = f"; passed over: {others[0].path} ({others[0].reason})" if others else ""
            more = f" and {len(others) - 1} more" if len(others) > 1 else ""
            raise InvalidDataError(printable(f"{nothing} ({', '.join(SUFFIXES)}){seen}{more}"))
        return Found(found, others)


def _listed(root: Path, files: Iterable[Path], nothing: str, others: _Others) -> Found:
    named = {file.relative_to(root).as_posix(): file for file in files}
    found = [_of_file(named[name], name, alone=False) for name in sorted(named) if not others.takes(root, name)]
    return others.checked(found, nothing)


def _of_file(path: Path, name: str, *, alone: bool) -> FoundPicture:
    return FoundPicture(name, str(path), lambda: read_bytes(path, printable(path)), path, alone)


def _in_archive(path: Path, others: _Others) -> Found:
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise BrokenFileError(f"{printable(path)} cannot be opened: {one_line(error)}; download it again") from error
    names = sorted({name for name in archive.namelist() if not name.endswith("/")})
    found = [
        FoundPicture(name, f"{path}/{name}", partial(_read, archive, path, name), path, alone=False)
        for name in names
        if not others.takes(path, name)
    ]
    return others.checked(found, f"{path} has no pictures")


def _read(archive: zipfile.ZipFile, path: Path, name: str) -> bytes:
    place, where = PurePosixPath(name), printable(f"{path}/{name}")
    if place.is_absolute() or ".." in place.parts or "\\" in name:
        raise BrokenFileError(f"{where} would be written outside the output folder; rename it")
    try:
        return archive.read(name)
    # A damaged archive raises any exception, one with a password a RuntimeError.
    except Exception as error:
        raise BrokenFileError(f"{where} cannot be read: {one_line(error)}") from error


def _is_output(file: Path, output: Path, folder: Path) -> bool:
    """Whether a file is below the output folder, and that one is below the folder to read."""
    inside = output.absolute()
    return inside != folder.absolute() and inside in file.absolute().parents
