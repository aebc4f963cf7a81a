import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from drawing import CODES, LABELS, NAMES, ROWS, SHAPE, decode, images, points, rng, tiles
from isthmus.evaluation import plots


def test_a_decoder_of_pictures_is_drawn_as_one_of_rows():
    def pictures(codes):
        return decode(codes).reshape(-1, *SHAPE)

    drawn = [images(plots.manifold(one, CODES[:, :2], image_shape=SHAPE, n=3))[0] for one in (decode, pictures)]
    assert_array_equal(*(mosaic.get_array() for mosaic in drawn))


@pytest.mark.parametrize("labels", [None, LABELS, NAMES])
def test_manifold_decodes_a_grid_of_codes(labels):
    codes = np.column_stack([CODES[:, 0], np.full(30, 7.0), CODES[:, 1] * 3])
    calls = []

    def recording_decode(grid):
        calls.append(grid)
        return decode(grid)

    figure = plots.manifold(recording_decode, codes, image_shape=SHAPE, n=5, components=(0, 2), labels=labels)
    (grid,) = calls
    assert grid.shape == (25, 3)
    assert (grid[:, 1] == 7).all()
    x, y = (np.linspace(*np.quantile(codes[:, k], [0.01, 0.99]), 5) for k in (0, 2))
    (mosaic,) = images(figure)
    left, right, bottom, top = mosaic.get_extent()
    assert_allclose([left, right], [x[0] - (x[1] - x[0]) / 2, x[-1] + (x[1] - x[0]) / 2])
    assert_allclose([bottom, top], [y[0] - (y[1] - y[0]) / 2, y[-1] + (y[1] - y[0]) / 2])
    low, high = min(x[0], y[0]), max(x[-1], y[-1])
    shown = [tile[1:-1, 1:-1] for tile in tiles(mosaic.get_array(), SHAPE[0] + 2, SHAPE[1] + 2, gap=0)]
    for i, (at_x, at_y) in enumerate((at_x, at_y) for at_y in y[::-1] for at_x in x):
        assert shown[i][0, 0] == pytest.approx((at_x - low) / (high - low))
        assert shown[i][-1, -1] == pytest.approx((at_y - low) / (high - low))
    pictures = figure.axes[0]
    assert (pictures.get_xlabel(), pictures.get_ylabel()) == ("code 0", "code 2")
    if labels is not None:
        assert figure.axes[1].get_xlim() == pictures.get_xlim()
        assert_allclose(np.sort(points(figure.axes[1]), axis=0), np.sort(codes[:, [0, 2]], axis=0))


def test_manifold_of_one_unit_is_a_line():
    figure = plots.manifold(decode, CODES[:, :1], image_shape=SHAPE, n=6)
    assert images(figure)[0].get_array().shape == (6, 30)
    large = plots.manifold(lambda codes: np.ones((len(codes), 256)), CODES, image_shape=(16, 16), n=3)
    assert images(large)[0].get_array().shape == (48, 48)
    assert figure.axes[0].get_ylabel() == ""


def test_manifold_of_a_dead_unit():
    figure = plots.manifold(decode, np.zeros((5, 2)), image_shape=SHAPE, n=1)
    assert images(figure)[0].get_extent() == [-0.5, 0.5, -0.5, 0.5]


def test_more_points_are_smaller_and_more_transparent():
    sizes, alphas = [], []
    for n_rows in (1, 100, 1000, 60_000):
        (cloud,) = plots.codes(rng.normal(size=(n_rows, 2))).axes[0].collections
        assert cloud.get_rasterized()
        sizes.append(float(cloud.get_sizes()[0]))
        alphas.append(cloud.get_alpha())
    assert sizes == sorted(set(sizes), reverse=True)
    assert alphas == sorted(alphas, reverse=True)
    assert alphas[0] > alphas[-1]


def test_components_and_names():
    codes = rng.normal(size=(30, 4))
    (ax,) = plots.codes(codes, components=(3, 1)).axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("code 3", "code 1")
    assert_allclose(np.sort(points(ax), axis=0), np.sort(codes[:, [3, 1]], axis=0))
    (ax,) = plots.codes(pd.DataFrame(codes, columns=list("abcd"))).axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("a", "b")
    (ax,) = plots.codes(pl.DataFrame(codes), names=list("wxyz"), components=[2]).axes
    assert ax.get_xlabel() == "y"


def test_one_unit():
    (strip,) = plots.codes(CODES[:, :1], np.where(LABELS == 9, np.nan, LABELS), label_name="digit").axes
    assert [text.get_text() for text in strip.get_yticklabels()] == [*map(str, range(9)), "missing"]
    indices = np.argmax(CODES[:, 0] == points(strip)[:, :1], axis=1)
    assert_array_equal(np.round(points(strip)[:, 1]), LABELS[indices])
    (plane,) = plots.codes(CODES[:, :1], ROWS[:, 0], label_name="ink").axes
    assert plane.get_ylabel() == "ink"
    indices = np.argmax(CODES[:, 0] == points(plane)[:, :1], axis=1)
    assert_allclose(points(plane)[:, 1], ROWS[indices, 0])
    (bars,) = plots.codes(CODES[:, :1]).axes
    assert len(bars.patches) == 1


@pytest.mark.parametrize("place", [(300, 1), (1, -200), (-500, 500)])
@pytest.mark.parametrize("n_rows", [13, 2000])
def test_a_point_far_outside_does_not_squeeze_the_others(place, n_rows):
    values = np.random.default_rng(0).normal(size=(n_rows, 2))
    values[3] = place
    (ax,) = plots.codes(values).axes
    drawn = ax.collections[0].get_offsets()
    assert len(drawn) == n_rows
    others = np.delete(values, 3, axis=0)
    for column, (low, high) in enumerate((ax.get_xlim(), ax.get_ylim())):
        assert high - low < 1.3 * np.ptp(others[:, column])
        assert ((drawn[:, column] >= low) & (drawn[:, column] <= high)).all()
    assert ax.get_xlabel() == "code 0\n1 point outside, drawn at the edge"
    assert {tuple(row) for row in others} <= {tuple(row) for row in np.asarray(drawn)}


@pytest.mark.parametrize(
    "values",
    [
        rng.normal(size=(2000, 2)),
        rng.exponential(size=(2000, 2)),
        rng.uniform(size=(50, 2)),
        np.where(rng.random((500, 2)) < 0.1, rng.gamma(2, size=(500, 2)), 0),
        np.repeat([[0.0, 1], [1000, 1]], 50, axis=0),  # two groups, far apart
        np.zeros((9, 2)),
    ],
)
def test_all_points_are_in_view_where_none_is_far_outside(values):
    (ax,) = plots.codes(values).axes
    drawn = {tuple(row) for row in np.asarray(ax.collections[0].get_offsets())}
    assert drawn == {tuple(row) for row in values}
    assert ax.get_xlabel() == "code 0"


def test_one_label_far_outside_does_not_squeeze_the_colours():
    labels = rng.uniform(size=300)
    labels[5] = 1e6
    figure = plots.codes(rng.normal(size=(300, 2)), labels)
    ax, bar = figure.axes
    assert ax.collections[0].norm.vmax <= 1
    assert bar._colorbar.extend == "max"
