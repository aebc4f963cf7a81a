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
def test_black_and_white_are_the_types_or_the_rows_own(rows, expected):
    assert grey_range(rows) == expected


def test_rows_become_pictures_between_black_and_white():
    pictures = as_pictures(np.array([[0, 51, 255, 102, 0, 300]]), (0, 255), (2, 3))
    assert_allclose(pictures, [[[0, 0.2, 1], [0.4, 0, 1]]])


@given(st.integers(1, 12), st.integers(1, 5), st.integers(1, 4), st.integers(1, 4), st.integers(0, 3))
def test_a_mosaic_holds_every_picture_in_its_place(count, across, height, width, gap):
    pictures = np.random.default_rng(count).random((count, height, width))
    whole = mosaic_of(pictures, across, gap=gap)
    down = -(-count // across)
    assert whole.shape == (down * (height + gap) - gap, across * (width + gap) - gap)
    for i, picture in enumerate(pictures):
        top, left = i // across * (height + gap), i % across * (width + gap)
        assert_array_equal(whole[top : top + height, left : left + width], picture)
    assert np.isfinite(whole).sum() == pictures.size


def test_colour_between_pictures_is_transparent():
    whole = mosaic_of(np.full((2, 2, 2, 3), 0.5), 2, gap=1)
    assert whole.shape == (2, 5, 4)
    assert_array_equal(whole[..., 3], [[1, 1, 0, 1, 1]] * 2)
