import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from drawing import ROWS, images, rng
from isthmus.evaluation import plots


def test_pictures_stand_under_their_names_in_one_range_of_grey():
    figure = plots.gallery({"first": ROWS, "second": 2 * ROWS[:5, :4] - 0.5})
    first, second = images(figure)
    assert [ax.get_title() for ax in figure.axes] == ["first", "second"]
    assert_allclose(first.get_array(), ROWS)
    assert_allclose(second.get_array(), np.clip(2 * ROWS[:5, :4] - 0.5, 0, 1))


def test_bytes_and_colours():
    picture = rng.integers(0, 256, (6, 5, 3)).astype(np.uint8)
    grey, coloured = images(plots.gallery({"grey": picture[..., 0], "coloured": picture}))
    assert_allclose(grey.get_array(), picture[..., 0] / 255)
    assert_allclose(coloured.get_array(), picture / 255)


@pytest.mark.parametrize(("across", "columns"), [(None, 2), (1, 1), (3, 3), (9, 4)])
def test_pictures_in_a_row(across, columns):
    figure = plots.gallery({str(i): ROWS[:6, :9] for i in range(4)}, across=across)
    assert_array_equal([ax.get_gridspec().ncols for ax in figure.axes], columns)
