"""A hash of all rows of a source, by which a checkpoint recognises that a single row has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.data.sources.arrays import block_rows
from isthmus.data.sources.base import Source
from isthmus.data.sources.images import ImageFolderSource
from isthmus.data.sources.places import local_files

_BITS = 128
_READ = 1 << 20


def content_sum(source: Source, part: int = 0, parts: int = 1) -> int:
    """Return one share of a hash of all rows; the shares add up, modulo 2**128, to that of one process.

    Rows are hashed in pieces of about 8 MB, each with its number, so the sum does not depend on the number of shares
    or on how the rows are divided into files. Pictures are hashed as files: decoding takes ten times as long.

    Parameters
    ----------
    source : Source
        The rows, of known number.
    part, parts : int
        Which share, and how many there are.
    """
    if isinstance(source, ImageFolderSource):
        return _total(map(_of_file, local_files(source)[part::parts]))
    assert source.n_rows is not None
    step = block_rows(source.schema.n_features * source.dtype.itemsize)
    starts = range(part * step, source.n_rows, parts * step)
    return _total(_of_rows(source, start, start + step) for start in starts)


def add_sums(sums: list[int]) -> str:
    """Return the hash of all rows, as text, from the shares of all processes."""
    return f"{_total(iter(sums)):032x}"


def _total(numbers: Iterator[int]) -> int:
    return sum(numbers) % (1 << _BITS)


def _of_rows(source: Source, start: int, stop: int) -> int:
    digest = hashlib.blake2b(f"{start} {source.dtype.str} {source.schema.n_features}".encode(), digest_size=_BITS // 8)
    blocks = [block.values for block in source.blocks(start, stop)]
    rows = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
    for words, rest in _words(np.ascontiguousarray(rows)):
        digest.update(words)
        digest.update(rest)
    return int.from_bytes(digest.digest(), "little")


def _words(values: NDArray[Any]) -> Iterator[tuple[bytes, bytes]]:
    """Yield a 64-bit number for every 512 KB of an array and the bytes that fill no word.

    It is the sum of words times odd keys, modulo 2**64: a change of one word changes it for certain, and others do but
    for one in about 2**60. It takes a tenth of the time of BLAKE2 (Carter and Wegman, 1979).
    """
    content = values.reshape(-1).view(np.uint8)
    for start in range(0, len(content), 8 * len(_KEYS)):
        piece = content[start : start + 8 * len(_KEYS)]
        whole = len(piece) // 8
        words = piece[: 8 * whole].view(np.uint64)
        yield np.dot(words, _KEYS[:whole]).tobytes(), piece[8 * whole :].tobytes()


def _odd_keys(count: int) -> NDArray[np.uint64]:
    """Return well-mixed odd numbers (SplitMix64)."""
    state = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = (state ^ (state >> np.uint64(31))) | np.uint64(1)
    return mixed


_KEYS = _odd_keys(1 << 16)


def _of_file(path: Path) -> int:
    digest = hashlib.blake2b(path.name.encode(errors="surrogateescape"), digest_size=_BITS // 8)
    with path.open("rb") as file:
        while piece := file.read(_READ):
            digest.update(piece)
    return int.from_bytes(digest.digest(), "little")
