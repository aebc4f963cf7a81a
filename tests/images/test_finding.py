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
    found = find_pictures(str(folder), NOWHERE)
    assert [picture.name for picture in found] == ["a.JPG", "b.png", "deep/er/c.npy"]
    assert [picture.read().decode() for picture in found] == ["a.JPG", "b.png", "deep/er/c.npy"]
    assert [picture.where for picture in found] == [str(folder / picture.name) for picture in found]
    assert not any(picture.alone for picture in found)


def test_files_in_the_output_folder_are_not_inputs(folder):
    for output, names in (("deep", ["a.JPG", "b.png"]), (".", ["a.JPG", "b.png", "deep/er/c.npy"])):
        assert [picture.name for picture in find_pictures(str(folder), folder / output)] == names


def test_a_file_of_any_name(folder):
    (picture,) = find_pictures(str(folder / "notes.txt"), NOWHERE)
    assert (picture.name, picture.alone, picture.read()) == ("notes.txt", True, b"notes.txt")


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.png", ["b.png"]),
        ("**/*.npy", ["deep/er/c.npy"]),
        ("d??p/*/*", ["deep/er/c.npy"]),
        ("deep/*/*", ["er/c.npy"]),
        ("[ab].*", ["a.JPG", "b.png"]),
    ],
)
def test_patterns(folder, monkeypatch, pattern, names):
    assert [picture.name for picture in find_pictures(f"{folder}/{pattern}", NOWHERE)] == names
    monkeypatch.chdir(folder)
    assert [picture.name for picture in find_pictures(pattern, NOWHERE)] == names


def test_an_archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.ZIP", "w") as archive:
        for name in ("x/b.png", "a.png", "a.txt", ".c.png"):
            archive.writestr(name, name)
    found = find_pictures(str(tmp_path / "a.ZIP"), NOWHERE)
    assert [picture.name for picture in found] == ["a.png", "x/b.png"]
    assert [picture.read() for picture in found] == [b"a.png", b"x/b.png"]
    assert found[1].where == f"{tmp_path}/a.ZIP/x/b.png"


def test_a_damaged_member(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.png", "what was stored")
    content = (tmp_path / "a.zip").read_bytes().replace(b"was stored", b"is damaged")
    (tmp_path / "a.zip").write_bytes(content)
    (picture,) = find_pictures(str(tmp_path / "a.zip"), NOWHERE)
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
