import re

import pytest

from drawing import drawn, refused, rng
from isthmus.core.errors import InvalidParameterError, UnwritableError
from isthmus.evaluation import plots
from isthmus.evaluation.plots import save


@pytest.mark.parametrize("suffix", [".png", ".SVG", ".pdf"])
def test_saving_twice_gives_the_same_file(suffix, tmp_path):
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    for path in (first, second):
        save(drawn("codes"), path, dpi=40)
    assert first.read_bytes() == second.read_bytes()
    assert sorted(tmp_path.iterdir()) == [first, second]


def test_clouds_are_pixels_in_vector_files(tmp_path):
    save(plots.codes(rng.normal(size=(5000, 2))), tmp_path / "codes.svg", dpi=50)
    text = (tmp_path / "codes.svg").read_text()
    assert len(re.findall("<image", text)) == 1
    assert len(text) < 200_000


def test_files_that_cannot_be_written(tmp_path):
    figure = drawn("history")
    known = "does not end in one of .png, .svg, .pdf, which say how to write a figure"
    refused(InvalidParameterError, known + "; did you mean '.png'", save, figure, tmp_path / "a.npg")
    refused(InvalidParameterError, known, save, figure, tmp_path / "a")
    refused(UnwritableError, "cannot write", save, figure, tmp_path / "none" / "a.png")
    assert not list(tmp_path.iterdir())
