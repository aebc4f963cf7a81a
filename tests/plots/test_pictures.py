import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from drawing import CODES, LABELS, NAMES, ROWS, SHAPE, decode, images, points, rng, tiles
from isthmus import plots


def test_reconstructions_are_what_they_say():
    rebuilt = {"isthmus": ROWS * 0.9, "PCA": ROWS + 0.2}
    figure = plots.reconstructions(ROWS, rebuilt, image_shape=SHAPE, n=5, titles=range(30))
    original, first, first_off, second, second_off = images(figure)
    for i, shown in enumerate(tiles(original.get_array(), *SHAPE)):
        assert_allclose(shown, ROWS[i].reshape(SHAPE))
    for off, shown in ((first_off, ROWS * -0.1), (second_off, np.full_like(ROWS, 0.2))):
        for i, tile in enumerate(tiles(off.get_array(), *SHAPE)):
            assert_allclose(tile, shown[i].reshape(SHAPE), atol=1e-12)
    assert_allclose(tiles(second.get_array(), *SHAPE)[0], np.clip(ROWS[0] + 0.2, 0, 1).reshape(SHAPE))
    assert first_off.get_clim() == pytest.approx((-0.2, 0.2)) == second_off.get_clim()
    assert first.get_clim() == original.get_clim()
    names = [ax.get_ylabel() for ax in figure.axes]
    assert names[0] == "original"
    assert names[1] == f"isthmus\nMSE {np.mean((ROWS * 0.1) ** 2):.3g}"
    assert names[3] == "PCA\nMSE 0.04"
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("rows", "low", "high"),
    [
        (np.array([[0, 100, 200]], np.uint8), 0, 255),
        (np.array([[0, 1, 1]], np.uint8), 0, 1),
        (np.array([[0.2, 0.5, 0.7]]), 0, 1),
        (np.array([[0.0, 8, 16]]), 0, 16),
        (np.array([[-2.0, 0, 1]]), -2, 1),
        (np.array([[7.0, 7, 7]]), 7, 8),
    ],
)
def test_black_and_white(rows, low, high):
    figure = plots.reconstructions(rows, rows, image_shape=(1, 3))
    assert_allclose(images(figure)[0].get_array(), (rows - float(low)) / (high - low))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_colour_pictures(channels):
    pictures = rng.integers(0, 256, (3, 4, 5, channels)).astype(np.uint8)
    rebuilt = np.clip(pictures + 5.0, 0, 255)
    whole = plots.reconstructions(pictures, rebuilt)
    flat = plots.reconstructions(pictures.reshape(3, -1), rebuilt.reshape(3, -1), image_shape=(4, 5, channels))
    for one, other in zip(images(whole), images(flat), strict=True):
        assert_array_equal(one.get_array(), other.get_array())
    shown = tiles(images(whole)[0].get_array(), 4, 5)[1]
    expected = pictures[1] / 255 if channels > 1 else pictures[1, ..., 0] / 255
    assert_allclose(shown[..., :channels] if channels > 1 else shown, expected)
    off = tiles(images(whole)[2].get_array(), 4, 5)[2]
    assert_allclose(off, (rebuilt - pictures)[2].mean(axis=-1))


@pytest.mark.parametrize("labels", [None, LABELS, NAMES])
def test_manifold_is_the_decoder_over_the_plane(labels):
    codes = np.column_stack([CODES[:, 0], np.full(30, 7.0), CODES[:, 1] * 3])
    asked = []

    def watched(grid):
        asked.append(grid)
        return decode(grid)

    figure = plots.manifold(watched, codes, image_shape=SHAPE, n=5, components=(0, 2), labels=labels)
    (grid,) = asked
    assert grid.shape == (25, 3)
    assert (grid[:, 1] == 7).all()
    x, y = (np.linspace(*np.quantile(codes[:, k], [0.01, 0.99]), 5) for k in (0, 2))
    (mosaic,) = images(figure)
    left, right, bottom, top = mosaic.get_extent()
    assert_allclose([left, right], [x[0] - (x[1] - x[0]) / 2, x[-1] + (x[1] - x[0]) / 2])
    assert_allclose([bottom, top], [y[0] - (y[1] - y[0]) / 2, y[-1] + (y[1] - y[0]) / 2])
    low, high = min(x[0], y[0]), max(x[-1], y[-1])
    shown = tiles(mosaic.get_array(), *SHAPE, gap=0)
    for place, (at_x, at_y) in enumerate((at_x, at_y) for at_y in y[::-1] for at_x in x):
        assert shown[place][0, 0] == pytest.approx((at_x - low) / (high - low))
        assert shown[place][-1, -1] == pytest.approx((at_y - low) / (high - low))
    pictures = figure.axes[0]
    assert (pictures.get_xlabel(), pictures.get_ylabel()) == ("code 0", "code 2")
    if labels is not None:
        assert figure.axes[1].get_xlim() == pictures.get_xlim()
        assert_allclose(np.sort(points(figure.axes[1]), axis=0), np.sort(codes[:, [0, 2]], axis=0))


def test_manifold_of_one_unit_is_a_line():
    figure = plots.manifold(decode, CODES[:, :1], image_shape=SHAPE, n=6)
    assert images(figure)[0].get_array().shape == (4, 18)
    assert figure.axes[0].get_ylabel() == ""


def test_manifold_of_a_dead_unit():
    figure = plots.manifold(decode, np.zeros((5, 2)), image_shape=SHAPE, n=1)
    assert images(figure)[0].get_extent() == [-0.5, 0.5, -0.5, 0.5]


def test_weights_are_scaled_each_to_its_own():
    matrix = rng.normal(size=(12, 7)) * [1, 5, 0, 2, 9, 3, 4]
    order = np.argsort(-np.linalg.norm(matrix, axis=0))
    for sort, units in ((True, order[:6]), (False, range(6))):
        figure = plots.weights(matrix, image_shape=SHAPE, n=6, sort=sort)
        (image,) = images(figure)
        assert image.get_clim() == (-1, 1)
        for tile, unit in zip(tiles(image.get_array(), *SHAPE), units, strict=True):
            assert_allclose(tile, (matrix[:, unit] / (np.abs(matrix[:, unit]).max() or 1)).reshape(SHAPE))
        assert figure.get_suptitle().startswith("6 of 7 units")


def test_weights_of_colour_pictures_have_a_grey_zero():
    matrix = np.zeros((12, 2))
    matrix[:3, 0] = 2, 1, -2
    first, second = tiles(images(plots.weights(matrix, image_shape=(2, 2, 3)))[0].get_array(), 2, 2)
    assert_allclose(first[0, 0], [1, 0.75, 0, 1])
    assert_allclose(second[..., :3], 0.5)
