import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from drawing import ROWS, images, rng
from isthmus.evaluation import plots


def test_pictures_are_titled_and_share_one_grey_range():
    figure = plots.gallery({"first": ROWS, "second": 2 * ROWS[:5, :4] - 0.5})
    first, second = images(figure)
    assert [ax.get_title() for ax in figure.axes] == ["first", "second"]
    assert_allclose(first.get_array(), ROWS)
    assert_allclose(second.get_array(), np.clip(2 * ROWS[:5, :4] - 0.5, 0, 1))


def test_bytes_and_colour_pictures():
    picture = rng.integers(0, 256, (6, 5, 3)).astype(np.uint8)
    grey, coloured = images(plots.gallery({"grey": picture[..., 0], "coloured": picture}))
    assert_allclose(grey.get_array(), picture[..., 0] / 255)
    assert_allclose(coloured.get_array(), picture / 255)


@pytest.mark.parametrize(("columns", "expected"), [(None, 2), (1, 1), (3, 3), (9, 4)])
def test_number_of_columns(columns, expected):
    figure = plots.gallery({str(i): ROWS[:6, :9] for i in range(4)}, columns=columns)
    assert_array_equal([ax.get_gridspec().ncols for ax in figure.axes], expected)
