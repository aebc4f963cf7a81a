import io

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image, ImageOps

from encoded import COLOUR, EXACT, npy, palette, rewritten, saved, with_alpha
from isthmus.core.errors import InvalidParameterError, UnwritableError
from isthmus.data.sources.images import is_supported
from isthmus.images.files import SUFFIXES, read_picture, write_picture


@pytest.mark.parametrize("suffix", [suffix for suffix in SUFFIXES if is_supported(suffix)])
@pytest.mark.parametrize("name", ["grey.png", "colour.png", "alpha.png", "grey16.png", "inks.tif", "floats.tif"])
def test_another_format_has_the_same_pixels_or_raises_an_error(tmp_path, name, suffix):
    picture = read_picture(EXACT[name][0], name)
    try:
        write_picture(picture, picture.values, tmp_path / f"a{suffix}")
    except InvalidParameterError as error:
        assert f"of {name}" in str(error)
        assert list(tmp_path.iterdir()) == []
        return
    again = read_picture(tmp_path / f"a{suffix}")
    if suffix in (".gif", ".jpg", ".jpeg", ".jfif", ".avif"):
        assert again.values.shape[:2] == picture.values.shape[:2]
        assert again.values.ndim == picture.values.ndim or suffix == ".avif"
        return
    values = again.values[..., 0] if suffix == ".webp" and picture.values.ndim == 2 else again.values
    if suffix == ".npy" and name == "inks.tif":
        values = with_alpha(values, again.alpha / 255)
    assert_allclose(values, picture.values, atol=1e-6)
    assert again.dtype == picture.dtype


def test_values_that_a_format_cannot_store(tmp_path):
    for name, suffix, what in (
        ("alpha.png", ".jpg", "JPEG cannot store transparent pixels of alpha.png; write a TIFF"),
        ("grey16.png", ".jpg", "16 bits of grey16.png"),
        ("floats.tif", ".png", "PNG cannot store float32"),
        ("inks.tif", ".png", "CMYK colours of inks.tif"),
        ("alpha.png", ".gif", "the partly transparent pixels"),
        ("grey.png", ".pgn", r"a.pgn must have a picture's suffix .*did you mean '\.p[nbg][gm]'"),
        ("grey.png", ".txt", r"a.txt must have a picture's suffix [^;]*$"),
    ):
        picture = read_picture(EXACT[name][0], name)
        with pytest.raises(InvalidParameterError, match=what):
            write_picture(picture, picture.values, tmp_path / f"a{suffix}")


def test_a_picture_beyond_a_formats_largest_size(tmp_path):
    picture = read_picture(npy(np.zeros((1, 16384, 3), np.uint8)), "long.npy")
    with pytest.raises(UnwritableError, match=r"cannot write .*a.webp: .*; write another format") as caught:
        write_picture(picture, picture.values, tmp_path / "a.webp")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_gif_keeps_transparent_pixels(tmp_path):
    image = palette()
    content = saved(image, "GIF", transparency=3)
    picture, target = rewritten(content, "a.gif", tmp_path)
    assert_array_equal(picture.alpha, np.where(np.asarray(image) == 3, 0, 255))
    again = read_picture(target)
    assert_array_equal(again.alpha, picture.alpha)
    assert_array_equal(again.values[again.alpha > 0], picture.values[again.alpha > 0])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".tif", ".bmp", ".ppm", ".npy", ".png", ".webp"])
def test_another_format_looks_as_the_file_does_in_a_viewer(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    content = saved(Image.fromarray(COLOUR), "PNG", exif=exif)
    picture = read_picture(content, "photo.png")
    write_picture(picture, picture.values, tmp_path / f"a{suffix}")
    seen = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content))))
    if suffix == ".npy":
        assert_array_equal(np.load(tmp_path / "a.npy"), seen)
    else:
        assert_array_equal(np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / f"a{suffix}"))), seen)


def test_the_exif_of_a_webp_is_that_of_the_jpeg(tmp_path):
    exif = Image.Exif()
    exif[274], exif[271] = 6, "Maker"
    picture = read_picture(saved(Image.fromarray(COLOUR), "WEBP", exif=exif), "photo.webp")
    write_picture(picture, picture.values, tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as image:
        assert dict(image.getexif()) == {274: 6, 271: "Maker"}
