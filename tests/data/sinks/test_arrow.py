import io

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from isthmus.data.sinks.arrow import FeatherSink, ParquetSink, dictionary_columns
from written_rows import some_rows, write

KEPT = pa.schema([("kind", pa.dictionary(pa.int32(), pa.string())), ("list", pa.list_(pa.int8()))])


@pytest.mark.parametrize(("kind", "read"), [(ParquetSink, parquet.read_table), (FeatherSink, feather.read_table)])
def test_gathered_blocks_are_the_rows_although_their_memory_is_used_again(kind, read):
    rows, block, file = np.arange(40, dtype=np.float32).reshape(20, 2), np.empty((5, 2), np.float32), io.BytesIO()
    sink = kind(file, ["a", "b"], np.float32, KEPT)
    cells = {"kind": pa.array(list("xyxyz")).dictionary_encode(), "list": [[1], [], None, [2, 3], [4]]}
    for start in range(0, 20, 5):
        block[:] = rows[start : start + 5]
        sink.write(block, pa.table(cells, schema=KEPT))
    sink.finish()
    found = read(io.BytesIO(file.getvalue()))
    assert found.column_names == ["kind", "list", "a", "b"]
    np.testing.assert_array_equal(np.column_stack([found["a"], found["b"]]), rows)
    assert found["kind"].cast(pa.string()).to_pylist() == list("xyxyz") * 4
    assert found["list"].to_pylist() == cells["list"] * 4


def test_groups_have_about_so_many_bytes(monkeypatch):
    monkeypatch.setattr("isthmus.data.sinks.arrow.GROUP_BYTES", 80)
    file = io.BytesIO()
    sink = ParquetSink(file, ["a", "b"], np.float32)
    for _ in range(25):
        sink.write(np.zeros((1, 2)))
    sink.finish()
    found = parquet.ParquetFile(io.BytesIO(file.getvalue())).metadata
    assert [found.row_group(place).num_rows for place in range(found.num_row_groups)] == [10, 10, 5]


def test_nested_columns_have_no_dictionary():
    assert dictionary_columns(KEPT) == ["kind"]
    assert dictionary_columns(None) == []


def test_small_blocks_are_gathered_into_groups(tmp_path, monkeypatch):
    rows = some_rows(1000)
    assert parquet.read_metadata(write(tmp_path / "a.parquet", rows, cuts=range(0, 1000, 10))).num_row_groups == 1
    monkeypatch.setattr("isthmus.data.sinks.arrow.GROUP_BYTES", 100 * 12)
    assert parquet.read_metadata(write(tmp_path / "b.parquet", rows, cuts=range(0, 1000, 10))).num_row_groups == 10
