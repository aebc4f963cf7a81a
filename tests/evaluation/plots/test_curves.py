import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from isthmus.evaluation import plots


def test_history():
    terms = {"loss": [3.0, 2, 1], "validation_loss": [4.0, 2, np.nan], "kl": [0, 1, 2], "seconds": [9] * 3}
    figure = plots.history({**terms, "learning_rate": [0.3, 0.2, 0.1], "epoch": [4, 5, 6]}, best=5)
    loss, rate = figure.axes
    lines = {line.get_label(): line for line in loss.lines if not line.get_label().startswith("_")}
    assert list(lines) == ["loss", "validation loss", "kl", "best: epoch 5"]
    for name, line in list(lines.items())[:3]:
        assert_array_equal(line.get_xdata(), [4, 5, 6])
        assert_array_equal(line.get_ydata(), terms[name.replace(" ", "_")])
    assert_array_equal(loss.lines[-1].get_xydata(), [[5, 2]])
    assert_array_equal(rate.lines[0].get_ydata(), [0.3, 0.2, 0.1])
    assert loss.get_yscale() == "linear"
    (ax,) = plots.history({"loss": [1, 2]}, best=0).axes
    assert ax.lines[1].get_label() == "best: before training"


def test_what_is_no_loss_has_a_panel_of_its_own():
    losses = {name: [2.0, 1.0] for name in ("loss", "validation_loss", "reconstruction", "auxiliary", "l0_loss", "l1")}
    others = {
        "dead_units": [3, 0],
        "l0": [9.0, 4.0],
        "perplexity": [5.0, 6.0],
        "unused_codes": [2, 1],
        "waiting": [0.2, 0.1],
        "learning_rate": [0.1, 0.0],
    }
    figure = plots.history({**others, **losses, "l2": [0.0, 0.0], "seconds": [9, 9], "last_batch_loss": [7, 7]})
    loss, *panels = figure.axes
    assert {line.get_label().replace(" ", "_") for line in loss.lines} == set(losses)
    drawn = [list(line.get_ydata()) for ax in panels for line in ax.lines]
    assert drawn == [
        others[name] for name in ("learning_rate", "l0", "dead_units", "perplexity", "unused_codes", "waiting")
    ]
    assert len(panels) == 6
    labels = [ax.get_ylabel().replace("\n", " ") for ax in panels]
    assert labels == [
        "learning rate",
        "active units (L0)",
        "dead units",
        "perplexity",
        "unused codes",
        "share of time waiting",
    ]


@pytest.mark.parametrize(
    ("losses", "scale"),
    [([1, 0.05], "log"), ([1, 1e-6], "log"), ([1, 0.5], "linear"), ([1, 0], "linear"), ([5, -1], "linear")],
)
def test_losses_over_more_than_a_decade_are_on_a_log_axis(losses, scale):
    assert plots.history({"loss": losses}).axes[0].get_yscale() == scale


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
