"""Locations of files: paths, patterns, lists of paths, and URLs of remote file systems."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import numpy as np

from isthmus.core.errors import (
    BrokenFileError,
    ExistingFileError,
    InvalidDataError,
    InvalidParameterError,
    IsthmusError,
    MissingFileError,
    UnwritableError,
    suggest,
)
from isthmus.core.files import already_exists, atomic_write, check_overwriting
from isthmus.data.sources.arrays import existing, one_line
from isthmus.data.sources.base import is_source
from isthmus.data.sources.other_formats import remedy_for
from isthmus.data.sources.walking import files_below, files_matching

_SPECIAL = frozenset("*?[")
_HASHED_BYTES = 1 << 16
_IDX_NAME = re.compile(r"idx\d-(ubyte|byte|short|int|float|double)(\.gz)?$")


@dataclass(frozen=True)
class RemoteFile:
    """A file of a remote file system, with the methods of a path that reading needs.

    Parameters
    ----------
    url : str
        Its URL, for messages.
    filesystem : pyarrow.fs.FileSystem
        The file system.
    key : str
        Its path on the file system.
    size : int
        Its number of bytes.
    """

    url: str
    filesystem: Any
    key: str
    size: int

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.key.rsplit("/", 1)[-1]

    @property
    def suffix(self) -> str:
        """The last suffix of its name."""
        return Path(self.name).suffix

    def open(self, mode: str = "rb") -> Any:
        """Open it for reading bytes."""
        return self.filesystem.open_input_file(self.key)

    def stat(self) -> Any:
        """Return its size, as for a path."""
        return SimpleNamespace(st_size=self.size)

    def __str__(self) -> str:
        return self.url


Place = Path | RemoteFile


@dataclass(frozen=True)
class FileList:
    """The files of one source in order, and their common name for messages."""

    label: str
    files: tuple[Place, ...]

    def __str__(self) -> str:
        return self.label


class TextPath(os.PathLike[str]):
    """The path of a table in text and its layout, for whatever takes a path.

    Parameters
    ----------
    path : str or os.PathLike
        A file, a folder of files, a pattern or a URL.
    **layout
        The options of `open_source` that begin with ``encoding``.

    Examples
    --------
    >>> from isthmus.data.sources import TextPath
    >>> path = TextPath("rows.csv", encoding="cp1252", missing_values=["?"])
    >>> str(path), sorted(path.layout)
    ('rows.csv', ['encoding', 'missing_values'])
    """

    def __init__(self, path: str | os.PathLike[str], **layout: Any) -> None:
        self.path = os.fspath(path)
        self.layout = {name: value for name, value in layout.items() if value is not None}

    def __fspath__(self) -> str:
        return self.path

    def __str__(self) -> str:
        return self.path


def suffix_of(name: str, table: Iterable[str]) -> str | None:
    """Return the longest suffix in a table that a file's name ends with; names like ``-idx2-int`` are those of IDX."""
    names = list(table)
    if ".idx" in names and _IDX_NAME.search(name.lower()):
        return ".idx"
    return max((suffix for suffix in names if name.lower().endswith(suffix)), key=len, default=None)


def known_suffix(name: str, table: Collection[str], place_has: str, *, remedies: bool = False) -> str:
    """Return the longest suffix of a name, or raise InvalidParameterError, whose message begins with `place_has`.

    With `remedies`, the message for a suffix of another kind of data says what to do with such a file to read it.
    """
    suffix = suffix_of(name, table)
    if suffix is None:
        found = (Path(name).suffix or name).lower()
        remedy = remedy_for(name) if remedies else None
        if remedy is not None:
            raise InvalidParameterError(f"{place_has} the suffix {found}: {remedy}")
        # A shorter one is like several others by chance.
        close = suggest(found, table, cutoff=0.7) if len(found) > 3 else ""
        raise InvalidParameterError(f"{place_has} none of the suffixes {', '.join(table)}{close}")
    return suffix


def is_location(where: object) -> bool:
    """Whether `where` is a path, a pattern, a URL, or a list of these."""
    if isinstance(where, list | tuple):
        return bool(where) and all(isinstance(one, str | os.PathLike) for one in where)
    return isinstance(where, str | os.PathLike | FileList)


def is_url(where: str | os.PathLike[str]) -> bool:
    """Whether a location is a URL."""
    return "://" in os.fspath(where)


def public_url(url: str) -> str:
    """Return a URL without credentials and settings, for messages."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('?')[0].rpartition('@')[2]}"


def locate(where: Any) -> Path | FileList:
    """Return the path or the files of a path, a pattern, a URL or a list of these.

    Raises
    ------
    MissingFileError
        If there is no such file.
    InvalidParameterError, BrokenFileError
        If no file system has the scheme of the URL, or it cannot be reached.
    """
    if isinstance(where, FileList):
        return where
    if isinstance(where, list | tuple):
        return _listed(where)
    text = os.fspath(where)
    if not text:  # the shell's value of a variable that is not set; Path("") is the working folder
        raise MissingFileError("the path of the rows is empty; give the name of a file or a folder")
    if is_url(text):
        return _remote(text)
    if _SPECIAL & set(text) and not Path(text).exists():
        found = files_matching(text)
        if not found:
            raise MissingFileError(f"no file matches {text}; check the spelling and the working directory")
        return FileList(text, tuple(found))
    path = existing(text)
    return _saved_data_set(path) if path.is_dir() else path


def _saved_data_set(folder: Path) -> Path | FileList:
    """Return the files of a data set that Hugging Face's ``save_to_disk`` wrote, or the folder itself if it is none."""
    if (folder / "dataset_dict.json").is_file():
        splits = sorted(one.parent.name for one in folder.glob("*/state.json"))
        listed = ", ".join(splits) or "none"
        raise InvalidDataError(f"{folder} is a data set of several splits ({listed}); open the folder of one of them")
    state = folder / "state.json"
    if not state.is_file() or not (folder / "dataset_info.json").is_file():
        return folder
    try:
        names = [str(file["filename"]) for file in json.loads(state.read_text(encoding="utf-8"))["_data_files"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BrokenFileError(f"{state} does not list the files of a data set: {one_line(error)}") from error
    if not names:
        raise InvalidDataError(f"{folder} holds no files with rows in them")
    return FileList(str(folder), tuple(existing(folder / name) for name in names))


def _listed(places: Sequence[Any]) -> FileList:
    files: list[Place] = []
    for place in map(locate, places):
        if isinstance(place, FileList):
            files += place.files
        elif place.is_dir():
            raise InvalidDataError(f"{place} in a list of files is a folder; list its files, or pass it alone")
        else:
            files.append(place)
    more = f" and {len(places) - 1} more" if len(places) > 1 else ""
    return FileList(f"{places[0]}{more}", tuple(files))


def table_files(path: Path | FileList) -> list[Any]:
    """Return the files of a table: the path itself, or the files of the folder that are neither hidden nor empty."""
    if isinstance(path, FileList):
        return [file for one in path.files for file in ([one] if isinstance(one, RemoteFile) else table_files(one))]
    if not path.is_dir():
        if path.stat().st_size == 0:
            raise InvalidDataError(f"{path} is empty; a table needs columns and rows")
        return [path]
    files = [
        file
        for file in files_below(path)
        if file.stat().st_size and not any(part.startswith((".", "_")) for part in file.relative_to(path).parts)
    ]
    if not files:
        raise InvalidDataError(f"the folder {path} holds no files with rows in them")
    return files


def local_files(rows: Any) -> list[Path]:
    """Return the files of this machine that rows are read from: those of a location, a source or a memory-mapped array.

    Files that are missing are left out; other rows have none.
    """
    if isinstance(rows, str) and is_url(rows) and not rows.startswith("file:"):
        return []
    if is_location(rows):
        try:
            place = locate(rows)
        except IsthmusError:
            return []
        if isinstance(place, FileList):
            return [file for file in place.files if isinstance(file, Path)]
        return files_below(place) if place.is_dir() else [place]
    if is_source(rows):
        inner = [*getattr(rows, "parts", ()), *(getattr(rows, name, None) for name in ("source", "path", "values"))]
        return [file for one in inner if one is not None for file in local_files(one)]
    while rows is not None and not isinstance(rows, np.memmap):
        rows = rows.base if isinstance(rows, np.ndarray) else None
    filename = getattr(rows, "filename", None)
    return [] if filename is None else [Path(filename)]


def hash_ends(digest: Any, file: Place) -> None:
    """Add the first and the last 64 KB of a file to a hash."""
    with file.open("rb") as stream:
        digest.update(stream.read(_HASHED_BYTES))
        stream.seek(max(0, file.stat().st_size - _HASHED_BYTES))
        digest.update(stream.read(_HASHED_BYTES))


def _filesystem(given: str) -> tuple[Any, str]:
    """Return the file system of a URL and the path on it."""
    from pyarrow import fs

    try:
        filesystem, key = fs.FileSystem.from_uri(given)
    except (ValueError, NotImplementedError) as error:
        url = public_url(given)
        raise InvalidParameterError(f"{url} cannot be reached: {one_line(error).replace(given, url)[:200]}") from None
    return filesystem, key


@contextmanager
def atomic_upload(given: str, *, overwrite: bool = False, reads: Iterable[Path] = ()) -> Iterator[BinaryIO]:
    """Open a file to write to, which is copied to a URL when it is complete.

    An existing file is refused, or stays until then if `overwrite` is true.

    It is written in the folder for temporary files, which ``TMPDIR`` sets, since some formats write their header last
    and object stores do not allow that.

    Raises
    ------
    ExistingFileError
        If the file exists and `overwrite` is false, or it is one of `reads`.
    UnwritableError
        If there is no such bucket, or the file cannot be written.
    InvalidParameterError
        If no file system has the scheme of the URL.
    """
    from pyarrow import fs

    url = public_url(given)
    try:
        filesystem, key = _filesystem(given)
        if isinstance(filesystem, fs.LocalFileSystem):
            check_overwriting(key, overwrite=overwrite, reads=reads)
            with atomic_write(key, overwrite=overwrite) as file:
                yield file
            return
        bucket = key.split("/")[0]
        # Checked before a long run, not after it.
        if filesystem.get_file_info(bucket).type == fs.FileType.NotFound:
            raise UnwritableError(f"cannot write {url}: there is no bucket {bucket!r}, or you have no access to it")
        if not overwrite and filesystem.get_file_info(key).type == fs.FileType.File:
            raise ExistingFileError(already_exists(url))
        with tempfile.TemporaryDirectory(prefix="isthmus-out-") as folder:
            path = Path(folder, "out")
            with atomic_write(path) as file:
                yield file
            # In one call, since an interrupted Python file would be closed, and so made visible, incomplete.
            fs.copy_files(str(path), key, fs.LocalFileSystem(), filesystem)
    except IsthmusError:
        raise
    except OSError as error:
        raise UnwritableError(f"cannot write {url}: {one_line(error)[:300]}") from error


def _remote(given: str) -> FileList:
    from pyarrow import fs

    url, scheme = public_url(given), given.partition("://")[0]
    with reaching(url):
        filesystem, key = _filesystem(given)
        folder, _, pattern = key.rpartition("/") if _SPECIAL & set(key.rsplit("/", 1)[-1]) else (key, "", "")
        info = filesystem.get_file_info(folder)
        if info.type == fs.FileType.File:
            return FileList(url, (RemoteFile(url, filesystem, key, info.size),))
        if info.type == fs.FileType.NotFound:
            raise MissingFileError(f"{url} does not exist; check the spelling, the bucket and your permissions")
        inside = filesystem.get_file_info(fs.FileSelector(folder, recursive=not pattern))
    named = [one for one in inside if one.type == fs.FileType.File and one.size]
    if pattern:
        files = [one for one in named if fnmatchcase(one.base_name, pattern)]
    else:
        files = [one for one in named if not one.base_name.startswith((".", "_"))]
    if not files:
        raise MissingFileError(f"{url} holds no files with rows in them")
    files.sort(key=lambda one: one.path)
    return FileList(url, tuple(RemoteFile(f"{scheme}://{one.path}", filesystem, one.path, one.size) for one in files))


@contextmanager
def reaching(what: object) -> Iterator[None]:
    """Raise errors of a remote file as one-line errors that name it."""
    try:
        yield
    except (MissingFileError, BrokenFileError):
        raise
    except FileNotFoundError as error:
        raise MissingFileError(f"{what} does not exist; check the spelling, the bucket and your permissions") from error
    except OSError as error:
        raise BrokenFileError(f"{what} cannot be reached: {one_line(error)[:300]}") from error


def arrow_place(place: Place) -> tuple[Any, Any]:
    """Return the path and the file system of a file for pyarrow; an open file where its name is not UTF-8."""
    import pyarrow as pa
    from pyarrow import fs

    if isinstance(place, RemoteFile):
        return place.key, place.filesystem
    if is_utf8(place):
        return str(place), fs.LocalFileSystem()
    return pa.memory_map(os.fsencode(place)), None


def is_utf8(place: Place) -> bool:
    """Whether the bytes of a file's name are UTF-8, as pyarrow needs them."""
    try:
        str(place).encode()
    except UnicodeEncodeError:
        return False
    return True
