import datetime

import pyarrow as pa
import pytest

from isthmus.core.errors import (
    BrokenFileError,
    InvalidDataError,
    InvalidParameterError,
    MissingFileError,
    UnwritableError,
)
from isthmus.data.tables import FORMATS, check_target, read_table, write_table

TABLE = pa.table(
    {
        "real": [0.1, None, 2.0],
        "whole": pa.array([1, None, 3], pa.int64()),
        "flag": [True, None, False],
        "text": ["a", None, "b"],
        "day": pa.array([datetime.date(2020, 1, 1), None, None], pa.date32()),
    }
)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_table_is_read_back_with_its_types(tmp_path, suffix):
    path = tmp_path / f"table{suffix}"
    write_table(TABLE, path)
    assert read_table(path).equals(TABLE)


@pytest.mark.parametrize(
    ("name", "content", "error", "said"),
    [
        ("none.csv", None, MissingFileError, "does not exist"),
        ("table.xlsx", b"", InvalidParameterError, "has none of the suffixes .csv, "),
        ("table.parquet", b"a,b\n1,2\n", BrokenFileError, "cannot be read"),
        ("table.feather", b"", BrokenFileError, "cannot be read"),
        ("table.csv", b"", InvalidDataError, "is empty"),
        ("head.csv", b"a,b\n", BrokenFileError, "0 rows and 2 columns"),
        ("ragged.csv", b"a,b\n1,2\n3\n", BrokenFileError, "line 3 has 1 cells, but the table has 2"),
        ("twice.csv", b"a,a\n1,2\n", InvalidDataError, "more than one column named 'a'"),
    ],
)
def test_files_that_are_not_tables_are_refused_in_one_line(tmp_path, name, content, error, said):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=said) as caught:
        read_table(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_target_is_checked_in_advance(tmp_path):
    with pytest.raises(UnwritableError, match="cannot write"):
        check_target(tmp_path / "nowhere" / "table.csv")
    with pytest.raises(InvalidParameterError, match="has none of the suffixes"):
        check_target(tmp_path / "table")
    check_target(tmp_path / "table.csv")
    assert not list(tmp_path.iterdir())
