import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_array_equal

from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.data.sources import open_source
from isthmus.data.sources.list_columns import element_type, pandas_index
from opened_rows import read

ROWS = np.random.default_rng(0).normal(size=(50, 3))


def in_stream(table, path):
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=7)


FORMS = {
    "memory": lambda table, folder: table,
    "parquet": lambda table, folder: pq.write_table(table, folder / "t.parquet") or folder / "t.parquet",
    "feather": lambda table, folder: pyarrow.feather.write_feather(table, folder / "t.feather") or folder / "t.feather",
    "stream": lambda table, folder: in_stream(table, folder / "t.arrow") or folder / "t.arrow",
}


@pytest.fixture(params=FORMS)
def stored(request, tmp_path):
    """A function that returns a table in memory or in a file."""
    return lambda table: FORMS[request.param](table, tmp_path)


def lists(kind, rows=ROWS):
    if kind == "fixed":
        return pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])
    if kind == "tensor":
        return pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(rows))
    return pa.array(rows.tolist(), {"list": pa.list_(pa.float64()), "large": pa.large_list(pa.float64())}[kind])


@pytest.mark.parametrize("kind", ["list", "large", "fixed", "tensor"])
def test_lists_are_columns_among_others(stored, kind):
    table = pa.table({"id": np.arange(50), "v": lists(kind), "w": pa.array([True, False] * 25)})
    source = open_source(stored(table))
    assert source.schema.names == ("id", "v_0", "v_1", "v_2", "w")
    expected = np.column_stack([np.arange(50), ROWS, np.arange(50) % 2 == 0])
    assert_array_equal(read(source), expected)
    out = np.empty((2, 5))
    source.take(np.array([40, 3]), out)
    assert_array_equal(out, expected[[40, 3]])


def test_columns_of_lists_are_chosen_by_their_name_or_by_position(stored):
    where = stored(pa.table({"id": np.arange(50), "v": lists("list"), "u": lists("fixed", -ROWS[:, :2])}))
    assert open_source(where, columns=["v", "id"]).schema.names == ("v_0", "v_1", "v_2", "id")
    assert_array_equal(read(open_source(where, columns=["u_1", "v_0"])), np.column_stack([-ROWS[:, 1], ROWS[:, 0]]))
    assert open_source(where, drop=["v", "u_0"]).schema.names == ("id", "u_1")
    with pytest.raises(InvalidParameterError, match=r"no column .* is left to read"):
        open_source(where, columns=["v"], drop=["v"])
    with pytest.raises(InvalidParameterError, match=r"no column 'v_3'.*did you mean 'v_"):
        open_source(where, columns=["v_3"])


def test_missing_lists_and_numbers_are_nan(stored):
    whole = pa.table({"v": pa.array([[1, 2], None, [3, None]], pa.list_(pa.int64()))})
    assert_array_equal(read(open_source(stored(whole))), [[1, 2], [np.nan, np.nan], [3, np.nan]])
    begins = pa.table({"v": pa.array([None, [1, 2], [3, 4]], pa.list_(pa.int16(), 2))})
    assert_array_equal(read(open_source(stored(begins))), [[np.nan, np.nan], [1, 2], [3, 4]])


def test_lists_of_integers_and_booleans_keep_their_type(stored):
    source = open_source(stored(pa.table({"v": pa.array([[1, 2], [3, 4]], pa.list_(pa.uint8()))})))
    assert source.dtype == np.uint8
    assert [column.kind for column in source.schema.columns] == ["integer"] * 2
    flags = open_source(stored(pa.table({"v": pa.array([[True, False]])})))
    assert flags.dtype == np.uint8
    assert_array_equal(read(flags), [[1, 0]])


def test_lists_of_several_lengths_are_refused_with_the_column(stored):
    where = stored(pa.table({"a": [1.0, 2.0, 3.0], "v": pa.array([[1.0, 2.0], [1.0, 2.0], [3.0]])}))
    with pytest.raises(InvalidDataError, match=r"lists in column 'v' of .* 2 numbers in the first and 1 in another"):
        read(open_source(where))
    assert_array_equal(read(open_source(where, drop=["v"])), [[1], [2], [3]])


def test_a_name_that_a_position_would_take_is_refused(stored):
    with pytest.raises(InvalidDataError, match="more than one column named 'v_0'"):
        open_source(stored(pa.table({"v": lists("fixed"), "v_0": np.arange(50)})))


def test_only_lists_of_numbers_are_features():
    assert element_type(pa.list_(pa.string())) is None
    assert element_type(pa.list_(pa.list_(pa.float32()))) is None
    assert element_type(pa.float32()) is None
    assert element_type(pa.list_(pa.float16(), 4)) == pa.float16()


# The index of pandas -----------------------------------------------------------------------------------------------

FRAME = pd.DataFrame({"a": [1.5, 2.5, 3.5], "b": [4.0, 5.0, 6.0], "day": [7, 9, 12]})


@pytest.mark.parametrize(
    ("frame", "names"),
    [
        (FRAME, ("a", "b", "day")),
        (FRAME.sample(frac=1, random_state=0), ("a", "b", "day")),
        (FRAME.set_index("day"), ("a", "b")),
        (FRAME.set_index(["day", "b"]), ("a",)),
        (FRAME.set_index(pd.Index(["x", "y", "z"])), ("a", "b", "day")),
        (FRAME[FRAME["a"] > 2].drop(columns="day"), ("a", "b")),
    ],
    ids=["range", "shuffled", "named", "two levels", "text", "filtered"],
)
def test_the_index_of_pandas_is_no_feature(stored, frame, names):
    source = open_source(stored(pa.Table.from_pandas(frame)))
    assert source.schema.names == names
    assert_array_equal(read(source), frame.to_numpy())


def test_the_index_of_pandas_is_read_where_it_is_named(stored):
    where = stored(pa.Table.from_pandas(FRAME.set_index("day")))
    assert_array_equal(read(open_source(where, columns=["day", "a"])), FRAME[["day", "a"]].to_numpy())
    alone = stored(pa.Table.from_pandas(FRAME[["day"]].set_index("day")))
    with pytest.raises(InvalidParameterError, match=r"has no column but its index of pandas, 'day'; .*columns="):
        open_source(alone)


def test_files_of_one_table_may_differ_in_their_index(tmp_path):
    FRAME.to_parquet(tmp_path / "1.parquet")
    FRAME[FRAME["a"] > 2].to_parquet(tmp_path / "2.parquet")
    FRAME[FRAME["a"] < 2].to_parquet(tmp_path / "0.parquet")
    assert_array_equal(read(open_source(tmp_path)), pd.concat([FRAME[:1], FRAME, FRAME[1:]]).to_numpy())


@pytest.mark.parametrize("note", [b"{", b"[]", b'{"index_columns": ["gone", {"kind": "range"}]}'])
def test_damaged_metadata_of_pandas_are_ignored(note):
    assert pandas_index(pa.schema([("a", pa.int64())], {b"pandas": note})) == frozenset()
