import gzip
import io
import struct
import sys
import types
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from isthmus.core.errors import BrokenFileError, InvalidDataError, IsthmusWarning, MissingFileError
from isthmus.data.sources import PatchSource, open_source, read_idx
from isthmus.estimators.inputs import each_picture
from isthmus.images.files import read_picture, write_picture


def read(source):
    return np.concatenate([block.values for block in source.blocks()])


def refused(error, path, match, opened=open_source):
    with pytest.raises(error, match=match) as caught:
        source = opened(path)
        read(source)
    assert "\n" not in str(caught.value)


def idx(values, code=8):
    head = bytes([0, 0, code, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return head + values.astype(values.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize(
    ("code", "dtype"), [(8, "u1"), (9, "i1"), (0x0B, "i2"), (0x0C, "i4"), (0x0D, "f4"), (0x0E, "f8")]
)
@pytest.mark.parametrize("shape", [(5,), (5, 4), (5, 4, 3), (0, 4, 3)])
def test_read_idx(tmp_path, code, dtype, shape):
    values = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    (tmp_path / "a-ubyte").write_bytes(idx(values, code))
    (tmp_path / "a-ubyte.gz").write_bytes(gzip.compress(idx(values, code), mtime=0))
    for name in ("a-ubyte", "a-ubyte.gz"):
        found = read_idx(tmp_path / name)
        assert found.dtype == dtype
        assert found.dtype.isnative
        assert found.flags.writeable
        assert_array_equal(found, values)


WHOLE = idx(np.arange(24, dtype=np.uint8).reshape(2, 4, 3))


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (WHOLE[:-1], r"is truncated: \(2, 4, 3\) uint8 values take 40 bytes, and 39 were found"),
        (WHOLE + b"\0", "is too long: .* 40 bytes, and 41"),
        (WHOLE[:7], "is truncated in its header: 7 of 16 bytes"),
        (b"", "is not an IDX file: it begins with nothing, not with two zeros"),
        (b"\x89PNG", "is not an IDX file: it begins with 89 50 4e 47"),
        (b"\0\0\x0a\x01", "is not an IDX file"),
        (b"\0\0\x08\0", "is not an IDX file"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "is truncated"),
        (gzip.compress(WHOLE, mtime=0)[:-9], "cannot be read"),
        (b"\x1f\x8b nonsense", "cannot be read"),
    ],
)
def test_broken_idx(tmp_path, content, match):
    (tmp_path / "a-ubyte").write_bytes(content)
    refused(BrokenFileError, tmp_path / "a-ubyte", match)


def test_an_idx_file_of_no_values_and_impossible_dimensions(tmp_path):
    (tmp_path / "rows.idx").write_bytes(bytes([0, 0, 8, 4]) + struct.pack(">4I", 0, 2**31, 2**31, 2**31))
    refused(BrokenFileError, tmp_path / "rows.idx", "has 4 dimensions that do not form an array", read_idx)
    (tmp_path / "rows.idx").write_bytes(bytes([0, 0, 8, 80]) + struct.pack(">80I", *[0] * 80))
    refused(BrokenFileError, tmp_path / "rows.idx", "has 80 dimensions that do not form an array", read_idx)


def test_idx_source(tmp_path):
    (tmp_path / "images.idx3-ubyte").write_bytes(WHOLE)
    source = open_source(tmp_path / "images.idx3-ubyte")
    assert source.schema.image_shape == (4, 3)
    assert source.dtype == np.uint8
    (tmp_path / "labels.idx").write_bytes(idx(np.array([3, 1], np.uint8)))
    assert_array_equal(read(open_source(tmp_path / "labels.idx")), [[3], [1]])
    refused(MissingFileError, tmp_path / "none-ubyte", "does not exist", read_idx)


GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
COLOUR = np.stack([GREY, 255 - GREY, GREY // 2], axis=-1)


def saved(folder, pixels, name="a.png", mode=None, **options):
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(folder / name, **options)
    return folder / name


def with_alpha(pixels, alpha):
    return np.dstack([pixels, np.full(pixels.shape[:2], alpha, np.uint8)])


@pytest.mark.parametrize(
    ("pixels", "name", "mode", "expected"),
    [
        (GREY, "a.png", None, GREY),
        (COLOUR, "a.png", None, COLOUR),
        (COLOUR, "A.PPM", None, COLOUR),
        (with_alpha(COLOUR, 255), "a.png", None, COLOUR),
        (with_alpha(GREY, 255), "a.png", None, GREY),
        (GREY > 100, "a.png", None, np.where(GREY > 100, 255, 0).astype(np.uint8)),
        (COLOUR, "a.png", "P", None),
        (GREY.astype(np.uint16) * 256, "a.png", None, GREY.astype(np.uint16) * 256),
        (GREY.astype(np.uint16) * 256, "a.tif", None, GREY.astype(np.uint16) * 256),
        (GREY.astype(np.uint16) * 256, "a.pgm", None, GREY.astype(np.uint16) * 256),
        (GREY.astype(np.float32) / 7, "a.tif", None, GREY.astype(np.float32) / 7),
        (COLOUR, "a.tif", "CMYK", COLOUR),
    ],
)
def test_modes(tmp_path, pixels, name, mode, expected):
    path = saved(tmp_path, pixels, name, mode)
    if expected is None:
        expected = np.asarray(Image.open(path).convert("RGB"))
    source = open_source(path)
    assert source.schema.image_shape == expected.shape
    assert source.dtype == expected.dtype
    assert source.n_rows == 1
    assert_array_equal(read(source), expected.reshape(1, -1))


@pytest.mark.parametrize("pixels", [with_alpha(COLOUR, 254), with_alpha(GREY, 0)])
def test_transparency_is_refused(tmp_path, pixels):
    refused(InvalidDataError, saved(tmp_path, pixels), "a.png has transparent pixels; flatten it")


@pytest.mark.parametrize("mode", ["L", "P", "RGB"])
def test_a_transparent_colour_is_refused(tmp_path, mode):
    transparency = (0, 0, 0) if mode == "RGB" else 0
    path = saved(tmp_path, np.zeros((3, 4), np.uint8), "a.png", mode, transparency=transparency)
    refused(InvalidDataError, path, "transparent pixels")


def test_a_transparent_colour_of_16_bits_is_refused_where_a_pixel_has_it(tmp_path):
    wide = GREY.astype(np.uint16) * 256
    refused(InvalidDataError, saved(tmp_path, wide, transparency=int(wide[1, 1])), "a.png has transparent pixels")
    assert_array_equal(read(open_source(saved(tmp_path, wide, transparency=12345))), wide.reshape(1, -1))


@pytest.mark.parametrize("bits", [8, 16])
def test_a_tiff_whose_white_is_0_is_read_as_a_viewer_shows_it(tmp_path, bits):
    dark = (GREY.astype(np.uint16) * 257) if bits == 16 else GREY
    stored = 65535 - dark if bits == 16 else dark  # Pillow inverts pixels of 8 bits when it writes them
    path = saved(tmp_path, stored, "a.tif", tiffinfo={262: 0})
    with Image.open(path) as image:
        assert image.tag_v2[262] == 0
    assert_array_equal(read(open_source(path)), dark.reshape(1, -1))


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.ppm"])
def test_16_bit_colours_are_read_with_8_bits_and_a_warning(tmp_path, name):
    wide = read_picture(saved(tmp_path, GREY, "grey.png"))  # a format to write the colours like
    values = np.concatenate([wide.values[..., None]] * 3, axis=2)
    picture = replace(wide, values=values, dtype=np.dtype(np.uint16), format="NPY")
    (tmp_path / "grey.png").unlink()
    for copy in ("", "b"):
        write_picture(picture, values, tmp_path / f"{copy}{name}")
    with pytest.warns(IsthmusWarning, match=r"a\.\w+ has 16-bit colours, of which the upper 8 bits are read") as caught:
        pixels = read(open_source(tmp_path))
    assert len(caught) == 1
    assert_array_equal(pixels, [np.repeat(GREY.ravel(), 3)] * 2)


def test_several_frames_are_refused(tmp_path):
    path = saved(tmp_path, GREY, "a.gif", save_all=True, append_images=[Image.fromarray(255 - GREY)])
    refused(InvalidDataError, path, "several frames")


def test_folder_is_sorted_and_searched(tmp_path):
    (tmp_path / "cats").mkdir()
    for name, value in (("b.png", 2), ("a.PNG", 1), ("cats/a.bmp", 3), ("_c.png", 0), (".hidden.png", 9)):
        saved(tmp_path, np.full((2, 2), value, np.uint8), name)
    (tmp_path / "labels.txt").write_text("no picture")
    source = open_source(tmp_path)
    assert_array_equal(read(source)[:, 0], [0, 1, 2, 3])
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name in (*source.names, "labels.txt", ".hidden.png"):
            archive.write(tmp_path / name, name)
        archive.write(tmp_path / "labels.txt", "__MACOSX/._a.png")
    assert_array_equal(read(open_source(tmp_path / "all.zip")), read(source))


@pytest.mark.parametrize(
    ("other", "match"),
    [
        (GREY.T, "b.png is 3x4 grey uint8, but a.png is 4x3 grey uint8; convert all to one size and mode"),
        (COLOUR, "b.png is 4x3 colour uint8, but a.png is 4x3 grey uint8"),
        (GREY.astype(np.uint16), "b.png is 4x3 grey uint16, but a.png is 4x3 grey uint8"),
    ],
)
def test_pictures_must_agree(tmp_path, other, match):
    saved(tmp_path, GREY)
    saved(tmp_path, other, "b.png")
    refused(InvalidDataError, tmp_path, match)


def test_broken_pictures(tmp_path):
    saved(tmp_path, GREY)
    noise = np.random.default_rng(0).integers(0, 256, (3, 4), dtype=np.uint8)
    whole = saved(tmp_path, noise, "b.png").read_bytes()
    for content in (whole[:50], b"", b"text"):
        (tmp_path / "b.png").write_bytes(content)
        refused(BrokenFileError, tmp_path, "b.png cannot be read: ")
    refused(BrokenFileError, tmp_path / "b.png", "b.png cannot be read: not a picture")


def test_broken_archives(tmp_path):
    path = tmp_path / "all.zip"
    path.write_bytes(b"no archive")
    refused(BrokenFileError, path, "all.zip cannot be read")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("labels.txt", "no picture")
    refused(InvalidDataError, path, r"all.zip holds no pictures .*, but files like labels\.txt; unpack it")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", "no picture")
    refused(BrokenFileError, path, "all.zip/a.png cannot be read: not a picture")


def test_too_large_pictures(tmp_path, monkeypatch):
    path = saved(tmp_path, GREY)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3)
    refused(InvalidDataError, path, "too large to be one row")


def test_pictures_are_read_when_asked_for(tmp_path):
    for name in "abc":
        saved(tmp_path, GREY, f"{name}.png")
    source = open_source(tmp_path)
    (tmp_path / "b.png").unlink()
    out = np.empty((2, 12), np.uint8)
    source.take(np.array([2, 0]), out)
    assert_array_equal(out, [GREY.ravel()] * 2)
    with pytest.raises(BrokenFileError, match=r"b\.png cannot be read"):
        source.take(np.array([1]), out)


def exif_of(orientation):
    exif = Image.Exif()
    exif[274] = orientation
    return exif


def oriented(folder, name, orientation):
    """Save COLOUR so that viewers show it upright, by turning it against the orientation that the file has."""
    against = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    large = Image.fromarray(COLOUR).resize((40, 30), Image.Resampling.NEAREST)
    options = {"lossless": True} if name.endswith(".webp") else {"quality": 100} if ".jp" in name else {}
    stored = large.transpose(against[orientation]) if orientation in against else large
    return np.asarray(large), saved(folder, stored, name, exif=exif_of(orientation), **options)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "avif"])
def test_orientation_is_applied(tmp_path, suffix, orientation):
    upright, path = oriented(tmp_path, f"a.{suffix}", orientation)
    source, patches = open_source(path), PatchSource(path, 30, grey=False)
    assert source.schema.image_shape == upright.shape
    tolerance = {"jpg": 60, "avif": 60}.get(suffix, 0)
    assert np.abs(read(source).reshape(upright.shape).astype(int) - upright).max() <= tolerance
    assert_array_equal(read(patches)[0], read(source).reshape(upright.shape)[:, :30].ravel())
    assert_array_equal(next(each_picture(path, grey=False)), read(source).reshape(upright.shape))


def test_an_orientation_behind_the_pixels(tmp_path):
    upright, path = oriented(tmp_path, "a.png", 6)
    content = path.read_bytes()
    start = content.index(b"eXIf") - 4
    length = int.from_bytes(content[start : start + 4], "big") + 12
    chunk = content[start : start + length]
    path.write_bytes(content[:start] + content[start + length : -12] + chunk + content[-12:])
    assert PatchSource(path, 30, grey=False).n_rows == 1
    assert_array_equal(read(open_source(path)), upright.reshape(1, -1))


def test_of_a_phones_picture_the_first_is_read(tmp_path):
    first, second = (Image.fromarray(np.full((16, 16), value, np.uint8)) for value in (90, 200))
    first.save(tmp_path / "a.jpg")
    first.save(tmp_path / "b.jpg", format="MPO", save_all=True, append_images=[second])
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.n_frames == 2
    assert_array_equal(read(open_source(tmp_path)), np.full((2, 256), 90))
    assert PatchSource(tmp_path, 8).n_rows == 8


def test_lists_and_patterns_of_pictures(tmp_path):
    for name, value in (("a.png", 1), ("B.PNG", 2), ("c.bmp", 3)):
        saved(tmp_path, np.full((2, 2), value, np.uint8), name)
    assert_array_equal(read(open_source(f"{tmp_path}/*.png"))[:, 0], [2, 1])
    source = open_source([tmp_path / "c.bmp", str(tmp_path / "a.png")])
    assert_array_equal(read(source)[:, 0], [3, 1])
    assert source.names == [str(tmp_path / "c.bmp"), str(tmp_path / "a.png")]
    saved(tmp_path, GREY, "d.png")
    refused(InvalidDataError, [tmp_path / "a.png", tmp_path / "d.png"], "d.png is 4x3 grey uint8, but .*a.png is 2x2")


def test_linked_folders_are_read_once(tmp_path):
    (tmp_path / "all" / "cats").mkdir(parents=True)
    (tmp_path / "dogs").mkdir()
    saved(tmp_path / "all" / "cats", np.full((2, 2), 1, np.uint8), "a.png")
    saved(tmp_path / "dogs", np.full((2, 2), 2, np.uint8), "b.png")
    (tmp_path / "all" / "dogs").symlink_to(tmp_path / "dogs")
    (tmp_path / "all" / "cats" / "circle").symlink_to(tmp_path / "all")
    assert_array_equal(read(open_source(tmp_path / "all"))[:, 0], [1, 2])


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_pictures_that_cannot_be_read_are_named(tmp_path, form, monkeypatch):
    where = tmp_path / ("all.zip" if form == "zip" else "all")
    (tmp_path / "all").mkdir()
    path = saved(tmp_path / "all", GREY)
    for name in ("b.HEIC", "c.CR2", "notes.txt"):
        (tmp_path / "all" / name).write_bytes(b"nothing")
    if form == "zip":
        with zipfile.ZipFile(where, "w") as archive:
            for file in (tmp_path / "all").iterdir():
                archive.write(file, file.name)
    with pytest.warns(IsthmusWarning, match=r"all.*: b.HEIC, c.CR2 cannot be read and are left out; .*pillow-heif"):
        source = open_source(where)
    assert_array_equal(read(source), GREY.reshape(1, -1))
    refused(BrokenFileError, tmp_path / "all" / "b.HEIC", "b.HEIC cannot be read: not a picture; install pillow-heif")
    path.unlink()


def test_heif_is_read_by_the_plugin_of_its_package(tmp_path, monkeypatch):
    """A stand-in for pillow-heif, which registers a plugin of this name."""

    def register():
        monkeypatch.setitem(
            Image.OPEN, "HEIF", (lambda file, name: Image.open(io.BytesIO(PNG)), lambda head: head[4:8] == b"ftyp")
        )
        monkeypatch.setattr(Image, "ID", [*Image.ID, "HEIF"])

    PNG = saved(tmp_path, GREY).read_bytes()
    monkeypatch.setattr("isthmus.data.sources.images.find_spec", lambda name: name == "pillow_heif")
    monkeypatch.setitem(sys.modules, "pillow_heif", types.SimpleNamespace(register_heif_opener=register))
    (tmp_path / "b.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    assert_array_equal(read(open_source(tmp_path / "b.heic")), GREY.reshape(1, -1))
    assert_array_equal(read(open_source(tmp_path)), [GREY.ravel()] * 2)
