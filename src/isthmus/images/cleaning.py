"""Denoising of picture files, to files of the same names, sizes and formats."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError, InvalidParameterError, IsthmusError, UnwritableError
from isthmus.core.files import atomic_write
from isthmus.data.sources.arrays import one_line
from isthmus.data.sources.walking import printable
from isthmus.images.decoding import decode
from isthmus.images.encoding import check_suffix, encode, has_format, is_lossy
from isthmus.images.files import SUFFIXES
from isthmus.images.finding import FoundPicture, PassedOver, find_pictures
from isthmus.images.noise_level import NoiseEstimate, check_noise, examine_noise
from isthmus.images.picture import Picture, to_samples
from isthmus.images.scales import clean_on_two_scales

_FIRST_DATE = (1980, 1, 1, 0, 0, 0)
_MAX_VALUE = 16.0  # of a file of floats: larger values mean that its scale is not 0 to 1
_NEGLIGIBLE = 0.7  # deviation of noise below which the included denoiser changes a picture more than its noise

Clean = Callable[[NDArray[Any], float], NDArray[Any]]
Files = str | os.PathLike[str]


class Cleaner(Protocol):
    """Removes noise from a picture."""

    def clean(self, picture: NDArray[Any], noise: float | None = None) -> NDArray[Any]:
        """Return a denoised picture (height, width[, 3]) in [0, 1]; `noise` is its standard deviation, 0 to 255."""


class Cleaned(NamedTuple):
    """The result for one picture."""

    path: str
    out: str | None  # None if it failed
    noise: float | None  # the standard deviation, given or estimated, on the scale from 0 to 255
    seconds: float
    error: str | None
    copied: bool = False  # the file is a copy, since there was nothing to clean
    doubt: str | None = None  # why the estimated noise is uncertain


def clean_files(
    inputs: Files | Iterable[Files],
    output: Files,
    *,
    noise: float | None = None,
    model: Any = None,
    force: bool = False,
    cleaner: Cleaner | None = None,
) -> Cleaning:
    """Denoise picture files and write them as files of the same names, sizes, depths and metadata.

    A picture without noise is copied, byte for byte, if the format stays the same: if its noise is 0 or estimated to be
    below 0.7, if the estimate is below the change that coding the same pixels again makes (in a JPEG, for example), or
    if no pixel changes.

    Arguments are checked before the first picture is read. A picture that fails is reported, and the others are still
    written. Files are written atomically: an interruption leaves no partial files.

    Parameters
    ----------
    inputs : str or os.PathLike, or an iterable of these
        Picture files; folders with their subfolders, and ``.zip`` archives, from which all files with a picture's
        suffix are taken except hidden ones; patterns such as ``"holiday/**/*.jpg"``, whose suffixes match capitals too.
    output : str or os.PathLike
        For one picture file, a file or an existing folder; the file's suffix may be that of another format. Otherwise a
        folder, created if missing, or a ``.zip``: pictures keep their names relative to the folder, the archive or the
        fixed part of the pattern. In a ``.zip``, bytes of a name that are not UTF-8 become ``%E9`` and the like.
    noise : float or None, default=None
        Standard deviation of the noise on the scale from 0 to 255, for files of any depth, >= 0. None estimates it for
        each picture.
    model : estimator or None, default=None
        A fitted estimator with ``denoise_picture(picture, noise)``; None is the denoiser included in isthmus.
    force : bool, default=False
        Overwrite existing files, inputs included.
    cleaner : Cleaner or None, default=None
        Any object with ``clean(picture, noise)``, instead of `model`.

    Returns
    -------
    Cleaning
        An iterable that denoises one picture at a time and yields a `Cleaned` for each; its length is the number of
        pictures, and `passed_over` lists the files that were found and are no pictures.

    Raises
    ------
    InvalidParameterError
        If two pictures would be written to one file, a file exists without `force`, `output` does not suit the inputs,
        `noise` is negative or `model` cannot denoise pictures.
    MissingFileError
        If an input does not exist or a pattern matches nothing.
    InvalidDataError
        If a folder or an archive has no pictures.
    BrokenFileError
        If an archive cannot be opened.
    """
    if noise is not None:
        check_noise(noise)
    target = Path(output)
    given = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    inside = [find_pictures(os.fspath(item), target) for item in given]
    found = [picture for one in inside for picture in one.pictures]
    if not found:
        raise InvalidParameterError("inputs is empty; give at least one picture")
    archive = target if target.suffix.lower() == ".zip" and not target.is_dir() else None
    to_a_folder = target.is_dir() or os.fspath(output).endswith((os.sep, "/"))
    to_one_file = len(found) == len(given) == 1 and found[0].alone and archive is None and not to_a_folder
    name_of = _name_in_archive if archive else str
    jobs = [_Job(picture, target if to_one_file else target / name_of(picture.name)) for picture in found]
    _check_output(target, to_one_file, archive)
    _check_clashes(jobs, archive is None and _ignores_case(target))
    if not force:
        _check_existing(jobs, archive)
    clean, uses_noise = (cleaner.clean, True) if cleaner else _function_of(model)
    passed_over = [other for one in inside for other in one.passed_over]
    return Cleaning(passed_over, jobs, archive, noise, clean, uses_noise, force)


@dataclass(frozen=True)
class Cleaning:
    """An iterable that denoises pictures one at a time; see `clean_files`."""

    passed_over: list[PassedOver]
    _jobs: list[_Job]
    _archive: Path | None
    _noise: float | None
    _clean_values: Clean
    _uses_noise: bool
    _overwrite: bool

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[Cleaned]:
        if self._archive is None:
            for job in self._jobs:
                yield self._clean(job, lambda job, content: _write(job, content, self._overwrite))
            return
        with contextlib.suppress(_NothingCleanError), atomic_write(self._archive, overwrite=self._overwrite) as file:
            n_written = 0
            with zipfile.ZipFile(file, "w") as archive:
                for job in self._jobs:
                    result = self._clean(job, lambda job, content: archive.writestr(_entry(job.name), content))
                    n_written += result.error is None
                    yield result
            if not n_written:
                raise _NothingCleanError

    def _clean(self, job: _Job, write: Callable[[_Job, bytes], None]) -> Cleaned:
        start, where, name = time.perf_counter(), job.source.where, printable(job.source.where)
        level = None
        try:
            picture = decode(job.source.read(), name)
            _check_values(picture)
            noise = examine_noise(picture.values) if self._noise is None else NoiseEstimate(float(self._noise))
            level = noise.level
            content = self._content(picture, noise, printable(job.target))
            copied = content is picture.content
            if not (copied and self._archive is None and _is_same_file(job.target, job.source.file)):
                write(job, content)
        # JAX raises a RuntimeError if a device is out of memory.
        except (IsthmusError, OSError, MemoryError, RuntimeError) as error:
            place = "" if isinstance(error, IsthmusError) else f"{name}: {type(error).__name__}: "
            return Cleaned(where, None, level, time.perf_counter() - start, place + one_line(error))
        return Cleaned(where, str(job.target), level, time.perf_counter() - start, None, copied, noise.doubt)

    def _content(self, picture: Picture, noise: NoiseEstimate, name: str) -> bytes:
        """Return the denoised file, or the file itself if there is nothing to clean."""
        stays = has_format(name, picture)
        if stays and self._uses_noise and self._is_negligible(picture, noise.level, name):
            return picture.content
        if noise.is_correlated and self._uses_noise:
            values = clean_on_two_scales(self._cleaned, picture.values, noise.level)
        else:
            values = self._cleaned(picture.values, noise.level)
        if stays and np.array_equal(to_samples(values, picture.dtype), to_samples(picture.values, picture.dtype)):
            return picture.content
        return encode(picture, values, name)

    def _is_negligible(self, picture: Picture, level: float, name: str) -> bool:
        """Whether there is no noise, or an estimated one that is less than what coding the pixels again changes."""
        if self._noise is not None:
            return level == 0
        if level <= _NEGLIGIBLE or not is_lossy(picture):
            return level <= _NEGLIGIBLE
        again = decode(encode(picture, picture.values, name), name)
        if again.values.shape != picture.values.shape:
            return False
        return level <= 255 * float(np.sqrt(np.mean((again.values - picture.values) ** 2)))

    def _cleaned(self, values: NDArray[Any], noise: float) -> NDArray[Any]:
        if values.ndim == 3 and values.shape[2] == 4:  # CMYK: black is denoised separately
            return np.dstack([self._clean_values(values[..., :3], noise), self._clean_values(values[..., 3], noise)])
        return self._clean_values(values, noise)


def _check_values(picture: Picture) -> None:
    if picture.dtype.kind != "f":
        return
    if not np.isfinite(picture.values).all():
        raise InvalidDataError(f"{picture.name} has NaN or infinite values; fill these pixels first")
    largest = float(np.abs(picture.values).max())
    if largest > _MAX_VALUE:
        raise InvalidDataError(
            f"{picture.name} has values up to {largest:g}; floats must be in [0, 1]: divide them by their range"
        )


def _entry(name: str) -> zipfile.ZipInfo:
    """Return the entry of a file in an archive, of now; archives have no dates before 1980, where a clock may start."""
    entry = zipfile.ZipInfo(name, max(time.localtime()[:6], _FIRST_DATE))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16  # the mode that it is unpacked with
    return entry


class _NothingCleanError(Exception):
    """No picture was written, so that no archive is created."""


class _Job(NamedTuple):
    """A picture to read, and the file to write."""

    source: FoundPicture
    target: Path

    @property
    def name(self) -> str:
        """The name in an archive."""
        return _name_in_archive(self.source.name)


def _check_output(output: Path, to_one_file: bool, archive: Path | None) -> None:
    if to_one_file:
        check_suffix(str(output))
    elif archive is None and (output.is_file() or (output.suffix.lower() in SUFFIXES and not output.is_dir())):
        raise InvalidParameterError(f"{output} is a file; for folders, archives and patterns, give a folder or a .zip")


def _check_clashes(jobs: list[_Job], ignores_case: bool) -> None:
    taken: dict[str, str] = {}
    for source, target in jobs:
        # Such a file system also takes an accented letter for a letter with an accent.
        key = unicodedata.normalize("NFC", str(target)).lower() if ignores_case else str(target)
        if key in taken:
            raise InvalidParameterError(
                printable(f"{taken[key]} and {source.where} would both be written to {target}; denoise them separately")
            )
        taken[key] = source.where


def _ignores_case(target: Path) -> bool:
    """Whether the file system of a folder, which may not exist yet, takes capitals for small letters."""
    folder = target.absolute()
    while not folder.is_dir():
        folder = folder.parent
    try:
        with tempfile.NamedTemporaryFile(prefix=".isthmus-a-", dir=folder) as file:
            return Path(file.name.replace(".isthmus-a-", ".ISTHMUS-A-")).exists()
    except OSError:
        return True  # nothing can be written there


def _name_in_archive(name: str) -> str:
    """Return a name with each byte that is not UTF-8 as ``%E9`` and the like, since names in archives are text."""
    return re.sub("[\udc80-\udcff]", lambda found: f"%{ord(found[0]) - 0xDC00:02X}", name)


def _is_same_file(target: Path, source: Path) -> bool:
    return target.exists() and target.samefile(source)


def _check_existing(jobs: list[_Job], archive: Path | None) -> None:
    targets = [archive] if archive else [target for _, target in jobs]
    existing = [target for target in targets if target.exists()]
    if not existing:
        return
    read = {source.file.resolve() for source, _ in jobs}
    over = next((target for target in existing if target.resolve() in read), None)
    if over is not None:
        raise InvalidParameterError(
            f"{printable(over)} would overwrite its input; pass another output, or --force (force=True)"
        )
    others = f", and {len(existing) - 1} more do" if len(existing) > 1 else ""
    raise InvalidParameterError(
        f"{printable(existing[0])} exists{others}; pass another output, or --force (force=True) to overwrite"
    )


def _write(job: _Job, content: bytes, overwrite: bool) -> None:
    try:
        job.target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnwritableError(f"cannot write {printable(job.target)}: {error.strerror or error}") from error
    with atomic_write(job.target, overwrite=overwrite) as file:
        file.write(content)


def _function_of(model: Any) -> tuple[Clean, bool]:
    """Return a model's function, and whether it uses the noise's deviation."""
    if model is None:
        from isthmus.images.denoiser import Denoiser

        return Denoiser.shipped().clean, True
    if not hasattr(model, "denoise_picture"):
        kind = type(model).__name__
        raise InvalidParameterError(
            f"model is of class {kind}, which cannot denoise pictures; use a PictureDenoiser or a PatchAutoencoder"
        )
    return model.denoise_picture, getattr(model, "uses_noise", True)
