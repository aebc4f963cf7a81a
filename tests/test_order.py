import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy.stats import chi2, kstest

from isthmus.counters import MAX_ROWS
from isthmus.order import GLOBAL_CELLS, HeldBack, Window, row_numbers, shuffle_for

seeds = st.integers(0, 2**32 - 1)
sizes = st.one_of(st.integers(0, 400), st.sampled_from([16_383, 16_384, 16_385, 40_000]))
windows = st.builds(Window, st.sampled_from([1, 2, 8, 64]), st.integers(1, 20))


def order(n_rows, **options):
    return np.concatenate([np.empty(0, np.uint32), *row_numbers(n_rows, **options)])


@given(sizes, seeds, st.integers(0, 1000), st.sampled_from([0.0, 0.1, 0.9]))
def test_an_epoch_has_every_row_once_and_none_held_back(n_rows, seed, epoch, share):
    held_back = HeldBack(seed, share)
    options = {"seed": seed, "epoch": epoch, "held_back": held_back}
    training = order(n_rows, shuffle=True, **options)
    validation = order(n_rows, validation=True, **options)
    mask = held_back.mask(0, n_rows)
    assert_array_equal(np.sort(training), np.flatnonzero(~mask))
    assert_array_equal(validation, np.flatnonzero(mask))
    assert_array_equal(order(n_rows, **options), np.flatnonzero(~mask))
    assert held_back.count(n_rows) == len(validation)


@settings(max_examples=30)
@given(st.integers(30, 500), seeds, st.integers(0, 100))
def test_epochs_and_seeds_have_orders_of_their_own(n_rows, seed, epoch):
    drawn = [order(n_rows, seed=s, epoch=e, shuffle=True) for s in (seed, seed + 1) for e in (epoch, epoch + 1)]
    assert all((a != b).any() for i, a in enumerate(drawn) for b in drawn[:i])
    assert_array_equal(drawn[0], order(n_rows, seed=seed, epoch=epoch, shuffle=True))


@pytest.mark.parametrize("n_rows", [2**24 + 5, 2**31 + 12_345, MAX_ROWS])
def test_orders_of_very_many_rows_stay_in_range_and_repeat_nothing(n_rows):
    blocks = row_numbers(n_rows, seed=1, shuffle=True, held_back=HeldBack(1, 0.1))
    rows = np.concatenate([next(blocks) for _ in range(8)])
    assert len(np.unique(rows)) == len(rows)
    assert rows.max() < n_rows
    assert not HeldBack(1, 0.1).holds(rows).any()
    counts = np.bincount((rows.astype(np.int64) * 64 // n_rows), minlength=64)
    expected = len(rows) / 64
    assert ((counts - expected) ** 2 / expected).sum() < chi2.ppf(1 - 1e-6, 63)


def test_neighbours_in_an_order_are_not_neighbours_in_the_source():
    apart = np.abs(np.diff(order(10_000, seed=2, shuffle=True).astype(int)))
    # Two rows drawn at random are a third of the length apart.
    assert abs(apart.mean() / 10_000 - 1 / 3) < 0.02


@given(seeds, st.floats(0.01, 0.99))
def test_the_share_held_back_is_near_the_fraction(seed, share):
    n_rows = 20_000
    held = HeldBack(seed, share)
    assert abs(held.count(n_rows) - share * n_rows) < 6 * np.sqrt(n_rows * share * (1 - share))
    assert_array_equal(held.mask(0, n_rows)[500:900], held.mask(500, 900))


def test_seeds_hold_back_rows_of_their_own():
    assert (HeldBack(1, 0.5).mask(0, 100) != HeldBack(2, 0.5).mask(0, 100)).any()
    assert not HeldBack(1, 0.0).mask(0, 100).any()


@settings(max_examples=60)
@given(st.integers(0, 400), seeds, st.integers(0, 1000), windows, st.sampled_from([0.0, 0.3]))
def test_a_windowed_epoch_has_every_row_once_and_none_held_back(n_rows, seed, epoch, window, share):
    rows = order(n_rows, seed=seed, epoch=epoch, shuffle=window, held_back=HeldBack(seed, share))
    assert rows.dtype == np.uint32
    assert_array_equal(np.sort(rows), np.flatnonzero(~HeldBack(seed, share).mask(0, n_rows)))


@given(st.integers(200, 5000), seeds, st.integers(0, 9))
def test_a_window_is_so_many_whole_blocks_in_an_order_of_its_own(n_rows, seed, epoch):
    window = Window(8, 5)
    rows = order(n_rows, seed=seed, epoch=epoch, shuffle=window)
    seen = []
    while len(rows):
        blocks = list(dict.fromkeys(rows[:1] // 8))
        # A window ends where its blocks' rows are used up.
        taken = 0
        while taken < len(rows) and (rows[taken] // 8 in blocks or len(blocks) < min(5, -(-n_rows // 8) - len(seen))):
            blocks = list(dict.fromkeys([*blocks, rows[taken] // 8]))
            taken += 1
        expected = np.concatenate([np.arange(8 * b, min(8 * b + 8, n_rows)) for b in sorted(blocks)])
        assert_array_equal(np.sort(rows[:taken]), expected)
        seen += blocks
        rows = rows[taken:]
    assert sorted(seen) == list(range(-(-n_rows // 8)))


def test_a_window_mixes_its_rows_evenly():
    window = Window(64, 16)
    first = order(100_000, seed=5, epoch=2, shuffle=window)[: 64 * 16]
    # Where in the window the rows of its blocks come: evenly, block by block.
    for block in np.unique(first // 64)[:8]:
        places = np.flatnonzero(first // 64 == block) / len(first)
        assert kstest(places, "uniform").pvalue > 1e-4
    assert not np.array_equal(first, order(100_000, seed=5, epoch=3, shuffle=window)[: 64 * 16])
    assert not np.array_equal(first, order(100_000, seed=6, epoch=2, shuffle=window)[: 64 * 16])


def test_very_many_rows_are_windowed_in_range():
    n_rows = MAX_ROWS - 5
    blocks = row_numbers(n_rows, seed=1, shuffle=Window(4096))
    rows = np.concatenate([next(blocks) for _ in range(70)])
    assert len(np.unique(rows)) == len(rows)
    assert rows.max() < n_rows
    assert len(np.unique(rows[: 1 << 20] // 4096)) == 256


@pytest.mark.parametrize("width", [1, 4, 20, 784, 20_000])
def test_windows_hold_about_four_million_cells(width):
    window = Window.for_width(width)
    assert window.block & (window.block - 1) == 0
    cells = window.block * window.blocks * width
    assert 1 << 21 <= cells <= 1 << 22 or window.block == 1


def test_settings_of_the_shuffle():
    assert shuffle_for(False, 10**9, 4) is False
    assert shuffle_for(True, 60_000, 784) is True
    assert shuffle_for(True, GLOBAL_CELLS // 4 + 1, 4) == Window.for_width(4)
    assert shuffle_for("global", 10**9, 4) is True
    assert shuffle_for("window", 10, 4) == Window(4096)
