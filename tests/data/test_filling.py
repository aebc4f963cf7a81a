from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from isthmus.data.filling import put, within


def filled(table, *values):
    """Return the cells of column "a" with values in the rows from 1 on."""
    whole = put(table, {"a": (np.arange(1, 1 + len(values)), list(values))})
    assert type(whole) is type(table)
    column = whole["a"]
    return column.to_pylist() if isinstance(whole, pa.Table) else column.to_list()


def pandas(values, dtype):
    return pd.DataFrame({"a": pd.array(values, dtype=dtype)})


def polars(values, dtype):
    return pl.DataFrame({"a": pl.Series(values, dtype=dtype)})


def arrow(values, kind):
    return pa.table({"a": pa.array(values, type=kind)})


@pytest.mark.parametrize(
    "table", [pandas([5, None], "Int8"), polars([5, None], pl.Int8), arrow([5, None], pa.int8())], ids=str
)
def test_numbers_are_rounded_and_kept_within_the_type_of_a_column_of_integers(table):
    assert filled(table, 6.6) == [5, 7]
    assert filled(table, 1e6) == [5, 127]
    assert filled(table, -(2**70)) == [5, -128]


@pytest.mark.parametrize(
    "table",
    [pandas([0, None], "UInt64"), polars([0, None], pl.UInt64), arrow([0, None], pa.uint64())],
    ids=str,
)
def test_the_largest_integers_are_exact(table):
    assert filled(table, 2**64 - 1) == [0, 2**64 - 1]


@pytest.mark.parametrize(
    "table",
    [
        pandas([Decimal("1.50"), None], pd.ArrowDtype(pa.decimal128(5, 2))),
        polars([Decimal("1.50"), None], pl.Decimal(5, 2)),
        arrow([Decimal("1.50"), None], pa.decimal128(5, 2)),
        pd.DataFrame({"a": pd.Series([Decimal("1.50"), None], dtype=object)}),
    ],
    ids=lambda table: type(table).__module__,
)
def test_decimals_have_the_places_of_their_column(table):
    assert list(map(str, filled(table, 2 / 3))) == ["1.50", "0.67"]
    if not isinstance(table, pd.DataFrame) or table["a"].dtype != object:
        assert str(filled(table, 1e6)[1]) == "999.99"


@pytest.mark.parametrize(
    "table",
    [pandas([True, None], "boolean"), polars([True, None], pl.Boolean), arrow([True, None], pa.bool_())],
    ids=lambda table: type(table).__module__,
)
def test_numbers_become_booleans(table):
    assert filled(table, 0.3) == [True, False]


@pytest.mark.parametrize(
    "table",
    [
        pandas(["x", None, None], "category"),
        polars(["x", None, None], pl.Enum(["x"])),
        polars(["x", None, None], pl.Categorical),
        pa.table({"a": pa.array(["x", None, None]).dictionary_encode()}),
    ],
    ids=lambda table: type(table).__module__,
)
def test_a_category_that_the_type_lacks_is_added(table):
    assert filled(table, "y", "x") == ["x", "y", "x"]


@pytest.mark.parametrize(
    "table", [polars([None, None], pl.Null), arrow([None, None], pa.null())], ids=lambda table: type(table).__module__
)
def test_a_column_whose_type_allows_no_value_gets_a_type(table):
    assert filled(table, 2.5) == [None, 2.5]
    assert filled(table, "x") == [None, "x"]


def test_sparse_columns_stay_sparse_and_objects_objects():
    sparse = pd.DataFrame({"a": pd.arrays.SparseArray([0.0, np.nan, 2.0])})
    whole = put(sparse, {"a": (np.array([1]), [0.5])})
    assert whole["a"].tolist() == [0, 0.5, 2]
    assert whole["a"].dtype == sparse["a"].dtype
    given = pd.DataFrame({"a": pd.Series(["x", None], dtype=object)})
    assert filled(given, "y") == ["x", "y"]
    assert given["a"][1] is None, "the table that was passed is unchanged"


def test_floats_stay_finite():
    assert within([1e300], np.dtype(np.float32)) == [float(np.finfo(np.float32).max)]
    assert np.isfinite(filled(pandas([0, None], "Float32"), -1e300)).all()
    assert np.isfinite(filled(polars([0.0, None], pl.Float32), 1e300)).all()
