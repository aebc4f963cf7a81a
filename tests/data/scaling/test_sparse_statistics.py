import numpy as np
import pytest
from scipy.sparse import csr_matrix

from isthmus.data.scaling.sparse_statistics import SparseColumnStatistics, sparse_stride
from isthmus.data.scaling.statistics import ColumnStatistics

RNG = np.random.default_rng(0)
CELLS = np.where(RNG.random((300, 12)) < 0.2, RNG.normal(5, 1, (300, 12)), 0)
CELLS[:, 3], CELLS[:, 4], CELLS[:, 5] = 7, 0, -np.abs(CELLS[:, 5])


def measured(kind, rows, weights, dtype=np.float64):
    statistics = kind(12, np.dtype(dtype), gathers=("moments", "norms"), sample_every=7)
    for first in range(0, 300, 80):
        own = None if weights is None else weights[first : first + 80]
        statistics.update(rows[first : first + 80], first, own)
    statistics.glance(rows[:2] * 3)
    return statistics


@pytest.mark.parametrize("weights", [None, RNG.uniform(0.1, 2, 300)])
@pytest.mark.parametrize("factor", [1, 1e-150])
def test_they_are_those_of_the_same_rows_made_dense(weights, factor):
    found = measured(SparseColumnStatistics, csr_matrix(CELLS * factor), weights)
    expected = measured(ColumnStatistics, CELLS * factor, weights)
    for name in ("mean", "deviation", "low", "high", "all_low", "all_high", "mean_norm", "sample"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), 1e-12, 1e-14 * factor, err_msg=name)
    np.testing.assert_array_equal(found.varies, expected.varies)
    assert found.n_rows == expected.n_rows
    assert found.whole_numbers == expected.whole_numbers


def test_parts_of_several_processes_are_merged():
    rows = csr_matrix(CELLS)
    whole = measured(SparseColumnStatistics, rows, None)
    parts = [SparseColumnStatistics(12, rows.dtype) for _ in range(2)]
    parts[0].update(rows[:100], 0)
    parts[1].update(rows[100:], 100)
    parts[0].merge(parts[1])
    np.testing.assert_allclose(parts[0].deviation, whole.deviation, 1e-12)


def test_whole_numbers_and_counts():
    counts = csr_matrix((CELLS > 0).astype(np.float32))
    assert measured(SparseColumnStatistics, counts, None, np.float32).whole_numbers
    assert measured(SparseColumnStatistics, counts.astype(np.int64), None, np.int64).whole_numbers


def test_the_sample_of_wide_rows_has_fewer_rows():
    assert sparse_stride(1, 100_000, 20_000) >= 200
    assert sparse_stride(5, 1000, 10) == 5
