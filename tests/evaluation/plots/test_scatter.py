import numpy as np
import pandas as pd
import polars as pl
from numpy.testing import assert_allclose, assert_array_equal

from drawing import CODES, LABELS, ROWS, points, rng
from isthmus.evaluation import plots


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
