import numpy as np
from numpy.testing import assert_allclose

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
