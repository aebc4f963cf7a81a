"""Other pixels in a picture's place: encoded like the file that it came from, with all that this said beside pixels."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError, InvalidParameterError, IsthmusError, UnwritableError, suggest
from isthmus.data.sources.arrays import one_line
from isthmus.images.decoding import open_image
from isthmus.images.jpeg import encode_jpeg
from isthmus.images.picture import Picture, to_samples
from isthmus.images.png import Chunk, encode_png, kept_chunks
from isthmus.images.tiff import encode_tiff


class _Job(NamedTuple):
    """What a writer needs."""

    picture: Picture
    samples: NDArray[Any]  # (height, width, n_channels), alpha last
    n_colours: int
    name: str

    @property
    def original(self) -> Any:
        return None if self.picture.format == "NPY" else open_image(self.picture.content)

    @property
    def has_alpha(self) -> bool:
        return self.picture.alpha is not None

    def described(self, *wanted: str) -> dict[str, Any]:
        """Return what the original says beside pixels, by Pillow's names."""
        said = {} if self.original is None else self.original.info
        return {key: said[key] for key in wanted if said.get(key)}

    def bytes(self) -> NDArray[np.uint8]:
        """Return the samples as bytes: black and white as 0 and 255."""
        bits = self.samples.dtype.kind == "b"
        return self.samples * np.uint8(255) if bits else self.samples


def encode(picture: Picture, values: Any, name: str) -> bytes:
    """Return the content of a file of that name. See `write_picture`."""
    suffix = Path(name).suffix.lower()
    if suffix not in WRITERS:
        known = ", ".join(WRITERS)
        raise InvalidParameterError(f"{name} has no picture's suffix ({known}){suggest(suffix, WRITERS)}")
    values = np.asarray(values)
    if values.shape != picture.values.shape:
        raise InvalidDataError(f"{name}: pixels of shape {values.shape} for a picture of shape {picture.values.shape}")
    if not np.isfinite(values).all():
        raise InvalidDataError(f"{name}: the pixels to write hold NaN or infinity")
    samples = to_samples(values, picture.dtype)
    samples = samples[..., None] if samples.ndim == 2 else samples
    n_colours = samples.shape[2]
    if picture.alpha is not None:
        samples = np.concatenate([samples, picture.alpha[..., None]], axis=2)
    with _writing(name):
        return WRITERS[suffix](_Job(picture, samples, n_colours, name))


@contextmanager
def _writing(name: str) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the original's size and oddities, as when it was read
            yield
    except (IsthmusError, MemoryError):
        raise
    # Encoders stumble on sizes that their format has no room for, and on odd tags that were to be kept.
    except Exception as error:
        raise UnwritableError(f"cannot write {name}: {one_line(error)}; write another format") from error


def _npy(job: _Job) -> bytes:
    shape = job.samples.shape
    if job.picture.format == "NPY":
        shape = np.lib.format.read_array(io.BytesIO(job.picture.content)).shape
    elif shape[2] == 1:
        shape = shape[:2]
    file = io.BytesIO()
    np.save(file, job.samples.reshape(shape))
    return file.getvalue()


def _png(job: _Job) -> bytes:
    _refuse(job, "PNG", floats=True, inks=True)
    samples = job.samples if job.samples.shape[2] == 1 else job.bytes()
    if job.picture.format == "PNG":
        return encode_png(samples, *kept_chunks(job.picture.content, samples))
    said, before = job.described("icc_profile", "dpi", "exif"), []
    if "icc_profile" in said:
        before.append(Chunk(b"iCCP", b"profile\0\0" + zlib.compress(said["icc_profile"])))
    if "dpi" in said:
        before.append(Chunk(b"pHYs", struct.pack(">IIB", *(round(float(per) / 0.0254) for per in said["dpi"]), 1)))
    if "exif" in said:
        before.append(Chunk(b"eXIf", said["exif"].removeprefix(b"Exif\0\0")))
    return encode_png(samples, before, [])


def _jpeg(job: _Job) -> bytes:
    _refuse(job, "JPEG", floats=True, alpha=True, wide=True)
    original = job.original if job.picture.format in ("JPEG", "MPO") else None
    return encode_jpeg(job.bytes(), original, job.picture.content, job.described("icc_profile", "dpi", "exif"))


def _tiff(job: _Job) -> bytes:
    samples = job.samples if job.samples.shape[2] == 1 else job.bytes()
    original = job.original if job.picture.format == "TIFF" else None
    return encode_tiff(samples, job.n_colours, original, job.described("icc_profile", "dpi"))


def _bmp(job: _Job) -> bytes:
    _refuse(job, "BMP", floats=True, inks=True, wide=True)
    return _saved(job, "BMP", dpi=job.described("dpi").get("dpi", (96, 96)))


def _gif(job: _Job) -> bytes:
    _refuse(job, "GIF", floats=True, inks=True, wide=True)
    if job.has_alpha and not np.isin(job.samples[..., -1], (0, 255)).all():
        raise InvalidParameterError(
            f"{job.name}: GIF has no room for the half transparent pixels of {job.picture.name}; write a PNG"
        )
    return _saved(job, "GIF", **job.described("comment"))


def _webp(job: _Job) -> bytes:
    _refuse(job, "WebP", floats=True, inks=True, wide=True)
    lossy = job.picture.format == "WEBP" and b"VP8L" not in _riff_kinds(job.picture.content)
    said = job.described("icc_profile", "exif", "xmp")
    return _saved(job, "WEBP", lossless=not lossy, quality=95, exact=True, **said)


def _pnm(job: _Job) -> bytes:
    _refuse(job, "PNM", floats=True, inks=True, alpha=True)
    height, width, n_colours = job.samples.shape
    if job.samples.dtype.kind == "b" and n_colours == 1:
        # There, one is black.
        return f"P4\n{width} {height}\n".encode() + np.packbits(~job.samples[..., 0], axis=1).tobytes()
    samples = job.bytes()
    head = f"P{5 if n_colours == 1 else 6}\n{width} {height}\n{np.iinfo(samples.dtype).max}\n"
    return head.encode() + samples.astype(samples.dtype.newbyteorder(">")).tobytes()


def _saved(job: _Job, format: str, **options: Any) -> bytes:
    """Return what Pillow saves."""
    from PIL import Image

    samples = job.samples if job.samples.shape[2] == 1 else job.bytes()
    image = Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def _refuse(
    job: _Job, format: str, *, floats: bool = False, inks: bool = False, alpha: bool = False, wide: bool = False
) -> None:
    dtype = job.samples.dtype
    for lacking, what in (
        (floats and dtype.kind == "f", f"{dtype}"),
        (wide and dtype.itemsize == 2 and dtype.kind == "u", "16 bits"),
        (inks and job.n_colours == 4, "four inks (CMYK)"),
        (alpha and job.has_alpha, "transparent pixels"),
    ):
        if lacking:
            raise _no_room(job, format, what)


def _no_room(job: _Job, format: str, what: str) -> InvalidParameterError:
    return InvalidParameterError(f"{job.name}: {format} has no room for {what} of {job.picture.name}; write a TIFF")


def _riff_kinds(content: bytes) -> set[bytes]:
    kinds, place = set(), 12
    while place + 8 <= len(content):
        kinds.add(content[place : place + 4])
        length = int.from_bytes(content[place + 4 : place + 8], "little")
        place += 8 + length + length % 2
    return kinds


WRITERS: dict[str, Callable[[_Job], bytes]] = {
    ".png": _png,
    ".jpg": _jpeg,
    ".jpeg": _jpeg,
    ".tif": _tiff,
    ".tiff": _tiff,
    ".npy": _npy,
    ".bmp": _bmp,
    ".gif": _gif,
    ".webp": _webp,
    ".pgm": _pnm,
    ".ppm": _pnm,
    ".pbm": _pnm,
    ".pnm": _pnm,
}
