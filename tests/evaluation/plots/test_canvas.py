from hypothesis import given, settings
from hypothesis import strategies as st

from drawing import drawn
from isthmus.evaluation.plots.canvas import columns_for


@given(st.integers(1, 300), st.floats(0.1, 10))
@settings(deadline=None)
def test_grids_hold_all_panels_and_have_no_empty_row(count, ratio):
    columns = columns_for(count, ratio)
    rows = -(-count // columns)
    assert 1 <= columns <= count
    assert columns * (rows - 1) < count <= columns * rows


def test_figures_have_a_png_for_notebooks():
    assert drawn("codes")._repr_png_().startswith(b"\x89PNG")
