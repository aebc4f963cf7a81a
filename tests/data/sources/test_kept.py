import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core.errors import InvalidParameterError
from isthmus.data.sources import open_source
from isthmus.data.sources.kept import KeepingSource, KeptRows

TABLE = pa.table({"name": [f"row {number}" for number in range(60)], "number": range(60)})


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 9), max_size=12), st.lists(st.integers(0, 9), max_size=12), st.booleans())
def test_rows_leave_the_queue_in_the_order_in_which_they_came(put, taken, as_batches):
    queue, first = KeptRows(TABLE.schema), 0
    for count in put:
        piece = TABLE.slice(first % 50, count)
        for part in piece.to_batches() if as_batches else [piece]:
            queue.put(part)
        first += count
    expected = pa.concat_tables([TABLE.slice(0, 0)]).to_pylist()
    first = 0
    for count in put:
        expected += TABLE.slice(first % 50, count).to_pylist()
        first += count
    for count in taken:
        count = min(count, len(expected))
        found = queue.take(count)
        assert found.schema == TABLE.schema
        assert found.to_pylist() == expected[:count]
        expected = expected[count:]


def test_all_rows_of_a_table():
    assert KeptRows.of(TABLE).take(60).equals(TABLE)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("who,x,y\n" + "".join(f"p{number},{number},{number / 4}\n" for number in range(9)))
    return path


def test_kept_columns_are_those_of_the_rows_that_were_read(file):
    source = KeepingSource(open_source(file, columns=["x", "y"]), ["who", "x"])
    numbers = np.concatenate([np.asarray(block.values) for block in source.blocks()])
    kept = source.kept.take(len(numbers))
    assert kept["who"].to_pylist() == [f"p{int(number)}" for number in numbers[:, 0]]
    np.testing.assert_array_equal(numbers, np.column_stack([np.arange(9), np.arange(9) / 4]))
    assert source.fingerprint == open_source(file, columns=["x", "y"]).fingerprint


def test_types_of_kept_text_are_found_for_formats_that_store_types(file):
    source = KeepingSource(open_source(file, columns=["y"]), ["who", "x"])
    source.find_types("exact")
    for _ in source.blocks():
        pass
    found = source.kept.take(9)
    assert pa.types.is_string(found["who"].type)
    assert found["x"].to_pylist() == [*range(9)]


def test_a_column_that_there_is_not_is_named(file):
    with pytest.raises(InvalidParameterError, match="whom"):
        KeepingSource(open_source(file, columns=["y"]), ["whom"])
