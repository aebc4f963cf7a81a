import struct
import zlib

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import PngImagePlugin

from encoded import BILEVEL, RNG, opened, palette, rewritten, saved
from isthmus.images.png import Chunk, bit_depth, chunks_of, encode_png


def test_chunks_that_are_still_valid_are_kept(tmp_path):
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Title", "a title")
    texts.add_itxt("Author", "Åsa", "sv")
    texts.add(b"gAMA", struct.pack(">I", 45455))
    texts.add(b"abCD", b"private, not to be copied")
    texts.add(b"abCd", b"private, safe to copy")
    content = saved(palette(3), "PNG", pnginfo=texts)
    _, target = rewritten(content, "a.png", tmp_path)
    kept = target.read_bytes()
    assert opened(target).text == {"Title": "a title", "Author": "Åsa"}
    assert opened(target).info["gamma"] == 0.45455
    assert b"abCdprivate, safe to copy" in kept
    assert not any(dropped in kept for dropped in (b"abCD", b"PLTE", b"tRNS"))


def unfiltered(content):
    """Decode rows with the formulas of the specification (section 9.2), byte by byte."""
    chunks = list(chunks_of(content))
    width, height, bits, kind = struct.unpack(">IIBB", chunks[0].data[:10])
    step = max(1, bits // 8 * {0: 1, 2: 3, 4: 2, 6: 4}[kind])
    length = -(-width * bits * {0: 1, 2: 3, 4: 2, 6: 4}[kind] // 8)
    raw = zlib.decompress(b"".join(chunk.data for chunk in chunks if chunk.kind == b"IDAT"))
    rows, above, filters = [], [0] * length, set()
    for start in range(0, len(raw), length + 1):
        method, line = raw[start], list(raw[start + 1 : start + 1 + length])
        filters.add(method)
        for i in range(length):
            a, c = (line[i - step], above[i - step]) if i >= step else (0, 0)
            b = above[i]
            nearest = min((a, b, c), key=lambda value, p=a + b - c: abs(p - value))
            line[i] = (line[i] + {0: 0, 1: a, 2: b, 4: nearest}[method]) % 256
        rows.append(line)
        above = line
    assert len(rows) == height
    return np.array(rows, np.uint8), filters


@pytest.mark.parametrize("n_channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_filters_are_reversible(n_channels, dtype):
    ramp = np.add.outer(np.arange(300) * 7, np.arange(23) * 5)[..., None] * np.arange(1, n_channels + 1)
    samples = np.concatenate([ramp, ramp[:, ::-1], RNG.integers(0, 9, ramp.shape)]).astype(f">{dtype}")
    rows, filters = unfiltered(encode_png(samples.astype(dtype), [], []))
    assert_array_equal(rows, samples.reshape(len(samples), -1).view(np.uint8))
    assert len(filters) >= 2


def test_black_and_white_has_one_bit():
    content = encode_png(BILEVEL[..., None], [], [])
    assert bit_depth(content) == 1
    assert_array_equal(unfiltered(content)[0], np.packbits(BILEVEL, axis=1))


def test_chunks_have_checksums():
    # The last chunk of each file, as printed in the specification.
    assert Chunk(b"IEND", b"").encoded() == bytes.fromhex("00000000 49454e44 ae426082")
