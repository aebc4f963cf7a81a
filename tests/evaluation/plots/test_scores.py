import numpy as np
import pytest
from numpy.testing import assert_allclose

from drawing import assert_raises
from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.evaluation import plots

PARTS = np.random.default_rng(0).random((40, 5))
PARTS[7] = [0, 9, 0, 3, 0]


def test_scores_are_ranked_and_the_largest_have_their_columns_shares():
    figure = plots.outliers(PARTS, 4.0, names=list("abcde"), top=6)
    scores, contributions, _ = figure.axes
    ranked = np.sort(PARTS.sum(axis=1))[::-1]
    assert_allclose(scores.lines[0].get_ydata(), ranked)
    assert_allclose(scores.lines[1].get_ydata(), ranked[ranked > 4])
    assert_allclose(scores.lines[2].get_ydata(), 4)
    shares = contributions.images[0].get_array()
    assert_allclose(shares[0], [0, 75, 0, 25, 0])
    assert_allclose(shares.sum(axis=1), 100)
    assert [label.get_text() for label in contributions.get_xticklabels()] == list("abcde")
    assert contributions.get_yticklabels()[0].get_text() == "row 7"
    assert figure.get_suptitle() == f"{(ranked > 4).sum()} of 40 rows above the threshold"


def test_of_many_columns_those_that_add_most_are_shown():
    parts = np.full((20, 50), 0.01)
    parts[3, [2, 49]] = 5
    figure = plots.outliers(parts, 1.0, top=1)
    labels = [label.get_text() for label in figure.axes[1].get_xticklabels()]
    assert len(labels) == 30
    assert {"column 2", "column 49"} <= set(labels)


def test_one_huge_score_puts_scores_on_a_log_axis_and_zeros_stay_visible():
    parts = np.concatenate([np.zeros((3, 2)), np.ones((10, 2)), [[1000, 0]]])
    axes = plots.outliers(parts, 5.0).axes
    assert axes[0].get_yscale() == "log"
    assert (axes[0].lines[0].get_ydata() > 0).all()


def test_wrong_arguments_are_named():
    assert_raises(InvalidDataError, "negative value, -1", plots.outliers, -np.ones((3, 2)), 1.0)
    assert_raises(InvalidParameterError, "top=0 must be", plots.outliers, PARTS, 1.0, top=0)
    assert_raises(InvalidDataError, "2 names for 5 columns", plots.outliers, PARTS, 1.0, names=["a", "b"])


@pytest.mark.parametrize("parts", [np.zeros((1, 1)), np.zeros((4, 3))])
def test_rows_without_any_score_are_drawn(parts):
    plots.outliers(parts, 0.0)
