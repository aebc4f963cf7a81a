import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix

from drawing import ROWS, SHAPE, images, rng, tiles
from isthmus.evaluation import plots

CODES = np.maximum(rng.normal(size=(30, 5)), 0)
CODES[:, 3] = 0
CODES[2:, 4] = 0
CODES[:2, 4] = 0.5, 1234
ATOMS = rng.normal(size=(5, 12))


@pytest.mark.parametrize("form", [np.asarray, csr_matrix])
def test_rows_are_sorted_by_activation(form):
    figure = plots.top_rows(ROWS, form(CODES), [4, 0], image_shape=SHAPE, components=ATOMS, n=4)
    first_atom, first, second_atom, second = images(figure)
    for atom, k in ((first_atom, 4), (second_atom, 0)):
        assert_allclose(atom.get_array(), (ATOMS[k] / np.abs(ATOMS[k]).max()).reshape(SHAPE))
    for image, best in ((first, [1, 0]), (second, np.argsort(-CODES[:, 0])[:4])):
        shown = [tile for tile in tiles(image.get_array(), *SHAPE) if np.ma.count(tile)]
        assert_array_equal(shown, ROWS[best].reshape(-1, *SHAPE))
    labels = [[text.get_text() for text in image.axes.get_xticklabels()] for image in (first, second)]
    assert labels == [["1,234", "0.5"], [f"{value:.3g}" for value in np.sort(CODES[:, 0])[:-5:-1]]]
    assert [ax.get_ylabel() for ax in figure.axes if ax.get_ylabel()] == ["unit 4", "unit 0"]


def test_a_unit_that_is_never_active_is_labelled():
    figure = plots.top_rows(ROWS, CODES, 3, image_shape=SHAPE)
    assert images(figure) == []
    assert [text.get_text() for text in figure.axes[0].texts] == ["never active"]


def test_default_units_are_active_in_the_most_rows():
    by_frequency = np.argsort(-(CODES != 0).sum(axis=0), kind="stable")
    for codes in (CODES, csr_matrix(CODES)):
        figure = plots.top_rows(ROWS.reshape(30, *SHAPE), codes)
        assert [ax.get_ylabel() for ax in figure.axes] == [f"unit {k}" for k in by_frequency]


def test_colour_pictures():
    pictures = rng.integers(0, 256, (30, 2, 2, 3)).astype(np.uint8)
    atom, strip = images(plots.top_rows(pictures, CODES, 4, components=ATOMS, n=3))
    assert_allclose(strip.get_array()[:, :2, :3], pictures[1] / 255)
    assert_array_equal(strip.get_array()[..., 3].sum(axis=0) > 0, [True, True, False, True, True, False, False, False])
    assert_allclose(atom.get_array(), (ATOMS[4] / np.abs(ATOMS[4]).max() + 1).reshape(2, 2, 3) / 2)
