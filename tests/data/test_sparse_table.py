import json
import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array, csr_matrix

from isthmus.core.errors import BrokenFileError
from isthmus.data.sparse_table import (
    SparseRows,
    csr_of,
    from_arrow,
    joined,
    schema_for,
    sparse_rows,
    to_arrow,
    unit_names,
    unit_type,
)

values = st.one_of(st.just(0.0), st.floats(width=32, allow_nan=False))
matrices = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=9).filter(lambda shape: shape[1]),
    elements=values,
)


@given(matrices, st.integers(0, 9))
def test_rows_are_restored_from_arrow_and_scipy(rows, place):
    pieces = [sparse_rows(rows[:place]), sparse_rows(rows[place:])]
    width = rows.shape[1]
    schema = schema_for([f"x{i}" for i in range(width)], rows.dtype)
    table = to_arrow(joined(pieces), schema)
    (batch,) = table.to_batches() or [pa.RecordBatch.from_pylist([], schema=schema)]
    assert_array_equal(from_arrow(batch, width, 0, "file").dense(width), rows, strict=True)
    assert_array_equal(csr_of(pieces, width, rows.dtype).toarray(), rows, strict=True)
    tail = batch.slice(min(place, len(rows)))
    assert_array_equal(from_arrow(tail, width, 0, "file").dense(width), rows[place:])


@given(matrices)
def test_cells_equal_those_of_scipy(rows):
    found, expected = csr_of([sparse_rows(rows)], rows.shape[1], rows.dtype), csr_matrix(rows)
    for part in ("data", "indices", "indptr"):
        assert_array_equal(getattr(found, part), getattr(expected, part), strict=True)
    assert found.has_canonical_format


def test_the_class_follows_the_configuration_of_scikit_learn():
    for interface, kind in (("spmatrix", csr_matrix), ("sparray", csr_array)):
        with sklearn.config_context(sparse_interface=interface):
            assert type(csr_of([], 3, np.float32)) is kind
    assert csr_of([], 3, np.float32).shape == (0, 3)


@pytest.mark.parametrize(("n_units", "dtype"), [(1, "u2"), (1 << 16, "u2"), ((1 << 16) + 1, "u4")])
def test_indices_have_the_narrowest_type(n_units, dtype):
    assert unit_type(n_units) == dtype
    assert np.iinfo(dtype).max >= n_units - 1


@pytest.mark.parametrize("names", [["a0", "a1", "a2"], ["0", "1"], ["a", "b"], ["a1", "a0"], ["é0"], ["x"]])
def test_names_are_kept(names):
    metadata = schema_for(names, np.float32).metadata
    assert unit_names(metadata, "file") == tuple(names)


def test_numbered_names_are_stored_as_a_prefix():
    (text,) = schema_for([f"unit{i}" for i in range(100_000)], np.float32).metadata.values()
    assert len(text) < 300


def test_other_tables_have_no_note():
    assert unit_names(None, "file") is None
    assert unit_names({b"pandas": b"{}"}, "file") is None


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"format": 2}, "of format 2, newer than 1, the newest that this isthmus reads; upgrade"),
        ({"format": "new"}, "its metadata are damaged"),
        ({"n_units": None}, "its metadata are damaged"),
        ({"n_units": 0}, "but names 3 of 0 units"),
        ({"names": ["a"]}, "but names 1 of 3 units"),
        ("[1]", "its metadata are damaged"),
        ("{", "its metadata are damaged"),
    ],
)
def test_damaged_notes(change, match):
    ((key, text),) = schema_for(["a", "b", "c"], np.float32).metadata.items()
    changed = change if isinstance(change, str) else json.dumps(json.loads(text) | change)
    with pytest.raises(BrokenFileError, match=f"^codes.parquet holds sparse rows.*{match}") as caught:
        unit_names({key: changed.encode()}, "codes.parquet")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("units", "values", "match"),
    [
        ([[0], [1, 2]], [[1.0], [2.0]], "row 51 has 2 units, but 1 values"),
        ([[], [0, 3]], [[], [1.0, 2.0]], "row 51 has unit 3, but units must ascend from 0 to 2"),
        ([[2], [1, 1]], [[1.0], [1.0, 2.0]], "row 51 has unit 1, but units must ascend"),
        ([[2, 0], [1]], [[1.0, 2.0], [1.0]], "row 50 has unit 0, but units must ascend"),
        ([[0], None], [[1.0], [2.0]], "rows from 50 on have missing lists"),
        ([[0], [None]], [[1.0], [2.0]], "rows from 50 on have missing units"),
        ([[0], [1]], [[1.0], [None]], "rows from 50 on have missing units or values"),
    ],
)
def test_damaged_rows(units, values, match):
    batch = pa.record_batch({"unit": pa.array(units, pa.list_(pa.uint16())), "value": values})
    with pytest.raises(BrokenFileError, match=f"^codes.parquet is damaged: {match}"):
        from_arrow(batch, 3, 50, "codes.parquet")


def test_units_ascend_within_each_row():
    batch = pa.record_batch(
        {"unit": pa.array([[0, 2], [], [0, 1]], pa.list_(pa.uint16())), "value": [[1.0, 2], [], [3, 4]]}
    )
    assert_array_equal(from_arrow(batch, 3, 0, "file").dense(3), [[1, 0, 2], [0, 0, 0], [3, 4, 0]])


def test_pieces_are_concatenated_in_order():
    def pieces():
        for k in range(3):
            yield SparseRows(np.array([1, 0]), np.array([k]), np.array([k + 0.5]))

    expected = [[0.5, 0, 0], [0, 0, 0], [0, 1.5, 0], [0, 0, 0], [0, 0, 2.5], [0, 0, 0]]
    assert_array_equal(csr_of(pieces(), 3, np.float64).toarray(), expected)


def test_memory_does_not_exceed_that_of_the_matrix_by_much():
    piece = SparseRows(np.full(1000, 50), np.tile(np.arange(50, dtype=np.int32), 1000), np.ones(50_000, np.float32))
    tracemalloc.start()
    try:
        found = csr_of((piece for _ in range(40)), 50, np.float32)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.4 * (found.data.nbytes + found.indices.nbytes + found.indptr.nbytes)
