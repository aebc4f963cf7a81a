import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix

from drawing import ROWS, SHAPE, images, rng, tiles
from isthmus.evaluation import plots

ATOMS = rng.normal(size=(4, 12))
CODES = np.array([[0.5, 0, 2, 0.001], [0, 0, 0, 0], [1, 3, 0, -2]])
BASE = np.full(12, 0.25)
MANY_CODES = np.maximum(rng.normal(size=(30, 5)), 0)
MANY_CODES[:, 3] = 0
MANY_CODES[2:, 4] = 0
MANY_CODES[:2, 4] = 0.5, 1234
MANY_ATOMS = rng.normal(size=(5, 12))


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


def test_parts_in_colour():
    pictures = rng.random((1, 2, 2, 3))
    row, strip, _ = images(plots.parts(pictures, [[0, 2, 0, 0]], ATOMS))
    assert_allclose(row.get_array(), pictures[0])
    part = 2 * ATOMS[1]
    assert_allclose(strip.get_array()[..., :3], (part / np.abs(part).max() + 1).reshape(2, 2, 3) / 2)


@pytest.mark.parametrize("form", [np.asarray, csr_matrix])
def test_rows_are_sorted_by_activation(form):
    figure = plots.top_rows(ROWS, form(MANY_CODES), [4, 0], image_shape=SHAPE, components=MANY_ATOMS, n=4)
    first_atom, first, second_atom, second = images(figure)
    for atom, k in ((first_atom, 4), (second_atom, 0)):
        assert_allclose(atom.get_array(), (MANY_ATOMS[k] / np.abs(MANY_ATOMS[k]).max()).reshape(SHAPE))
    for image, best in ((first, [1, 0]), (second, np.argsort(-MANY_CODES[:, 0])[:4])):
        shown = [tile for tile in tiles(image.get_array(), *SHAPE) if np.ma.count(tile)]
        assert_array_equal(shown, ROWS[best].reshape(-1, *SHAPE))
    labels = [[text.get_text() for text in image.axes.get_xticklabels()] for image in (first, second)]
    assert labels == [["1,234", "0.5"], [f"{value:.3g}" for value in np.sort(MANY_CODES[:, 0])[:-5:-1]]]
    assert [ax.get_ylabel() for ax in figure.axes if ax.get_ylabel()] == ["unit 4", "unit 0"]


def test_a_unit_that_is_never_active_is_labelled():
    figure = plots.top_rows(ROWS, MANY_CODES, 3, image_shape=SHAPE)
    assert images(figure) == []
    assert [text.get_text() for text in figure.axes[0].texts] == ["never active"]


def test_default_units_are_active_in_the_most_rows():
    by_frequency = np.argsort(-(MANY_CODES != 0).sum(axis=0), kind="stable")
    for codes in (MANY_CODES, csr_matrix(MANY_CODES)):
        figure = plots.top_rows(ROWS.reshape(30, *SHAPE), codes)
        assert [ax.get_ylabel() for ax in figure.axes] == [f"unit {k}" for k in by_frequency]


def test_top_rows_in_colour():
    pictures = rng.integers(0, 256, (30, 2, 2, 3)).astype(np.uint8)
    atom, strip = images(plots.top_rows(pictures, MANY_CODES, 4, components=MANY_ATOMS, n=3))
    assert_allclose(strip.get_array()[:, :2, :3], pictures[1] / 255)
    assert_array_equal(strip.get_array()[..., 3].sum(axis=0) > 0, [True, True, False, True, True, False, False, False])
    assert_allclose(atom.get_array(), (MANY_ATOMS[4] / np.abs(MANY_ATOMS[4]).max() + 1).reshape(2, 2, 3) / 2)
