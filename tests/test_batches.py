import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from isthmus.batches import CHUNK_BYTES, Lanes, aligned, chunk_rows
from isthmus.held_back import HeldBack
from isthmus.order import Epoch, Window, row_numbers
from isthmus.scaling import Patches, Scaler

seeds = st.integers(0, 2**32 - 1)


def order(n_rows, **options):
    return np.concatenate([np.empty(0, np.uint32), *row_numbers(Epoch(n_rows, **options))])


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
        expected = order(n_rows, number=4, shuffle=shuffle and not validation, validation=validation, **options)
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


walks = {
    "n_rows": st.integers(1, 60),
    "batch": st.integers(1, 9),
    "many": st.integers(1, 4),
    "seed": seeds,
    "shuffle": st.sampled_from([False, True, Window(4, 3)]),
    "share": st.sampled_from([0.0, 0.3]),
}


@settings(max_examples=60)
@given(**walks, chunks=st.integers(0, 6))
def test_a_walk_that_starts_late_goes_on_where_another_ended(
    walk_through, n_rows, batch, many, seed, shuffle, share, chunks
):
    data = np.arange(n_rows * 2, dtype=np.float32).reshape(n_rows, 2)
    walk = walk_through(
        data, batch, shuffle=shuffle, rows_per_chunk=many * batch, seed=seed, held_back=HeldBack(seed, share)
    )
    whole = [(chunk.rows[: chunk.count].copy(), chunk.values.copy()) for chunk in walk.chunks(3)]
    late = [
        (chunk.rows[: chunk.count].copy(), chunk.values.copy()) for chunk in walk.chunks(3, start=chunks * many * batch)
    ]
    assert len(late) == max(len(whole) - chunks, 0)
    for (rows, values), (expected_rows, expected) in zip(late, whole[chunks:], strict=True):
        assert_array_equal(rows, expected_rows)
        padded = -(-len(rows) // batch) * batch
        assert_array_equal(values[:padded], expected[:padded])


@settings(max_examples=80)
@given(**walks, processes=st.integers(1, 5))
def test_processes_share_each_batch_out(walk_through, n_rows, batch, many, seed, shuffle, share, processes):
    data = np.arange(1, n_rows + 1, dtype=np.float32)[:, None]
    options = {"shuffle": shuffle, "rows_per_chunk": many * batch, "seed": seed, "held_back": HeldBack(seed, share)}
    whole = [
        (chunk.rows[: chunk.count].copy(), chunk.count) for chunk in walk_through(data, batch, **options).chunks(2)
    ]
    each = -(-batch // processes)
    total = each * processes
    parts = []
    for number in range(processes):
        walk = walk_through(data, batch, lanes=Lanes(total, number * each, (number + 1) * each), **options)
        parts.append([(chunk.values.copy(), chunk.rows.copy(), chunk.count) for chunk in walk.chunks(2)])
    assert {len(part) for part in parts} == {len(whole)}
    for chunks, (rows, count) in zip(zip(*parts, strict=True), whole, strict=True):
        n_batches = -(-count // batch)
        assert {chunk[2] for chunk in chunks} == {count}
        places = [[chunk[kind][: n_batches * each].reshape(n_batches, each) for chunk in chunks] for kind in (0, 1)]
        values, numbers = (np.concatenate(parts, axis=1)[:, :batch].reshape(-1) for parts in places)
        assert_array_equal(numbers[:count], rows)
        assert_array_equal(values[:count], rows + 1)
        assert not values[count:].any()
        assert not np.concatenate(places[0], axis=1)[:, batch:].any()


@settings(max_examples=60)
@given(**walks, readers=st.integers(2, 5), start=st.integers(0, 3))
def test_several_readers_give_the_chunks_of_one(
    walk_through, n_rows, batch, many, seed, shuffle, share, readers, start
):
    data = np.arange(1, n_rows + 1, dtype=np.float32)[:, None]
    options = {"shuffle": shuffle, "rows_per_chunk": many * batch, "seed": seed, "held_back": HeldBack(seed, share)}
    one, several = (
        [
            (chunk.values.tolist(), chunk.rows.tolist(), chunk.count)
            for chunk in walk_through(data, batch, readers=number, **options).chunks(2, start=start * many * batch)
        ]
        for number in (1, readers)
    )
    used = [-(-count // batch) * batch for *_, count in one]
    assert [(v[:u], r[:u], c) for (v, r, c), u in zip(several, used, strict=True)] == [
        (v[:u], r[:u], c) for (v, r, c), u in zip(one, used, strict=True)
    ]


@pytest.mark.parametrize("shuffle", [False, True, Window(4, 3)])
def test_a_chunk_stays_while_several_are_read_ahead(walk_through, shuffle):
    walk = walk_through(np.arange(400, dtype=np.float32)[:, None], 2, rows_per_chunk=4, readers=3, shuffle=shuffle)
    kept = []
    for chunk in walk.chunks():
        before = chunk.values.copy()
        time.sleep(1e-3)
        assert_array_equal(chunk.values, before)
        kept.append(before)
    assert_array_equal(np.sort(np.concatenate(kept)[:, 0]), np.arange(400))


def test_chunks_are_uploaded_where_they_are_filled(walk_through):
    threads = []

    def upload(chunk):
        threads.append(threading.current_thread().name)
        return chunk.values.sum()

    walk = walk_through(np.ones((40, 1), np.float32), 2, rows_per_chunk=4, readers=2, upload=upload)
    assert [chunk.uploaded for chunk in walk.chunks()] == [4.0] * 10
    assert len(threads) == 10
    assert all("read-ahead" in name for name in threads)


def test_a_source_that_fails_is_heard_whoever_reads_it(walk_through):
    walk = walk_through(np.zeros((400, 1), np.float32), 2, rows_per_chunk=4, shuffle=True, readers=3)
    take, taken = walk.source.take, []

    def fail_in_the_middle(rows, out):
        taken.append(rows)
        if len(taken) == 50:
            raise OSError("gone")
        take(rows, out)

    walk.source.take = fail_in_the_middle
    with pytest.raises(OSError, match="gone"):
        list(walk.chunks())
    assert not [thread for thread in threading.enumerate() if "read-ahead" in thread.name]


def test_a_chunk_says_how_long_it_was_waited_for(walk_through):
    walk = walk_through(np.zeros((4, 1), np.float32), 2, rows_per_chunk=2)
    take = walk.source.take
    walk.source.take = lambda rows, out: (time.sleep(0.05), take(rows, out))
    first, second = (chunk.waited for chunk in walk.chunks())
    assert first >= 0.05
    assert second > 0


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
