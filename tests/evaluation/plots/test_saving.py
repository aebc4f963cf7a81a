import re

import pytest

from drawing import assert_raises, drawn, rng
from isthmus.core.errors import InvalidParameterError, UnwritableError
from isthmus.evaluation import plots
from isthmus.evaluation.plots import save


@pytest.mark.parametrize("suffix", [".png", ".SVG", ".pdf"])
def test_saving_twice_gives_identical_files(suffix, tmp_path):
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    for path in (first, second):
        save(drawn("codes"), path, dpi=40)
    assert first.read_bytes() == second.read_bytes()
    assert sorted(tmp_path.iterdir()) == [first, second]


def test_scattered_points_are_pixels_in_vector_files(tmp_path):
    save(plots.codes(rng.normal(size=(5000, 2))), tmp_path / "codes.svg", dpi=50)
    text = (tmp_path / "codes.svg").read_text()
    assert len(re.findall("<image", text)) == 1
    assert len(text) < 200_000


def test_unwritable_files_and_unknown_suffixes_raise(tmp_path):
    figure = drawn("history")
    known = "must end in one of .png, .svg, .pdf"
    assert_raises(InvalidParameterError, known + "; did you mean '.png'", save, figure, tmp_path / "a.npg")
    assert_raises(InvalidParameterError, known, save, figure, tmp_path / "a")
    assert_raises(UnwritableError, "cannot write", save, figure, tmp_path / "none" / "a.png")
    assert not list(tmp_path.iterdir())
