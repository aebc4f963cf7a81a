from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from isthmus.core.errors import InvalidParameterError
from isthmus.data.scaling import Scaler
from isthmus.export.onnx.graph import Graph
from isthmus.export.onnx.rows import RowFormat, read_rows, write_rows
from isthmus.export.onnx.writing import to_model
from running_onnx import assert_near, run

WIDTH = 4
RNG = np.random.default_rng(0)
SCALING = Scaler("standard", RNG.normal(5, 1, WIDTH), RNG.uniform(1, 2, WIDTH))
LARGE = Scaler("standard", np.full(WIDTH, 2.0**40), np.ones(WIDTH), wide=True)


def there_and_back(form):
    """Return a model that gives the scaled rows, their check, the missing mask, and the rows again."""
    graph = Graph()
    given = read_rows(graph, form)
    graph.output(graph.node("Identity", given.rows), "scaled", "float32", ("n", WIDTH))
    graph.output(given.check, "check", "float32", ("n", 1))
    if given.missing is not None:
        graph.output(given.missing, "missing", "float32", ("n", WIDTH))
    write_rows(graph, form, given.rows, given.means)
    return to_model(graph)


@pytest.mark.parametrize(("scaling", "dtype"), [(SCALING, np.float32), (LARGE, np.float64)])
def test_rows_are_scaled_and_come_back_in_their_type(scaling, dtype):
    form = RowFormat(scaling, None, indicator=False)
    assert form.dtype == np.dtype(dtype).name
    rows = (scaling.center + RNG.normal(size=(20, WIDTH))).astype(dtype)
    found = run(there_and_back(form), x=rows)
    # The difference from a large center is exact in float64 alone.
    assert_near(found["scaled"], ((rows - scaling.center) / scaling.scale).astype(np.float32), 2e-6)
    assert found["reconstruction"].dtype == dtype
    np.testing.assert_allclose(found["reconstruction"], rows, rtol=2e-6 if dtype == np.float32 else 1e-15, atol=1e-6)
    assert_array_equal(found["check"], 0)


def test_a_missing_cell_is_a_zero_with_a_mask():
    rows = (5 + RNG.normal(size=(6, WIDTH))).astype(np.float32)
    rows[1, 2] = rows[4, 0] = np.nan
    found = run(there_and_back(RowFormat(SCALING, None, indicator=True)), x=rows)
    assert_array_equal(found["missing"], np.isnan(rows))
    assert_array_equal(found["scaled"][np.isnan(rows)], 0)
    assert_array_equal(found["check"], 0)


@pytest.mark.parametrize(("indicator", "bad"), [(False, [1, 3, 5]), (True, [3, 5])])
def test_the_check_is_nan_for_rows_that_are_not_finite(indicator, bad):
    rows = np.ones((7, WIDTH), np.float32)
    rows[1, 0], rows[3, 1], rows[5, 2] = np.nan, np.inf, -np.inf
    check = run(there_and_back(RowFormat(SCALING, None, indicator=indicator)), x=rows)["check"]
    assert np.flatnonzero(np.isnan(check[:, 0])).tolist() == bad


def test_rows_of_a_pipeline_are_taken_by_name_and_never_a_tables():
    graph = Graph()
    name = graph.input("before", "float32", ("n", WIDTH))
    given = read_rows(graph, RowFormat(SCALING, None, indicator=False), name)
    graph.output(given.rows, "scaled", "float32", ("n", WIDTH))
    rows = RNG.normal(5, 1, (3, WIDTH)).astype(np.float32)
    assert_near(run(to_model(graph), before=rows)["scaled"], (rows - SCALING.center) / SCALING.scale, 2e-6)
    with pytest.raises(InvalidParameterError, match="cannot be converted as a step of a pipeline"):
        read_rows(Graph(), RowFormat(SCALING, SimpleNamespace(dtype=np.float32), indicator=False), name)
