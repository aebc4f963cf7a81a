import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy.stats import chi2

from isthmus.batches import CHUNK_BYTES, HeldBack, aligned, chunk_rows, row_numbers
from isthmus.counters import MAX_ROWS
from isthmus.scaling import Patches, Scaler

seeds = st.integers(0, 2**32 - 1)
sizes = st.one_of(st.integers(0, 400), st.sampled_from([16_383, 16_384, 16_385, 40_000]))


def order(n_rows, **options):
    return np.concatenate([np.empty(0, np.uint32), *row_numbers(n_rows, **options)])


def walked(walk, epoch=0, validation=False):
    rows, values = [], []
    for chunk in walk.chunks(epoch, validation):
        assert chunk.values.shape == walk.chunk_shape
        padded = -(-chunk.count // walk.batch_size) * walk.batch_size
        assert not chunk.values[chunk.count : padded].any()
        rows.append(chunk.rows[: chunk.count].copy())
        values.append(chunk.values[: chunk.count].copy())
    if not rows:
        return np.empty(0, np.uint32), np.empty((0, walk.chunk_shape[1]), walk.dtype)
    return np.concatenate(rows), np.concatenate(values)


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


@settings(max_examples=40)
@given(
    n_rows=st.integers(1, 60),
    batch=st.integers(1, 9),
    batches=st.lists(st.integers(1, 9), min_size=2, max_size=2),
    seed=seeds,
    shuffle=st.booleans(),
    share=st.sampled_from([0.0, 0.3]),
)
def test_any_chunk_size_gives_the_same_rows_in_the_same_order(
    walk_through, n_rows, batch, batches, seed, shuffle, share
):
    data = np.arange(n_rows * 3, dtype=np.float32).reshape(n_rows, 3)
    options = {"seed": seed, "held_back": HeldBack(seed, share)}
    for validation in (False, True):
        expected = order(n_rows, epoch=4, shuffle=shuffle and not validation, validation=validation, **options)
        for many in (None, *batches):
            walk = walk_through(data, batch, shuffle=shuffle, rows_per_chunk=many and many * batch, **options)
            rows, values = walked(walk, 4, validation)
            assert_array_equal(rows, expected)
            assert_array_equal(values, data[expected])
            assert walk.count(validation) == len(expected)


def test_a_long_stretch_without_held_back_rows_ends_nothing(walk_through):
    # With one row in 20,000 held back, whole blocks of numbers are empty.
    held = HeldBack(3, 5e-5)
    walk = walk_through(np.zeros((80_000, 1), np.uint8), 8, held_back=held)
    rows, _ = walked(walk, validation=True)
    assert_array_equal(rows, np.flatnonzero(held.mask(0, 80_000)))
    assert 0 < len(rows) < 20
    assert len(np.unique(rows // (1 << 14))) < 5


@pytest.mark.parametrize(
    ("dtype", "compute", "in_program"),
    [
        (np.uint8, np.float32, True),
        (np.int16, np.float32, True),
        (np.float16, np.float32, True),
        (np.float32, np.float32, True),
        (np.float64, np.float32, False),
        (np.int64, np.float32, False),
        (np.float32, np.float64, True),
        (np.float64, np.float64, True),
    ],
)
def test_narrow_rows_reach_the_program_raw(walk_through, dtype, compute, in_program):
    data = np.arange(12).reshape(6, 2).astype(dtype)
    scaler = Scaler("standard", np.array([1.0, 2.0]), np.array([4.0, 8.0]))
    walk = walk_through(data, 4, compute, scaler=scaler)
    assert walk.in_program == in_program
    _, values = walked(walk)
    center, factor = walk.affine()
    assert center.dtype == factor.dtype == compute
    assert values.dtype == (dtype if in_program else compute)
    assert_array_equal((values.astype(compute) - center) * factor, (data - [1, 2]) / [4, 8])


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_what_does_not_go_by_column_is_scaled_before_the_program(walk_through, dtype):
    data = np.arange(24).reshape(6, 4).astype(dtype) ** 2
    scaler = Patches(4, 100.0)
    walk = walk_through(data, 4, scaler=scaler)
    assert not walk.in_program
    _, values = walked(walk)
    assert values.dtype == np.float32
    assert_array_equal(values, scaler.scaled(data))
    center, factor = walk.affine()
    assert not center.any()
    assert (factor == 1).all()


def test_a_chunk_is_valid_until_the_next_is_asked_for(walk_through):
    walk = walk_through(np.arange(40, dtype=np.float32)[:, None], 2, rows_per_chunk=4)
    taken, take = [], walk.source.take
    walk.source.take = lambda rows, out: (take(rows, out), taken.append(rows.copy()))
    for number, chunk in enumerate(walk.chunks()):
        while len(taken) < min(number + 2, 10):
            time.sleep(1e-4)
        assert_array_equal(chunk.rows, np.arange(4) + 4 * number)
        assert_array_equal(chunk.values[:, 0], chunk.rows)


def test_a_walk_that_is_broken_off_leaves_no_reader(walk_through):
    chunks = walk_through(np.zeros((40, 1), np.float32), 2, rows_per_chunk=4).chunks()
    next(chunks)
    chunks.close()
    assert not [thread for thread in threading.enumerate() if "read-ahead" in thread.name]


def test_a_source_that_fails_while_read_ahead_is_heard(walk_through):
    walk = walk_through(np.zeros((4, 1), np.float32), 2)

    def fail(rows, out):
        raise OSError("gone")

    walk.source.take = fail
    with pytest.raises(OSError, match="gone"):
        list(walk.chunks())


@given(st.integers(1, 5000), st.integers(1, 10**7))
def test_chunks_hold_whole_batches(batch, row_bytes):
    rows = chunk_rows(batch, row_bytes)
    assert rows % batch == 0
    assert rows == batch or rows * row_bytes <= CHUNK_BYTES
    assert rows // batch <= 2**15


def test_a_walk_wants_to_know_how_many_rows(walk_through):
    walk = walk_through(np.zeros((4, 1), np.float32))
    walk.source.n_rows = None
    with pytest.raises(ValueError, match="knows its number of rows"):
        walk.n_rows


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (64, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_aligned(shape, dtype):
    array = aligned(shape, np.dtype(dtype))
    assert (array.shape, array.dtype) == (shape, dtype)
    assert array.ctypes.data % 64 == 0
