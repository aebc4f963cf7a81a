import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from drawing import ROWS, rng
from isthmus import plots


def test_rows_as_lines():
    figure = plots.reconstructions(ROWS, {"a": ROWS * 0.9, "b": ROWS + 1}, n=5, titles="vwxyz")
    assert [ax.get_title() for ax in figure.axes] == list("vwxyz")
    for i, ax in enumerate(figure.axes):
        for line, expected in zip(ax.lines, (ROWS, ROWS * 0.9, ROWS + 1), strict=True):
            assert_allclose(line.get_ydata(), expected[i])
    assert [text.get_text() for text in figure.legends[0].get_texts()][2] == "b, MSE 1"
    assert figure.axes[0].get_ylabel() == "value"


def test_columns_of_other_units_are_z_scores():
    rows = pd.DataFrame({"metres": rng.normal(2, 0.1, 30), "a very long name of a column": rng.normal(9, 1e4, 30)})
    rows["constant"] = 4.0
    figure = plots.reconstructions(rows, rows + rows.std(ddof=0), n=2)
    ax = figure.axes[0]
    expected = ((rows - rows.mean()) / rows.std(ddof=0)).iloc[0].fillna(0)
    assert_allclose(ax.lines[0].get_ydata(), expected, atol=1e-9)
    assert ax.get_ylabel() == "z-score"
    assert [text.get_text() for text in ax.get_xticklabels()] == ["metres", "a very long name …", "constant"]
    assert figure.legends[0].get_texts()[1].get_text() == "rebuilt, MSE 0.667"  # the constant column is not off


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
    (alone,) = plots.history({"loss": [1, 2]}, best=0).axes
    assert alone.lines[1].get_label() == "best: the start"


@pytest.mark.parametrize(
    ("losses", "scale"),
    [([1, 0.05], "log"), ([1, 1e-6], "log"), ([1, 0.5], "linear"), ([1, 0], "linear"), ([5, -1], "linear")],
)
def test_history_is_logarithmic_where_that_helps(losses, scale):
    assert plots.history({"loss": losses}).axes[0].get_yscale() == scale
