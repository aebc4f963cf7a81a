import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

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
