import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal

from isthmus import open_source
from isthmus.core.errors import InvalidDataError
from isthmus.data.frames import labels_of, matrix_of
from isthmus.data.list_frames import spread_lists

LISTS = [[1.0, 2.0], None, [3.0, np.nan]]
PLACES = [[7, 1, 2, 8], [7, np.nan, np.nan, 8], [7, 3, np.nan, 8]]


def pandas(column):
    return pd.DataFrame({"a": 7, "e": column, "z": 8}, index=[4, 5, 6])


TABLES = {
    "pandas lists": pandas(pd.Series(LISTS, [4, 5, 6], dtype=object)),
    "pandas arrays": pandas(pd.Series([np.array(row) if row else None for row in LISTS], [4, 5, 6], dtype=object)),
    "pandas arrow": pandas(pd.array(LISTS, dtype=pd.ArrowDtype(pa.list_(pa.float64())))),
    "polars list": pl.DataFrame({"a": [7] * 3, "e": LISTS, "z": [8] * 3}),
    "polars array": pl.DataFrame({"a": [7] * 3, "e": pl.Series(LISTS, dtype=pl.Array(pl.Float64, 2)), "z": [8] * 3}),
    "pyarrow": pa.table({"a": [7] * 3, "e": LISTS, "z": [8] * 3}),
    "pyarrow fixed": pa.table({"a": [7] * 3, "e": pa.array(LISTS, pa.list_(pa.float64(), 2)), "z": [8] * 3}),
}


@pytest.mark.parametrize("name", TABLES)
def test_lists_become_one_column_for_each_position(name):
    table = spread_lists(TABLES[name])
    assert type(table) is type(TABLES[name])
    assert labels_of(table) == ["a", "e_0", "e_1", "z"]
    assert_array_equal(matrix_of(table), PLACES)
    if name.startswith("p") and "pandas" in name:
        assert table.index.tolist() == [4, 5, 6]


def test_frames_and_files_give_the_same_columns(tmp_path):
    TABLES["polars list"].write_parquet(tmp_path / "t.parquet")
    file, frame = open_source(tmp_path / "t.parquet"), open_source(TABLES["polars list"])
    assert file.schema.names == frame.schema.names
    assert_array_equal(next(iter(file.blocks())).values, next(iter(frame.blocks())).values)


@pytest.mark.parametrize("frame", [pd.DataFrame({"e": [["x"], ["y"]]}), pd.DataFrame({"e": [1.0, None]})])
def test_other_columns_stay(frame):
    assert spread_lists(frame) is frame


def test_lists_of_several_lengths_and_names_that_are_taken_are_refused():
    with pytest.raises(InvalidDataError, match="lists in column 'e' have several lengths"):
        spread_lists(pd.DataFrame({"e": [[1, 2], [3]]}))
    with pytest.raises(InvalidDataError, match="a list's column would be 'e_1', which the frame has"):
        spread_lists(pd.DataFrame({"e": [[1, 2]], "e_1": [3]}))
