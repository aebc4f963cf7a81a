import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from isthmus.data.scaling import Patches, Scaler
from isthmus.data.splitting import HashHoldout
from isthmus.engine.loading import CHUNK_BYTES, BatchShard, aligned, chunk_rows
from isthmus.engine.sampling import EpochOrder, Window, row_numbers

seeds = st.integers(0, 2**32 - 1)


def order(n_rows, **options):
    return np.concatenate([np.empty(0, np.uint32), *row_numbers(EpochOrder(n_rows, **options))])


def walked(loader, epoch=0, validation=False):
    rows, values = [], []
    for chunk in loader.chunks(epoch, validation):
        assert chunk.values.shape == loader.chunk_shape
        padded = -(-chunk.count // loader.batch_size) * loader.batch_size
        assert not chunk.values[chunk.count : padded].any()
        rows.append(chunk.rows[: chunk.count].copy())
        values.append(chunk.values[: chunk.count].copy())
    if not rows:
        return np.empty(0, np.uint32), np.empty((0, loader.chunk_shape[1]), loader.dtype)
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
def test_any_chunk_size_gives_the_same_rows_in_the_same_order(loader_of, n_rows, batch, batches, seed, shuffle, share):
    data = np.arange(n_rows * 3, dtype=np.float32).reshape(n_rows, 3)
    options = {"seed": seed, "holdout": HashHoldout(seed, share)}
    for validation in (False, True):
        expected = order(n_rows, number=4, shuffle=shuffle and not validation, validation=validation, **options)
        for many in (None, *batches):
            loader = loader_of(data, batch, shuffle=shuffle, rows_per_chunk=many and many * batch, **options)
            rows, values = walked(loader, 4, validation)
            assert_array_equal(rows, expected)
            assert_array_equal(values, data[expected])
            assert loader.count(validation) == len(expected)


def test_a_long_stretch_without_held_back_rows_ends_nothing(loader_of):
    # With one row in 20,000 held back, whole blocks of numbers are empty.
    held = HashHoldout(3, 5e-5)
    loader = loader_of(np.zeros((80_000, 1), np.uint8), 8, holdout=held)
    rows, _ = walked(loader, validation=True)
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
def test_narrow_rows_reach_the_program_raw(loader_of, dtype, compute, in_program):
    data = np.arange(12).reshape(6, 2).astype(dtype)
    scaler = Scaler("standard", np.array([1.0, 2.0]), np.array([4.0, 8.0]))
    loader = loader_of(data, 4, compute, scaler=scaler)
    assert loader.in_program == in_program
    _, values = walked(loader)
    center, factor = loader.affine()
    assert center.dtype == factor.dtype == compute
    assert values.dtype == (dtype if in_program else compute)
    assert_array_equal((values.astype(compute) - center) * factor, (data - [1, 2]) / [4, 8])


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_what_does_not_go_by_column_is_scaled_before_the_program(loader_of, dtype):
    data = np.arange(24).reshape(6, 4).astype(dtype) ** 2
    scaler = Patches(4, 100.0)
    loader = loader_of(data, 4, scaler=scaler)
    assert not loader.in_program
    _, values = walked(loader)
    assert values.dtype == np.float32
    assert_array_equal(values, scaler.scaled(data))
    center, factor = loader.affine()
    assert not center.any()
    assert (factor == 1).all()


def test_a_chunk_is_valid_until_the_next_is_asked_for(loader_of):
    loader = loader_of(np.arange(40, dtype=np.float32)[:, None], 2, rows_per_chunk=4)
    taken, take = [], loader.source.take
    loader.source.take = lambda rows, out: (take(rows, out), taken.append(rows.copy()))
    for number, chunk in enumerate(loader.chunks()):
        while len(taken) < min(number + 2, 10):
            time.sleep(1e-4)
        assert_array_equal(chunk.rows, np.arange(4) + 4 * number)
        assert_array_equal(chunk.values[:, 0], chunk.rows)


def test_a_walk_that_is_broken_off_leaves_no_reader(loader_of):
    chunks = loader_of(np.zeros((40, 1), np.float32), 2, rows_per_chunk=4).chunks()
    next(chunks)
    chunks.close()
    assert not [thread for thread in threading.enumerate() if "read-ahead" in thread.name]


def test_a_source_that_fails_while_read_ahead_is_heard(loader_of):
    loader = loader_of(np.zeros((4, 1), np.float32), 2)

    def fail(rows, out):
        raise OSError("gone")

    loader.source.take = fail
    with pytest.raises(OSError, match="gone"):
        list(loader.chunks())


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
    loader_of, n_rows, batch, many, seed, shuffle, share, chunks
):
    data = np.arange(n_rows * 2, dtype=np.float32).reshape(n_rows, 2)
    loader = loader_of(
        data, batch, shuffle=shuffle, rows_per_chunk=many * batch, seed=seed, holdout=HashHoldout(seed, share)
    )
    whole = [(chunk.rows[: chunk.count].copy(), chunk.values.copy()) for chunk in loader.chunks(3)]
    late = [
        (chunk.rows[: chunk.count].copy(), chunk.values.copy())
        for chunk in loader.chunks(3, start=chunks * many * batch)
    ]
    assert len(late) == max(len(whole) - chunks, 0)
    for (rows, values), (expected_rows, expected) in zip(late, whole[chunks:], strict=True):
        assert_array_equal(rows, expected_rows)
        padded = -(-len(rows) // batch) * batch
        assert_array_equal(values[:padded], expected[:padded])


@settings(max_examples=80)
@given(**walks, processes=st.integers(1, 5))
def test_processes_share_each_batch_out(loader_of, n_rows, batch, many, seed, shuffle, share, processes):
    data = np.arange(1, n_rows + 1, dtype=np.float32)[:, None]
    options = {"shuffle": shuffle, "rows_per_chunk": many * batch, "seed": seed, "holdout": HashHoldout(seed, share)}
    whole = [(chunk.rows[: chunk.count].copy(), chunk.count) for chunk in loader_of(data, batch, **options).chunks(2)]
    each = -(-batch // processes)
    total = each * processes
    parts = []
    for number in range(processes):
        loader = loader_of(data, batch, shard=BatchShard(total, number * each, (number + 1) * each), **options)
        parts.append([(chunk.values.copy(), chunk.rows.copy(), chunk.count) for chunk in loader.chunks(2)])
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
def test_several_readers_give_the_chunks_of_one(loader_of, n_rows, batch, many, seed, shuffle, share, readers, start):
    data = np.arange(1, n_rows + 1, dtype=np.float32)[:, None]
    options = {"shuffle": shuffle, "rows_per_chunk": many * batch, "seed": seed, "holdout": HashHoldout(seed, share)}
    one, several = (
        [
            (chunk.values.tolist(), chunk.rows.tolist(), chunk.count)
            for chunk in loader_of(data, batch, readers=number, **options).chunks(2, start=start * many * batch)
        ]
        for number in (1, readers)
    )
    used = [-(-count // batch) * batch for *_, count in one]
    assert [(v[:u], r[:u], c) for (v, r, c), u in zip(several, used, strict=True)] == [
        (v[:u], r[:u], c) for (v, r, c), u in zip(one, used, strict=True)
    ]


@pytest.mark.parametrize("shuffle", [False, True, Window(4, 3)])
def test_a_chunk_stays_while_several_are_read_ahead(loader_of, shuffle):
    loader = loader_of(np.arange(400, dtype=np.float32)[:, None], 2, rows_per_chunk=4, readers=3, shuffle=shuffle)
    kept = []
    for chunk in loader.chunks():
        before = chunk.values.copy()
        time.sleep(1e-3)
        assert_array_equal(chunk.values, before)
        kept.append(before)
    assert_array_equal(np.sort(np.concatenate(kept)[:, 0]), np.arange(400))


def test_chunks_are_uploaded_where_they_are_filled(loader_of):
    threads = []

    def upload(chunk):
        threads.append(threading.current_thread().name)
        return chunk.values.sum()

    loader = loader_of(np.ones((40, 1), np.float32), 2, rows_per_chunk=4, readers=2, upload=upload)
    assert [chunk.uploaded for chunk in loader.chunks()] == [4.0] * 10
    assert len(threads) == 10
    assert all("read-ahead" in name for name in threads)


def test_a_source_that_fails_is_heard_whoever_reads_it(loader_of):
    loader = loader_of(np.zeros((400, 1), np.float32), 2, rows_per_chunk=4, shuffle=True, readers=3)
    take, taken = loader.source.take, []

    def fail_in_the_middle(rows, out):
        taken.append(rows)
        if len(taken) == 50:
            raise OSError("gone")
        take(rows, out)

    loader.source.take = fail_in_the_middle
    with pytest.raises(OSError, match="gone"):
        list(loader.chunks())
    assert not [thread for thread in threading.enumerate() if "read-ahead" in thread.name]


def test_a_chunk_says_how_long_it_was_waited_for(loader_of):
    loader = loader_of(np.zeros((4, 1), np.float32), 2, rows_per_chunk=2)
    take = loader.source.take
    loader.source.take = lambda rows, out: (time.sleep(0.05), take(rows, out))
    first, second = (chunk.waited for chunk in loader.chunks())
    assert first >= 0.05
    assert second > 0


@given(st.integers(1, 5000), st.integers(1, 10**7))
def test_chunks_hold_whole_batches(batch, row_bytes):
    rows = chunk_rows(batch, row_bytes)
    assert rows % batch == 0
    assert rows == batch or rows * row_bytes <= CHUNK_BYTES
    assert rows // batch <= 2**15


def test_a_walk_wants_to_know_how_many_rows(loader_of):
    loader = loader_of(np.zeros((4, 1), np.float32))
    loader.source.n_rows = None
    with pytest.raises(ValueError, match="knows its number of rows"):
        loader.n_rows


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (64, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_aligned(shape, dtype):
    array = aligned(shape, np.dtype(dtype))
    assert (array.shape, array.dtype) == (shape, dtype)
    assert array.ctypes.data % 64 == 0
