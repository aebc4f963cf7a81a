"""Encoding of PNG files of any depth with the metadata of the original.

Pillow cannot write 16-bit colours and drops most chunks.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ROWS_PER_BLOCK = 256


class Chunk(NamedTuple):
    """A chunk of a PNG file."""

    kind: bytes
    data: bytes

    def encoded(self) -> bytes:
        """Return the chunk with its length and checksum."""
        checksum = zlib.crc32(self.kind + self.data)
        return struct.pack(">I", len(self.data)) + self.kind + self.data + struct.pack(">I", checksum)


def chunks_of(content: bytes) -> Iterator[Chunk]:
    """Yield the chunks of a PNG file."""
    place = len(SIGNATURE)
    while place + 8 <= len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        yield Chunk(content[place + 4 : place + 8], content[place + 8 : place + 8 + length])
        place += length + 12


def bit_depth(content: bytes) -> int:
    """Return the bits of a sample, from a PNG file's header."""
    return content[24]


def encode_png(samples: NDArray[Any], before: list[Chunk], after: list[Chunk]) -> bytes:
    """Return a PNG file.

    Parameters
    ----------
    samples : numpy.ndarray of bool, uint8 or uint16, shape (height, width, 1 to 4)
        Grey, grey with alpha, RGB, RGB with alpha; bool with one channel only.
    before, after : list of Chunk
        Chunks to write before and after the pixels.

    Notes
    -----
    The filter of a row is the one with the least sum of absolute values (PNG specification, section 12.8).
    """
    height, width, n_channels = samples.shape
    header = struct.pack(">IIBBBBB", width, height, _bits(samples), _COLOUR_TYPES[n_channels], 0, 0, 0)
    chunks = [Chunk(b"IHDR", header), *before, Chunk(b"IDAT", _packed(samples)), *after, Chunk(b"IEND", b"")]
    return SIGNATURE + b"".join(chunk.encoded() for chunk in chunks)


def kept_chunks(content: bytes, samples: NDArray[Any]) -> tuple[list[Chunk], list[Chunk]]:
    """Return the chunks that are valid for new pixels, those before and those after the pixels."""
    before: list[Chunk] = []
    after: list[Chunk] = []
    side, same_type = before, False
    for chunk in chunks_of(content):
        if chunk.kind == b"IHDR":
            same_type = (chunk.data[8], chunk.data[9]) == (_bits(samples), _COLOUR_TYPES[samples.shape[2]])
        elif chunk.kind == b"IDAT":
            side = after
        elif chunk.kind in _KEPT or (same_type and chunk.kind in _KEPT_IF_SAME_TYPE) or _safe_to_copy(chunk.kind):
            side.append(chunk)
    return before, after


def _safe_to_copy(kind: bytes) -> bool:
    # In the name of an unknown chunk, a lower-case first letter marks it as optional and a lower-case fourth letter as
    # independent of the pixels (section 5.4).
    return kind not in _KNOWN and bool(kind[0] & 0x20) and bool(kind[3] & 0x20)


def _bits(samples: NDArray[Any]) -> int:
    return 1 if samples.dtype.kind == "b" else 8 * samples.dtype.itemsize


def _packed(samples: NDArray[Any]) -> bytes:
    compressor = zlib.compressobj(6)
    parts = []
    rows, step = _as_bytes(samples)
    above = np.zeros_like(rows[:1])
    for start in range(0, len(rows), _ROWS_PER_BLOCK):
        block = rows[start : start + _ROWS_PER_BLOCK]
        parts.append(compressor.compress(_filtered(block, np.concatenate([above, block[:-1]]), step).tobytes()))
        above = block[-1:]
    return b"".join([*parts, compressor.flush()])


def _as_bytes(samples: NDArray[Any]) -> tuple[NDArray[np.uint8], int]:
    """Return rows as bytes, and the number of bytes of a pixel."""
    if samples.dtype.kind == "b":
        return np.packbits(samples[..., 0], axis=1), 1
    wide = np.ascontiguousarray(samples, samples.dtype.newbyteorder(">"))
    return wide.reshape(len(wide), -1).view(np.uint8), samples.shape[2] * samples.dtype.itemsize


def _filtered(rows: NDArray[np.uint8], above: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    left, corner = np.zeros_like(rows), np.zeros_like(rows)
    left[:, step:], corner[:, step:] = rows[:, :-step], above[:, :-step]
    filters = {0: rows, 1: rows - left, 2: rows - above, 4: rows - _paeth(left, above, corner)}
    sums = [np.abs(values.view(np.int8).astype(np.int16)).sum(axis=1) for values in filters.values()]
    best = np.argmin(sums, axis=0)
    chosen = np.stack(list(filters.values()))[best, np.arange(len(rows))]
    return np.column_stack([np.array(list(filters), np.uint8)[best], chosen])


def _paeth(left: NDArray[np.uint8], above: NDArray[np.uint8], corner: NDArray[np.uint8]) -> NDArray[np.uint8]:
    a, b, c = (values.astype(np.int16) for values in (left, above, corner))
    to_a, to_b, to_c = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    nearest: NDArray[np.uint8] = np.where(
        (to_a <= to_b) & (to_a <= to_c), left, np.where(to_b <= to_c, above, corner)
    ).astype(np.uint8)
    return nearest


_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_KEPT = tuple(b"gAMA cHRM sRGB iCCP cICP mDCV cLLI pHYs tEXt zTXt iTXt eXIf tIME".split())
# Values in units of the samples.
_KEPT_IF_SAME_TYPE = (b"sBIT", b"bKGD")
_KNOWN = (*_KEPT, *_KEPT_IF_SAME_TYPE, b"PLTE", b"tRNS", b"hIST", b"acTL", b"fcTL", b"fdAT", b"sPLT")
