import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from isthmus.core.errors import InvalidDataError
from isthmus.data.columns import MAX_LEVELS, ColumnOfTable, cells_of, describe, frame_of, select, with_cells

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
