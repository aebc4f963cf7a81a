import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from isthmus.data.splitting import HashHoldout, MaskHoldout

seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.floats(0.01, 0.99))
def test_the_share_held_out_is_near_the_fraction(seed, share):
    n_rows = 20_000
    held = HashHoldout(seed, share)
    assert abs(held.count(n_rows) - share * n_rows) < 6 * np.sqrt(n_rows * share * (1 - share))
    assert_array_equal(held.mask(0, n_rows)[500:900], held.mask(500, 900))


def test_seeds_hold_out_different_rows():
    assert (HashHoldout(1, 0.5).mask(0, 100) != HashHoldout(2, 0.5).mask(0, 100)).any()
    assert not HashHoldout(1, 0.0).mask(0, 100).any()


@given(st.integers(0, 300), st.sampled_from([1, 2, 16, 256, 512]), seeds, st.sampled_from([0.0, 0.3]))
def test_training_rows_are_counted_by_block(n_rows, block, seed, share):
    mask = HashHoldout(seed, share).mask(0, n_rows)
    expected = [np.count_nonzero(~mask[start : start + block]) for start in range(0, n_rows, block)]
    for held in (HashHoldout(seed, share), MaskHoldout(mask)):
        assert_array_equal(held.left(n_rows, block), expected)
        assert held.count(n_rows) == mask.sum()


@pytest.mark.parametrize("block", [4096, 1 << 20, 1 << 21])
def test_blocks_are_counted_over_the_pieces_of_a_long_source(block):
    n_rows = (1 << 21) + 12_345
    held = HashHoldout(5, 0.2)
    left = held.left(n_rows, block)
    assert len(left) == -(-n_rows // block)
    assert left.sum() == n_rows - held.mask(0, n_rows).sum()
    assert left[-1] == n_rows % block - held.mask(n_rows // block * block, n_rows).sum()
