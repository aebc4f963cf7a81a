import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawing import assert_raises, drawn, rng
from isthmus.core.errors import InvalidParameterError, UnwritableError
from isthmus.evaluation import plots
from isthmus.evaluation.plots import save
from isthmus.evaluation.plots.canvas import columns_for


@given(st.integers(1, 300), st.floats(0.1, 10))
@settings(deadline=None)
def test_grids_hold_all_panels_and_have_no_empty_row(count, ratio):
    columns = columns_for(count, ratio)
    rows = -(-count // columns)
    assert 1 <= columns <= count
    assert columns * (rows - 1) < count <= columns * rows


def test_few_panels_are_not_stacked_in_one_column():
    assert [columns_for(count, 0.75) for count in (1, 2, 3, 4, 5, 6, 7, 8, 16)] == [1, 2, 2, 2, 2, 3, 4, 4, 4]


def test_figures_have_a_png_for_notebooks():
    assert drawn("codes")._repr_png_().startswith(b"\x89PNG")


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
