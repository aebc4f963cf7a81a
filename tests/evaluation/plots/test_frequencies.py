import numpy as np
import pytest
from numpy.testing import assert_allclose

from isthmus.evaluation import plots


@pytest.mark.parametrize("dead", [0, 3])
def test_dead_units_have_a_separate_bar(dead):
    shares = np.concatenate([np.zeros(dead), 10.0 ** np.array([-2.9, -1.1, -1.05, -0.3, 0])])
    figure = plots.density(shares)
    (ax,) = figure.axes
    bars = [(bar.get_x(), bar.get_width(), bar.get_height()) for bar in ax.patches]
    places = {(left, left + width): height for left, width, height in bars if height}
    assert figure.get_suptitle() == f"{dead} of {5 + dead} units never active"
    expected = {(-3.0, -2.75): 1, (-1.25, -1.0): 2, (-0.5, -0.25): 1, (-0.25, 0.0): 1}
    alive = {edges: height for edges, height in places.items() if edges[0] >= -3}
    assert_allclose([*alive], [*expected])
    assert list(alive.values()) == list(expected.values())
    labels = [text.get_text() for text in ax.get_xticklabels()]
    assert labels == ["0.1%", "1%", "10%", "100%", *["never"] * bool(dead)]
    if dead:
        (left, right), height = next((edges, height) for edges, height in places.items() if edges[0] < -3)
        assert (height, ax.texts[0].get_text()) == (3, "3 dead")
        assert right <= -3.25
        assert left < ax.get_xticks()[-1] < right
    assert ax.get_legend().get_texts()[0].get_text() == f"median {100 * np.median(shares[dead:]):.3g}%"


def test_all_units_dead():
    (ax,) = plots.density([0, 0]).axes
    assert sum(bar.get_height() for bar in ax.patches) == 2
    assert ax.get_legend() is None
