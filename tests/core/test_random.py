import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy.stats import chi2

from isthmus.core.random import (
    MAX_ROWS,
    Order,
    Stream,
    cell_bits,
    chance,
    cycle_walk,
    generator,
    key_words,
    mix,
    permute_digits,
    row_bits,
)

words = st.integers(0, 2**32 - 1)


def mixed_in_python(x):
    x ^= x >> 16
    x = x * 0x7FEB352D % 2**32
    x ^= x >> 15
    x = x * 0x846CA68B % 2**32
    return x ^ x >> 16


@given(words)
def test_mix_is_the_published_one_in_numpy_and_jax(word):
    expected = mixed_in_python(word)
    assert mix(np.array([word], np.uint32))[0] == expected
    assert int(mix(jnp.uint32(word))) == expected


def test_mix_is_injective():
    some = np.random.default_rng(0).integers(0, 2**32, 200_000, np.uint32)
    assert len(np.unique(mix(some))) == len(np.unique(some))


def test_every_input_bit_flips_half_the_output_bits():
    some = np.random.default_rng(0).integers(0, 2**32, 4096, np.uint32)
    for bit in range(32):
        flipped = np.bitwise_count(mix(some) ^ mix(some ^ np.uint32(1 << bit)))
        assert abs(flipped.mean() - 16) < 0.5


@given(st.integers(0, 2**40), st.integers(0, 9), st.integers(0, 9))
def test_keys_differ_by_purpose(seed, use, other):
    key = key_words(seed, use)
    assert (key.dtype, key.shape) == (np.uint32, (2,))
    assert_array_equal(key, key_words(seed, use))
    assert (key != key_words(seed + 1, use)).any()
    assert (use == other) == bool((key == key_words(seed, other)).all())


def test_streams_are_their_numbers():
    assert [stream.value for stream in Stream] == [1, 2, 3, 4, 5, 6, 7]
    assert_array_equal(key_words(7, Stream.NOISE, 2), key_words(7, 4, 2))
    expected = np.random.default_rng(np.random.SeedSequence([7, 2])).random(5)
    assert_array_equal(generator(7, Stream.WEIGHTS).random(5), expected)


def test_bits_are_the_same_in_numpy_and_jax():
    rng = np.random.default_rng(0)
    rows, key, columns = rng.integers(0, 2**32, (50, 2), np.uint32), key_words(1, 2), np.arange(7, dtype=np.uint32)
    assert_array_equal(row_bits(key, rows), row_bits(jnp.asarray(key), jnp.asarray(rows)))
    cells = cell_bits(key, rows, columns)
    assert cells.shape == (50, 7)
    assert_array_equal(cells, cell_bits(jnp.asarray(key), jnp.asarray(rows), jnp.asarray(columns)))
    assert_array_equal(cells[::-1, 3:5], cell_bits(key, rows[::-1], columns[3:5]))


@pytest.mark.parametrize("word", [0, 1])
def test_bits_of_adjacent_rows_are_uniform(word):
    rows = np.zeros((64_000, 2), np.uint32)
    rows[:, word] = np.arange(64_000)
    counts = np.bincount(row_bits(key_words(5), rows) >> np.uint32(26), minlength=64)
    assert ((counts - 1000) ** 2 / 1000).sum() < chi2.ppf(1 - 1e-6, 63)


@given(st.floats(0, 1))
def test_chance_is_the_fraction_of_all_words(share):
    assert abs(int(chance(share)) / 2**32 - share) <= 2**-32


def position_to_row(n_rows, seed=0, epoch=0):
    order = Order.draw(n_rows, seed, epoch)
    position = np.arange(n_rows, dtype=np.uint32)
    rows = permute_digits(order, position // order.low, position % order.low, np)
    cycle_walk(order, rows)
    return rows


@given(st.integers(1, 3000), words, st.integers(0, 1000))
def test_an_order_is_a_permutation(n_rows, seed, epoch):
    assert_array_equal(np.sort(position_to_row(n_rows, seed, epoch)), np.arange(n_rows))


@given(st.integers(1, MAX_ROWS))
def test_radices_barely_exceed_the_rows(n_rows):
    order = Order.draw(n_rows, 0, 0)
    cells = int(order.high) * int(order.low)
    assert n_rows <= cells < n_rows + int(order.high)
    assert max(order.high, order.low) <= 2**16


def test_too_many_rows():
    with pytest.raises(ValueError, match=f"at most {MAX_ROWS} rows, not {MAX_ROWS + 1}"):
        Order.draw(MAX_ROWS + 1, 0, 0)


def test_orders_are_uniform():
    # The positions of rows 0 and 1: all 12 * 11 pairs are equally likely.
    counts, draws = np.zeros((12, 12)), 6600
    for seed in range(draws):
        rows = position_to_row(12, seed, 3).tolist()
        counts[rows.index(0), rows.index(1)] += 1
    expected = draws / 132
    off_diagonal = counts[~np.eye(12, dtype=bool)]
    assert ((off_diagonal - expected) ** 2 / expected).sum() < chi2.ppf(1 - 1e-6, 131)
