import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from drawing import ROWS, SHAPE, images, rng, tiles
from isthmus.evaluation import plots


def test_reconstructions_and_differences_are_drawn():
    reconstructed = {"isthmus": ROWS * 0.9, "PCA": ROWS + 0.2}
    figure = plots.reconstructions(ROWS, reconstructed, image_shape=SHAPE, n=5, titles=range(30))
    original, first, first_difference, second, second_difference = images(figure)
    for i, shown in enumerate(tiles(original.get_array(), *SHAPE)):
        assert_allclose(shown, ROWS[i].reshape(SHAPE))
    for image, shown in ((first_difference, ROWS * -0.1), (second_difference, np.full_like(ROWS, 0.2))):
        for i, tile in enumerate(tiles(image.get_array(), *SHAPE)):
            assert_allclose(tile, shown[i].reshape(SHAPE), atol=1e-12)
    assert_allclose(tiles(second.get_array(), *SHAPE)[0], np.clip(ROWS[0] + 0.2, 0, 1).reshape(SHAPE))
    assert first_difference.get_clim() == pytest.approx((-0.2, 0.2)) == second_difference.get_clim()
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
def test_grey_range_of_rows(rows, low, high):
    figure = plots.reconstructions(rows, rows, image_shape=(1, 3))
    assert_allclose(images(figure)[0].get_array(), (rows - float(low)) / (high - low))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_colour_pictures(channels):
    pictures = rng.integers(0, 256, (3, 4, 5, channels)).astype(np.uint8)
    reconstructed = np.clip(pictures + 5.0, 0, 255)
    shaped = plots.reconstructions(pictures, reconstructed)
    flat = plots.reconstructions(pictures.reshape(3, -1), reconstructed.reshape(3, -1), image_shape=(4, 5, channels))
    for one, other in zip(images(shaped), images(flat), strict=True):
        assert_array_equal(one.get_array(), other.get_array())
    shown = tiles(images(shaped)[0].get_array(), 4, 5)[1]
    expected = pictures[1] / 255 if channels > 1 else pictures[1, ..., 0] / 255
    assert_allclose(shown[..., :channels] if channels > 1 else shown, expected)
    difference = tiles(images(shaped)[2].get_array(), 4, 5)[2]
    assert_allclose(difference, (reconstructed - pictures)[2].mean(axis=-1))


def test_rows_as_lines():
    figure = plots.reconstructions(ROWS, {"a": ROWS * 0.9, "b": ROWS + 1}, n=5, titles="vwxyz")
    assert [ax.get_title() for ax in figure.axes] == list("vwxyz")
    for i, ax in enumerate(figure.axes):
        for line, expected in zip(ax.lines, (ROWS, ROWS * 0.9, ROWS + 1), strict=True):
            assert_allclose(line.get_ydata(), expected[i])
    assert [text.get_text() for text in figure.legends[0].get_texts()][2] == "b, MSE 1"
    assert figure.axes[0].get_ylabel() == "value"


def test_columns_of_different_units_are_drawn_as_z_scores():
    rows = pd.DataFrame({"metres": rng.normal(2, 0.1, 30), "a very long name of a column": rng.normal(9, 1e4, 30)})
    rows["constant"] = 4.0
    figure = plots.reconstructions(rows, rows + rows.std(ddof=0), n=2)
    ax = figure.axes[0]
    expected = ((rows - rows.mean()) / rows.std(ddof=0)).iloc[0].fillna(0)
    assert_allclose(ax.lines[0].get_ydata(), expected, atol=1e-9)
    assert ax.get_ylabel() == "z-score"
    assert [text.get_text() for text in ax.get_xticklabels()] == ["metres", "a very long name …", "constant"]
    assert figure.legends[0].get_texts()[1].get_text() == "reconstructed, MSE 0.667"  # the constant column has no error
