import numpy as np
import pandas as pd
import pytest

from isthmus.core.errors import InvalidDataError
from isthmus.data.encoding import EncodedColumn
from isthmus.data.encoding.columns import ColumnFinder
from isthmus.data.frames import each_column


def finder_of(*series, integers=False):
    finder = ColumnFinder("x", "elapsed", integers)
    for one in series:
        finder.look(next(each_column(pd.DataFrame({"x": one}))), ("numpy", str(pd.Series(one).dtype)), None)
    return finder


def test_a_column_is_described_by_what_was_observed():
    column = finder_of([3, -1], [7, 2]).found()
    assert (column.kind, column.low, column.high, column.missing, column.width) == ("integer", -1, 7, False, 1)
    assert finder_of([np.nan, np.nan], ["a", None]).found().levels == ("a",)
    assert finder_of([True, False]).found().kind == "boolean"


def test_rows_without_a_cell_do_not_decide_the_type():
    column = finder_of([np.nan], pd.to_datetime(["2020-01-01"])).found()
    assert (column.kind, column.dtype[1][:10], column.missing) == ("datetime", "datetime64", True)


def test_numbers_that_are_all_whole_may_be_integers():
    assert finder_of([1.0, np.nan, 4.0]).found().kind == "real"
    column = finder_of([1.0, np.nan, 4.0], integers=True).found()
    assert (column.kind, column.dtype, column.low, column.high) == ("integer", ("int64",), 1, 4)
    assert finder_of([1.0], [0.5], integers=True).found().kind == "real"
    assert finder_of(["a"], integers=True).found().kind == "category"


def test_restored_integers_stay_in_the_range_of_their_type():
    column = EncodedColumn("x", "integer", 0, 9, dtype=("UInt64",))
    values, missing = column.restored(np.array([[1e30], [-5.0], [2.6], [np.nan]]))
    assert values[:3].tolist() == [2**64 - 1, 0, 3]
    assert missing.tolist() == [False, False, False, True]
    values, _ = EncodedColumn("x", "integer", 0, 9, dtype=("numpy", "int64")).restored(np.array([[1e30], [-1e30]]))
    assert values.tolist() == [2**63 - 1, -(2**63)]


def test_two_kinds_in_one_column_are_refused():
    with pytest.raises(InvalidDataError, match=r"column 'x' holds booleans .*, but numbers in the rows before"):
        finder_of([0.5], [True])
    with pytest.raises(InvalidDataError, match="but dates or times in us in the rows before"):
        finder_of(pd.Series(["2020-01-01"], dtype="datetime64[us]"), pd.Series(["2020-01-01"], dtype="datetime64[ns]"))
