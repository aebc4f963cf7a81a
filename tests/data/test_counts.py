import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array

from isthmus.core.errors import InvalidDataError
from isthmus.data.counts import refuse_other_than_counts

ALL = np.ones(3, bool)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "u1", "bool"])
@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_counts_of_every_type_pass(kind, dtype):
    refuse_other_than_counts(kind(np.array([[0, 3, 1], [2, 0, 0]], dtype)), 0, (), ALL)


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
@pytest.mark.parametrize("seed", range(5))
def test_the_first_other_cell_is_named(kind, seed):
    rng = np.random.default_rng(seed)
    rows, counted = rng.poisson(1.0, (20, 6)).astype(float), rng.random(6) < 0.6
    counted[0] = True
    rows[rng.random(rows.shape) < 0.05] = -1
    rows[7, 0] += 0.25
    wrong = [(i, j) for i in range(20) for j in range(6) if counted[j] and (rows[i, j] < 0 or rows[i, j] % 1)]
    row, column = wrong[0]
    before = rows.copy()
    with pytest.raises(InvalidDataError, match=f"{rows[row, column]:g} at row {row + 10}, column '{'abcdef'[column]}'"):
        refuse_other_than_counts(kind(rows), 10, list("abcdef"), counted)
    assert_array_equal(rows, before)


def test_missing_and_infinite_cells_are_left_to_others():
    refuse_other_than_counts(np.array([[np.nan, np.inf, -np.inf]]), 0, (), ALL)


def test_integers_can_be_negative_and_a_fraction_too_small_for_float32_counts():
    with pytest.raises(InvalidDataError, match="have -3 at row 0, column 1"):
        refuse_other_than_counts(np.array([[0, -3, 1]]), 0, (), ALL)
    with pytest.raises(InvalidDataError, match="at row 0, column 2"):
        refuse_other_than_counts(np.array([[0, 3, 1 + 1e-12]]), 0, (), ALL)
