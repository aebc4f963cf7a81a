from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal

from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.data.scaling import ColumnStatistics
from isthmus.data.scaling.statistics import refuse_non_finite

rng = np.random.default_rng(0)


def measured(values, cuts=(), **options):
    statistics = ColumnStatistics(values.shape[1], values.dtype, **options)
    edges = sorted({0, len(values), *cuts})
    for start, stop in pairwise(edges):
        statistics.update(values[start:stop], start)
    return statistics


types = st.sampled_from([np.uint8, np.int16, np.int64, np.float32, np.float64])


@st.composite
def tables(draw):
    dtype = np.dtype(draw(types))
    low, high = (0, 255) if dtype == np.uint8 else (-1000, 1000)
    cells = st.floats(low, high, width=32) if dtype.kind == "f" else st.integers(low, high)
    values = draw(hnp.arrays(dtype, hnp.array_shapes(min_dims=2, max_dims=2, max_side=30), elements=cells))
    return values, draw(st.lists(st.integers(0, len(values)), max_size=4))


def merged(values, cuts, **options):
    """Statistics of pieces that were measured each by itself, as processes do."""
    parts = []
    for start, stop in pairwise(sorted({0, len(values), *cuts})):
        parts.append(ColumnStatistics(values.shape[1], values.dtype, **options))
        parts[-1].update(values[start:stop], start)
    for part in parts[1:]:
        parts[0].merge(part)
    return parts[0]


@pytest.mark.parametrize("taken", [measured, merged])
@given(table=tables(), every=st.integers(1, 5))
def test_statistics_equal_those_of_numpy_for_any_blocks(taken, table, every):
    values, cuts = table
    everything = ("moments", "covariance", "norms", "contrast")
    statistics = taken(values, cuts, sample_every=every, gathers=everything)
    wide = values.astype(np.float64)
    assert statistics.n_rows == len(values)
    assert_array_equal(statistics.low, wide.min(0))
    assert_array_equal(statistics.high, wide.max(0))
    assert_allclose(statistics.mean, wide.mean(0), atol=1e-9)
    assert_allclose(statistics.deviation, wide.std(0), atol=1e-9)
    assert_allclose(statistics.covariance, np.cov(wide.T, ddof=0).reshape(wide.shape[1], -1), atol=1e-7)
    assert_allclose(statistics.mean_norm, np.linalg.norm(wide, axis=1).mean(), atol=1e-9)
    assert_allclose(statistics.contrast, (wide - wide.mean(1, keepdims=True)).std(), atol=1e-9)
    assert statistics.whole_numbers == bool((wide == np.floor(wide)).all())
    assert_array_equal(statistics.sample, values[::every])
    assert_allclose(statistics.quantiles(0.1, 0.5), np.quantile(wide[::every], [0.1, 0.5], axis=0))


@pytest.mark.parametrize("width", [1, 4, 100, 600])
def test_narrow_rows_are_concatenated_for_reductions(width):
    values = rng.normal(size=(5003, width)).astype(np.float32)
    statistics = measured(values, [1, 1000])
    wide = values.astype(np.float64)
    assert_array_equal(statistics.low, values.min(0))
    assert_array_equal(statistics.high, values.max(0))
    assert_allclose(statistics.mean, wide.mean(0), atol=1e-14)
    assert_allclose(statistics.deviation, wide.std(0), rtol=1e-13)


@given(tables(), st.integers(0, 2**32 - 1))
def test_statistics_of_missing_cells_are_merged(table, seed):
    values, cuts = table
    values = values.astype(np.float64)
    values[np.random.default_rng(seed).random(values.shape) < 0.3] = np.nan
    one, other = (taken(values, cuts, missing=True) for taken in (measured, merged))
    assert_array_equal(one.unseen, other.unseen)
    assert_allclose(one.mean, other.mean, atol=1e-9)
    assert_allclose(one.deviation, other.deviation, atol=1e-9)


def test_a_large_offset_costs_no_digits():
    values = 1.7e9 + rng.normal(size=(5000, 2))
    exact = (values - 1.7e9).std(0)
    statistics = measured(values, [7, 1000], gathers=("moments", "covariance"))
    assert_allclose(statistics.deviation, exact, rtol=1e-7)
    # A double at 1.7e9 has steps of 2.4e-7.
    assert_allclose(statistics.covariance, np.cov((values - 1.7e9).T, ddof=0), atol=1e-6)


def test_pieces_are_dense_rows():
    values = rng.normal(size=(5, 1 << 17)).astype(np.float32)
    assert_allclose(measured(values).mean, values.mean(0, dtype=np.float64))
    assert not measured(values, gathers=()).mean.any()


def test_contrast_does_not_depend_on_the_memory_order():
    values = rng.normal(size=(50, 30)).astype(np.float32)
    wanted = ("norms", "contrast")
    one, other = (measured(rows, gathers=wanted) for rows in (values, np.asfortranarray(values)))
    assert (one.contrast, one.mean_norm) == (other.contrast, other.mean_norm)


def test_a_covariance_of_too_many_columns_is_refused():
    ColumnStatistics(4097, np.dtype("f4"))
    with pytest.raises(
        InvalidParameterError, match="at most 4,096, and rows have 4,097; cut smaller patches"
    ) as caught:
        ColumnStatistics(4097, np.dtype("f4"), gathers=("moments", "covariance"))
    assert "\n" not in str(caught.value)


@given(
    hnp.arrays(np.float64, (5, 3), elements=st.sampled_from([0.0, 1.0, np.nan, np.inf, -np.inf])),
    st.integers(0, 10**9),
    st.booleans(),
)
def test_the_first_cell_that_is_not_finite_is_named(values, start, named):
    names = ["a", "b", "c"] if named else []
    bad = [(row, column) for row in range(5) for column in range(3) if not np.isfinite(values[row, column])]
    if not bad:
        refuse_non_finite(values, start, names)
        return
    row, column = bad[0]
    what = "NaN" if np.isnan(values[row, column]) else "infinity"
    where = f"contains {what} at row {start + row}, column {repr(names[column]) if named else column}; "
    with pytest.raises(InvalidDataError) as caught:
        refuse_non_finite(values, start, names)
    assert where in str(caught.value)
    assert "\n" not in str(caught.value)


@given(tables(), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_missing_cells_are_ignored(table, seed, share):
    values, cuts = table
    values = np.asarray(values, np.float64)
    values[np.random.default_rng(seed).random(values.shape) < share] = np.nan
    statistics = measured(values, cuts, missing=True)
    for column, observed in enumerate([column[~np.isnan(column)] for column in values.T]):
        assert statistics.unseen[column] == (not len(observed))
        if len(observed):
            assert (statistics.low[column], statistics.high[column]) == (observed.min(), observed.max())
            assert_allclose(statistics.mean[column], observed.mean(), atol=1e-9)
            assert_allclose(statistics.deviation[column], observed.std(), atol=1e-9)
    assert np.isfinite(statistics.quantiles(0.25, 0.5, 0.75)).all()


def test_missing_cells_are_accepted_and_infinities_refused():
    values = np.array([[1.0, np.nan], [np.inf, 2.0]])
    refuse_non_finite(values[:1], 0, (), missing=True)
    with pytest.raises(InvalidDataError, match=r"infinity at row 1, column 'a'"):
        refuse_non_finite(values, 0, ["a", "b"], missing=True)


@pytest.mark.parametrize("value", [-0.03856, 0.1, 1e5 / 3, 1e-9])
@pytest.mark.parametrize("count", [3, 1000, 12_345])
def test_equal_values_have_no_deviation(value, count):
    statistics = ColumnStatistics(1, np.dtype(np.float64), gathers={"moments"})
    for start in range(0, count, 1000):
        statistics.update(np.full((min(1000, count - start), 1), value), start)
    assert statistics.deviation == 0


@pytest.mark.parametrize("missing", [False, True])
def test_weights_equal_repeated_rows(missing):
    rows, times = np.random.default_rng(0).normal(3, 2, (50, 4)), np.arange(50) % 4
    if missing:
        rows[::5, 1] = np.nan
    gathers = ("moments",) if missing else ("moments", "covariance", "norms", "contrast")
    weighted, repeated = (ColumnStatistics(4, rows.dtype, gathers=gathers, missing=missing) for _ in range(2))
    kept = times > 0
    for part in (slice(0, 20), slice(20, None)):
        weighted.update(rows[kept][part], 0, times[kept][part] / 1.7)
    repeated.update(rows.repeat(times, axis=0))
    assert_allclose(weighted.mean, repeated.mean, rtol=1e-12)
    assert_allclose(weighted.deviation, repeated.deviation, rtol=1e-12)
    if not missing:
        assert_allclose(weighted.covariance, repeated.covariance, rtol=1e-10, atol=1e-12)
        assert_allclose([weighted.mean_norm, weighted.contrast], [repeated.mean_norm, repeated.contrast], rtol=1e-12)
    levels = (0.13, 0.5, 0.77)
    expected = np.nanquantile(rows.repeat(times, axis=0), levels, axis=0, method="averaged_inverted_cdf")
    assert_allclose(weighted.quantiles(*levels), expected, rtol=1e-12)


def test_merged_weights_are_those_of_all_rows():
    rows, weights = np.random.default_rng(1).normal(size=(40, 3)), np.linspace(0.1, 2, 40)
    parts = [ColumnStatistics(3, rows.dtype) for _ in range(3)]
    parts[0].update(rows, 0, weights)
    parts[1].update(rows[:15], 0, weights[:15])
    parts[2].update(rows[15:], 15, weights[15:])
    parts[1].merge(parts[2])
    assert_allclose(parts[1].mean, np.average(rows, axis=0, weights=weights), rtol=1e-12)
    assert_allclose(parts[1].deviation, parts[0].deviation, rtol=1e-12)
    assert_allclose(parts[1].quantiles(0.3), parts[0].quantiles(0.3))
