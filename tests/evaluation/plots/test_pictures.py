import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from drawing import ROWS, images, rng
from isthmus.evaluation import plots
from isthmus.evaluation.plots.pictures import as_pictures, grey_range, mosaic_of


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (np.array([[0, 200]], np.uint8), (0, 255)),
        (np.array([[0, 1]], np.uint8), (0, 1)),
        (np.array([[0.2, 0.9]]), (0, 1)),
        (np.array([[-3.0, 5.0]]), (-3, 5)),
        (np.array([[7.0, 7.0]]), (7, 8)),
    ],
)
def test_grey_range_is_the_usual_one_or_the_rows(rows, expected):
    assert grey_range(rows) == expected


def test_rows_are_scaled_and_clipped_to_pictures():
    pictures = as_pictures(np.array([[0, 51, 255, 102, 0, 300]]), (0, 255), (2, 3))
    assert_allclose(pictures, [[[0, 0.2, 1], [0.4, 0, 1]]])


@given(st.integers(1, 12), st.integers(1, 5), st.integers(1, 4), st.integers(1, 4), st.integers(0, 3))
def test_a_mosaic_contains_every_picture_in_order(count, columns, height, width, gap):
    pictures = np.random.default_rng(count).random((count, height, width))
    mosaic = mosaic_of(pictures, columns, gap=gap)
    rows = -(-count // columns)
    assert mosaic.shape == (rows * (height + gap) - gap, columns * (width + gap) - gap)
    for i, picture in enumerate(pictures):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        assert_array_equal(mosaic[top : top + height, left : left + width], picture)
    assert np.isfinite(mosaic).sum() == pictures.size


def test_gaps_between_colour_pictures_are_transparent():
    mosaic = mosaic_of(np.full((2, 2, 2, 3), 0.5), 2, gap=1)
    assert mosaic.shape == (2, 5, 4)
    assert_array_equal(mosaic[..., 3], [[1, 1, 0, 1, 1]] * 2)


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
