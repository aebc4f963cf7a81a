import io

import numpy as np
import pytest
from PIL import Image, ImageFile

from encoded import (
    COLOUR,
    GREY,
    INKS,
    RNG,
    opened,
    rewritten,
    saved,
)


@pytest.mark.parametrize(("mode", "samples"), [("L", GREY), ("RGB", COLOUR), ("CMYK", INKS)])
@pytest.mark.parametrize("quality", [40, 97])
def test_a_jpeg_keeps_its_quality(tmp_path, mode, samples, quality):
    smooth = np.asarray(Image.fromarray(samples, mode).resize((64, 48), Image.Resampling.BICUBIC))
    content = saved(Image.fromarray(smooth, mode), "JPEG", quality=quality, subsampling=0, comment=b"a comment")
    _, target = rewritten(content, "photo.jpg", tmp_path)
    before, after = opened(tmp_path / "photo.jpg"), opened(target)
    assert (after.mode, after.size, after.quantization) == (before.mode, before.size, before.quantization)
    assert after.info["comment"] == b"a comment"
    # Encoded again with the same tables, nearly all coefficients are the same.
    assert np.abs(np.asarray(after).astype(int) - np.asarray(before)).mean() < 1


def test_a_jpeg_keeps_progression_and_sampling(tmp_path):
    smooth = Image.fromarray(COLOUR).resize((64, 48), Image.Resampling.BICUBIC)
    for sampling in (0, 1, 2):
        content = saved(smooth, "JPEG", progressive=True, subsampling=sampling)
        _, target = rewritten(content, "photo.jpg", tmp_path)
        after = opened(target)
        assert after.info.get("progressive")
        assert [part[1:3] for part in after.layer] == [part[1:3] for part in opened(tmp_path / "photo.jpg").layer]


def test_a_progressive_jpeg_of_noise_fits_the_buffer(tmp_path, monkeypatch):
    noise = Image.fromarray(RNG.integers(0, 256, (300, 400, 3), np.uint8))
    monkeypatch.setattr("PIL.ImageFile.MAXBLOCK", 10**7)
    content = saved(noise, "JPEG", progressive=True, quality=100, subsampling=0)
    monkeypatch.setattr("PIL.ImageFile.MAXBLOCK", 65536)
    _, target = rewritten(content, "noise.jpg", tmp_path)
    assert opened(target).info["progressive"]
    assert ImageFile.MAXBLOCK == 65536


def test_of_a_phones_jpeg_the_first_picture_is_kept(tmp_path):
    frames = [Image.fromarray(COLOUR).resize((32, 32)), Image.fromarray(COLOUR).resize((32, 32))]
    content = saved(frames[0], "MPO", save_all=True, append_images=frames[1:])
    assert Image.open(io.BytesIO(content)).n_frames == 2
    _, target = rewritten(content, "phone.jpg", tmp_path)
    after = opened(target)
    assert (after.format, after.size) == ("JPEG", (32, 32))


# The sampling of luma in a JPEG's header: 4:4:0, 4:1:1, 4:1:0, and one with more blue than luma.
@pytest.mark.parametrize("sampling", [(1, 2), (4, 1), (4, 2), (1, 4)])
def test_other_samplings_are_raised(tmp_path, sampling):
    content = bytearray(saved(Image.fromarray(COLOUR).resize((64, 64)), "JPEG", subsampling=0, quality=90))
    across, down = sampling
    start = content.index(b"\xff\xc0")
    # Blocks of luma and of colours alternate differently, so that the pixels are others; only the sampling matters.
    content[start + 11] = across << 4 | down
    content[start + 5 : start + 9] = (8 * down).to_bytes(2, "big") + (8 * across).to_bytes(2, "big")
    before = Image.open(io.BytesIO(bytes(content)))
    assert before.layer[0][1:3] == sampling
    _, target = rewritten(bytes(content), "photo.jpg", tmp_path, lambda values: 0.9 * values)
    after = opened(target)
    assert [part[1:3] for part in after.layer] == [(1, 1)] * 3
    assert after.size == before.size
