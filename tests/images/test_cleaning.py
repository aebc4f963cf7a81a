import io
import os
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from isthmus.core.errors import BrokenFileError, InvalidDataError, InvalidParameterError, MissingFileError
from isthmus.images.cleaning import clean_files
from isthmus.images.files import read_picture

RNG = np.random.default_rng(0)


class Inverting:
    """Replaces a denoiser, and records its calls."""

    def __init__(self):
        self.calls = []

    def clean(self, picture, noise=None):
        self.calls.append((picture.shape, noise))
        return 1 - picture


class Failing(Inverting):
    def clean(self, picture, noise=None):
        raise (MemoryError, RuntimeError)[picture.shape[0] % 2]("out of\nmemory")


def png(height=5, width=4, value=None):
    pixels = RNG.integers(0, 256, (height, width), np.uint8) if value is None else np.full((height, width), value, "u1")
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def filled(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(png())
    return folder


def zipped(path, *names, content=None):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, png() if content is None else content)
    return path


def run(inputs, output, cleaner=None, **options):
    options.setdefault("noise", 25)
    return list(clean_files(inputs, output, cleaner=cleaner or Inverting(), **options))


def files_below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def inverts(out, source):
    return np.allclose(read_picture(out).values, 1 - read_picture(source).values, atol=1e-6)


def raises(error, match, *args, **options):
    with pytest.raises(error, match=match) as caught:
        run(*args, **options)
    assert "\n" not in str(caught.value)


@pytest.fixture
def photos(tmp_path):
    return filled(tmp_path / "photos", "a.png", "b.PNG", "deep/a.png", ".hidden.png", "__MACOSX/a.png", "notes.txt")


def test_a_file_is_written_to_a_file_or_into_a_folder(tmp_path, photos):
    (done,) = run(photos / "a.png", tmp_path / "out.png")
    assert (done.path, done.out, done.noise, done.error) == (str(photos / "a.png"), str(tmp_path / "out.png"), 25, None)
    assert inverts(tmp_path / "out.png", photos / "a.png")
    (tmp_path / "there").mkdir()
    assert run(str(photos / "a.png"), tmp_path / "there")[0].out == str(tmp_path / "there" / "a.png")
    assert run(photos / "a.png", f"{tmp_path}/new/")[0].out == str(tmp_path / "new" / "a.png")
    run(photos / "a.png", tmp_path / "other.tif")
    assert Image.open(io.BytesIO((tmp_path / "other.tif").read_bytes())).format == "TIFF"


def test_a_folder_keeps_its_names(tmp_path, photos):
    cleaning = clean_files(photos, tmp_path / "out", noise=25, cleaner=Inverting())
    assert len(cleaning) == 3
    assert not (tmp_path / "out").exists(), "nothing is written before the first iteration"
    assert [done.error for done in cleaning] == [None] * 3
    assert files_below(tmp_path / "out") == ["a.png", "b.PNG", "deep/a.png"]
    assert all(inverts(tmp_path / "out" / name, photos / name) for name in files_below(tmp_path / "out"))


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.png", ["a.png", "b.PNG"]),
        ("**/a.png", ["a.png", "deep/a.png"]),
        ("d*/*", ["deep/a.png"]),
        ("?.*", ["a.png", "b.PNG"]),
    ],
)
def test_patterns_keep_names_below_their_fixed_part(tmp_path, photos, pattern, names):
    run(f"{photos}/{pattern}", tmp_path / "out")
    assert files_below(tmp_path / "out") == names


def test_a_name_may_look_like_a_pattern(tmp_path):
    filled(tmp_path, "a[1].png", "a1.png")
    assert run(str(tmp_path / "a[1].png"), tmp_path / "out.png")[0].path.endswith("a[1].png")


def test_lists(tmp_path, photos):
    zipped(tmp_path / "z.zip", "c.png")
    done = run([photos / "b.PNG", photos / "deep", tmp_path / "z.zip"], tmp_path / "out")
    assert [item.path for item in done] == [
        str(photos / "b.PNG"),
        str(photos / "deep" / "a.png"),
        f"{tmp_path}/z.zip/c.png",
    ]
    assert files_below(tmp_path / "out") == ["a.png", "b.PNG", "c.png"]


def test_archives(tmp_path, photos):
    source = zipped(tmp_path / "in.zip", "x/a.png", "b.png", "notes.txt", "__MACOSX/b.png")
    run(source, tmp_path / "folder")
    assert files_below(tmp_path / "folder") == ["b.png", "x/a.png"]
    done = run(source, tmp_path / "out.zip")
    assert done[0].out == f"{tmp_path}/out.zip/b.png"
    with zipfile.ZipFile(tmp_path / "out.zip") as archive, zipfile.ZipFile(source) as given:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == ["b.png", "x/a.png"]
        for name in archive.namelist():
            assert inverts(archive.read(name), given.read(name))
    run(photos, tmp_path / "photos.zip")
    run(photos / "a.png", tmp_path / "one.zip")
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert archive.namelist() == ["a.png"]


def test_an_archive_of_a_clock_that_starts_in_1970(photos, tmp_path, monkeypatch):
    monkeypatch.setattr("time.localtime", lambda *given: time.gmtime(1000))
    run(photos / "a.png", tmp_path / "one.zip")
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        (entry,) = archive.infolist()
    assert entry.date_time == (1980, 1, 1, 0, 0, 0)
    assert (entry.compress_type, entry.external_attr >> 16) == (zipfile.ZIP_DEFLATED, 0o644)


def test_a_broken_picture_does_not_stop_the_others(tmp_path, photos):
    (photos / "b.PNG").write_text("some text")
    (photos / "c.jpg").write_bytes(b"")
    done = run(photos, tmp_path / "out")
    assert [item.error is None for item in done] == [True, False, False, True]
    assert "b.PNG cannot be read: it is not a picture" in done[1].error
    assert (done[1].out, done[1].noise) == (None, None)
    assert "c.jpg is empty" in done[2].error
    assert files_below(tmp_path / "out") == ["a.png", "deep/a.png"]


def test_a_file_without_permission(tmp_path, photos, monkeypatch):
    def read_bytes(path, read=Path.read_bytes):
        if path.name == "b.PNG":  # root can read all files
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    done = run(photos, tmp_path / "out")
    assert [item.error for item in done] == [None, f"{photos}/b.PNG cannot be opened: Permission denied", None]


def test_an_output_that_cannot_be_written(tmp_path, photos):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "deep").write_text("a file in place of a folder")
    done = run(photos, tmp_path / "out")
    assert [item.error is None for item in done] == [True, True, False]
    assert f"cannot write {tmp_path}/out/deep/a.png: File exists" in done[2].error


def test_a_denoiser_that_fails_stops_one_picture(tmp_path):
    for height in (4, 5):
        (tmp_path / f"{height}.png").write_bytes(png(height))
    done = run(tmp_path, tmp_path / "out", Failing())
    assert [item.error for item in done] == [
        f"{tmp_path}/4.png: MemoryError: out of memory",
        f"{tmp_path}/5.png: RuntimeError: out of memory",
    ]


def test_an_archive_without_results_is_not_created(tmp_path):
    zipped(tmp_path / "in.zip", "a.png", content=b"nonsense")
    (done,) = run(tmp_path / "in.zip", tmp_path / "out.zip")
    assert "in.zip/a.png cannot be read" in done.error
    assert files_below(tmp_path) == ["in.zip"]


def test_an_interruption_leaves_no_partial_files(tmp_path, photos):
    for output in ("out", "out.zip"):
        for done in clean_files(photos, tmp_path / output, noise=25, cleaner=Inverting()):
            assert done.error is None
            break
    assert files_below(tmp_path / "out") == ["a.png"]
    assert not (tmp_path / "out.zip").exists()
    assert not list(tmp_path.glob(".out*"))


def test_files_are_overwritten_with_force_only(tmp_path, photos):
    before = (photos / "a.png").read_bytes()
    for inputs, output in ((photos / "a.png", photos / "a.png"), (photos, photos), (photos / "a.png", photos)):
        raises(InvalidParameterError, r"a.png would overwrite its input; .*force", inputs, output)
    filled(tmp_path / "out", "b.PNG", "deep/a.png")
    raises(InvalidParameterError, r"b.PNG exists, and 1 more do; .*force", photos, tmp_path / "out")
    raises(InvalidParameterError, r"b.PNG exists; ", photos / "a.png", tmp_path / "out" / "b.PNG")
    source = zipped(tmp_path / "in.zip", "a.png")
    raises(InvalidParameterError, r"in.zip would overwrite its input", source, source)
    assert (photos / "a.png").read_bytes() == before
    assert files_below(tmp_path / "out") == ["b.PNG", "deep/a.png"]
    run(photos, photos, force=True)
    assert inverts(photos / "a.png", before)
    run(source, source, force=True)
    assert zipfile.ZipFile(source).namelist() == ["a.png"]


def test_earlier_results_inside_the_folder_are_not_inputs(tmp_path, photos):
    run(photos, photos / "clean")
    assert len(run(photos, photos / "clean", force=True)) == 3
    assert files_below(photos / "clean") == ["a.png", "b.PNG", "deep/a.png"]


def test_two_inputs_for_one_output(tmp_path, photos):
    match = "a.png and .*a.png would both be written to .*a.png; denoise them separately"
    raises(InvalidParameterError, match, [photos / "a.png", photos / "deep" / "a.png"], tmp_path / "out")
    raises(InvalidParameterError, match, [photos / "a.png", photos / "deep" / "a.png"], tmp_path / "out.zip")
    assert not (tmp_path / "out").exists()


def test_names_that_differ_in_capitals(tmp_path, photos, monkeypatch):
    if not (tmp_path / "A.txt").write_text("") and (tmp_path / "a.txt").exists():
        pytest.skip("this file system takes capitals for small letters")
    filled(photos, "A.png", "straße.png", "strasse.png")
    run(photos, tmp_path / "out")
    assert files_below(tmp_path / "out") == ["A.png", "a.png", "b.PNG", "deep/a.png", "strasse.png", "straße.png"]
    assert not list(tmp_path.glob(".isthmus*"))
    monkeypatch.setattr("isthmus.images.cleaning._ignores_case", lambda folder: True)
    raises(InvalidParameterError, "A.png and .*a.png would both be written to", photos, tmp_path / "other", force=True)
    run(photos, tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert len(archive.namelist()) == 6


def test_invalid_arguments(tmp_path, photos):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.zip").write_text("not an archive")
    zipped(tmp_path / "texts.zip", "notes.txt")
    for error, match, inputs, output in (
        (MissingFileError, r"gone.png does not exist", tmp_path / "gone.png", "out.png"),
        (InvalidDataError, r"matches no pictures \(.png", f"{tmp_path}/*.png", "out"),
        (InvalidDataError, r"empty has no pictures \(.png", tmp_path / "empty", "out"),
        (InvalidDataError, r"texts.zip has no pictures", tmp_path / "texts.zip", "out"),
        (BrokenFileError, r"bad.zip cannot be opened", tmp_path / "bad.zip", "out"),
        (InvalidParameterError, r"out.pgn must have a picture's suffix", photos / "a.png", "out.pgn"),
        (InvalidParameterError, r"out.png is a file; .* give a folder or a .zip", photos, "out.png"),
        (InvalidParameterError, r"inputs is empty; give at least one", [], "out"),
    ):
        raises(error, match, inputs, tmp_path / output)
    for noise in (-1, float("nan"), float("inf")):
        raises(
            InvalidParameterError,
            f"noise={noise} must be a number >= 0, or None",
            photos,
            tmp_path / "out",
            noise=noise,
        )
    with pytest.raises(InvalidParameterError, match="model is of class dict, which cannot denoise pictures"):
        clean_files(photos, tmp_path / "out", model={})


def test_names_outside_the_output_folder(tmp_path):
    source = zipped(tmp_path / "in.zip", "../evil.png", "good.png")
    done = run(source, tmp_path / "deep" / "out")
    assert ["outside the output folder" in (item.error or "") for item in done] == [True, False]
    assert files_below(tmp_path) == ["deep/out/good.png", "in.zip"]


def test_noise_is_estimated_by_default(tmp_path):
    levels = {"5.png": 5, "40.png": 40}
    for name, sigma in levels.items():
        pixels = np.rint(128 + sigma * RNG.normal(size=(90, 90))).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    cleaner = Inverting()
    done = run(tmp_path, tmp_path / "out", cleaner, noise=None)
    assert [item.noise for item in done] == [noise for _, noise in cleaner.calls]
    assert [item.noise for item in done] == pytest.approx([40, 5], rel=0.06)


def test_cmyk_is_denoised_as_three_planes_and_one(tmp_path):
    Image.fromarray(RNG.integers(0, 256, (6, 7, 4), np.uint8), "CMYK").save(tmp_path / "a.tif")
    cleaner = Inverting()
    run(tmp_path / "a.tif", tmp_path / "b.tif", cleaner)
    assert [shape for shape, _ in cleaner.calls] == [(6, 7, 3), (6, 7)]
    assert inverts(tmp_path / "b.tif", tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("value", "match"), [(np.nan, "NaN or infinite"), (200.0, "values up to 200; floats must be in")]
)
def test_floats_out_of_scale(tmp_path, value, match):
    np.save(tmp_path / "a.npy", np.full((9, 9), value))
    (done,) = run(tmp_path / "a.npy", tmp_path / "b.npy")
    assert match in done.error


def test_a_model_denoises_pictures(tmp_path, photos):
    class Model:
        def denoise_picture(self, picture, noise):
            return picture * (noise / 50)

    list(clean_files(photos / "a.png", tmp_path / "out.npy", model=Model(), noise=50))
    list(clean_files(photos / "a.png", tmp_path / "half.png", model=Model(), noise=25))
    whole, half = read_picture(photos / "a.png").values, read_picture(tmp_path / "half.png").values
    assert np.abs(half - whole / 2).max() < 0.51 / 255


class Unchanged(Inverting):
    def clean(self, picture, noise=None):
        return 1 - super().clean(picture, noise)


def text_page():
    page = Image.new("L", (160, 120), 255)
    for line in range(7):
        ImageDraw.Draw(page).text((4, 4 + line * 15), "a page of text 0123456789", fill=0)
    return page


# One file of each format that loses something when its pixels are coded again.
LOSSY = {
    **{f"{quality}.jpg": {"format": "JPEG", "quality": quality} for quality in (40, 75, 90)},
    "a.webp": {"format": "WEBP", "quality": 60},
    "a.avif": {"format": "AVIF", "quality": 60},
}


@pytest.mark.parametrize("name", LOSSY)
def test_a_clean_page_of_text_is_copied(tmp_path, name):
    text_page().save(tmp_path / name, **LOSSY[name])
    cleaner = Inverting()
    (tmp_path / "out").mkdir()
    (done,) = run(tmp_path / name, tmp_path / "out" / name, cleaner, noise=None)
    assert (done.error, done.copied, cleaner.calls) == (None, True, [])
    assert (tmp_path / "out" / name).read_bytes() == (tmp_path / name).read_bytes()


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.gif", "a.bmp", "a.webp", "a.jpg", "a.npy"])
def test_without_noise_or_changes_a_file_is_copied(tmp_path, name):
    source = tmp_path / name
    if name == "a.npy":
        np.save(source, RNG.integers(0, 256, (9, 7), np.uint8))
    else:
        text_page().save(source, **({"lossless": True} if name == "a.webp" else {}))
    for number, options in enumerate(({"noise": 0}, {"noise": 20, "cleaner": Unchanged()})):
        target = tmp_path / f"{number}{source.suffix}"
        (done,) = run(source, target, **options)
        assert (done.copied, target.read_bytes()) == (True, source.read_bytes())
    run(source, tmp_path / "out.zip", noise=0)
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.read(name) == source.read_bytes()
    (done,) = run(source, tmp_path / "other.tif" if name != "a.tif" else tmp_path / "other.png", noise=0)
    assert (done.error, done.copied) == (None, False)


def test_a_copy_of_a_phones_picture_keeps_all_of_it(tmp_path):
    pages = [text_page(), text_page()]
    pages[0].save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=pages[1:])
    (done,) = run(tmp_path / "a.jpg", tmp_path / "b.jpeg", noise=0)
    assert done.copied
    assert (tmp_path / "b.jpeg").read_bytes() == (tmp_path / "a.jpg").read_bytes()


def test_a_clean_picture_cleaned_in_place_is_not_written(tmp_path, monkeypatch):
    text_page().save(tmp_path / "a.png")
    monkeypatch.setattr("isthmus.images.cleaning._write", None)
    (done,) = run(tmp_path / "a.png", tmp_path / "a.png", noise=0, force=True)
    assert (done.error, done.copied) == (None, True)


def test_noise_is_removed_even_where_coding_loses_something(tmp_path):
    noisy = np.clip(np.asarray(text_page(), float) / 2 + 60 + 12 * RNG.normal(size=(120, 160)), 0, 255)
    Image.fromarray(noisy.astype(np.uint8)).save(tmp_path / "a.jpg", quality=90)
    cleaner = Inverting()
    (done,) = run(tmp_path / "a.jpg", tmp_path / "b.jpg", cleaner, noise=None)
    assert not done.copied
    assert done.noise > 5
    assert cleaner.calls


def test_a_model_that_does_not_use_the_noise_is_always_applied(tmp_path):
    class Model:
        uses_noise = False

        def denoise_picture(self, picture, noise):
            return 1 - picture

    text_page().save(tmp_path / "a.png")
    (done,) = clean_files(tmp_path / "a.png", tmp_path / "b.png", model=Model())
    assert not done.copied
    assert inverts(tmp_path / "b.png", tmp_path / "a.png")


def test_small_pictures_are_copied_and_in_doubt(tmp_path):
    pixels = np.zeros((16, 16), np.uint8)
    pixels[::2, ::2], pixels[5:11, 5:11] = 255, 100
    Image.fromarray(pixels).save(tmp_path / "icon.png")
    (done,) = run(tmp_path / "icon.png", tmp_path / "b.png", noise=None)
    assert (done.copied, done.noise) == (True, 0)
    assert "16x16 is too small" in done.doubt
    (done,) = run(tmp_path / "icon.png", tmp_path / "c.png", noise=20)
    assert (done.copied, done.doubt) == (False, None)


def test_correlated_noise_is_removed_on_two_scales(tmp_path):
    white = RNG.normal(size=(128, 128))
    smooth = sum(np.roll(white, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)) / 9
    Image.fromarray(np.rint(128 + 40 * smooth).astype(np.uint8)).save(tmp_path / "a.png")
    cleaner = Unchanged()
    (done,) = run(tmp_path / "a.png", tmp_path / "b.png", cleaner, noise=None)
    assert done.noise == pytest.approx(40 / 3, rel=0.15)
    assert [shape for shape, _ in cleaner.calls] == [(64, 64), (128, 128)]


def test_what_is_passed_over_is_listed(tmp_path, photos):
    (photos / "phone.heic").write_text("not read")
    cleaning = clean_files(photos, tmp_path / "out.zip", noise=25, cleaner=Inverting())
    assert [other.path.removeprefix(f"{photos}/") for other in cleaning.passed_over] == [
        ".hidden.png",
        "__MACOSX",
        "notes.txt",
        "phone.heic",
    ]


@pytest.mark.parametrize("output", ["out", "out.zip"])
def test_names_that_are_no_text(tmp_path, output):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in (b"a.png", b"caf\xe9.png", b"two\nlines.png"):
        (folder / os.fsdecode(name)).write_bytes(png())
    (folder / os.fsdecode(b"b\xff.png")).write_text("nothing")
    done = run(folder, tmp_path / output)
    assert [item.error is None for item in done] == [True, False, True, True]
    assert "b\\udcff.png cannot be read" in done[1].error
    if output == "out":
        names = sorted(os.fsencode(path.name) for path in (tmp_path / "out").iterdir())
        assert names == [b"a.png", b"caf\xe9.png", b"two\nlines.png"]
    else:
        with zipfile.ZipFile(tmp_path / "out.zip") as archive:
            assert archive.namelist() == ["a.png", "caf%E9.png", "two\nlines.png"]
