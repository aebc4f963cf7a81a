"""Encoding of new pixels like the file they come from, with its metadata."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError, InvalidParameterError, UnwritableError, suggest
from isthmus.data.formats import HEIF
from isthmus.data.sources.arrays import one_line
from isthmus.data.sources.images import is_supported, remedy
from isthmus.images.decoding import converting, open_image
from isthmus.images.jpeg import encode_jpeg
from isthmus.images.picture import Picture, to_samples
from isthmus.images.png import Chunk, encode_png, kept_chunks
from isthmus.images.tiff import encode_tiff


class _Job(NamedTuple):
    """The input of an encoder."""

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

    def metadata(self, *wanted: str) -> dict[str, Any]:
        """Return the original's metadata by Pillow's names."""
        info = {} if self.original is None else self.original.info
        return {key: info[key] for key in wanted if info.get(key)}

    def bytes(self) -> NDArray[np.uint8]:
        """Return the samples, bool ones as 0 and 255."""
        bits = self.samples.dtype.kind == "b"
        return self.samples * np.uint8(255) if bits else self.samples


def encode(picture: Picture, values: Any, name: str) -> bytes:
    """Return the content of a file with this name. See `write_picture`."""
    suffix = check_suffix(name)
    values = np.asarray(values)
    if values.shape != picture.values.shape:
        raise InvalidDataError(f"{name}: values have shape {values.shape}, but the picture has {picture.values.shape}")
    if not np.isfinite(values).all():
        raise InvalidDataError(f"{name}: values have NaN or infinity; fill these pixels first")
    samples = to_samples(values, picture.dtype)
    samples = samples[..., None] if samples.ndim == 2 else samples
    n_colours, write = samples.shape[2], WRITERS[suffix]
    if picture.alpha is not None:
        samples = np.concatenate([samples, picture.alpha[..., None]], axis=2)
    with converting(lambda error: UnwritableError(f"cannot write {name}: {one_line(error)}; write another format")):
        if write not in _WITH_EXIF and WRITERS[_SUFFIXES[picture.format]] in _WITH_EXIF:
            samples = _upright(samples, picture)
        return write(_Job(picture, samples, n_colours, name))


def _upright(samples: NDArray[Any], picture: Picture) -> NDArray[Any]:
    """Turn pixels as the Exif of their file says, for a format that does not keep it."""
    turn = _TURNS.get(open_image(picture.content).getexif().get(_ORIENTATION, 1))
    return samples if turn is None else np.ascontiguousarray(turn(samples))


def check_suffix(name: str) -> str:
    """Return a file's suffix in lower case.

    Raises
    ------
    InvalidParameterError
        If it is not in `WRITERS`, or Pillow has no plugin for it.
    """
    suffix = Path(name).suffix.lower()
    if suffix not in WRITERS:
        known, close = ", ".join(WRITERS), suggest(suffix, WRITERS, cutoff=0.7)
        raise InvalidParameterError(f"{name} must have a picture's suffix ({known}){close}")
    if not is_supported(name):
        raise InvalidParameterError(f"{name}: {suffix[1:].upper()} cannot be written; {remedy(name)}")
    return suffix


def has_format(name: str, picture: Picture) -> bool:
    """Whether a file of this name has the format of a picture's own file."""
    suffix = check_suffix(name)
    return suffix == Path(picture.name).suffix.lower() or WRITERS[suffix] is WRITERS[_SUFFIXES[picture.format]]


def is_lossy(picture: Picture) -> bool:
    """Whether coding the pixels of a picture again changes them."""
    return picture.format in ("JPEG", "MPO", "AVIF", "HEIF", "GIF") or (
        picture.format == "WEBP" and _is_lossy_webp(picture.content)
    )


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
    _check_format(job, "PNG", inks=True)
    samples = job.samples if job.samples.shape[2] == 1 else job.bytes()
    if job.picture.format == "PNG":
        return encode_png(samples, *kept_chunks(job.picture.content, samples))
    metadata, before = job.metadata("icc_profile", "dpi", "exif"), []
    if "icc_profile" in metadata:
        before.append(Chunk(b"iCCP", b"profile\0\0" + zlib.compress(metadata["icc_profile"])))
    if "dpi" in metadata:
        before.append(Chunk(b"pHYs", struct.pack(">IIB", *(round(float(per) / 0.0254) for per in metadata["dpi"]), 1)))
    if "exif" in metadata:
        before.append(Chunk(b"eXIf", metadata["exif"].removeprefix(_EXIF_START)))
    return encode_png(samples, before, [])


def _jpeg(job: _Job) -> bytes:
    _check_format(job, "JPEG", alpha=True, wide=True)
    original = job.original if job.picture.format in ("JPEG", "MPO") else None
    metadata = job.metadata("icc_profile", "dpi", "exif")
    if "exif" in metadata:  # Pillow returns that of a WebP without these bytes
        metadata["exif"] = _EXIF_START + metadata["exif"].removeprefix(_EXIF_START)
    return encode_jpeg(job.bytes(), original, job.picture.content, metadata)


def _tiff(job: _Job) -> bytes:
    samples = job.samples if job.samples.shape[2] == 1 else job.bytes()
    original = job.original if job.picture.format == "TIFF" else None
    return encode_tiff(samples, job.n_colours, original, job.metadata("icc_profile", "dpi"))


def _bmp(job: _Job) -> bytes:
    _check_format(job, "BMP", inks=True, wide=True)
    return _pillow(job, "BMP", dpi=job.metadata("dpi").get("dpi", (96, 96)))


def _gif(job: _Job) -> bytes:
    _check_format(job, "GIF", inks=True, wide=True)
    if job.has_alpha and not np.isin(job.samples[..., -1], (0, 255)).all():
        raise InvalidParameterError(
            f"{job.name}: GIF cannot store the partly transparent pixels of {job.picture.name}; write a PNG"
        )
    return _pillow(job, "GIF", **job.metadata("comment"))


def _webp(job: _Job) -> bytes:
    _check_format(job, "WebP", inks=True, wide=True)
    lossy = job.picture.format == "WEBP" and _is_lossy_webp(job.picture.content)
    metadata = job.metadata("icc_profile", "exif", "xmp")
    return _pillow(job, "WEBP", lossless=not lossy, quality=95, exact=True, **metadata)


def _avif(job: _Job) -> bytes:
    _check_format(job, "AVIF", inks=True, wide=True)
    metadata = job.metadata("icc_profile", "exif", "xmp")
    return _pillow(job, "AVIF", quality=95, subsampling="4:4:4", **metadata)


def _heif(job: _Job) -> bytes:
    _check_format(job, "HEIF", inks=True, wide=True)
    return _pillow(job, "HEIF", quality=95, chroma=444, **job.metadata("icc_profile", "exif", "xmp"))


def _pnm(job: _Job) -> bytes:
    _check_format(job, "PNM", inks=True, alpha=True)
    height, width, n_colours = job.samples.shape
    if job.samples.dtype.kind == "b" and n_colours == 1:
        # In PBM, 1 is black.
        return f"P4\n{width} {height}\n".encode() + np.packbits(~job.samples[..., 0], axis=1).tobytes()
    samples = job.bytes()
    head = f"P{5 if n_colours == 1 else 6}\n{width} {height}\n{np.iinfo(samples.dtype).max}\n"
    return head.encode() + samples.astype(samples.dtype.newbyteorder(">")).tobytes()


def _pillow(job: _Job, format: str, **options: Any) -> bytes:
    """Return a file that Pillow encodes."""
    from PIL import Image

    samples = job.samples if job.samples.shape[2] == 1 else job.bytes()
    image = Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def _check_format(job: _Job, format: str, *, inks: bool = False, alpha: bool = False, wide: bool = False) -> None:
    dtype = job.samples.dtype
    for is_lossy, what in (
        (dtype.kind == "f", f"{dtype}"),
        (wide and dtype.itemsize == 2 and dtype.kind == "u", "16 bits"),
        (inks and job.n_colours == 4, "CMYK colours"),
        (alpha and job.has_alpha, "transparent pixels"),
    ):
        if is_lossy:
            raise InvalidParameterError(f"{job.name}: {format} cannot store {what} of {job.picture.name}; write a TIFF")


def _is_lossy_webp(content: bytes) -> bool:
    return b"VP8L" not in _riff_kinds(content)


def _riff_kinds(content: bytes) -> set[bytes]:
    kinds, place = set(), 12
    while place + 8 <= len(content):
        kinds.add(content[place : place + 4])
        length = int.from_bytes(content[place + 4 : place + 8], "little")
        place += 8 + length + length % 2
    return kinds


_EXIF_START = b"Exif\0\0"
_ORIENTATION = 274
# What a viewer does with the rows and columns of each orientation.
_TURNS: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: np.fliplr,
    3: lambda pixels: pixels[::-1, ::-1],
    4: np.flipud,
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90,
}
# Of Pillow's formats.
_SUFFIXES = {
    **{format: f".{format.lower()}" for format in ("PNG", "BMP", "GIF", "WEBP", "NPY", "AVIF", "PPM")},
    "JPEG": ".jpg",
    "MPO": ".jpg",
    "TIFF": ".tif",
    "HEIF": ".heic",
}
WRITERS: dict[str, Callable[[_Job], bytes]] = {
    ".png": _png,
    **dict.fromkeys((".jpg", ".jpeg", ".jfif"), _jpeg),
    **dict.fromkeys((".tif", ".tiff"), _tiff),
    ".npy": _npy,
    ".bmp": _bmp,
    ".gif": _gif,
    ".webp": _webp,
    ".avif": _avif,
    **dict.fromkeys(HEIF, _heif),
    **dict.fromkeys((".pgm", ".ppm", ".pbm", ".pnm"), _pnm),
}
# A TIFF has tags of its own, and none from a file of another format.
_WITH_EXIF = (_png, _jpeg, _webp, _avif, _heif)
