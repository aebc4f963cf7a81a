"""Decoding of picture files to samples of the stored depth."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import BrokenFileError, InvalidDataError, IsthmusError
from isthmus.data.formats import HEIF
from isthmus.data.sources.arrays import one_line
from isthmus.data.sources.images import black_as_zero, has_plugin, remedy
from isthmus.images.picture import Picture, to_floats
from isthmus.images.png import bit_depth


def decode(content: bytes, name: str) -> Picture:
    """Return the picture in a file's content; `name` is for error messages. See `read_picture`."""
    with converting(lambda error: _unreadable(name, error)):
        if not content:
            raise BrokenFileError(f"{name} is empty; replace or remove it")
        return _of_array(content, name) if content.startswith(_NPY) else _of_image(content, name)


def open_image(content: bytes) -> Any:
    """Return Pillow's image, of which only the header has been read."""
    from PIL import Image

    Image.init()
    if content[4:8] == b"ftyp":
        has_plugin("HEIF")
    return Image.open(io.BytesIO(content), formats=[name for name in _FORMATS if name in Image.OPEN])


@contextmanager
def converting(failure: Callable[[Exception], IsthmusError]) -> Iterator[None]:
    """Hide Pillow's warnings, and raise `failure` of any exception that is not an IsthmusError or a MemoryError."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of half its maximum size, and of unusual metadata.
            warnings.simplefilter("ignore")
            yield
    except (IsthmusError, MemoryError):
        raise
    # For damaged files, unusual metadata and sizes beyond a format's limit, Pillow raises any exception, for example
    # struct.error or SyntaxError.
    except Exception as error:
        raise failure(error) from error


def _unreadable(name: str, error: Exception) -> IsthmusError:
    from PIL import Image

    if isinstance(error, Image.DecompressionBombError):
        return InvalidDataError(f"{name} is too large: {one_line(error)}; cut it into parts")
    message = "it is not a picture of a supported format" if "cannot identify" in str(error) else one_line(error)
    is_heif = name.lower().endswith(HEIF) and not has_plugin("HEIF")
    return BrokenFileError(f"{name} cannot be read: {message}; {remedy(name) if is_heif else 'replace or remove it'}")


def _of_array(content: bytes, name: str) -> Picture:
    array: NDArray[Any] = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    if array.ndim not in (2, 3) or not array.size or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise InvalidDataError(f"{name} has shape {array.shape}; it must be (height, width[, 1, 3 or 4 channels])")
    if array.dtype.kind not in "bf" and array.dtype.newbyteorder("=") not in (np.uint8, np.uint16):
        raise InvalidDataError(f"{name} has type {array.dtype}; it must be bool, uint8, uint16 or a float")
    return _picture(array, array.ndim == 3 and array.shape[2] == 4, "NPY", content, name)


def _of_image(content: bytes, name: str) -> Picture:
    image = open_image(content)
    format = image.format
    # Phones store a depth map or a brighter picture after the first one.
    if getattr(image, "n_frames", 1) > 1 and format not in ("MPO", "HEIF"):
        raise InvalidDataError(f"{name} has {image.n_frames} frames; save each as a separate file")
    if format in ("AVIF", "HEIF") and (bits := _bits_of_boxes(content)) > 8:
        raise InvalidDataError(
            f"{name} has {bits} bits, of which Pillow reads 8; convert it to a PNG or TIFF of 16 bits"
        )
    if _bits(image, content) > 8 and image.mode in _COLOUR_MODES:
        samples = _wide_samples(image, content, name)
        has_alpha = samples.shape[2] == 2 or image.mode == "RGBA"
        if isinstance(key := image.info.get("transparency"), tuple):
            return _picture(_keyed(samples, key), True, format, content, name)
    else:
        samples, has_alpha = _plain_samples(image, name)
    return _picture(samples, has_alpha, format, content, name)


def _picture(samples: NDArray[Any], has_alpha: bool, format: str, content: bytes, name: str) -> Picture:
    alpha = samples[..., -1] if has_alpha else None
    colours = samples[..., :-1] if has_alpha else samples
    if colours.ndim == 3 and colours.shape[2] == 1:
        colours = colours[..., 0]
    return Picture(to_floats(colours), alpha, samples.dtype.newbyteorder("="), format, content, name)


def _plain_samples(image: Any, name: str) -> tuple[NDArray[Any], bool]:
    """Return samples that Pillow reads without loss (height, width[, n_channels]), and whether the last is alpha."""
    key = image.info.get("transparency")
    image.load()
    if image.mode in ("P", "PA"):
        return _of_palette(image)
    if key is not None and image.mode in _WITH_ALPHA:
        image = image.convert(_WITH_ALPHA[image.mode])
    if image.mode == "I" and image.format == "PPM":
        return np.asarray(image).astype(np.uint16), False
    if image.format == "TIFF" and 2 in image.tag_v2.get(_SAMPLE_FORMAT, ()):
        raise InvalidDataError(f"{name} has signed pixels, which are not supported; convert it to grey or RGB")
    if image.mode not in _READ_MODES:
        raise InvalidDataError(
            f"{name} has pixels of mode {image.mode}, which is not supported; convert it to grey or RGB"
        )
    samples = black_as_zero(np.asarray(image), image)
    if key is not None and samples.dtype.kind == "u" and samples.itemsize == 2:
        return _keyed(samples[..., None], (key,)), True
    return samples, image.mode in ("LA", "RGBA")


def _of_palette(image: Any) -> tuple[NDArray[Any], bool]:
    """Return colours, or greys if the palette has only greys."""
    has_alpha = image.has_transparency_data
    samples = np.asarray(image.convert("RGBA" if has_alpha else "RGB"))
    if (samples[..., :1] == samples[..., 1:3]).all():
        samples = samples[..., 2:]
    return samples, has_alpha


def _keyed(samples: NDArray[Any], key: tuple[int, ...]) -> NDArray[Any]:
    """Add an alpha channel that is 0 for pixels of the transparent colour."""
    opaque = (samples != np.array(key)).any(axis=-1, keepdims=True)
    return np.concatenate([samples, opaque * samples.dtype.type(np.iinfo(samples.dtype).max)], axis=-1)


def _bits(image: Any, content: bytes) -> int:
    if image.format == "PNG":
        return bit_depth(content)
    if image.format == "TIFF":
        return int(max(image.tag_v2.get(258, (1,))))
    if image.format == "PPM" and image.tile[0].codec_name.startswith("ppm"):
        return int(image.tile[0].args[-1]).bit_length()
    return 8


def _bits_of_boxes(content: bytes) -> int:
    """Return the largest number of bits in a pixel information property (ISO/IEC 23008-12, 6.5.6)."""
    bits, place = 8, content.find(b"pixi", 0, 1 << 16)
    while place >= 0:
        n_channels = content[place + 8] if place + 8 < len(content) else 0
        bits = max([bits, *content[place + 9 : place + 9 + min(n_channels, 4)]])
        place = content.find(b"pixi", place + 4, 1 << 16)
    return bits


def _wide_samples(image: Any, content: bytes, name: str) -> NDArray[Any]:
    """Return 16-bit colours: Pillow reads their upper bytes and, with the other byte order, their lower ones."""
    tile = image.tile[0]
    if image.format == "PPM" and tile.codec_name == "ppm":
        raw = np.frombuffer(content, ">u2", image.height * image.width * 3, tile.offset)
        scaled: NDArray[Any] = np.rint(raw * (65535 / tile.args[1])).astype(np.uint16)
        return scaled.reshape(image.height, image.width, 3)
    layout = tile.args if isinstance(tile.args, str) else tile.args[0]
    if layout == "LA;16B":
        halves = np.asarray(_decoded(content, "RGBA"))
        return _joined(halves[..., ::2], halves[..., 1::2])
    if len(layout) < 3 or layout[:-1] != f"{image.mode};16":
        raise InvalidDataError(f"{name} has 16-bit colours in an unsupported layout; save it as PNG or with 8 bits")
    upper = np.asarray(_decoded(content, layout))
    lower = np.asarray(_decoded(content, layout[:-1] + _OPPOSITE_ORDER[layout[-1]]))
    return _joined(upper, lower)


def _joined(upper: NDArray[Any], lower: NDArray[Any]) -> NDArray[np.uint16]:
    return (upper.astype(np.uint16) << np.uint16(8)) | lower.astype(np.uint16)


def _decoded(content: bytes, layout: str) -> Any:
    image = open_image(content)
    image.tile = [
        tile._replace(args=layout if isinstance(tile.args, str) else (layout, *tile.args[1:])) for tile in image.tile
    ]
    image.load()
    return image


_SAMPLE_FORMAT = 339
_NPY = b"\x93NUMPY"
# For others, such as PostScript, Pillow would start external programs.
_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM", "AVIF", "HEIF")
_COLOUR_MODES = ("RGB", "RGBA", "CMYK")
_READ_MODES = ("1", "L", "LA", "RGB", "RGBA", "CMYK", "I;16", "I;16B", "I;16L", "I;16N", "F")
_WITH_ALPHA = {"1": "LA", "L": "LA", "RGB": "RGBA"}
_OPPOSITE_ORDER = {"B": "L", "L": "B", "N": "B" if np.little_endian else "L"}
