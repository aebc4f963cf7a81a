import struct
import warnings

import numpy as np
import pytest
from PIL import Image

from encoded import COLOUR, EXACT, GREY, RNG, frames_of, npy, png, saved, tiff_of
from isthmus.core.errors import BrokenFileError, InvalidDataError, IsthmusError
from isthmus.images.files import read_picture

BROKEN = {
    "text.png": (b"some text", BrokenFileError, "not a picture"),
    "empty.jpg": (b"", BrokenFileError, "empty.jpg is empty; replace or remove it"),
    "cut.png": (EXACT["colour.png"][0][:300], BrokenFileError, "cut.png cannot be read: .*replace or remove it"),
    "cut16.png": (EXACT["colour16.png"][0][:300], BrokenFileError, "cut16.png cannot be read"),
    "cut.jpg": (saved(COLOUR, "JPEG")[:400], BrokenFileError, "cut.jpg cannot be read: .*[Tt]runcated"),
    "cut.tif": (saved(GREY, "TIFF")[:200], BrokenFileError, "cut.tif cannot be read"),
    "cut.npy": (EXACT["grey.npy"][0][:200], BrokenFileError, "cut.npy cannot be read"),
    "moving.gif": (frames_of("GIF"), InvalidDataError, "moving.gif has 2 frames; save each"),
    "moving.webp": (frames_of("WEBP"), InvalidDataError, "has 2 frames"),
    "moving.png": (frames_of("PNG"), InvalidDataError, "has 2 frames"),
    "pages.tif": (frames_of("TIFF"), InvalidDataError, "has 2 frames"),
    "lab.tif": (saved(Image.fromarray(COLOUR, "LAB"), "TIFF"), InvalidDataError, "mode LAB, which is not supported"),
    "signed.tif": (tiff_of(GREY[..., None].view(np.int8), 1), InvalidDataError, "signed.tif has signed pixels"),
    "integers.tif": (tiff_of(GREY[..., None].astype(np.uint32), 1), InvalidDataError, "mode I, which is not supported"),
    "colour-floats.tif": (tiff_of(COLOUR / np.float32(9), 2), BrokenFileError, "not a picture of a supported format"),
    "long.npy": (npy(np.zeros((3, 3), np.int64)), InvalidDataError, "has type int64"),
    "line.npy": (npy(np.zeros(3)), InvalidDataError, r"has shape \(3,\)"),
    "objects.npy": (npy(np.array([[None]])), BrokenFileError, "objects.npy cannot be read"),
    "text.npy": (b"\x93NUMPY\x01\0nonsense", BrokenFileError, "text.npy cannot be read"),
    "drawing.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", BrokenFileError, "not a picture"),
    "bomb.png": (png(np.zeros((1, 1), np.uint8), 0, 8).replace(
        struct.pack(">II", 1, 1), struct.pack(">II", 60000, 60000)), BrokenFileError, "bomb.png"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_raise_a_one_line_error(tmp_path, name):
    content, error, match = BROKEN[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=match) as caught:
        read_picture(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_pictures_past_pillows_limit(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(InvalidDataError, match=r"big.png is too large: .*; cut it into parts"):
        read_picture(EXACT["grey.png"][0], "big.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_picture(EXACT["grey.png"][0]).values.shape == (19, 13)


def test_damaged_files_are_read_or_raise_a_one_line_error():
    for name in ("colour.png", "colour16.tif", "palette.gif", "grey.bmp"):
        content = bytearray(EXACT[name][0])
        for place in RNG.integers(0, len(content), 60):
            damaged = content.copy()
            damaged[place] ^= 0x55
            try:
                read_picture(bytes(damaged), name)
            except IsthmusError as error:
                assert "\n" not in str(error)
