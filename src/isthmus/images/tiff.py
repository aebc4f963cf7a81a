"""Encoding of TIFF files of any depth with the metadata of the original.

Pillow cannot write 16-bit colours; its directories are used for the rest.
"""

from __future__ import annotations

import functools
import io
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DEFLATE = 8
_DIFFERENCES, _PLAIN = 2, 1


def encode_tiff(samples: NDArray[Any], n_colours: int, original: Any, metadata: dict[str, Any]) -> bytes:
    """Return a TIFF file of one strip, compressed with deflate if the original was compressed or not a TIFF.

    Parameters
    ----------
    samples : numpy.ndarray of bool, uint8, uint16 or float, shape (height, width, n_channels)
        Colours, and alpha if there is one more channel; bool with one channel only.
    n_colours : {1, 3, 4}
        Grey, RGB or CMYK.
    original : PIL.TiffImagePlugin.TiffImageFile or None
        The original, if it was a TIFF; its tags are kept.
    metadata : dict
        ``icc_profile`` and ``dpi`` if the original was not a TIFF.
    """
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    numbers = _tag_numbers()
    height, width, n_channels = samples.shape
    compressed = original is None or original.tag_v2.get(numbers["Compression"], _PLAIN) != _PLAIN
    data, is_differences = _packed(samples, compressed)
    # Pillow's directories are little-endian by default.
    directory = ImageFileDirectory_v2()
    _copy_tags(original, directory, metadata)
    bits = 1 if samples.dtype.kind == "b" else 8 * samples.dtype.itemsize
    tags: dict[str, Any] = {
        "ImageWidth": width,
        "ImageLength": height,
        "BitsPerSample": (bits,) * n_channels,
        "Compression": _DEFLATE if compressed else _PLAIN,
        "PhotometricInterpretation": {1: 1, 3: 2, 4: 5}[n_colours],
        "SamplesPerPixel": n_channels,
        "RowsPerStrip": height,
        "StripOffsets": 0,  # Pillow adds the directory's end
        "StripByteCounts": len(data),
        "PlanarConfiguration": 1,
    }
    if samples.dtype.kind == "f":
        tags["SampleFormat"] = (3,) * n_channels
        if original is not None:  # floats are unchanged, also if 0 is white
            tags["PhotometricInterpretation"] = original.tag_v2[numbers["PhotometricInterpretation"]]
    if n_channels > n_colours:
        tags["ExtraSamples"] = (2,)  # unassociated alpha
    if is_differences:
        tags["Predictor"] = _DIFFERENCES
    for name, value in tags.items():
        directory[numbers[name]] = value
    file = io.BytesIO()
    directory.save(file)
    return file.getvalue() + data


def _packed(samples: NDArray[Any], compressed: bool) -> tuple[bytes, bool]:
    """Return the pixels as bytes, and whether they are differences between pixels, which compress better."""
    if samples.dtype.kind == "b":
        rows: NDArray[Any] = np.packbits(samples[..., 0], axis=1)
        return (zlib.compress(rows.tobytes()) if compressed else rows.tobytes()), False
    little = samples.astype(samples.dtype.newbyteorder("<"))
    if not compressed:
        return little.tobytes(), False
    if little.dtype.kind == "f":
        return zlib.compress(little.tobytes()), False
    little[:, 1:] -= little[:, :-1].copy()
    return zlib.compress(little.tobytes()), True


@functools.cache
def _tag_numbers() -> dict[str, int]:
    from PIL.TiffTags import TAGS_V2

    return {tag.name: number for number, tag in TAGS_V2.items()}


def _copy_tags(original: Any, directory: Any, metadata: dict[str, Any]) -> None:
    if original is None:
        numbers = _tag_numbers()
        if metadata.get("icc_profile"):
            directory[numbers["ICCProfile"]] = metadata["icc_profile"]
        for name, value in zip(("XResolution", "YResolution"), metadata.get("dpi", ()), strict=False):
            directory[numbers[name]] = value
            directory[numbers["ResolutionUnit"]] = 2
        return
    for tag, value in original.tag_v2.items():
        if tag in _NOT_COPIED:
            continue
        if tag in _DIRECTORIES:
            directory.tagtype[tag] = 4
            value = dict(original.getexif().get_ifd(tag))
        else:
            directory.tagtype[tag] = original.tag_v2.tagtype[tag]
        directory[tag] = value


# Tags that are written again; then bit order, orientation (Pillow applied it), minimum and maximum, fax options, colour
# map, tiles, ink set, more directories, JPEG tables, YCbCr.
_NOT_COPIED = {
    *(256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 317, 338, 339),
    *(266, 274, 280, 281, 288, 289, 292, 293, 320, 322, 323, 324, 325, 330, 332, 340, 341, 347, 529, 530, 531, 532),
    *range(512, 522),
}
_DIRECTORIES = (34665, 34853)  # Exif and GPS
