from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy.stats import chi2, kstest

from isthmus.core.errors import InvalidParameterError
from isthmus.core.random import MAX_ROWS, number_type
from isthmus.data.splitting import NO_HOLDOUT, HashHoldout
from isthmus.engine.sampling import (
    GLOBAL_CELLS,
    BatchSampler,
    EpochOrder,
    Window,
    WindowSampler,
    row_numbers,
    shuffle_for,
)

seeds = st.integers(0, 2**32 - 1)
sizes = st.one_of(st.integers(0, 400), st.sampled_from([16_383, 16_384, 16_385, 40_000]))
windows = st.builds(Window, st.sampled_from([1, 2, 8, 64]), st.integers(1, 20))


def order(n_rows, **options):
    return np.concatenate([np.empty(0, np.uint32), *row_numbers(EpochOrder(n_rows, **options))])


def placed(epoch, low, high, first, n_batches):
    numbers = np.empty((n_batches, high - low), number_type(epoch.n_rows))
    BatchSampler(epoch, low, high, first).write(numbers, first)
    return numbers


@given(sizes, seeds, st.integers(0, 1000), st.sampled_from([0.0, 0.1, 0.9]))
def test_an_epoch_has_all_rows_once_without_the_holdout(n_rows, seed, epoch, share):
    holdout = HashHoldout(seed, share)
    options = {"seed": seed, "number": epoch, "holdout": holdout}
    training = order(n_rows, shuffle=True, **options)
    validation = order(n_rows, validation=True, **options)
    mask = holdout.mask(0, n_rows)
    assert_array_equal(np.sort(training), np.flatnonzero(~mask))
    assert_array_equal(validation, np.flatnonzero(mask))
    assert_array_equal(order(n_rows, **options), np.flatnonzero(~mask))
    assert holdout.count(n_rows) == len(validation)


@settings(max_examples=30)
@given(st.integers(30, 500), seeds, st.integers(0, 100))
def test_epochs_and_seeds_have_different_orders(n_rows, seed, epoch):
    drawn = [order(n_rows, seed=s, number=e, shuffle=True) for s in (seed, seed + 1) for e in (epoch, epoch + 1)]
    assert all((a != b).any() for i, a in enumerate(drawn) for b in drawn[:i])
    assert_array_equal(drawn[0], order(n_rows, seed=seed, number=epoch, shuffle=True))


@pytest.mark.parametrize("n_rows", [2**24 + 5, 2**31 + 12_345, MAX_ROWS])
def test_orders_of_very_many_rows_are_in_range_without_repetition(n_rows):
    blocks = row_numbers(EpochOrder(n_rows, seed=1, shuffle=True, holdout=HashHoldout(1, 0.1)))
    rows = np.concatenate([next(blocks) for _ in range(8)])
    assert len(np.unique(rows)) == len(rows)
    assert rows.max() < n_rows
    assert not HashHoldout(1, 0.1).holds(rows).any()
    counts = np.bincount((rows.astype(np.int64) * 64 // n_rows), minlength=64)
    expected = len(rows) / 64
    assert ((counts - expected) ** 2 / expected).sum() < chi2.ppf(1 - 1e-6, 63)


def test_consecutive_rows_of_an_order_are_far_apart_in_the_source():
    apart = np.abs(np.diff(order(10_000, seed=2, shuffle=True).astype(int)))
    # The mean distance of two random rows is a third of the length.
    assert abs(apart.mean() / 10_000 - 1 / 3) < 0.02


@settings(max_examples=100)
@given(st.integers(0, 400), seeds, st.integers(0, 1000), windows, st.sampled_from([0.0, 0.3]), st.integers(1, 300))
def test_a_windowed_epoch_has_all_rows_once_without_the_holdout(n_rows, seed, epoch, window, share, batch_size):
    options = {"seed": seed, "number": epoch, "holdout": HashHoldout(seed, share), "batch_size": batch_size}
    rows = order(n_rows, shuffle=window, **options)
    assert rows.dtype == np.uint32
    assert_array_equal(np.sort(rows), np.flatnonzero(~HashHoldout(seed, share).mask(0, n_rows)))


@given(st.integers(200, 5000), seeds, st.integers(0, 9))
def test_a_window_has_a_number_of_whole_blocks(n_rows, seed, epoch):
    n_rows -= n_rows % 8
    rows = order(n_rows, seed=seed, number=epoch, shuffle=Window(8, 5))
    for start in range(0, n_rows, 40):
        blocks = np.unique(rows[start : start + 40] // 8)
        assert_array_equal(np.sort(rows[start : start + 40]), (8 * blocks[:, None] + np.arange(8)).reshape(-1))


def test_a_window_mixes_its_rows_evenly():
    window = Window(64, 16)
    first = order(100_000, seed=5, number=2, shuffle=window)[: 64 * 16]
    # The places of each block's rows in the window are uniform.
    for block in np.unique(first // 64)[:8]:
        places = np.flatnonzero(first // 64 == block) / len(first)
        assert kstest(places, "uniform").pvalue > 1e-4
    assert not np.array_equal(first, order(100_000, seed=5, number=3, shuffle=window)[: 64 * 16])
    assert not np.array_equal(first, order(100_000, seed=6, number=2, shuffle=window)[: 64 * 16])


def test_a_batch_has_rows_of_all_blocks_of_its_window():
    window = Window(64, 256)
    rows = order(1 << 20, shuffle=window, batch_size=256)[: 256 * 64].reshape(64, 256)
    # Each of 64 strata gives four rows to a batch, from four blocks, equally often on average.
    blocks = rows.reshape(64, 64, 4) // 64
    for stratum in range(64):
        mine, counts = np.unique(blocks[:, stratum], return_counts=True)
        assert_array_equal(mine.shape, (4,))
        assert_array_equal(counts, 64)
        places = [np.flatnonzero((blocks[:, stratum] == block).any(axis=1)).mean() for block in mine]
        assert abs(np.array(places) - 31.5).max() < 12
    assert len(np.unique(blocks)) == 256


def test_strata_have_different_orders():
    window, size = Window(64, 256), 256
    by_stratum = order(1 << 20, shuffle=window, batch_size=size).reshape(-1, 64, 4).transpose(1, 0, 2).reshape(64, -1)
    within = by_stratum[:, : 4 * 64] % 64
    equal_share = [(a == b).mean() for i, a in enumerate(within) for b in within[:i]]
    assert np.mean(equal_share) < 1.2 / 64
    assert max(equal_share) < 0.1


@settings(max_examples=60)
@given(
    st.integers(1, 3000),
    st.sampled_from([False, True, Window(8, 20), Window(64, 1)]),
    st.sampled_from([0.0, 0.3]),
    st.integers(1, 100),
    st.integers(1, 7),
    st.integers(0, 40),
)
def test_batches_are_the_order_split_by_place(n_rows, shuffle, share, batch_size, processes, first):
    epoch = EpochOrder(n_rows, batch_size, 3, 2, shuffle, HashHoldout(3, share))
    rows = np.concatenate([*row_numbers(epoch)])[first * batch_size :]
    each = -(-batch_size // processes)
    n_batches = -(-len(rows) // batch_size)
    lows = [number * each for number in range(processes)]
    wide = np.concatenate([placed(epoch, low, low + each, first, n_batches) for low in lows], axis=1)
    assert_array_equal(wide[:, :batch_size].reshape(-1)[: len(rows)], rows)


@pytest.mark.parametrize("holdout", [NO_HOLDOUT, HashHoldout(1, 0.1)], ids=["all", "some"])
@pytest.mark.parametrize(("batch_size", "processes"), [(256, 2), (256, 64), (96, 4), (65_536, 8)])
def test_processes_read_disjoint_blocks(batch_size, processes, holdout):
    n_rows, window, each = 300_000, Window(64, 256), batch_size // processes
    epoch = EpochOrder(n_rows, batch_size, shuffle=window, holdout=holdout)
    n_batches = (n_rows - holdout.count(n_rows)) // batch_size
    lows = [number * each for number in range(processes)]
    read = [np.unique(placed(epoch, low, low + each, 0, n_batches) // 64) for low in lows]
    # A stratum ends within a block, which the next one's process reads too.
    assert sum(map(len, read)) <= -(-n_rows // 64) + processes
    assert max(map(len, read)) <= 1.1 * n_rows / 64 / processes + 2


@pytest.mark.parametrize("shuffle", [False, True, Window(8, 20)])
def test_threads_ask_for_batches_at_a_time(shuffle):
    epoch = EpochOrder(40_000, 8, shuffle=shuffle, holdout=HashHoldout(0, 0.2))
    expected = np.concatenate([*row_numbers(epoch)])[: 8 * 3900].reshape(-1, 8)
    places, found = BatchSampler(epoch, 0, 8), np.zeros_like(expected)
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda first: places.write(found[first : first + 13], first), range(0, 3900, 13)))
    assert_array_equal(found, expected)


def test_very_many_rows_are_windowed_in_range():
    n_rows = MAX_ROWS - 5
    pieces = row_numbers(EpochOrder(n_rows, 256, seed=1, shuffle=Window(4096)))
    rows = np.concatenate([next(pieces) for _ in range(70)])
    assert len(np.unique(rows)) == len(rows)
    assert rows.max() < n_rows
    # A stratum may start inside a block.
    assert 256 <= len(np.unique(rows[: 1 << 20] // 4096)) <= 256 + 64


def test_an_epoch_resumes_without_computing_earlier_batches():
    epoch = EpochOrder(MAX_ROWS - 5, 1 << 16, seed=1, shuffle=Window(4096))
    late = placed(epoch, 0, 1 << 16, 60_000, 1)
    assert len(np.unique(late)) == late.size
    assert late.max() < epoch.n_rows


def test_more_rows_than_32_bits():
    n_rows = 2**34 + 5
    epoch = EpochOrder(n_rows, 1 << 16, seed=1, shuffle=Window(1 << 14, 256))
    rows = np.stack([placed(epoch, 0, 1 << 16, first, 3) for first in (0, 200_000)])
    assert rows.dtype == np.int64
    assert len(np.unique(rows)) == rows.size
    assert rows.min() >= 0
    assert 2**33 < rows.max() < n_rows
    counts = np.bincount((rows.reshape(-1) * 4 // n_rows), minlength=4)
    assert counts.min() > 0.15 * rows.size
    assert next(row_numbers(EpochOrder(n_rows))).dtype == np.int64


def test_rows_beyond_32_bits_are_mixed_too():
    n_rows, block = 2**32 + 1000, 1 << 14
    strata = WindowSampler(EpochOrder(n_rows, 1, seed=1, shuffle=Window(block, 1)))
    # The window of the last block, which is shorter.
    last = int(np.flatnonzero(strata.blocks == n_rows // block)[0])
    rows = next(strata.batches(0, 1, last * block))[:block, 0]
    beyond = rows[rows >= 2**32]
    assert_array_equal(np.sort(beyond), np.arange(2**32, n_rows))
    assert not np.array_equal(beyond, np.sort(beyond))
    assert len(np.unique(rows // block)) == 2


def test_64_bit_numbers_give_the_same_windows(monkeypatch):
    epoch = EpochOrder(5_000, 24, 3, 2, Window(8, 20), HashHoldout(3, 0.2))
    narrow = np.concatenate([*row_numbers(epoch)])
    monkeypatch.setattr("isthmus.engine.sampling.number_type", lambda n_rows: np.dtype(np.int64))
    wide = np.concatenate([*row_numbers(epoch)])
    assert (narrow.dtype, wide.dtype) == (np.uint32, np.int64)
    # Only rows with equal hashes may have another order.
    assert_array_equal(wide, narrow)


def test_a_global_shuffle_has_at_most_32_bits():
    with pytest.raises(InvalidParameterError, match="shuffle='global' takes at most"):
        shuffle_for("global", 2**33, 4)
    assert shuffle_for(True, 2**33, 4) == Window(4096)


@pytest.mark.parametrize("width", [1, 4, 20, 784, 20_000])
def test_windows_have_about_four_million_cells(width):
    window = Window.for_width(width)
    assert window.block & (window.block - 1) == 0
    cells = window.block * window.blocks * width
    assert 1 << 21 <= cells <= 1 << 22 or window.block == 1


def test_the_shuffle_of_each_setting():
    assert shuffle_for(False, 10**9, 4) is False
    assert shuffle_for(True, 60_000, 784) is True
    assert shuffle_for(True, GLOBAL_CELLS // 4 + 1, 4) == Window.for_width(4)
    assert shuffle_for("global", 10**9, 4) is True
    assert shuffle_for("window", 10, 4) == Window(4096)
