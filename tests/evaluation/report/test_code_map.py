import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from isthmus.evaluation.report import code_map
from isthmus.evaluation.report.code_map import MAP, halves, quantized
from isthmus.evaluation.report.facts import MapColumn
from pages import array_of
from report_facts import FACTS, shown

RNG = np.random.default_rng(0)


def values_of(found):
    """Return the numbers that `quantized` wrote, as `web/map.js` reads them."""
    steps = array_of(found["steps"], "<u2").astype(float)
    numbers = found["low"] + steps / 65_534 * (found["high"] - found["low"])
    return np.where(steps == 65_535, np.nan, numbers)


@pytest.mark.parametrize(
    "values",
    [
        RNG.normal(1e9, 1, 500),
        np.array([-1e-30, 2e-30]),
        np.full(3, 7.0),
        np.array([np.nan, 1, np.inf, 3]),
        np.full(2, np.nan),
    ],
)
def test_numbers_come_back_to_half_a_step(values):
    known = values[np.isfinite(values)]
    step = np.ptp(known) / 65_534 if len(known) else 0.0
    found = values_of(quantized(values))
    expected = np.where(np.isfinite(values), values, np.nan)
    assert_allclose(found, expected, rtol=1e-12, atol=0.501 * step)


@pytest.mark.parametrize("scale", [1.0, 1e30, 1e-30, 0.0])
def test_a_matrix_comes_back_to_eleven_bits_of_its_largest_value(scale):
    matrix = RNG.normal(size=(4, 3)) * scale
    found = halves(matrix)
    rebuilt = array_of(found["halves"], "<f2").astype(float).reshape(found["rows"], found["columns"]) * found["factor"]
    assert_allclose(rebuilt, matrix, atol=2.0**-11 * np.abs(matrix).max(), rtol=0)


def with_map(**changes):
    return shown(code_map, map=dataclasses.replace(FACTS.map, **changes)).data[MAP]


def test_points_are_where_their_codes_are():
    data = with_map()
    for axis, (_, values) in zip(data["axes"], FACTS.map.axes, strict=True):
        assert_allclose(values_of(axis), values, atol=np.ptp(values) / 65_534)
    assert data["numbers"] is None  # the numbers of all rows
    numbers = np.array([4, 9, 2, 70_000, 1, 0, 3, 5, 8])
    assert_array_equal(array_of(with_map(numbers=numbers)["numbers"], "<u4"), numbers)


def test_levels_and_missing_cells():
    values = np.array([0, 1, np.nan, 1, 0, 0, 0, 0, 1.0])
    [column] = with_map(columns=(MapColumn("kind", values, ("a", "b")),))["columns"]
    assert column["levels"] == ["a", "b"]
    assert_array_equal(array_of(column["steps"], "u1"), np.where(np.isnan(values), 255, values))


def test_colours_span_the_middle_of_a_column():
    values = np.array([1.0, 2, 3, 4, 5, 6, 7, np.nan, 1e6])
    [column] = with_map(columns=(MapColumn("size", values),))["columns"]
    assert_allclose(column["cut"], np.nanquantile(values, [0.02, 0.98]))
    assert with_map(columns=(MapColumn("size", np.full(9, np.nan)),))["columns"][0]["cut"] == [0, 1]


def test_each_thumbnail_is_of_its_point():
    page = shown(
        code_map, map=dataclasses.replace(FACTS.map, pictures=RNG.random((9, 8, 8)), pictured=np.arange(9)[::-1])
    )
    sheet = page.data[MAP]["sheet"]
    assert sheet["number"] == 9
    assert_array_equal(array_of(sheet["points"], "<u4"), np.arange(9)[::-1])
    assert "random sample" not in page.text


def test_no_map_of_a_single_row():
    assert shown(code_map, map=None) is None
