import numpy as np
import pyarrow as pa
import pyarrow.feather
import pytest

from isthmus.data.sources.arrow_stream import StreamFragment, is_arrow_stream

TABLE = pa.table({"a": np.arange(20, dtype=np.int32), "b": [None, *"words of a table of 19"[:19]]})


@pytest.fixture
def stream(tmp_path):
    """A file of three batches, of 8, 8 and 4 rows."""
    with pa.OSFile(str(tmp_path / "t.arrow"), "wb") as file, pa.ipc.new_stream(file, TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=8)
    return tmp_path / "t.arrow"


def test_a_stream_is_known_by_its_first_bytes(stream, tmp_path):
    assert is_arrow_stream(stream)
    pyarrow.feather.write_feather(TABLE, tmp_path / "t.feather")
    assert (tmp_path / "t.feather").read_bytes().startswith(b"ARROW1")
    for content in (b"", b"\xff\xff\xff", b"FEA1", (tmp_path / "t.feather").read_bytes()):
        stream.write_bytes(content)
        assert not is_arrow_stream(stream)


def test_columns_and_rows_are_those_of_the_table(stream):
    fragment = StreamFragment(stream)
    assert fragment.physical_schema == TABLE.schema
    assert fragment.count_rows() == 20
    batches = list(fragment.to_batches(columns=["b", "a"]))
    assert [len(batch) for batch in batches] == [8, 8, 4]
    assert pa.Table.from_batches(batches).equals(TABLE.select(["b", "a"]))


@pytest.mark.parametrize("size", [1, 3, 8, 100])
def test_batches_have_at_most_so_many_rows(stream, size):
    batches = list(StreamFragment(stream).to_batches(columns=["a"], batch_size=size))
    assert max(map(len, batches)) == min(size, 8)
    assert pa.Table.from_batches(batches).equals(TABLE.select(["a"]))


def test_columns_are_cast_to_a_schema(stream):
    schema = pa.schema([("a", pa.float64())])
    (first, *_) = StreamFragment(stream).to_batches(columns=["a"], schema=schema)
    assert first.schema == schema
    assert first["a"].to_pylist() == [0.0, 1, 2, 3, 4, 5, 6, 7]


def test_a_stream_without_rows(tmp_path):
    with pa.OSFile(str(tmp_path / "t.arrow"), "wb") as file, pa.ipc.new_stream(file, TABLE.schema) as writer:
        writer.write_batch(pa.RecordBatch.from_pylist([], schema=TABLE.schema))
    fragment = StreamFragment(tmp_path / "t.arrow")
    assert fragment.count_rows() == 0
    assert sum(map(len, fragment.to_batches(columns=["a"]))) == 0


def test_a_column_that_claims_more_cells_than_it_has_is_refused(stream):
    # Arrow would read memory beyond the end of its data.
    table = pa.table({"a": np.arange(1234.0) + 0.5})
    with pa.OSFile(str(stream), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    stream.write_bytes(stream.read_bytes().replace((1234).to_bytes(8, "little"), (2468).to_bytes(8, "little")))
    with pytest.raises(pa.ArrowInvalid, match="Buffer #1 too small"):
        list(StreamFragment(stream).to_batches(columns=["a"]))


def test_a_stream_that_ends_early_is_refused(stream):
    stream.write_bytes(stream.read_bytes()[:-200])
    with pytest.raises((pa.ArrowInvalid, OSError)):
        StreamFragment(stream).count_rows()
