"""Many picture files cleaned of noise, and written as files of the same names, sizes and kinds."""

from __future__ import annotations

import contextlib
import math
import os
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import (
    InvalidDataError,
    InvalidParameterError,
    IsthmusError,
    UnwritableError,
    suggest,
)
from isthmus.core.files import atomic_write
from isthmus.data.sources.arrays import one_line
from isthmus.images.decoding import decode
from isthmus.images.encoding import encode
from isthmus.images.files import SUFFIXES
from isthmus.images.finding import FoundPicture, find_pictures
from isthmus.images.noise_level import picture_noise
from isthmus.images.picture import Picture

_BRIGHTEST = 16.0  # of a file of floats: beyond, its scale is not 0 to 1

Files = str | os.PathLike[str]


class Cleaner(Protocol):
    """What takes noise out of a picture."""

    def clean(self, picture: NDArray[Any], noise: float | None = None) -> NDArray[Any]:
        """Return a picture (height, width[, 3]), 0 to 1, without noise of a deviation on the scale from 0 to 255."""


class Cleaned(NamedTuple):
    """What became of one picture."""

    path: str
    out: str | None  # None where it failed
    noise: float | None  # its deviation, told or estimated, on the scale from 0 to 255
    seconds: float
    error: str | None


def clean_files(
    inputs: Files | Iterable[Files],
    output: Files,
    *,
    noise: float | None = None,
    model: Any = None,
    force: bool = False,
    cleaner: Cleaner | None = None,
) -> Cleaning:
    """Clean pictures of noise and write them as files of the same names, sizes, depths and descriptions.

    Everything that can be told beforehand is refused before the first picture is touched. A picture that fails is
    reported and the others are done. Files are written whole: an interruption leaves none half written.

    Parameters
    ----------
    inputs : str or os.PathLike, or an iterable of these
        Picture files; folders, whose subfolders are walked too, and ``.zip`` archives, of which what has a picture's
        suffix is taken and hidden files are not; patterns such as ``"holiday/**/*.jpg"``.
    output : str or os.PathLike
        For one picture file, a file or a folder that is there; a file's suffix may ask for another format. For anything
        else a folder, made if need be, or a ``.zip``: pictures keep their names below the folder, the archive or the
        fixed part of the pattern they were found in.
    noise : float or None, default=None
        The deviation of the noise on the scale from 0 to 255, whatever a file's depth. None estimates it for each
        picture.
    model : estimator or None, default=None
        A fitted picture estimator, which has ``denoise_picture(picture, noise)``; None takes the denoiser that isthmus
        ships.
    force : bool, default=False
        Write over files that exist, those that are read among them.
    cleaner : Cleaner or None, default=None
        Anything with ``clean(picture, noise)``, in place of both.

    Returns
    -------
    Cleaning
        Has the number of pictures as its length, and does the work as it is iterated over: a `Cleaned` for each.

    Raises
    ------
    InvalidParameterError
        If two pictures would go to one file, a file would be written over without `force`, `output` does not suit the
        inputs, `noise` is negative or `model` cannot denoise pictures.
    MissingFileError
        If an input does not exist or a pattern finds nothing.
    InvalidDataError
        If a folder or an archive holds no pictures.
    BrokenFileError
        If an archive cannot be opened.
    """
    if noise is not None and not (math.isfinite(noise) and noise >= 0):
        raise InvalidParameterError(f"noise={noise} is not legal; it is a deviation from 0 on, or None to estimate it")
    target = Path(output)
    given = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    found = [picture for item in given for picture in find_pictures(os.fspath(item), target)]
    if not found:
        raise InvalidParameterError("there are no pictures to clean; name one")
    archive = target if target.suffix.lower() == ".zip" and not target.is_dir() else None
    to_a_folder = target.is_dir() or os.fspath(output).endswith((os.sep, "/"))
    to_one_file = len(found) == len(given) == 1 and found[0].alone and archive is None and not to_a_folder
    jobs = [_Job(picture, target if to_one_file else target / picture.name) for picture in found]
    _check_output(target, to_one_file, archive)
    _check_clashes(jobs)
    if not force:
        _check_existing(jobs, archive)
    return Cleaning(jobs, archive, noise, cleaner or _cleaner_of(model))


class Cleaning:
    """Pictures to clean, which are cleaned as this is iterated over; see `clean_files`."""

    def __init__(self, jobs: list[_Job], archive: Path | None, noise: float | None, cleaner: Cleaner) -> None:
        self._jobs = jobs
        self._archive = archive
        self._noise = noise
        self._cleaner = cleaner

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[Cleaned]:
        if self._archive is None:
            for job in self._jobs:
                yield self._done(job, _write)
            return
        with contextlib.suppress(_NothingCleanError), atomic_write(self._archive) as file:
            n_written = 0
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                for job in self._jobs:
                    done = self._done(job, lambda job, content: archive.writestr(job.source.name, content))
                    n_written += done.error is None
                    yield done
            if not n_written:
                raise _NothingCleanError

    def _done(self, job: _Job, write: Callable[[_Job, bytes], None]) -> Cleaned:
        began, where = time.perf_counter(), job.source.where
        level = None
        try:
            picture = decode(job.source.read(), where)
            _check_values(picture)
            level = picture_noise(picture.values) if self._noise is None else float(self._noise)
            write(job, encode(picture, _cleaned(picture.values, level, self._cleaner), str(job.target)))
        # A device out of memory is a RuntimeError in JAX.
        except (IsthmusError, OSError, MemoryError, RuntimeError) as error:
            text = one_line(error) if isinstance(error, IsthmusError) else f"{where}: {_described(error)}"
            return Cleaned(where, None, level, time.perf_counter() - began, text)
        return Cleaned(where, str(job.target), level, time.perf_counter() - began, None)


def _cleaned(values: NDArray[Any], noise: float, cleaner: Cleaner) -> NDArray[Any]:
    if values.ndim == 3 and values.shape[2] == 4:  # black is a plane of its own beside the coloured inks
        return np.dstack([cleaner.clean(values[..., :3], noise), cleaner.clean(values[..., 3], noise)])
    return cleaner.clean(values, noise)


def _check_values(picture: Picture) -> None:
    if picture.dtype.kind != "f":
        return
    if not np.isfinite(picture.values).all():
        raise InvalidDataError(f"{picture.name} holds NaN or infinity; fill those pixels first")
    largest = float(np.abs(picture.values).max())
    if largest > _BRIGHTEST:
        raise InvalidDataError(
            f"{picture.name} holds values up to {largest:g}; floats are read as 0 to 1: divide them by their range"
        )


class _NothingCleanError(Exception):
    """No picture came out: there is no archive to leave."""


class _Job(NamedTuple):
    """A picture to read, and where it goes."""

    source: FoundPicture
    target: Path


def _check_output(output: Path, to_one_file: bool, archive: Path | None) -> None:
    suffix = output.suffix.lower()
    if to_one_file:
        if suffix not in SUFFIXES:
            known = ", ".join(SUFFIXES)
            raise InvalidParameterError(f"{output} has no picture's suffix ({known}){suggest(suffix, SUFFIXES)}")
    elif archive is None and (output.is_file() or (suffix in SUFFIXES and not output.is_dir())):
        raise InvalidParameterError(f"{output} is one file; pictures that were searched for go to a folder or a .zip")


def _check_clashes(jobs: list[_Job]) -> None:
    taken: dict[str, str] = {}
    for source, target in jobs:
        # File systems that fold case would let one write over the other.
        key = str(target).casefold()
        if key in taken:
            raise InvalidParameterError(f"{taken[key]} and {source.where} would both go to {target}; clean them apart")
        taken[key] = source.where


def _check_existing(jobs: list[_Job], archive: Path | None) -> None:
    targets = [archive] if archive else [target for _, target in jobs]
    there = [target for target in targets if target.exists()]
    if not there:
        return
    read = {source.file.resolve() for source, _ in jobs}
    over = next((target for target in there if target.resolve() in read), None)
    if over is not None:
        raise InvalidParameterError(f"{over} would be written over its input; give another output, or force it")
    others = f", and {len(there) - 1} more do" if len(there) > 1 else ""
    raise InvalidParameterError(f"{there[0]} exists{others}; give another output, or force it")


def _write(job: _Job, content: bytes) -> None:
    try:
        job.target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnwritableError(f"cannot write {job.target}: {error.strerror or error}") from error
    with atomic_write(job.target) as file:
        file.write(content)


def _cleaner_of(model: Any) -> Cleaner:
    if model is None:
        from isthmus.images.denoiser import Denoiser

        shipped: Cleaner = Denoiser.shipped()
        return shipped
    if not hasattr(model, "denoise_picture"):
        kind = type(model).__name__
        raise InvalidParameterError(f"the model is a {kind}, which does not denoise pictures; fit one that does")
    return _ModelCleaner(model)


class _ModelCleaner(NamedTuple):
    """A fitted estimator as a cleaner."""

    model: Any

    def clean(self, picture: NDArray[Any], noise: float | None = None) -> NDArray[Any]:
        return np.asarray(self.model.denoise_picture(picture, noise))


def _described(error: BaseException) -> str:
    return f"{type(error).__name__}: {one_line(error)}"
