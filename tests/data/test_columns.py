import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.data.columns import MAX_LEVELS, ColumnOfTable, cells_of, describe, frame_of, marks_of, select, with_cells

PANDAS = pd.DataFrame(
    {
        "real": [0.1, np.nan, 0.3],
        "float32": np.array([1.5, np.nan, 2.5], np.float32),
        "whole": pd.array([3, None, 7], dtype="Int16"),
        "flag": pd.array([True, None, False], dtype="boolean"),
        "text": pd.Series(["b", None, "a"], dtype="str"),
        "object": pd.Series(["b", None, "a"], dtype=object),
        "category": pd.Categorical(["b", None, "a"], categories=["b", "a", "never"]),
    }
)
POLARS = pl.DataFrame(
    {
        "real": [0.1, None, 0.3],
        "float32": pl.Series([1.5, float("nan"), 2.5], dtype=pl.Float32),
        "whole": pl.Series([3, None, 7], dtype=pl.Int16),
        "flag": [True, None, False],
        "text": ["b", None, "a"],
        "object": pl.Series(["b", None, "a"], dtype=pl.Enum(["b", "a", "never"])),
        "category": pl.Series(["b", None, "a"], dtype=pl.Categorical),
    }
)
TABLES = {"pandas": PANDAS, "polars": POLARS, "pyarrow": POLARS.to_arrow()}
KINDS = ["real", "real", "integer", "boolean", "category", "category", "category"]


def types_of(table):
    return table.schema if hasattr(table, "schema") else table.dtypes.to_dict()


def values_of(table):
    return {
        "pandas": lambda: table.astype(object).to_numpy().tolist(),
        "polars": lambda: [list(row) for row in table.rows()],
        "pyarrow": lambda: [list(row.values()) for row in table.to_pylist()],
    }[type(table).__module__.partition(".")[0]]()


@pytest.mark.parametrize("library", TABLES)
def test_kinds_ranges_and_levels_are_read(library):
    columns = describe(TABLES[library])
    assert [column.kind for column in columns] == KINDS
    assert (columns[2].low, columns[2].high) == (3, 7)
    assert [column.levels for column in columns] == [()] * 4 + [("a", "b")] * 3


@pytest.mark.parametrize("library", TABLES)
def test_cells_are_numbers_and_codes(library):
    table = TABLES[library]
    values, holes = cells_of(table, describe(table))
    np.testing.assert_array_equal(holes, np.outer([False, True, False], np.ones(7, bool)))
    np.testing.assert_allclose(values[0], [0.1, 1.5, 3, 1, 1, 1, 1])
    assert np.isnan(values[1]).all()


@pytest.mark.parametrize("library", TABLES)
def test_filled_cells_have_the_types_of_their_columns_and_other_cells_are_unchanged(library):
    table = TABLES[library]
    columns = describe(table)
    values, holes = cells_of(table, columns)
    filled = np.where(holes, [0.25, 0.25, 9.4, 0.7, 0, 0, 0], values)
    whole = with_cells(table, columns, filled, holes)
    assert types_of(whole) == types_of(table)
    first, second, third = values_of(whole)
    assert second == [0.25, 0.25, 7, True, "a", "a", "a"]
    assert [first, third] == [values_of(table)[0], values_of(table)[2]]
    assert cells_of(table, columns)[1].sum() == 7, "the table that was passed is unchanged"


@pytest.mark.parametrize("library", TABLES)
def test_an_unknown_category_is_not_missing(library):
    table = TABLES[library]
    columns = tuple(ColumnOfTable(c.name, c.kind, c.low, c.high, c.levels[:1]) for c in describe(table))
    values, holes = cells_of(table, columns)
    assert np.isnan(values[0, 4])
    assert not holes[0, 4]


def test_only_the_most_frequent_categories_are_kept():
    many = [f"c{number}" for number in range(MAX_LEVELS + 20) for _ in range(1 + (number < 10))]
    levels = describe(pd.DataFrame({"c": many}))[0].levels
    assert len(levels) == MAX_LEVELS
    assert {f"c{number}" for number in range(10)} <= set(levels)


def test_a_value_can_mark_missing_cells():
    table = pd.DataFrame({"a": [1, -9, 3], "b": ["x", "?", "x"]})
    assert describe(table, -9)[0].low == 1
    assert describe(table, "?")[1].levels == ("x",)
    assert cells_of(table, describe(table, -9), -9)[1][:, 0].tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (pd.DataFrame({"when": pd.to_datetime(["2020-01-01"])}), r"'when' holds dates or times \(datetime64"),
        (pl.DataFrame({"list": [[1, 2]]}), r"'list' holds nested values \(List"),
        (pa.table({"time": pa.array([1], pa.timestamp("s"))}), r"'time' holds dates or times \(timestamp"),
        (pd.DataFrame({"a": [1.0, np.inf]}), "'a' is infinite in row 1"),
    ],
)
def test_columns_that_cannot_be_filled_are_refused(table, said):
    with pytest.raises(InvalidDataError, match=said) as caught:
        describe(table)
    assert "\n" not in str(caught.value)


def test_a_column_of_another_kind_than_learned_is_refused():
    columns = describe(pd.DataFrame({"a": [1.0]}))
    with pytest.raises(InvalidDataError, match=r"'a' holds .*, but was learned as real"):
        cells_of(pd.DataFrame({"a": ["x"]}), columns)


def test_arrays_and_series_are_not_tables():
    assert frame_of(np.zeros(3)) is None
    assert frame_of(PANDAS["real"]) is None


def test_columns_of_one_name_are_refused():
    with pytest.raises(InvalidDataError, match="give each column its own name"):
        frame_of(pd.DataFrame(np.zeros((1, 2)), columns=["a", "a"]))


def test_columns_of_pandas_may_be_numbered():
    table = pd.DataFrame([[1, "x"], [None, "y"]])
    columns = describe(table)
    assert [(column.name, column.kind) for column in columns] == [(0, "real"), (1, "category")]
    assert select(table, [1]).columns.tolist() == [1]


def test_large_integers_are_rounded():
    table = pa.table({"a": [2**60 + 1, None]})
    assert cells_of(table, describe(table))[0][0, 0] == float(2**60)


# What marks missing cells ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (-9, (-9,)),
        (np.int16(-9), (-9,)),
        (np.float32(0.5), (0.5,)),
        (np.array(-9), (-9,)),
        (np.str_("?"), ("?",)),
        (np.True_, (True,)),
        (Decimal("-9"), (-9.0,)),
        ([-9, "?", None], (-9, "?")),
        (np.array([-9, -8]), (-9, -8)),
        (None, ()),
        (np.nan, ()),
        (pd.NA, ()),
        (pd.NaT, ()),
        (np.datetime64("NaT"), ()),
    ],
    ids=repr,
)
def test_marks_are_plain_values(given, expected):
    found = marks_of(given)
    assert found == expected
    assert [type(mark) for mark in found] == [type(mark) for mark in expected]


@pytest.mark.parametrize("given", [{"a": 1}, 1j, b"?", datetime.date(2024, 1, 1), [[-9]]], ids=repr)
def test_other_marks_are_refused(given):
    with pytest.raises(
        InvalidParameterError, match=r"^missing_values=.* must be a number, a boolean, text, NaN or None"
    ):
        marks_of(given)


def test_a_mark_is_compared_with_cells_of_its_own_type():
    table = pd.DataFrame(
        {
            "n": [0, 1, 2],
            "flag": [False, True, False],
            "text": ["0", "", "x"],
            "level": pd.Categorical([0, 1, 0]),
            "half": np.array([0.1, 0, 1], np.float32),
        }
    )
    holes = lambda mark: cells_of(table, describe(table), mark)[1].sum(axis=0).tolist()  # noqa: E731
    assert holes(0) == [1, 0, 0, 2, 1]
    assert holes(False) == [0, 2, 0, 0, 0]
    assert holes("0") == [0, 0, 1, 0, 0]
    assert holes([0, "", True]) == [1, 1, 1, 2, 1]
    assert holes(0.1) == [0, 0, 0, 0, 1], "as a float32 holds it"


def test_marks_that_no_column_can_have_are_refused():
    numbers = pd.DataFrame({"a": [1, -9], "b": [0.5, 1]})
    for mark, word in (("?", "text"), (True, "a boolean")):
        with pytest.raises(InvalidParameterError, match=f"is {word}, but each column of the table holds numbers"):
            describe(numbers, mark)
    with pytest.raises(InvalidParameterError, match="is a number, but each column of the table holds text"):
        describe(pd.DataFrame({"a": ["x"]}), -9)
    with pytest.raises(
        InvalidParameterError, match="'-9' is text, but column 'a' holds the number -9; give it without"
    ):
        describe(numbers.assign(c="x"), "-9")


@pytest.mark.parametrize("dtype", ["int64", "Int64", "int64[pyarrow]", "uint64", "UInt64", object])
def test_integers_near_the_end_of_their_type_are_compared_exactly_and_stay_in_range(dtype):
    end = 2**64 - 1 if "uint" in str(dtype).lower() else 2**63 - 1
    table = pd.DataFrame({"id": pd.Series([end - 5, end, end - 3], dtype=dtype)})
    columns = describe(table, end)
    assert (columns[0].kind, columns[0].low, columns[0].high) == ("integer", end - 5, end - 3)
    values, holes = cells_of(table, columns, end)
    assert holes[:, 0].tolist() == [False, True, False]
    assert with_cells(table, columns, np.where(holes, float(end), values), holes)["id"].tolist() == [
        end - 5,
        end - 3,
        end - 3,
    ]


@pytest.mark.parametrize("empty", [pl.DataFrame({"a": [None], "b": [1.0]}), pd.DataFrame({"a": [None], "b": [1.0]})])
def test_a_column_without_a_value_now_is_filled_as_it_was_learned(empty):
    columns = describe(pl.DataFrame({"a": [1, 3], "b": [1.0, 2.0]}))
    values, holes = cells_of(empty, columns)
    assert holes.tolist() == [[True, False]]
    assert with_cells(empty, columns, np.where(holes, 2.2, values), holes)["a"].to_list() == [2]


def test_infinite_cells_are_refused_in_new_rows_too():
    columns = describe(pd.DataFrame({"a": [1.0]}))
    with pytest.raises(InvalidDataError, match="column 'a' is infinite in row 1"):
        cells_of(pd.DataFrame({"a": [1.0, -np.inf]}), columns)


def test_columns_of_objects_are_what_they_hold():
    table = pd.DataFrame(
        {
            "n": pd.Series([1.5, None, 2], dtype=object),
            "i": pd.Series([1, None, 2], dtype=object),
            "d": pd.Series([Decimal("1.25"), None, Decimal("3.50")], dtype=object),
            "b": pd.Series([True, None, False], dtype=object),
            "t": pd.Series(["x", None, "y"], dtype=object),
        }
    )
    columns = describe(table)
    assert [column.kind for column in columns] == ["real", "integer", "real", "boolean", "category"]
    values, holes = cells_of(table, columns)
    row = with_cells(table, columns, np.where(holes, [1.75, 1.6, 2.004, 0.9, 1], values), holes).loc[1].tolist()
    assert row == [1.75, 2, Decimal("2.00"), True, "y"]
