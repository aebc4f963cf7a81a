import json
import os
import re
import signal
import subprocess
import sys
import types

import numpy as np
import pytest
from PIL import Image

from commands import Terminal, fails, isthmus, spawn
from isthmus.cli.denoise import _progress
from isthmus.images.files import read_picture

SLOW_DENOISER = """
import sys, time, types
class Denoiser:
    shipped = classmethod(lambda kind: kind())
    def clean(self, picture, noise=None):
        time.sleep(0.05)
        return picture
sys.modules["isthmus.images.denoiser"] = types.SimpleNamespace(Denoiser=Denoiser)
from isthmus.cli import main
main()
"""
RNG = np.random.default_rng(0)


class Halving:
    """A stand-in for the included denoiser."""

    @staticmethod
    def shipped():
        return Halving()

    def clean(self, picture, noise=None):
        return picture / 2


@pytest.fixture(autouse=True)
def halving(monkeypatch):
    monkeypatch.setitem(sys.modules, "isthmus.images.denoiser", types.SimpleNamespace(Denoiser=Halving))


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, sigma in (("a.png", 10), ("b.png", 30)):
        pixels = np.rint(128 + sigma * RNG.normal(size=(70, 60))).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return folder


@pytest.fixture
def broken(photos):
    (photos / "c.png").write_text("not a picture")
    return photos


def test_one_picture(tmp_path, photos):
    result = isthmus("denoise", photos / "b.png", "-o", tmp_path / "out.png", "--noise", "25")
    assert re.fullmatch(rf"{tmp_path}/out\.png: noise 25\.0, \d+\.\d s\n", result.stdout)
    assert result.stderr == ""
    noisy, clean = read_picture(photos / "b.png").values, read_picture(tmp_path / "out.png").values
    assert np.abs(clean - noisy / 2).max() < 0.51 / 255


def test_a_folder_with_estimated_noise(tmp_path, photos):
    lines = isthmus("denoise", photos, "-o", tmp_path / "out").stdout.splitlines()
    assert re.fullmatch(rf"{tmp_path}/out/a\.png: noise (9|10)\.\d \(estimated\), \d+\.\d s", lines[0])
    assert re.fullmatch(rf"{tmp_path}/out/b\.png: noise (29|30|31)\.\d \(estimated\), \d+\.\d s", lines[1])
    assert re.fullmatch(r"2 pictures in \d+\.\d s", lines[2])


def test_json(tmp_path, broken):
    result = isthmus("denoise", broken, "-o", tmp_path / "out", "--json", code=1)
    facts = json.loads(result.stdout)
    assert (facts["cleaned"], facts["failed"]) == (2, 1)
    keys = {"path", "out", "noise", "seconds", "error", "copied", "doubt"}
    assert [set(item) for item in facts["pictures"]] == [keys] * 3
    assert facts["passed_over"] == []
    assert facts["pictures"][0]["out"] == f"{tmp_path}/out/a.png"
    assert facts["pictures"][0]["noise"] == pytest.approx(10, rel=0.1)
    assert facts["pictures"][2]["out"] is None
    assert "c.png cannot be read" in facts["pictures"][2]["error"]


@pytest.mark.parametrize("quiet", [(), ("--quiet",)])
def test_unreadable_pictures_are_listed_at_the_end(tmp_path, broken, quiet):
    result = isthmus("denoise", broken, "-o", tmp_path / "out", *quiet, code=1)
    assert result.stdout.count("\n") == (0 if quiet else 2)
    first, second = result.stderr.splitlines()
    assert first == "isthmus: 1 of 3 pictures could not be cleaned:"
    assert re.fullmatch(r"isthmus: .*c\.png cannot be read: .*not a picture.*", second)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "b.png"]
    fails("denoise", broken / "c.png", "-o", tmp_path / "c.png", code=1, match="c.png cannot be read")


def test_what_is_passed_over_is_named(tmp_path, photos):
    for name in ("b.HEIC", "c.CR2", "notes.txt"):
        (photos / name).write_text(name)
    (photos / "circle").symlink_to(photos)
    result = isthmus("denoise", photos, "-o", tmp_path / "out", "--noise", "9")
    first, *lines = result.stderr.splitlines()
    assert first == "isthmus: 4 passed over:"
    assert lines[0] == f"isthmus: {photos}/b.HEIC: install pillow-heif, or convert to JPEG or PNG"
    assert lines[2] == f"isthmus: {photos}/circle: a link to {photos}, which is read"
    facts = json.loads(isthmus("denoise", photos, "-o", tmp_path / "other", "--noise", "9", "--json").stdout)
    names = [item["path"].removeprefix(f"{photos}/") for item in facts["passed_over"]]
    assert names == ["b.HEIC", "c.CR2", "circle", "notes.txt"]
    assert isthmus("denoise", photos, "-o", tmp_path / "third", "--quiet").stderr == ""


def test_copies_and_doubt_are_printed(tmp_path):
    Image.fromarray(np.full((60, 60), 90, np.uint8)).save(tmp_path / "a.png")
    result = isthmus("denoise", tmp_path / "a.png", "-o", tmp_path / "b.png")
    assert re.fullmatch(rf"{tmp_path}/b\.png: noise 0\.0 \(estimated, copied\), \d+\.\d s\n", result.stdout)
    pixels = np.zeros((16, 16), np.uint8)
    pixels[::2, ::2] = 255
    Image.fromarray(pixels).save(tmp_path / "icon.png")
    result = isthmus("denoise", tmp_path / "icon.png", "-o", tmp_path / "c.png")
    assert re.fullmatch(r"isthmus: .*icon.png: .*16x16 is too small .*; --noise gives the deviation.*\n", result.stderr)
    facts = json.loads(isthmus("denoise", tmp_path / "icon.png", "-o", tmp_path / "d.png", "--json").stdout)
    assert "too small" in facts["pictures"][0]["doubt"]
    assert facts["pictures"][0]["copied"]


SLOW = pytest.mark.slow


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["latin-1", pytest.param("ascii", marks=SLOW), pytest.param("utf-8", marks=SLOW)])
def test_a_name_that_the_terminal_cannot_show_is_escaped(tmp_path, encoding):
    for name in ("a\u20ac.png", os.fsdecode(b"b\xe9.png")):
        Image.fromarray(np.full((20, 20), 90, np.uint8)).save(tmp_path / "x.png")
        (tmp_path / "x.png").rename(tmp_path / name)
    process = spawn("denoise", tmp_path, "-o", f"{tmp_path}/out", "--noise", "0",
                    env={**os.environ, "PYTHONIOENCODING": encoding})  # fmt: skip
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, b"")
    first, second, _ = output.splitlines()
    assert (rb"a\u20ac.png" if encoding != "utf-8" else "a\u20ac.png".encode()) in first
    assert rb"b\udce9.png" in second
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_quiet(tmp_path, photos):
    result = isthmus("denoise", photos, "-o", tmp_path / "out.zip", "--quiet")
    assert result.stdout == result.stderr == ""


def test_invalid_arguments(tmp_path, photos):
    for args, match in (
        ((photos / "gone.png", "-o", tmp_path / "out.png"), "gone.png does not exist"),
        ((photos, "-o", photos), "a.png .*input"),
        ((photos, "-o", tmp_path / "out", "--noise", "-3"), "noise=-3.0 "),
        ((photos, "-o", tmp_path / "out", "--model", photos / "a.png"), "a.png .*model file"),
    ):
        fails("denoise", *args, match=match)
    assert "Missing option" in isthmus("denoise", photos, code=2).stderr
    isthmus("denoise", photos, "-o", photos, "--force")
    assert read_picture(photos / "a.png").values.max() < 0.51


def test_a_model_that_is_not_for_pictures(tmp_path, photos, folder):
    args = ("denoise", photos, "-o", tmp_path / "out", "--model", folder / "model")
    fails(*args, match="Autoencoder, which cannot denoise pictures")


def test_progress_on_a_terminal_is_a_bar_with_lines_above(monkeypatch, capsys):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with _progress(7, quiet=False) as on_picture:
        on_picture("a line")
        on_picture(None)
    assert capsys.readouterr().out == "a line\n"
    assert "denoise" in terminal.text
    assert "2/7" in terminal.text


def test_ctrl_c_leaves_only_complete_files(tmp_path, photos):
    for number in range(40):
        (photos / f"{number}.png").write_bytes((photos / "a.png").read_bytes())
    command = [sys.executable, "-c", SLOW_DENOISER, "denoise", photos, "-o", tmp_path / "out"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert b"(estimated" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert errors.endswith(b"isthmus: interrupted\n")
    written = list((tmp_path / "out").iterdir())
    assert 0 < len(written) < 42
    assert all(read_picture(path).values.shape == (70, 60) for path in written)
