from hypothesis import given, settings
from hypothesis import strategies as st

from drawing import drawn
from isthmus.evaluation.plots.canvas import panels_across


@given(st.integers(1, 300), st.floats(0.1, 10))
@settings(deadline=None)
def test_grids_have_room_and_no_empty_row(count, ratio):
    across = panels_across(count, ratio)
    down = -(-count // across)
    assert 1 <= across <= count
    assert across * (down - 1) < count <= across * down


def test_notebooks_show_figures():
    assert drawn("codes")._repr_png_().startswith(b"\x89PNG")
