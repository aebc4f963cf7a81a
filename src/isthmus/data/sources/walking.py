"""The files below a folder: links are followed once, and capitals in suffixes do not matter to patterns."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from fnmatch import translate
from pathlib import Path

_SPECIAL = frozenset("*?[")


def files_below(
    folder: Path, *, passed_over: Callable[[Path, str], None] | None = None, depth: int | None = None
) -> list[Path]:
    """Return the regular files of a folder and its subfolders, in the order of their names.

    Links to folders are followed, but no folder is read twice: not by a second link, nor in a circle.

    Parameters
    ----------
    folder : pathlib.Path
        An existing folder.
    passed_over : callable or None
        Called with what is neither a file nor a folder to read, and the reason.
    depth : int or None
        The number of levels to read; None is all, 1 is the folder's own files.
    """
    report = passed_over or (lambda path, reason: None)
    # Folders themselves come before links to them, whatever their names.
    seen: dict[tuple[int, int], Path] = {}
    waiting: list[tuple[Path, int]] = [(folder, 1)]
    links: list[tuple[Path, int]] = []
    files: list[Path] = []
    while waiting or links:
        path, level = waiting.pop() if waiting else links.pop(0)
        try:
            status = path.stat()
            key = (status.st_dev, status.st_ino)
            if key in seen:
                report(path, f"a link to {seen[key]}, which is read")
                continue
            seen[key] = path
            entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        except OSError as error:
            report(path, error.strerror or str(error))
            continue
        for entry in entries:
            place = path / entry.name
            # A path's tests are False for a link to itself, where an entry's raise an error.
            target = place if entry.is_symlink() else entry
            if target.is_dir():
                if depth is None or level < depth:
                    (links if entry.is_symlink() else waiting).append((place, level + 1))
            elif target.is_file():
                files.append(place)
            else:
                report(place, _kind_of(entry))
    return sorted(files)


def _kind_of(entry: os.DirEntry[str]) -> str:
    if not entry.is_symlink():
        return "not a regular file"
    return "a link to itself" if _is_loop(entry.path) else "a link to a file that does not exist"


def _is_loop(path: str) -> bool:
    try:
        Path(path).resolve(strict=True)
    except RuntimeError:  # before Python 3.13
        return True
    except OSError as error:
        return not isinstance(error, FileNotFoundError)
    return False


def split_pattern(text: str) -> tuple[Path, str]:
    """Return the part of a path before the first special character, as a folder, and the pattern after it."""
    parts = Path(text).parts
    fixed = next(place for place, part in enumerate(parts) if _SPECIAL & set(part))
    return Path(*parts[:fixed]), "/".join(parts[fixed:])


def files_matching(
    text: str, *, hidden: bool = False, passed_over: Callable[[Path, str], None] | None = None
) -> list[Path]:
    """Return the files that match a pattern, in the order of their names.

    Parameters
    ----------
    text : str
        As for `glob.glob`: ``*``, ``?``, ``[...]``, and ``**`` for any number of folders. A suffix, as in ``*.jpg``,
        matches capitals too.
    hidden : bool, default=False
        Let ``*`` and ``**`` match names that begin with a dot.
    passed_over : callable or None
        As for `files_below`.
    """
    root, pattern = split_pattern(text)
    parts = pattern.split("/")
    if not root.is_dir():
        return []
    depth = None if "**" in parts else len(parts)
    tests = [None if part == "**" else _name_test(part) for part in parts]
    dotted = [hidden or part.startswith(".") for part in parts]
    report = passed_over or (lambda path, reason: None)

    def matches(path: Path) -> bool:
        return _matches(path.relative_to(root).parts, tests, dotted)

    found = files_below(root, depth=depth, passed_over=lambda path, why: report(path, why) if depth is None else None)
    return [file for file in found if matches(file)]


def _matches(names: tuple[str, ...], tests: list[re.Pattern[str] | None], dotted: list[bool]) -> bool:
    if not tests:
        return not names
    allowed = bool(names) and (dotted[0] or not names[0].startswith("."))
    if tests[0] is None:
        # A last ** stands for all files below.
        if len(tests) == 1:
            return all(dotted[0] or not name.startswith(".") for name in names)
        return _matches(names, tests[1:], dotted[1:]) or (allowed and _matches(names[1:], tests, dotted))
    return allowed and tests[0].match(names[0]) is not None and _matches(names[1:], tests[1:], dotted[1:])


def _name_test(pattern: str) -> re.Pattern[str]:
    """Return a test of a name, in which suffixes such as ``.csv.gz`` match small and capital letters."""
    suffix = re.search(r"(\.[A-Za-z]{1,4})?\.[^.]+$", pattern)
    start = len(pattern) if suffix is None else suffix.start()
    return re.compile(f"{_body(pattern[:start])}(?i:{_body(pattern[start:])})\\Z")


def _body(pattern: str) -> str:
    return translate(pattern)[:-2]  # without the anchor


def printable(name: object) -> str:
    """Return a name for one line of a message: line breaks and bytes that are no text are escaped."""
    text = str(name)
    return text if text.isprintable() else "".join(sign if sign.isprintable() else _escaped(sign) for sign in text)


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape", "surrogatepass").decode()
