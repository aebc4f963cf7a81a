"""JPEG files: coded as finely as the file they come from, with everything it said beside its pixels."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

_QUALITY = 95  # where the picture was no JPEG before


def encode_jpeg(samples: NDArray[Any], original: Any, content: bytes, described: dict[str, Any]) -> bytes:
    """Return a JPEG file.

    Parameters
    ----------
    samples : numpy.ndarray of uint8, shape (height, width, 1, 3 or 4)
        Grey, colours, or four inks.
    original : PIL.JpegImagePlugin.JpegImageFile or None
        The picture as it was opened, if it was a JPEG: its tables of quantisation are used again, so quality stays.
    content : bytes
        The file it was opened from.
    described : dict
        What Pillow is to say of the picture where that was no JPEG.
    """
    from PIL import Image, JpegImagePlugin

    file = io.BytesIO()
    image = Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples, _MODES[samples.shape[2]])
    if original is None:
        image.save(file, "JPEG", quality=_QUALITY, subsampling=0, **described)
        return file.getvalue()
    options: dict[str, Any] = {"qtables": original.quantization, "progressive": "progressive" in original.info}
    sampling = JpegImagePlugin.get_sampling(original)
    if sampling != -1 and samples.shape[2] == 3:
        options["subsampling"] = sampling
    with _room_for(samples.nbytes):
        image.save(file, "JPEG", **options)
    coded = file.getvalue()
    head = 2 + _lengths(coded).get(0xE0, 0)  # JFIF's own segment comes first
    own = next((piece for marker, piece in segments_of(content) if marker == 0xE0), coded[2:head])
    return coded[:2] + own + b"".join(kept_segments(content)) + coded[head:]


@contextlib.contextmanager
def _room_for(n_bytes: int) -> Iterator[None]:
    """Let Pillow hold a whole progressive file: it sets aside too little for a picture that is mostly noise."""
    from PIL import ImageFile

    before = ImageFile.MAXBLOCK
    ImageFile.MAXBLOCK = max(before, 2 * n_bytes)
    try:
        yield
    finally:
        ImageFile.MAXBLOCK = before


def segments_of(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the marker and the bytes, marker and length among them, of each segment before the pixels."""
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
    """Return Exif, colour profile, captions and comments, all but what tells of the coding or of further pictures."""
    return [
        piece
        for marker, piece in segments_of(content)
        if (0xE1 <= marker <= 0xEF and marker != 0xEE and not piece[4:].startswith(b"MPF\0")) or marker == 0xFE
    ]


def _lengths(content: bytes) -> dict[int, int]:
    return {marker: len(piece) for marker, piece in segments_of(content)}


_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
