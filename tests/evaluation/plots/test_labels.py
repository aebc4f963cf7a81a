import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib.colors import to_rgb
from numpy.testing import assert_allclose, assert_array_equal

from drawing import CODES, LABELS, NAMES, colours, lab, linear, pixels, points
from isthmus.evaluation import plots
from isthmus.evaluation.plots import STYLES


@pytest.mark.parametrize("labels", [LABELS, LABELS.astype(float), LABELS.astype("u1"), list(map(int, LABELS))])
def test_few_integers_get_a_segmented_colour_bar(labels):
    figure = plots.codes(CODES, labels, label_name="digit")
    ax, bar = figure.axes
    assert bar.get_ylabel() == "digit"
    assert [text.get_text() for text in bar.get_yticklabels()] == [str(k) for k in range(10)]
    assert_allclose(bar.get_yticks(), range(10))  # segments are from k - 0.5 to k + 0.5
    indices = [int(np.flatnonzero(np.isclose(CODES, point).all(axis=1))[0]) for point in points(ax)]
    assert sorted(indices) == list(range(30))
    assert indices != list(range(30))
    palette = np.array([to_rgb(colour) for colour in STYLES["light"].palette])
    assert_allclose(colours(ax), palette[LABELS[indices]])


def test_segments_are_the_distinct_values():
    bar = plots.codes(CODES, np.array([-5, 100])[LABELS % 2]).axes[1]
    assert [text.get_text() for text in bar.get_yticklabels()] == ["-5", "100"]


def test_more_integers_than_palette_colours_get_ordered_colours():
    ax, bar = plots.codes(CODES, np.arange(30) % 20).axes
    assert [text.get_text() for text in bar.get_yticklabels()] == [str(k) for k in range(20)]
    lightness = lab(linear(np.unique(colours(ax), axis=0)))[:, 0]
    assert len(lightness) == 20
    assert np.diff(np.sort(lightness)).min() > 1


def test_names_are_not_parsed_as_formulas():
    figure = plots.codes(pd.DataFrame(CODES, columns=["$_{$", "$1-$2"]), np.array(["$^{$", "a"])[LABELS % 2])
    assert pixels(figure).size


@pytest.mark.parametrize("labels", [np.arange(30), np.linspace(0.5, 7, 30)])
def test_other_numbers_get_a_continuous_colour_bar(labels):
    ax, bar = plots.codes(CODES, labels).axes
    assert bar.get_ylim() == (labels.min(), labels.max())
    assert len(np.unique(colours(ax), axis=0)) == 30


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (NAMES, ["_two", "one", "zero"]),
        (NAMES.tolist(), ["_two", "one", "zero"]),
        (NAMES.astype(bytes), ["_two", "one", "zero"]),
        (pd.Series(NAMES), ["_two", "one", "zero"]),
        (pl.Series(NAMES), ["_two", "one", "zero"]),
        (pd.Categorical(NAMES, ["zero", "one", "_two", "three"]), ["zero", "one", "_two"]),
        (pd.Series(pd.Categorical.from_codes(LABELS % 3 - 1, ["one", "zero"])), ["one", "zero", "missing"]),
        (np.where(LABELS == 0, None, NAMES.astype(object)), ["_two", "one", "zero", "missing"]),
        (LABELS % 2 == 0, ["False", "True"]),
    ],
)
def test_names_get_a_legend(labels, expected):
    (ax,) = plots.codes(CODES, labels).axes
    assert [text.get_text() for text in ax.get_legend().get_texts()] == expected
    assert len(points(ax)) == 30


def test_rare_names_become_one_class():
    counts = np.repeat(np.arange(25), [9] * 19 + [2, 2, 3, 1, 1, 1])
    (ax,) = plots.codes(np.zeros((len(counts), 2)), np.char.add("c", counts.astype(str))).axes
    shown = [text.get_text() for text in ax.get_legend().get_texts()]
    assert set(shown) == {f"c{k}" for k in range(19)} | {"other (6)"}
    assert shown[-1] == "other (6)"
    assert len(points(ax)) == len(counts)
    styles = {(handle.get_color(), handle.get_marker()) for handle in ax.get_legend().legend_handles}
    assert len(styles) == 20


def test_a_name_that_starts_with_other_keeps_its_colour():
    (ax,) = plots.codes(CODES, np.array(["a", "other (than a)"])[LABELS % 2]).axes
    last = ax.get_legend().legend_handles[-1]
    assert to_rgb(last.get_color()) == pytest.approx(to_rgb(STYLES["light"].palette[1]))


def test_missing_labels_are_grey_and_below():
    labels = np.where(LABELS < 3, np.nan, LABELS)
    ax, bar = plots.codes(CODES, labels, label_name="digit").axes
    assert bar.get_ylabel() == "digit (grey: none)"
    grey = (colours(ax) == to_rgb(STYLES["light"].missing)).all(axis=1)
    assert grey.sum() == 9
    assert grey[:9].all()


@pytest.mark.parametrize("labels", [pd.array([1, None, 2], "Int64"), np.array([1.0, None, 2], object)])
def test_missing_numbers_in_objects(labels):
    bar = plots.codes(np.eye(3)[:, :2], labels).axes[1]
    assert [text.get_text() for text in bar.get_yticklabels()] == ["1", "2"]


def test_several_sets_of_codes_share_one_colour_bar():
    figure = plots.codes({"isthmus": CODES, "PCA": -CODES, "one unit": CODES[:, :1], "none": CODES}, LABELS)
    assert [ax.get_title() for ax in figure.axes] == ["isthmus", "PCA", "one unit", "none", ""]
    assert_allclose(points(figure.axes[1]), -points(figure.axes[0]))
    assert_array_equal(colours(figure.axes[1]), colours(figure.axes[0]))
