import gc
import io

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import sparse

from isthmus.core.errors import InvalidDataError, UnwritableError
from isthmus.data.sinks.sparse import SparseParquetSink
from written_rows import full_disk, mostly_zeros, read, write_sparse


def test_the_two_columns_are_the_parts_of_a_matrix_of_scipy(monkeypatch):
    monkeypatch.setattr("isthmus.data.sinks.arrow.GROUP_BYTES", 500)
    rows, file = mostly_zeros(90), io.BytesIO()
    who = pa.table({"who": [f"row {number}" for number in range(90)]})
    sink = SparseParquetSink(file, [f"unit{i}" for i in range(40)], np.float32, who.schema)
    for start in range(0, 90, 30):
        sink.write(rows[start : start + 30], who.slice(start, 30))
    sink.finish()
    table, expected = pq.read_table(io.BytesIO(file.getvalue())), sparse.csr_matrix(rows)
    assert table.column_names == ["who", "unit", "value"]
    assert table["who"].to_pylist() == who["who"].to_pylist()
    assert_array_equal(np.concatenate(table["unit"].to_numpy()), expected.indices)
    assert_array_equal(np.concatenate(table["value"].to_numpy()), expected.data)
    assert_array_equal([len(units) for units in table["unit"].to_pylist()], np.diff(expected.indptr))
    assert pq.ParquetFile(io.BytesIO(file.getvalue())).metadata.num_row_groups > 1


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 30), st.lists(st.integers(0, 30), max_size=5), st.integers(1, 400))
def test_sparse_rows_do_not_depend_on_the_blocks(tmp_path_factory, n, cuts, group):
    folder, rows = tmp_path_factory.mktemp("rows"), mostly_zeros(31)[:n]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("isthmus.data.sinks.arrow.GROUP_BYTES", group)
        _, found = read(write_sparse(folder / "parts.parquet", rows, cuts=sorted(cuts)))
    assert_array_equal(found, rows, strict=True)


def test_sparse_rows_are_compact(tmp_path):
    rows = mostly_zeros(2000, 500)
    path = write_sparse(tmp_path / "sparse.parquet", rows)
    assert path.stat().st_size < 6 * np.count_nonzero(rows)


@pytest.mark.parametrize("width", [3, 1 << 16, (1 << 16) + 1])
def test_the_last_unit_of_many(tmp_path, width):
    rows = np.zeros((2, width), np.float32)
    rows[1, -1] = 1
    path = write_sparse(tmp_path / "rows.parquet", rows)
    assert_array_equal(read(path)[1], rows)
    assert pq.read_schema(path).field("unit").type.value_type == ("uint16" if width <= 1 << 16 else "uint32")


def test_sparse_rows_are_read_by_pandas_and_polars(tmp_path):
    rows = mostly_zeros()
    path = write_sparse(tmp_path / "rows.parquet", rows)
    for table in (
        pd.read_parquet(path).explode(["unit", "value"]).dropna().reset_index(names="row"),
        pl.read_parquet(path).with_row_index("row").explode("unit", "value").drop_nulls(),
    ):
        found = np.zeros_like(rows)
        row, unit, value = (np.asarray(table[name]) for name in ("row", "unit", "value"))
        found[row.astype(int), unit.astype(int)] = value.astype(np.float32)
        assert_array_equal(found, rows)


def test_groups_of_sparse_rows_are_sized_by_their_cells(tmp_path):
    rows = np.zeros((50, 60_000), np.float32)
    rows[:, 7] = 1
    path = write_sparse(tmp_path / "rows.parquet", rows, cuts=range(0, 50, 5))
    assert pq.read_metadata(path).num_row_groups == 1


def test_an_existing_file_is_kept_if_writing_sparse_rows_fails(tmp_path):
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"old")
    with pytest.raises(InvalidDataError, match="do not fit the 40 columns"):
        write_sparse(path, np.zeros((2, 39)), [f"unit{i}" for i in range(40)], overwrite=True)
    with full_disk(), pytest.raises(UnwritableError, match=r"^cannot write .*: File too large; raise the limit"):
        write_sparse(path, mostly_zeros(20_000), overwrite=True)
    gc.collect()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
