import numpy as np
import pytest
from numpy.testing import assert_allclose

from isthmus.evaluation import plots


def dots(ax):
    return [line.get_xydata() for line in ax.lines if line.get_linestyle() == "None"]


def test_means_are_sorted_and_the_target_is_a_line():
    means = np.array([0.011, 0.03, 0.0079, 0.009, 0.012])
    figure = plots.activation_against_target(means, 0.01)
    (ax,) = figure.axes
    assert_allclose(dots(ax)[0], np.column_stack([range(1, 6), np.sort(means)[::-1]]))
    assert_allclose(ax.lines[-1].get_ydata(), 0.01)
    band = ax.patches[0]
    assert_allclose([band.get_y(), band.get_y() + band.get_height()], [0.008, 0.012])
    assert figure.get_suptitle() == "60% of 5 units within 20% of the target"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["target 0.01"]


def test_without_a_target_there_is_no_line():
    figure = plots.activation_against_target([1, 2, 3])
    (ax,) = figure.axes
    assert len(ax.lines) == 1
    assert ax.get_legend() is None
    assert figure.get_suptitle() == ""


@pytest.mark.parametrize(
    ("means", "target", "scale"),
    [([1, 2], None, "linear"), ([1, 20], None, "log"), ([1, 1.5], 0.01, "log"), ([-1, 20], 1, "linear")],
)
def test_means_over_more_than_a_decade_are_on_a_log_axis(means, target, scale):
    assert plots.activation_against_target(means, target).axes[0].get_yscale() == scale


def test_means_of_zero_are_at_the_lower_end_of_a_log_axis():
    (ax,) = plots.activation_against_target([1, 0, 0.01, 0]).axes
    shown, zeros = dots(ax)
    assert_allclose(shown, [[1, 1], [2, 0.01]])
    assert_allclose(zeros, [[3, ax.get_ylim()[0]], [4, ax.get_ylim()[0]]])
    assert ax.get_legend().get_texts()[0].get_text() == "2 units at 0"
