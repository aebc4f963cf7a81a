import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from corrupting import columns_of, corrupted
from isthmus.corruption import Masking, SaltAndPepper, Swap

rng = np.random.default_rng(0)
X = rng.normal(3, 1, (1000, 1000)).astype(np.float32)
DIGITS = np.arange(1.0, 21)[:, None] + 100 * np.arange(5000)  # a value identifies its row and its column


@pytest.mark.parametrize("rate", [0.01, 0.25, 0.9])
@pytest.mark.parametrize("kind", [Masking, SaltAndPepper, Swap])
def test_a_million_cells_are_corrupted_at_the_rate(kind, rate):
    changed = corrupted(kind(rate), X).corrupted
    assert abs(changed.mean() - rate) < 5 * np.sqrt(rate * (1 - rate) / X.size)
    for axis in (0, 1):
        # Cells are independent: the counts of rows and columns are binomial.
        assert_allclose(changed.sum(axis).var(), 1000 * rate * (1 - rate), rtol=0.25)
    assert abs(np.corrcoef(changed[:, 1:].ravel(), changed[:, :-1].ravel())[0, 1]) < 0.005


@pytest.mark.parametrize("kind", [Masking, SaltAndPepper])
def test_all_cells_are_corrupted_at_rate_1(kind):
    assert corrupted(kind(1.0), X).corrupted.all()


@pytest.mark.parametrize("as_missing", [True, False])
def test_masked_cells_are_zero(as_missing):
    result = corrupted(Masking(0.3, as_missing=as_missing), X)
    assert_array_equal(result.x, np.where(result.corrupted, 0, X))
    assert (result.hidden is not None) == as_missing
    if as_missing:
        assert_array_equal(result.hidden, result.corrupted)


def test_salt_and_pepper_are_equally_likely():
    columns = columns_of(X)
    result = corrupted(SaltAndPepper(0.5), X, columns=columns)
    high, low = result.x == columns.high, result.x == columns.low
    assert_array_equal(
        result.x, np.where(result.corrupted & high, columns.high, np.where(result.corrupted, columns.low, X))
    )
    n = result.corrupted.sum()
    assert abs((high & result.corrupted).sum() / n - 0.5) < 5 * 0.5 / np.sqrt(n)
    assert (low | high)[result.corrupted].all()


def test_swapped_cells_come_equally_from_all_other_rows():
    result = corrupted(Swap(1.0), DIGITS)
    assert result.corrupted.all()
    assert_array_equal((result.x - 1) // 100, (DIGITS - 1) // 100)
    source = ((result.x - 1) % 100).astype(int)
    counts = np.array([np.bincount(row, minlength=20) for row in source])
    assert_array_equal(np.diag(counts), 0)
    others = counts[~np.eye(20, dtype=bool)]
    assert ((others - 5000 / 19) ** 2 / (5000 / 19)).sum() < 500  # chi-squared with 360 degrees of freedom


def test_padding_is_never_swapped_in():
    weight = np.arange(20) % 3 > 0
    result = corrupted(Swap(1.0), DIGITS, weight=weight)
    source = ((result.x - 1) % 100).astype(int)
    assert weight[source[weight]].all()
    assert (source[weight] != np.flatnonzero(weight)[:, None]).all()
    assert_array_equal(result.x[~weight], DIGITS[~weight])


@pytest.mark.parametrize("n_rows", [0, 1])
def test_a_single_row_stays(n_rows):
    result = corrupted(Swap(1.0), DIGITS[:4], weight=np.arange(4) < n_rows)
    assert_array_equal(result.x, DIGITS[:4])
    assert not result.corrupted.any()


def test_two_rows_swap():
    assert_array_equal(corrupted(Swap(1.0), DIGITS[:2]).x, DIGITS[1::-1])


def test_missing_values_are_not_swapped_in():
    observed = rng.random(DIGITS.shape) < 0.5
    result = corrupted(Swap(1.0), np.where(observed, DIGITS, 0), observed=observed)
    assert (result.x[observed] > 0).all()
    assert_array_equal(result.x[~observed], 0)
    assert 0.4 < result.corrupted[observed].mean() < 0.6
