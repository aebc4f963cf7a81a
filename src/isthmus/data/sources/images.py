"""Pictures as rows: IDX files, single pictures, and folders and zip archives of pictures."""

from __future__ import annotations

import gzip
import io
import math
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import BrokenFileError, InvalidDataError, IsthmusError, IsthmusWarning
from isthmus.data.formats import HEIF, PICTURES
from isthmus.data.sources.arrays import ArraySource, NumberedRows, existing, made_up_schema, naming, one_line
from isthmus.data.sources.base import Schema
from isthmus.data.sources.places import FileList, is_url, locate
from isthmus.data.sources.walking import files_below


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read an IDX file, the format of MNIST.

    Parameters
    ----------
    path : str or os.PathLike
        The file, plain or gzipped whatever its suffix.

    Returns
    -------
    numpy.ndarray
        Of the shape and type in the header of the file, in native byte order.

    Raises
    ------
    MissingFileError
        If the file does not exist.
    BrokenFileError
        If it is not an IDX file, is truncated, or is longer than its header states.
    """
    file = existing(path)
    try:
        content = file.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise BrokenFileError(f"{file} cannot be read: {one_line(error)}; download it again") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _IDX_TYPES or not content[3]:
        raise BrokenFileError(
            f"{file} is not an IDX file: it begins with {content[:4].hex(' ') or 'nothing'}, not with two zeros, a "
            "type from 08 to 0e and the number of dimensions"
        )
    dtype, n_axes = np.dtype(_IDX_TYPES[content[2]]), content[3]
    head = 4 + 4 * n_axes
    if len(content) < head:
        raise BrokenFileError(f"{file} is truncated in its header: {len(content)} of {head} bytes; download it again")
    shape = struct.unpack(f">{n_axes}I", content[4:head])
    expected = head + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        state = "is truncated" if len(content) < expected else "is too long"
        raise BrokenFileError(
            f"{file} {state}: {shape} {dtype.newbyteorder('=')} values take {expected} bytes, and {len(content)} were "
            "found; download it again"
        )
    try:
        values = np.frombuffer(content, dtype, offset=head).reshape(shape)
    except ValueError:
        # A length of zero among large ones takes 0 bytes, but NumPy refuses the product of the others.
        raise BrokenFileError(f"{file} has {n_axes} dimensions that do not form an array; download it again") from None
    return values.astype(dtype.newbyteorder("="))


class IdxSource(ArraySource):
    """The rows of an IDX file, read into memory: pictures, or labels as rows of one number.

    Parameters
    ----------
    path : str or os.PathLike
        The file, plain or gzipped; see `read_idx` for the errors.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        values = read_idx(self.path)
        with naming(self.path):
            super().__init__(values.reshape(-1, 1) if values.ndim == 1 else values)


class PictureFiles:
    """The encoded pictures of a folder, a zip archive, a pattern or a file, in the order of their names, or of a list.

    Parameters
    ----------
    path : str, os.PathLike or FileList
        As for `ImageFolderSource`, with its errors and warnings.
    """

    def __init__(self, path: str | os.PathLike[str] | FileList) -> None:
        self.path = path if isinstance(path, FileList) else _place(path)
        self._archive: zipfile.ZipFile | None = None
        self._said_wide = False
        self.names = self._listed()
        if not self.names:
            raise InvalidDataError(f"{self.path} holds no pictures ({', '.join(PICTURES)}){self._instead()}")

    def __len__(self) -> int:
        return len(self.names)

    def _listed(self) -> list[str]:
        if isinstance(self.path, FileList):
            return [str(file) for file in self.path.files]
        if self.path.is_dir():
            names = [file.relative_to(self.path).as_posix() for file in files_below(self.path)]
        elif self.path.suffix.lower() == ".zip":
            with _reading(self.path):
                self._archive = zipfile.ZipFile(self.path)
            names = self._archive.namelist()
        else:
            return [self.path.name]
        names = sorted(name for name in names if not _hidden(name))
        self._warn_of_others(names)
        return [name for name in names if _is_readable(name)]

    def _instead(self) -> str:
        """Return what an archive without pictures holds, for messages."""
        names = [] if self._archive is None else [name for name in self._archive.namelist() if not name.endswith("/")]
        return f", but files like {names[0]}; unpack it, tables are not read from a zip" if names else ""

    def _warn_of_others(self, names: list[str]) -> None:
        """Warn of pictures that Pillow cannot read, which are no rows."""
        others = [name for name in names if name.lower().endswith((*PICTURES, *OTHERS)) and not _is_readable(name)]
        if others:
            more = f" and {len(others) - 5} more" if len(others) > 5 else ""
            warnings.warn(
                f"{self.path}: {', '.join(others[:5])}{more} cannot be read and {'are' if len(others) > 1 else 'is'} "
                f"left out; {remedy(others[0])}",
                IsthmusWarning,
                stacklevel=2,
            )

    def where(self, number: int) -> str:
        """Return the path of a picture, for messages."""
        name = self.names[number]
        if isinstance(self.path, FileList):
            return name
        return str(self.path / name) if self._archive or self.path.is_dir() else str(self.path)

    def read(self, number: int) -> NDArray[Any]:
        """Return a picture's pixels, as `decode_picture` does."""
        place = self.where(number)
        with _reading(place):
            content = self._archive.read(self.names[number]) if self._archive else Path(place).read_bytes()
            return decode_picture(content, place, self._say_wide)

    def _say_wide(self, place: str) -> None:
        if not self._said_wide:
            self._said_wide = True
            warnings.warn(
                f"{place} has 16-bit colours, of which the upper 8 bits are read; to keep all bits, save the pictures "
                "as one .npy array",
                IsthmusWarning,
                stacklevel=2,
            )

    def look(self, number: int) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Return the shape and type of a picture from its header."""
        place = self.where(number)
        with (
            _reading(place),
            self._archive.open(self.names[number]) if self._archive else Path(place).open("rb") as file,
        ):
            return picture_looks(file, place)


def _place(path: str | os.PathLike[str]) -> Path | FileList:
    return existing(path) if is_url(path) else locate(path)


class ImageFolderSource(NumberedRows):
    """Pictures as rows, in the order of their names, read when they are asked for.

    Parameters
    ----------
    path : str, os.PathLike or FileList
        A folder or a ``.zip`` of pictures, including subfolders, one picture or a list of pictures. Links to folders
        are followed, each folder once. Hidden files and files with a suffix that is not in `PICTURES` are skipped.

    Notes
    -----
    All pictures must have the size and mode of the first; each is checked when it is read. Grey pictures have shape
    (height, width), colour pictures (height, width, 3). A palette becomes colours, black and white becomes 0 and 255,
    16-bit grey stays uint16, and an opaque alpha channel is dropped. Of 16-bit colours the upper 8 bits are read.
    Pictures are turned as their Exif orientation says. Of a phone's JPEG with further pictures (MPO), the first is
    read.

    Warns
    -----
    IsthmusWarning
        If a folder or an archive has pictures that Pillow cannot read, such as those of cameras (raw) and, without the
        package pillow-heif, HEIC, or if a picture has 16-bit colours.

    Raises
    ------
    MissingFileError
        If the path does not exist.
    InvalidDataError
        If there are no pictures, or one differs from the first, has transparent pixels, or has several frames.
    BrokenFileError
        If a picture or the archive is damaged.
    """

    def __init__(self, path: str | os.PathLike[str] | FileList) -> None:
        self._files = PictureFiles(path)
        self.path, self.names = self._files.path, self._files.names
        first = self._files.read(0)
        self.dtype: np.dtype[Any] = first.dtype
        self.schema: Schema = made_up_schema(first.size, first.dtype, first.shape)
        self.n_rows: int | None = len(self.names)

    def take(self, rows: NDArray[np.integer], out: NDArray[np.generic]) -> None:
        """Read the pictures numbered `rows`, in that order, into the first ``len(rows)`` rows of `out`."""
        self._check(rows)
        for place, row in enumerate(rows.tolist()):
            picture = self._files.read(row)
            if picture.shape != self.schema.image_shape or picture.dtype != self.dtype:
                raise InvalidDataError(
                    f"{self._files.where(row)} is {looks(picture.shape, picture.dtype)}, but {self.names[0]} is "
                    f"{looks(self.schema.image_shape or (), self.dtype)}; convert all to one size and mode"
                )
            out[place] = picture.reshape(-1)


def decode_picture(content: bytes, name: str, say_wide: Callable[[str], None] | None = None) -> NDArray[Any]:
    """Return the pixels of an encoded picture as (height, width) or (height, width, 3), turned upright.

    `say_wide` is called with the name of a picture of 16-bit colours, which Pillow reads as 8-bit ones.
    """
    from PIL import ImageOps

    with _reading(name), open_picture(io.BytesIO(content)) as image:
        _refuse_frames(image, name)
        if say_wide is not None and _has_wide_colours(image):
            say_wide(name)
        image.load()
        plain = _without_alpha(ImageOps.exif_transpose(image), name)
        mode = plain.mode
        if mode == "1":
            plain = plain.convert("L")
        elif mode not in _KEPT_MODES:
            plain = plain.convert("RGB")
        pixels = black_as_zero(np.asarray(plain), image)
        return pixels.astype(_type_of(mode, image.format), copy=False)


def black_as_zero(pixels: NDArray[Any], image: Any) -> NDArray[Any]:
    """Return the pixels of an image, inverted in a 16-bit TIFF whose white is 0: Pillow inverts those of 8 bits."""
    inverted = image.format == "TIFF" and image.mode.startswith("I;16") and image.tag_v2.get(_PHOTOMETRIC) == 0
    return 65535 - pixels if inverted else pixels


def _has_wide_colours(image: Any) -> bool:
    """Whether an image of which the header has been read has more than 8 bits in each of several channels."""
    if image.mode not in ("LA", "RGB", "RGBA", "CMYK") or not image.tile:
        return False
    layout = image.tile[0].args
    if image.format == "PPM":
        return isinstance(layout, tuple) and layout[-1] > 255
    return ";16" in (layout if isinstance(layout, str) else str(layout))


def picture_looks(file: IO[bytes], name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return the shape and type of the pixels that `decode_picture` returns, from the header of an open file."""
    with _reading(name), open_picture(file) as image:
        _refuse_frames(image, name)
        colour = image.mode not in (*_GREY_MODES, *_KEPT_MODES) or image.mode == "RGB"
        shape = (image.width, image.height) if _is_turned(image, file) else (image.height, image.width)
        return ((*shape, 3) if colour else shape), _type_of(image.mode, image.format)


def luminance(picture: NDArray[Any]) -> NDArray[Any]:
    """Return a colour picture (height, width, 3) as grey (height, width), of the same type, by Rec. ITU-R BT.601.

    uint8 is computed in 16-bit fixed point, as by Pillow; other integers are rounded.
    """
    if picture.dtype == np.uint8:
        red, green, blue = (picture[..., channel].astype(np.uint32) for channel in range(3))
        return ((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16).astype(np.uint8)
    grey = picture.astype(np.float64) @ [0.299, 0.587, 0.114]
    return (grey if picture.dtype.kind == "f" else np.rint(grey)).astype(picture.dtype)


def open_picture(file: IO[bytes]) -> Any:
    """Open a picture with Pillow, which reads its header; HEIF with the package pillow-heif, if it is installed."""
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(file)
    except UnidentifiedImageError:
        if "HEIF" in Image.OPEN or not has_plugin("HEIF"):
            raise
        file.seek(0)
        return Image.open(file)


def has_plugin(format: str) -> bool:
    """Whether Pillow can read a format for which it may have no plugin."""
    from PIL import Image

    Image.init()
    if format == "HEIF" and format not in Image.OPEN and find_spec("pillow_heif"):
        import_module("pillow_heif").register_heif_opener()
    return format in Image.OPEN


def is_supported(name: str) -> bool:
    """Whether Pillow has a plugin for a picture's suffix, if it is one of those that need one."""
    lower = name.lower()
    return not lower.endswith((*HEIF, ".avif")) or has_plugin("AVIF" if lower.endswith(".avif") else "HEIF")


def _is_readable(name: str) -> bool:
    return name.lower().endswith(PICTURES) and is_supported(name)


def remedy(name: str) -> str:
    """Return what to do with a picture that Pillow cannot read."""
    if name.lower().endswith(HEIF):
        return "install pillow-heif, or convert to JPEG or PNG"
    return "install a newer Pillow" if name.lower().endswith(".avif") else "convert to TIFF, PNG or JPEG"


def _is_turned(image: Any, file: IO[bytes]) -> bool:
    """Whether an orientation exchanges width and height; Pillow's size of a TIFF is that of the turned picture."""
    if image.format == "TIFF":
        return False
    if image.format == "PNG" and not _EXIF_KEYS & set(image.info):
        # Pillow would decode the pixels to look for metadata behind them.
        place = file.tell()
        file.seek(0)
        has_metadata = b"eXIf" in png_kinds(file)
        file.seek(place)
        if not has_metadata:
            return False
    return bool(image.getexif().get(_ORIENTATION, 1) > 4)


def png_kinds(file: IO[bytes]) -> set[bytes]:
    """Return the kinds of a PNG's chunks."""
    kinds = set()
    file.seek(8)
    while len(head := file.read(8)) == 8:
        kinds.add(head[4:])
        file.seek(int.from_bytes(head[:4], "big") + 4, os.SEEK_CUR)
    return kinds


def _type_of(mode: str, format: str | None) -> np.dtype[Any]:
    # Pillow holds 16-bit PGM as 32-bit integers.
    if mode.startswith("I;16") or (mode == "I" and format in ("PPM", "PNG")):
        return np.dtype(np.uint16)
    return np.dtype({"I": np.int32, "F": np.float32}.get(mode, np.uint8))


def _refuse_frames(image: Any, name: str) -> None:
    # Phones store a depth map or a brighter picture after the first one.
    if getattr(image, "is_animated", False) and image.format not in ("MPO", "HEIF"):
        raise InvalidDataError(f"{name} holds several frames; save each as a separate picture")


def _without_alpha(image: Any, name: str) -> Any:
    if not image.has_transparency_data:
        return image
    refusal = InvalidDataError(f"{name} has transparent pixels; flatten it onto a background colour first")
    if image.mode.startswith("I"):
        if (np.asarray(image) == image.info.get("transparency")).any():
            raise refusal
        return image
    grey = image.mode in ("L", "LA", "La")
    full = image.convert("LA" if grey else "RGBA")
    if full.getchannel("A").getextrema()[0] < 255:
        raise refusal
    return full.convert("L" if grey else "RGB")


def _hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def looks(shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
    """Return the size and kind of a picture in words."""
    return f"{shape[1]}x{shape[0]} {'grey' if len(shape) == 2 else 'colour'} {dtype}"


@contextmanager
def _reading(name: object) -> Iterator[None]:
    from PIL import Image

    try:
        yield
    except (IsthmusError, MemoryError):
        raise
    # Decoders raise many types of errors on damaged files, such as struct.error and SyntaxError.
    except Exception as error:
        if isinstance(error, Image.DecompressionBombError):
            raise InvalidDataError(f"{name} is too large to be one row: {one_line(error)}") from error
        message = "not a picture" if "cannot identify image" in str(error) else one_line(error)
        known = str(name).lower().endswith((*PICTURES, *OTHERS)) and not _is_readable(str(name))
        what_to_do = remedy(str(name)) if known else "replace or remove it"
        raise BrokenFileError(f"{name} cannot be read: {message}; {what_to_do}") from error


_PHOTOMETRIC, _ORIENTATION = 262, 274
_EXIF_KEYS = {"exif", "Raw profile type exif", "XML:com.adobe.xmp", "xmp"}
# Pictures of formats that Pillow cannot read: of cameras, and of other programs.
OTHERS = (
    *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".kdc", ".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf"),
    *(".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f", ".jxl", ".jxr", ".svg", ".xcf"),
)
_KEPT_MODES = ("L", "RGB", "I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_GREY_MODES = ("1", "L", "LA", "La")
_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
