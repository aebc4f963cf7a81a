import numpy as np
import pytest
from numpy.testing import assert_allclose

from drawing import ROWS, SHAPE, images, rng, tiles
from isthmus.evaluation import plots

ATOMS = rng.normal(size=(4, 12))
CODES = np.array([[0.5, 0, 2, 0.001], [0, 0, 0, 0], [1, 3, 0, -2]])
BASE = np.full(12, 0.25)


@pytest.mark.parametrize("base", [None, BASE])
def test_contributions_are_sorted_by_norm_and_the_sum_includes_all(base):
    figure = plots.parts(ROWS[:3], CODES, ATOMS, base=base, image_shape=SHAPE)
    start = 0 if base is None else base
    drawn = images(figure)
    # The second row has no active unit.
    width = 3 if base is None else 4
    first, third = drawn[:width], drawn[-width:]
    for i, pictures in ((0, first), (2, third)):
        row, *middle, strip, total = [picture.get_array() for picture in pictures]
        assert_allclose(row, ROWS[i].reshape(SHAPE))
        assert all((picture == 0.25).all() for picture in middle)
        assert_allclose(total, np.clip(start + CODES[i] @ ATOMS, 0, 1).reshape(SHAPE))
        parts = CODES[i][:, None] * ATOMS
        norms = np.linalg.norm(parts, axis=1)
        order = [k for k in np.argsort(-norms) if norms[k] > 0.01 * norms.max()]
        shown = [tile for tile in tiles(strip, *SHAPE) if np.ma.count(tile)]
        assert_allclose(shown, parts[order].reshape(-1, *SHAPE))
        assert_allclose(pictures[-2].get_clim()[1], np.abs(parts[order]).max())
        labels = [text.get_text() for text in pictures[-2].axes.get_xticklabels()]
        assert labels == [f"{CODES[i, k]:.3g}" for k in order]
    assert [text.get_text() for ax in figure.axes for text in ax.texts] == ["no unit is active"]


def test_maximum_numbers_of_rows_and_contributions():
    figure = plots.parts(ROWS[:3], CODES, ATOMS, image_shape=SHAPE, n=1, n_parts=1)
    row, strip, total = images(figure)
    assert strip.get_array().shape == row.get_array().shape == SHAPE
    assert_allclose(total.get_array(), np.clip(CODES[0] @ ATOMS, 0, 1).reshape(SHAPE))


def test_colour_pictures():
    pictures = rng.random((1, 2, 2, 3))
    row, strip, _ = images(plots.parts(pictures, [[0, 2, 0, 0]], ATOMS))
    assert_allclose(row.get_array(), pictures[0])
    part = 2 * ATOMS[1]
    assert_allclose(strip.get_array()[..., :3], (part / np.abs(part).max() + 1).reshape(2, 2, 3) / 2)
