import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from drawing import SHAPE, images, rng, tiles
from isthmus.evaluation import plots


def test_each_unit_is_scaled_by_its_largest_weight():
    matrix = rng.normal(size=(12, 7)) * [1, 5, 0, 2, 9, 3, 4]
    order = np.argsort(-np.linalg.norm(matrix, axis=0))
    for sort, units in ((True, order[:6]), (False, range(6))):
        figure = plots.weights(matrix, image_shape=SHAPE, n=6, sort=sort)
        (image,) = images(figure)
        assert image.get_clim() == (-1, 1)
        for tile, unit in zip(tiles(image.get_array(), *SHAPE), units, strict=True):
            assert_allclose(tile, (matrix[:, unit] / (np.abs(matrix[:, unit]).max() or 1)).reshape(SHAPE))
        assert figure.get_suptitle().startswith("6 of 7 units")


def test_zero_weights_of_colour_pictures_are_grey():
    matrix = np.zeros((12, 2))
    matrix[:3, 0] = 2, 1, -2
    first, second = tiles(images(plots.weights(matrix, image_shape=(2, 2, 3)))[0].get_array(), 2, 2)
    assert_allclose(first[0, 0], [1, 0.75, 0, 1])
    assert_allclose(second[..., :3], 0.5)


ATOMS = rng.normal(size=(7, 12)) * np.array([1, 5, 0, 2, 9, 3, 4])[:, None]
FREQUENCY = np.array([0.5, 0, 0.1, 1, 0, 0.2, 0.2])
BY_NORM = np.argsort(-np.linalg.norm(ATOMS, axis=1))


@pytest.mark.parametrize(
    ("options", "units", "title"),
    [
        # A fitted estimator's units are in order of use.
        ({}, range(7), "7 of 7 units"),
        ({"frequency": FREQUENCY}, [3, 0, 5, 6, 2], "5 of 7 units, most frequently active first"),
        ({"sort": "norm", "n": 3}, BY_NORM[:3], "3 of 7 units, largest norm first"),
        ({"sort": None, "n": 4}, range(4), "4 of 7 units"),
        ({"sort": None, "frequency": FREQUENCY}, range(7), "7 of 7 units"),
        ({"sort": "frequency", "frequency": FREQUENCY}, [3, 0, 5, 6, 2], "5 of 7 units, most frequently active first"),
        (
            {"sort": "norm", "frequency": FREQUENCY},
            [k for k in BY_NORM if FREQUENCY[k]],
            "5 of 7 units, largest norm first",
        ),
    ],
)
def test_order_and_title_of_atoms(options, units, title):
    figure = plots.atoms(ATOMS, image_shape=SHAPE, **options)
    (image,) = images(figure)
    shown = tiles(image.get_array(), *SHAPE)
    for tile, k in zip(shown, units, strict=False):
        assert_allclose(tile, (ATOMS[k] / (np.abs(ATOMS[k]).max() or 1)).reshape(SHAPE))
    assert np.isfinite([tile.filled(np.nan)[0, 0] for tile in shown]).sum() == len(units)
    assert figure.get_suptitle() == title


def test_atoms_equal_the_transposed_weights():
    one, other = (
        images(figure)[0].get_array()
        for figure in (
            plots.atoms(ATOMS, image_shape=(2, 2, 3)),
            plots.weights(ATOMS.T, image_shape=(2, 2, 3), sort=False),
        )
    )
    assert_array_equal(one, other)
