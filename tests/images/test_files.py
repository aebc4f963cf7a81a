from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from encoded import COLOUR, EXACT, GREY, MODE_AFTER, RNG, opened, rewritten, saved, with_alpha
from isthmus.core.errors import BrokenFileError, InvalidDataError, MissingFileError, UnwritableError
from isthmus.images.files import read_picture, write_picture


def all_samples(picture):
    largest = {"b": 1, "u": 2 ** (8 * picture.dtype.itemsize) - 1, "f": 1}[picture.dtype.kind]
    values = picture.values.astype(np.float64) * largest
    values = values if picture.dtype.kind == "f" else np.rint(values)
    return values if picture.alpha is None else with_alpha(values, picture.alpha)


@pytest.mark.parametrize("name", EXACT)
def test_unchanged_pixels_give_the_same_format_and_samples(tmp_path, name):
    content, samples = EXACT[name]
    picture, target = rewritten(content, name, tmp_path)
    assert picture.values.dtype == np.float32
    assert picture.dtype.kind == samples.dtype.kind
    assert_array_equal(all_samples(picture), samples)
    again = read_picture(target)
    assert (again.format, again.dtype) == (picture.format, picture.dtype)
    assert_array_equal(again.values, picture.values)
    assert_array_equal(np.asarray(again.alpha), np.asarray(picture.alpha))
    if not name.endswith(".npy"):
        before, after = opened(tmp_path / name), opened(target)
        assert after.size == before.size
        expected = MODE_AFTER.get(name, before.mode.replace("I;16B", "I;16"))
        assert after.mode == expected or "key16" in name
    else:
        before, after = np.load(tmp_path / name), np.load(target)
        assert (after.shape, after.dtype) == (before.shape, before.dtype.newbyteorder("="))


@pytest.mark.parametrize("name", [name for name in EXACT if "16" in name or name in ("grey.png", "alpha.tif")])
def test_new_pixels_are_clipped_and_rounded_and_alpha_is_kept(tmp_path, name):
    content, samples = EXACT[name]
    picture, target = rewritten(content, name, tmp_path, lambda values: 1.5 * values - 0.25)
    largest = np.iinfo(samples.dtype).max
    again = read_picture(target)
    assert_allclose(again.values, np.clip(1.5 * picture.values - 0.25, 0, 1), atol=0.51 / largest)
    assert again.values.min() == 0
    assert again.values.max() == 1
    if picture.alpha is not None:
        assert_array_equal(again.alpha, picture.alpha)


def exif_of():
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    exif.get_ifd(0x8769)[0x9003] = "2026:01:02 03:04:05"
    return exif


def metadata_of(image):
    exif = image.getexif()
    return SimpleNamespace(
        orientation=exif.get(0x0112),
        maker=exif.get(0x010F),
        taken=exif.get_ifd(0x8769).get(0x9003),
        profile=image.info.get("icc_profile"),
        dpi=tuple(round(float(value)) for value in image.info["dpi"]),
    )


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_metadata_is_kept(tmp_path, suffix):
    format = {".jpg": "JPEG", ".png": "PNG", ".tif": "TIFF", ".webp": "WEBP"}[suffix]
    options = {"exif": exif_of(), "icc_profile": b"a profile", "dpi": (300, 200)}
    content = saved(COLOUR, format, **options, **({"lossless": True} if suffix == ".webp" else {}))
    picture, target = rewritten(content, f"photo{suffix}", tmp_path)
    if suffix == ".tif":
        assert picture.values.shape == (13, 19, 3), "the orientation is applied"
        assert 0x0112 not in opened(target).tag_v2
        assert opened(target).tag_v2[0x010F] == "Maker"
        assert metadata_of(opened(target)).taken == metadata_of(opened(tmp_path / "photo.tif")).taken
        assert metadata_of(opened(target)).profile == b"a profile"
        return
    assert picture.values.shape == (19, 13, 3), "the orientation is kept, not applied"
    before, after = opened(tmp_path / f"photo{suffix}"), opened(target)
    if suffix == ".webp":
        assert after.info["exif"] == before.info["exif"]
        assert after.info["icc_profile"] == b"a profile"
    else:
        assert metadata_of(after) == metadata_of(before)
        assert metadata_of(after).orientation == 6
        assert metadata_of(after).profile == b"a profile"


@pytest.mark.parametrize("size", [(1, 1), (7, 1), (17, 3000)], ids=str)
@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".webp", ".ppm"])
def test_odd_sizes(tmp_path, size, suffix):
    image = Image.fromarray(RNG.integers(0, 256, (size[1], size[0], 3), np.uint8))
    options = {"lossless": True} if suffix == ".webp" else {}
    content = saved(image, Image.registered_extensions()[suffix], **options)
    _, target = rewritten(content, f"a{suffix}", tmp_path)
    assert_array_equal(np.asarray(opened(target)), np.asarray(image))


def test_missing_files_and_invalid_values(tmp_path):
    with pytest.raises(MissingFileError, match=r"gone.png does not exist; check the spelling"):
        read_picture(tmp_path / "gone.png")
    with pytest.raises(BrokenFileError, match="cannot be opened: Is a directory"):
        read_picture(tmp_path)
    picture = read_picture(EXACT["grey.png"][0])
    with pytest.raises(UnwritableError, match=r"cannot write .*No such file"):
        write_picture(picture, picture.values, tmp_path / "gone" / "a.png")
    for values, match in ((GREY[:3], "shape"), (np.full((19, 13), np.nan), "NaN or infinity")):
        with pytest.raises(InvalidDataError, match=match):
            write_picture(picture, values, tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []
