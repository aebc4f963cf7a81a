import numpy as np
import pytest
from numpy.testing import assert_array_equal

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


@pytest.mark.parametrize(
    ("losses", "scale"),
    [([1, 0.05], "log"), ([1, 1e-6], "log"), ([1, 0.5], "linear"), ([1, 0], "linear"), ([5, -1], "linear")],
)
def test_losses_over_more_than_a_decade_are_on_a_log_axis(losses, scale):
    assert plots.history({"loss": losses}).axes[0].get_yscale() == scale
