import pytest
from numpy.testing import assert_allclose

from isthmus.evaluation import plots


def test_each_method_is_a_curve_sorted_by_x():
    figure = plots.tradeoffs({"ours": ([4, 1, 2], [0.3, 0.1, 0.2]), "theirs": ([1, 3], [0.5, 0.6])}, y_label="dB")
    (ax,) = figure.axes
    ours, theirs = ax.lines
    assert_allclose(ours.get_xydata(), [[1, 0.1], [2, 0.2], [4, 0.3]])
    assert_allclose(theirs.get_xydata(), [[1, 0.5], [3, 0.6]])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["ours", "theirs"]
    assert ours.get_color() != theirs.get_color()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("active units per row", "dB")


@pytest.mark.parametrize(
    ("x", "scale"), [([1, 2, 4], "linear"), ([1, 2, 8], "log"), ([0, 2, 8], "linear"), (range(1, 31), "log")]
)
def test_x_over_a_factor_of_eight_is_on_a_log_axis(x, scale):
    (ax,) = plots.tradeoffs({"a": (x, x)}).axes
    assert ax.get_xscale() == scale
    if len(x) == 3 and scale == "log":
        assert_allclose(ax.get_xticks(), x)
