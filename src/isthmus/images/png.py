"""PNG files of any depth, with everything a file said beside its pixels.

Pillow writes no colours of 16 bits and forgets most chunks, hence the few lines here.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ROWS_AT_ONCE = 256


class Chunk(NamedTuple):
    """A named piece of a PNG file."""

    kind: bytes
    data: bytes

    def encoded(self) -> bytes:
        """Return the piece with its length and check sum."""
        check = zlib.crc32(self.kind + self.data)
        return struct.pack(">I", len(self.data)) + self.kind + self.data + struct.pack(">I", check)


def chunks_of(content: bytes) -> Iterator[Chunk]:
    """Yield the chunks of a PNG file."""
    place = len(SIGNATURE)
    while place + 8 <= len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        yield Chunk(content[place + 4 : place + 8], content[place + 8 : place + 8 + length])
        place += length + 12


def bit_depth(content: bytes) -> int:
    """Return the bits of a sample that the head of a PNG file tells."""
    return content[24]


def encode_png(samples: NDArray[Any], before: list[Chunk], after: list[Chunk]) -> bytes:
    """Return a PNG file.

    Parameters
    ----------
    samples : numpy.ndarray of bool, uint8 or uint16, shape (height, width, 1 to 4)
        Grey, grey with alpha, colours, colours with alpha; bool only alone.
    before, after : list of Chunk
        What is to stand before and after the pixels.

    Notes
    -----
    The filter of a row is the one with the least sum of absolute values (PNG specification, section 12.8).
    """
    height, width, n_channels = samples.shape
    bits = {"b": 1, "u": 8 * samples.dtype.itemsize}[samples.dtype.kind]
    head = struct.pack(">IIBBBBB", width, height, bits, _COLOUR_TYPES[n_channels], 0, 0, 0)
    pieces = [Chunk(b"IHDR", head), *before, Chunk(b"IDAT", _packed(samples)), *after, Chunk(b"IEND", b"")]
    return SIGNATURE + b"".join(piece.encoded() for piece in pieces)


def kept_chunks(content: bytes, samples: NDArray[Any]) -> tuple[list[Chunk], list[Chunk]]:
    """Return the chunks that still hold of other pixels, those before the old ones and those after them."""
    before: list[Chunk] = []
    after: list[Chunk] = []
    side, same_kind = before, False
    for chunk in chunks_of(content):
        if chunk.kind == b"IHDR":
            bits = 1 if samples.dtype.kind == "b" else 8 * samples.dtype.itemsize
            same_kind = (chunk.data[8], chunk.data[9]) == (bits, _COLOUR_TYPES[samples.shape[2]])
        elif chunk.kind == b"IDAT":
            side = after
        elif chunk.kind in _KEPT or (same_kind and chunk.kind in _KEPT_IN_KIND) or _safe_to_copy(chunk.kind):
            side.append(chunk)
    return before, after


def _safe_to_copy(kind: bytes) -> bool:
    # Of chunks that nobody here knows, a small first letter says that they may be left out, a small fourth one that
    # they do not depend on the pixels (section 5.4).
    return kind not in _TOLD_OTHERWISE and bool(kind[0] & 0x20) and bool(kind[3] & 0x20)


def _packed(samples: NDArray[Any]) -> bytes:
    compressor = zlib.compressobj(6)
    parts = []
    rows, step = _as_bytes(samples)
    above = np.zeros_like(rows[:1])
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        block = rows[start : start + _ROWS_AT_ONCE]
        parts.append(compressor.compress(_filtered(block, np.concatenate([above, block[:-1]]), step).tobytes()))
        above = block[-1:]
    return b"".join([*parts, compressor.flush()])


def _as_bytes(samples: NDArray[Any]) -> tuple[NDArray[np.uint8], int]:
    """Return rows as bytes, and how many bytes to the left the same byte of the next pixel is."""
    if samples.dtype.kind == "b":
        return np.packbits(samples[..., 0], axis=1), 1
    wide = np.ascontiguousarray(samples, samples.dtype.newbyteorder(">"))
    return wide.reshape(len(wide), -1).view(np.uint8), samples.shape[2] * samples.dtype.itemsize


def _filtered(rows: NDArray[np.uint8], above: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    left, corner = np.zeros_like(rows), np.zeros_like(rows)
    left[:, step:], corner[:, step:] = rows[:, :-step], above[:, :-step]
    tried = {0: rows, 1: rows - left, 2: rows - above, 4: rows - _paeth(left, above, corner)}
    costs = [np.abs(values.view(np.int8).astype(np.int16)).sum(axis=1) for values in tried.values()]
    best = np.argmin(costs, axis=0)
    chosen = np.stack(list(tried.values()))[best, np.arange(len(rows))]
    return np.column_stack([np.array(list(tried), np.uint8)[best], chosen])


def _paeth(left: NDArray[np.uint8], above: NDArray[np.uint8], corner: NDArray[np.uint8]) -> NDArray[np.uint8]:
    a, b, c = (values.astype(np.int16) for values in (left, above, corner))
    to_a, to_b, to_c = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    nearest: NDArray[np.uint8] = np.where(
        (to_a <= to_b) & (to_a <= to_c), left, np.where(to_b <= to_c, above, corner)
    ).astype(np.uint8)
    return nearest


_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_KEPT = (
    b"gAMA",
    b"cHRM",
    b"sRGB",
    b"iCCP",
    b"cICP",
    b"mDCV",
    b"cLLI",
    b"pHYs",
    b"tEXt",
    b"zTXt",
    b"iTXt",
    b"eXIf",
    b"tIME",
)
# What speaks in units of the samples.
_KEPT_IN_KIND = (b"sBIT", b"bKGD")
_TOLD_OTHERWISE = (*_KEPT, *_KEPT_IN_KIND, b"PLTE", b"tRNS", b"hIST", b"acTL", b"fcTL", b"fdAT", b"sPLT")
