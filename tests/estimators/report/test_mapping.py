import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from isthmus.estimators.report.mapping import MOST_LEVELS, axes_of, labels_column

EVERY = np.arange(4)


@pytest.mark.parametrize(
    ("labels", "levels", "values"),
    [
        ([3, 1, 3, 2], ("1", "2", "3"), [2, 0, 2, 1]),
        ([1.0, np.nan, 0.0, np.inf], ("0", "1"), [1, np.nan, 0, np.nan]),
        ([0.5, 1.0, 2.0, np.nan], (), [0.5, 1, 2, np.nan]),
        (["b", "a", None, "b"], ("a", "b"), [1, 0, np.nan, 1]),
        ([True, False, True, True], ("False", "True"), [1, 0, 1, 1]),
        (pd.Series(["x", pd.NA, "", "y"], dtype="string"), ("x", "y"), [0, np.nan, np.nan, 1]),
        (pd.Categorical(["x", "y", None, "y"]), ("x", "y"), [0, 1, np.nan, 1]),
        (np.array(["2020-01-02", "2020-01-01", "NaT", "2020-01-01"], "M8[D]"), ("2020-01-01", "2020-01-02"),
         [1, 0, np.nan, 0]),
    ],
)  # fmt: skip
def test_labels_of_any_type(labels, levels, values):
    found = labels_column("label", labels, 4, EVERY)
    assert found.levels == levels
    assert_array_equal(found.values, values)


def test_of_many_labels_the_most_frequent_have_a_level():
    names = np.concatenate([[f"n{i:03}"] * (2 if i % 2 else 1) for i in range(2 * MOST_LEVELS)])
    found = labels_column("label", names, len(names), np.arange(len(names)))
    assert len(found.levels) == MOST_LEVELS + 1
    assert found.levels[-1] == f"other ({MOST_LEVELS})"
    assert {found.levels[int(value)] for value, name in zip(found.values, names, strict=True) if name == "n001"} == {
        "n001"
    }
    assert (found.values[names == "n002"] == MOST_LEVELS).all()


def test_one_or_two_units_are_axes_themselves():
    codes = np.random.default_rng(0).normal(size=(9, 2))
    axes = axes_of(codes, ["a", "b"])
    assert axes.plane
    assert_array_equal((codes - axes.center) @ axes.basis, codes)
    assert not axes_of(codes[:, :1], ["a"]).plane


def test_of_more_units_principal_axes_and_those_that_vary_most():
    codes = np.random.default_rng(0).normal(size=(200, 9)) * [1, 9, 1, 8, 1, 7, 6, 5, 4]
    axes = axes_of(codes, [f"u{unit}" for unit in range(9)])
    assert axes.units == (1, 3, 5, 6, 7, 8)
    assert axes.names[2:] == tuple(f"u{unit}" for unit in axes.units)
    places = (codes - axes.center) @ axes.basis
    variances = np.linalg.eigvalsh(np.cov(codes.T))[::-1]
    assert_allclose(places[:, :2].var(axis=0, ddof=1), variances[:2], rtol=1e-9)
    assert_allclose(places[:, 2:], codes[:, axes.units] - codes[:, axes.units].mean(axis=0))
    wide = np.random.default_rng(1).normal(size=(270, 260)) @ np.diag(np.arange(260.0))
    exact = np.linalg.svd(wide - wide.mean(axis=0), full_matrices=False)[2][:2]
    assert_allclose(
        np.abs(np.sum(axes_of(wide, list(map(str, range(260)))).basis[:, :2].T * exact, axis=1)), 1, atol=0.1
    )
