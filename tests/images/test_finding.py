import zipfile
from pathlib import Path

import pytest

from isthmus.core.errors import BrokenFileError, InvalidDataError, MissingFileError
from isthmus.images.finding import find_pictures

NOWHERE = Path("nowhere")


@pytest.fixture
def folder(tmp_path):
    for name in ("b.png", "a.JPG", "deep/er/c.npy", "notes.txt", ".d.png", "deep/.e/f.png", "__MACOSX/g.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def test_a_folder(folder):
    found, passed_over = find_pictures(str(folder), NOWHERE)
    assert [picture.name for picture in found] == ["a.JPG", "b.png", "deep/er/c.npy"]
    assert passed_over == [
        (str(folder / ".d.png"), "hidden"),
        (str(folder / "__MACOSX"), "hidden"),
        (str(folder / "deep" / ".e"), "hidden"),
        (str(folder / "notes.txt"), "not a picture by its suffix"),
    ]
    assert [picture.read().decode() for picture in found] == ["a.JPG", "b.png", "deep/er/c.npy"]
    assert [picture.where for picture in found] == [str(folder / picture.name) for picture in found]
    assert not any(picture.alone for picture in found)


def test_files_in_the_output_folder_are_not_inputs(folder):
    for output, names in (("deep", ["a.JPG", "b.png"]), (".", ["a.JPG", "b.png", "deep/er/c.npy"])):
        assert [picture.name for picture in find_pictures(str(folder), folder / output).pictures] == names


def test_a_file_of_any_name(folder):
    (picture,) = find_pictures(str(folder / "notes.txt"), NOWHERE).pictures
    assert (picture.name, picture.alone, picture.read()) == ("notes.txt", True, b"notes.txt")


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.png", ["b.png"]),
        ("*.jpg", ["a.JPG"]),
        ("**/*.npy", ["deep/er/c.npy"]),
        ("d??p/*/*", ["deep/er/c.npy"]),
        ("deep/*/*", ["er/c.npy"]),
        ("[ab].*", ["a.JPG", "b.png"]),
    ],
)
def test_patterns(folder, monkeypatch, pattern, names):
    assert [picture.name for picture in find_pictures(f"{folder}/{pattern}", NOWHERE).pictures] == names
    monkeypatch.chdir(folder)
    assert [picture.name for picture in find_pictures(pattern, NOWHERE).pictures] == names


def test_an_archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.ZIP", "w") as archive:
        for name in ("x/b.png", "a.png", "a.txt", ".c.png"):
            archive.writestr(name, name)
    found, passed_over = find_pictures(str(tmp_path / "a.ZIP"), NOWHERE)
    assert [Path(other.path).name for other in passed_over] == [".c.png", "a.txt"]
    assert [picture.name for picture in found] == ["a.png", "x/b.png"]
    assert [picture.read() for picture in found] == [b"a.png", b"x/b.png"]
    assert found[1].where == f"{tmp_path}/a.ZIP/x/b.png"


def test_a_damaged_member(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.png", "what was stored")
    content = (tmp_path / "a.zip").read_bytes().replace(b"was stored", b"is damaged")
    (tmp_path / "a.zip").write_bytes(content)
    (picture,) = find_pictures(str(tmp_path / "a.zip"), NOWHERE).pictures
    with pytest.raises(BrokenFileError, match=r"a.zip/a.png cannot be read: Bad CRC"):
        picture.read()


def test_nothing_found(folder):
    (folder / "empty").mkdir()
    for text, error, match in (
        ("gone.png", MissingFileError, "gone.png does not exist"),
        ("*.webp", InvalidDataError, r"\*.webp matches no pictures"),
        ("empty", InvalidDataError, "empty has no pictures"),
    ):
        with pytest.raises(error, match=match):
            find_pictures(str(folder / text), NOWHERE)
    with pytest.raises(MissingFileError, match="the path of the pictures is empty"):
        find_pictures("", NOWHERE)


def test_other_kinds_of_pictures_are_named_with_what_to_do(tmp_path, monkeypatch):
    for name in ("a.png", "b.HEIC", "c.avif", "d.NEF", "e.pdf"):
        (tmp_path / name).write_text(name)
    monkeypatch.setattr("isthmus.data.sources.images.has_plugin", lambda format: False)
    found, passed_over = find_pictures(str(tmp_path), NOWHERE)
    assert [picture.name for picture in found] == ["a.png"]
    assert {Path(other.path).name: other.reason for other in passed_over} == {
        "b.HEIC": "install pillow-heif, or convert to JPEG or PNG",
        "c.avif": "install a newer Pillow",
        "d.NEF": "convert to TIFF, PNG or JPEG",
        "e.pdf": "not a picture by its suffix",
    }
    (tmp_path / "a.png").unlink()
    with pytest.raises(InvalidDataError, match=r"has no pictures .*b.HEIC \(install pillow-heif.*\) and 3 more"):
        find_pictures(str(tmp_path), NOWHERE)


def test_links(folder, tmp_path):
    (folder / "deep" / "circle").symlink_to(folder)
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "link").symlink_to(folder / "deep")
    found, passed_over = find_pictures(str(elsewhere), NOWHERE)
    assert {picture.name for picture in found} == {"link/er/c.npy", "link/circle/b.png", "link/circle/a.JPG"}
    assert (str(elsewhere / "link" / "circle" / "deep"), f"a link to {elsewhere}/link, which is read") in passed_over
    assert (str(elsewhere / "link" / "circle" / "gone.png"), "a link to a file that does not exist") in passed_over
