import numpy as np
import pytest
from numpy.testing import assert_allclose

from drawing import CODES, rng
from isthmus.evaluation import plots


def test_histograms():
    codes = np.column_stack([CODES[:, 0], np.zeros(30), np.where(np.arange(30) < 12, 0, CODES[:, 1])])
    figure = plots.code_histograms(codes, names=["a", "b", "c"])
    assert len(plots.code_histograms(rng.normal(size=(5, 7))).axes) == 7
    assert [ax.get_title() for ax in figure.axes] == ["a", "b", "c"]
    assert [[text.get_text() for text in ax.texts] for ax in figure.axes] == [[], ["constant"], ["40% zero"]]
    for ax, expected in zip(figure.axes, (CODES[:, 0], None, CODES[12:, 1]), strict=True):
        if expected is not None:
            counts, _ = np.histogram(expected, bins=5)
            assert ax.patches[0].get_path().vertices[:, 1].max() == counts.max()


def test_only_the_first_64_units_are_drawn():
    figure = plots.code_histograms(rng.normal(size=(5, 70)))
    assert len(figure.axes) == 64
    assert figure.axes[-1].get_title() == "code 63"
    assert figure.get_suptitle() == "first 64 of 70 units"


@pytest.mark.parametrize("dead", [0, 3])
def test_dead_units_have_a_separate_bar(dead):
    shares = np.concatenate([np.zeros(dead), 10.0 ** np.array([-2.9, -1.1, -1.05, -0.3, 0])])
    figure = plots.density(shares)
    (ax,) = figure.axes
    bars = [(bar.get_x(), bar.get_width(), bar.get_height()) for bar in ax.patches]
    places = {(left, left + width): height for left, width, height in bars if height}
    assert figure.get_suptitle() == f"{dead} of {5 + dead} units never active"
    expected = {(-3.0, -2.75): 1, (-1.25, -1.0): 2, (-0.5, -0.25): 1, (-0.25, 0.0): 1}
    alive = {edges: height for edges, height in places.items() if edges[0] >= -3}
    assert_allclose([*alive], [*expected])
    assert list(alive.values()) == list(expected.values())
    labels = [text.get_text() for text in ax.get_xticklabels()]
    assert labels == ["0.1%", "1%", "10%", "100%", *["never"] * bool(dead)]
    if dead:
        (left, right), height = next((edges, height) for edges, height in places.items() if edges[0] < -3)
        assert (height, ax.texts[0].get_text()) == (3, "3 dead")
        assert right <= -3.25
        assert left < ax.get_xticks()[-1] < right
    assert ax.get_legend().get_texts()[0].get_text() == f"median {100 * np.median(shares[dead:]):.3g}%"


FREQUENCIES = [
    np.r_[np.zeros(20), np.linspace(0.05, 0.3, 44)],
    np.r_[np.zeros(300), np.logspace(-7, -1, 700)],
    np.r_[np.zeros(3), np.logspace(-1.1, -0.9, 61)],
    np.r_[np.zeros(40), np.logspace(-4.2, -4, 24)],
    np.r_[np.zeros(12345), np.logspace(-9.9, -2, 99)],
    np.r_[0.0, np.ones(9)],
    np.linspace(0.3, 1, 64),
    np.logspace(-5.1, 0, 200),
]


@pytest.mark.parametrize("which", range(len(FREQUENCIES)))
def test_labels_of_frequencies_do_not_overlap(which):
    figure = plots.density(FREQUENCIES[which])
    figure.draw_without_rendering()
    (ax,) = figure.axes
    texts = [text for text in [*ax.get_xticklabels(), *ax.texts, *ax.get_legend().get_texts()] if text.get_text()]
    boxes = [text.get_window_extent() for text in texts]
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i]), texts[i].get_text()
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1
    # Neither the legend nor a number is on a bar.
    bars = [bar.get_window_extent() for bar in ax.patches if bar.get_height()]
    assert not any(ax.get_legend().get_window_extent().overlaps(bar) for bar in bars)


def test_a_value_far_outside_does_not_squeeze_a_histogram():
    values = rng.normal(size=(500, 1))
    values[7] = 1e4
    (ax,) = plots.code_histograms(values).axes
    assert ax.get_xlim()[1] < 6
    assert ax.texts[0].get_text() == "1 outside"
    (ax,) = plots.code_histograms(values[8:]).axes
    assert not ax.texts


def test_all_units_dead():
    (ax,) = plots.density([0, 0]).axes
    assert sum(bar.get_height() for bar in ax.patches) == 2
    assert ax.get_legend() is None


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
