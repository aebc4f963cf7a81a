import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from isthmus.data.scaling import Patches, Scaler
from isthmus.data.sources import ArraySource
from isthmus.data.splitting import HashHoldout
from isthmus.data.weights import RowWeights
from isthmus.engine.devices import Placement
from isthmus.engine.loading import CHUNK_BYTES, SAMPLE_WEIGHT, BatchShard, RowLoader, aligned, chunk_rows
from isthmus.engine.sampling import EpochOrder, Window, row_numbers

seeds = st.integers(0, 2**32 - 1)


def order(n_rows, **options):
    return np.concatenate([np.empty(0, np.uint32), *row_numbers(EpochOrder(n_rows, **options))])


def loaded(loader, epoch=0, validation=False):
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
            rows, values = loaded(loader, 4, validation)
            assert_array_equal(rows, expected)
            assert_array_equal(values, data[expected])
            assert loader.count(validation) == len(expected)


def test_blocks_without_held_out_rows_are_passed_over(loader_of):
    # With one row in 20,000 held out, whole blocks of numbers are empty.
    held = HashHoldout(3, 5e-5)
    loader = loader_of(np.zeros((80_000, 1), np.uint8), 8, holdout=held)
    rows, _ = loaded(loader, validation=True)
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
    _, values = loaded(loader)
    center, factor = loader.affine()
    assert center.dtype == factor.dtype == compute
    assert values.dtype == (dtype if in_program else compute)
    assert_array_equal((values.astype(compute) - center) * factor, (data - [1, 2]) / [4, 8])


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_scalings_that_mix_columns_are_applied_by_the_loader(loader_of, dtype):
    data = np.arange(24).reshape(6, 4).astype(dtype) ** 2
    scaler = Patches(4, 100.0)
    loader = loader_of(data, 4, scaler=scaler)
    assert not loader.in_program
    _, values = loaded(loader)
    assert values.dtype == np.float32
    assert_array_equal(values, scaler.scaled(data))
    center, factor = loader.affine()
    assert not center.any()
    assert (factor == 1).all()


def test_a_chunk_is_valid_until_the_next_one(loader_of):
    loader = loader_of(np.arange(40, dtype=np.float32)[:, None], 2, rows_per_chunk=4)
    taken, take = [], loader.source.take
    loader.source.take = lambda rows, out: (take(rows, out), taken.append(rows.copy()))
    for number, chunk in enumerate(loader.chunks()):
        while len(taken) < min(number + 2, 10):
            time.sleep(1e-4)
        assert_array_equal(chunk.rows, np.arange(4) + 4 * number)
        assert_array_equal(chunk.values[:, 0], chunk.rows)


def test_closing_the_chunks_ends_the_readers(loader_of):
    chunks = loader_of(np.zeros((40, 1), np.float32), 2, rows_per_chunk=4).chunks()
    next(chunks)
    chunks.close()
    assert not [thread for thread in threading.enumerate() if "read-ahead" in thread.name]


def test_the_error_of_a_source_is_raised(loader_of):
    loader = loader_of(np.zeros((4, 1), np.float32), 2)

    def fail(rows, out):
        raise OSError("gone")

    loader.source.take = fail
    with pytest.raises(OSError, match="gone"):
        list(loader.chunks())


OPTIONS = {
    "n_rows": st.integers(1, 60),
    "batch": st.integers(1, 9),
    "many": st.integers(1, 4),
    "seed": seeds,
    "shuffle": st.sampled_from([False, True, Window(4, 3)]),
    "share": st.sampled_from([0.0, 0.3]),
}


@settings(max_examples=60)
@given(**OPTIONS, chunks=st.integers(0, 6))
def test_chunks_may_start_within_an_epoch(loader_of, n_rows, batch, many, seed, shuffle, share, chunks):
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
@given(**OPTIONS, processes=st.integers(1, 5))
def test_processes_fill_disjoint_parts_of_each_batch(loader_of, n_rows, batch, many, seed, shuffle, share, processes):
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
@given(**OPTIONS, readers=st.integers(2, 5), start=st.integers(0, 3))
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
def test_a_chunk_is_unchanged_while_others_are_read_ahead(loader_of, shuffle):
    loader = loader_of(np.arange(400, dtype=np.float32)[:, None], 2, rows_per_chunk=4, readers=3, shuffle=shuffle)
    kept = []
    for chunk in loader.chunks():
        before = chunk.values.copy()
        time.sleep(1e-3)
        assert_array_equal(chunk.values, before)
        kept.append(before)
    assert_array_equal(np.sort(np.concatenate(kept)[:, 0]), np.arange(400))


def test_chunks_are_uploaded_by_the_thread_that_fills_them(loader_of):
    threads = []

    def upload(chunk):
        threads.append(threading.current_thread().name)
        return chunk.values.sum()

    loader = loader_of(np.ones((40, 1), np.float32), 2, rows_per_chunk=4, readers=2, upload=upload)
    assert [chunk.uploaded for chunk in loader.chunks()] == [4.0] * 10
    assert len(threads) == 10
    assert all("read-ahead" in name for name in threads)


def test_the_error_of_a_source_is_raised_with_several_readers(loader_of):
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


def test_chunks_record_the_time_waited_for_them(loader_of):
    loader = loader_of(np.zeros((4, 1), np.float32), 2, rows_per_chunk=2)
    take = loader.source.take
    loader.source.take = lambda rows, out: (time.sleep(0.3), take(rows, out))
    first, second = (chunk.waited for chunk in loader.chunks())
    assert 0.05 < first < 3  # reading begins a moment before waiting does
    assert second > 0


# Extras ------------------------------------------------------------------------------------------------------------


def extras_of(n_rows):
    """A label and three scores for each row, both functions of its number."""
    numbers = np.arange(n_rows)
    return {"labels": (numbers * 3 + 1).astype(np.int32), "scores": numbers[:, None] + np.array([0.25, 0.5, 0.75])}


@settings(max_examples=60)
@given(**OPTIONS, readers=st.integers(1, 3), validation=st.booleans())
def test_extras_follow_their_rows(loader_of, n_rows, batch, many, seed, shuffle, share, readers, validation):
    data = np.arange(n_rows, dtype=np.float32)[:, None]
    loader = loader_of(
        data,
        batch,
        shuffle=shuffle,
        rows_per_chunk=many * batch,
        seed=seed,
        holdout=HashHoldout(seed, share),
        readers=readers,
        extras=extras_of(n_rows),
    )
    seen = []
    for chunk in loader.chunks(2, validation):
        rows = chunk.rows[: chunk.count]
        assert_array_equal(chunk.values[: chunk.count, 0], rows)
        assert chunk.extras["labels"].dtype == np.int32
        for name, expected in extras_of(n_rows).items():
            assert chunk.extras[name].shape == (len(chunk.rows), *expected.shape[1:])
            assert_array_equal(chunk.extras[name][: chunk.count], expected[rows])
        seen.extend(rows.tolist())
    assert sorted(seen) == np.flatnonzero(loader.holdout.mask(0, n_rows) == validation).tolist()


def test_extras_of_a_chunk_are_not_overwritten_by_the_next(loader_of):
    loader = loader_of(np.zeros((40, 1), np.float32), 2, rows_per_chunk=4, readers=2, extras=extras_of(40))
    chunks = [(chunk.rows[: chunk.count].copy(), chunk.extras["labels"]) for chunk in loader.chunks()]
    for rows, labels in chunks:
        assert_array_equal(labels, extras_of(40)["labels"][rows])


@settings(max_examples=30)
@given(**OPTIONS, processes=st.integers(2, 4))
def test_each_process_has_the_extras_of_its_rows(loader_of, n_rows, batch, many, seed, shuffle, share, processes):
    each = -(-batch // processes)
    for number in range(processes):
        loader = loader_of(
            np.arange(n_rows, dtype=np.float32)[:, None],
            batch,
            shuffle=shuffle,
            rows_per_chunk=many * batch,
            seed=seed,
            holdout=HashHoldout(seed, share),
            shard=BatchShard(each * processes, number * each, (number + 1) * each),
            extras=extras_of(n_rows),
        )
        for chunk in loader.chunks(2):
            used = -(-chunk.count // batch) * each
            assert_array_equal(chunk.extras["labels"][:used], extras_of(n_rows)["labels"][chunk.rows[:used]])


def uploaded_extras():
    """Return, for rows on all devices, (row number, value, label, second score) at each place that is not padding."""
    n_rows, batch = 23, 5
    placement = Placement.over(jax.devices())
    shard = placement.shard(batch)
    loader = RowLoader(
        ArraySource(np.arange(1, n_rows + 1, dtype=np.float32)[:, None]),
        Scaler("none", np.zeros(1), np.ones(1)),
        batch,
        np.dtype(np.float32),
        shuffle=True,
        rows_per_chunk=2 * batch,
        shard=shard,
        upload=lambda chunk: placement.upload(chunk, shard.size),
        extras=extras_of(n_rows),
    )
    found = []
    for chunk in loader.chunks(1):
        values, numbers, extras = chunk.uploaded
        assert len(extras["labels"].sharding.device_set) == len(jax.devices())
        used = -(-chunk.count // batch)
        columns = (numbers, values[..., 0], extras["labels"], extras["scores"][..., 1])
        places = zip(*(np.asarray(column)[:used].reshape(-1).tolist() for column in columns), strict=True)
        found.extend(place for place in places if place[1])  # a value of 0 is padding
    return found


@pytest.mark.slow
def test_extras_follow_their_rows_on_two_devices():
    # A process has a fixed number of devices.
    code = "import json, test_loading as t, jax; print(json.dumps([jax.device_count(), t.uploaded_extras()]))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        env={**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2"},
        capture_output=True,
        text=True,
        check=True,
    )
    n_devices, found = json.loads(done.stdout)
    assert n_devices == 2
    assert [row for row, *_ in found] == order(23, number=1, shuffle=True).tolist()
    assert all((value, label, score) == (row + 1, 3 * row + 1, row + 0.5) for row, value, label, score in found)


# Sizes -----------------------------------------------------------------------------------------------------------


@given(st.integers(1, 5000), st.integers(1, 10**7))
def test_chunks_have_whole_batches(batch, row_bytes):
    rows = chunk_rows(batch, row_bytes)
    assert rows % batch == 0
    assert rows == batch or rows * row_bytes <= CHUNK_BYTES
    assert rows // batch <= 2**15


def test_a_source_without_a_number_of_rows_is_refused(loader_of):
    loader = loader_of(np.zeros((4, 1), np.float32))
    loader.source.n_rows = None
    with pytest.raises(ValueError, match="needs a source with a known number of rows"):
        loader.n_rows


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (64, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_aligned(shape, dtype):
    array = aligned(shape, np.dtype(dtype))
    assert (array.shape, array.dtype) == (shape, dtype)
    assert array.ctypes.data % 64 == 0


def test_weights_come_with_their_rows(loader_of):
    rows, values = np.arange(40.0).reshape(20, 2), np.arange(1, 21.0)
    holdout = HashHoldout(0, 0.3)
    loader = loader_of(rows, 4, np.float64, holdout, weights=RowWeights(values), shuffle=True, rows_per_chunk=8)
    for validation in (False, True):
        part = values[holdout.mask(0, 20) == validation]
        for chunk in loader.chunks(2, validation):
            own = chunk.extras[SAMPLE_WEIGHT][: chunk.count]
            assert_allclose(own, values[chunk.rows[: chunk.count]] / part.mean())
    assert SAMPLE_WEIGHT not in next(loader_of(rows).chunks()).extras
