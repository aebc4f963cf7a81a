"""Encoding of JPEG files with the quality and metadata of the original."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

_QUALITY = 95  # if the original was not a JPEG


def encode_jpeg(samples: NDArray[Any], original: Any, content: bytes, metadata: dict[str, Any]) -> bytes:
    """Return a JPEG file.

    Parameters
    ----------
    samples : numpy.ndarray of uint8, shape (height, width, 1, 3 or 4)
        Grey, RGB or CMYK.
    original : PIL.JpegImagePlugin.JpegImageFile or None
        The original, if it was a JPEG; its quantisation tables are used, so the quality is the same, and its sampling
        of colours, or none where Pillow cannot write it.
    content : bytes
        The content of the original file.
    metadata : dict
        Pillow's options for the metadata if the original was not a JPEG.
    """
    from PIL import Image, JpegImagePlugin

    file = io.BytesIO()
    image = Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples, _MODES[samples.shape[2]])
    if original is None:
        image.save(file, "JPEG", quality=_QUALITY, subsampling=0, **metadata)
        return file.getvalue()
    options: dict[str, Any] = {"qtables": original.quantization, "progressive": "progressive" in original.info}
    if samples.shape[2] == 3:
        # Pillow cannot write others, such as 4:4:0 and 4:1:1; they become 4:4:4, since its default has less colour.
        options["subsampling"] = max(JpegImagePlugin.get_sampling(original), 0)
    with _buffer_for(samples.nbytes):
        image.save(file, "JPEG", **options)
    coded = file.getvalue()
    first = _jfif(coded)
    return coded[:2] + (_jfif(content) or first) + b"".join(kept_segments(content)) + coded[2 + len(first) :]


@contextlib.contextmanager
def _buffer_for(n_bytes: int) -> Iterator[None]:
    """Enlarge Pillow's buffer, which is too small for a progressive file of a very noisy picture."""
    from PIL import ImageFile

    before = ImageFile.MAXBLOCK
    ImageFile.MAXBLOCK = max(before, 2 * n_bytes)
    try:
        yield
    finally:
        ImageFile.MAXBLOCK = before


def segments_of(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each segment before the pixels: its marker, and its bytes with marker and length."""
    place = 2
    while content[place : place + 1] == b"\xff" and place + 4 <= len(content):
        marker = content[place + 1]
        if marker == 0xFF:  # padding
            place += 1
            continue
        if marker == 0xDA:
            return
        end = place + 2 + int.from_bytes(content[place + 2 : place + 4], "big")
        yield marker, content[place:end]
        place = end


def kept_segments(content: bytes) -> list[bytes]:
    """Return the segments of metadata: Exif, colour profile, captions and comments, not of the coding."""
    return [
        segment
        for marker, segment in segments_of(content)
        if (0xE1 <= marker <= 0xEF and marker != 0xEE and not segment[4:].startswith(b"MPF\0")) or marker == 0xFE
    ]


def _jfif(content: bytes) -> bytes:
    """Return the JFIF segment, which is the first one, or nothing."""
    return next((segment for marker, segment in segments_of(content) if marker == 0xE0), b"")


_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
