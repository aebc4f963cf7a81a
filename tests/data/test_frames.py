import datetime
from decimal import Decimal
from fractions import Fraction

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal

from isthmus.core.errors import InvalidDataError
from isthmus.data.frames import each_column, eager, labels_of, library_of, matrix_of, objects_matrix

DAY = datetime.date(2024, 5, 1)
TIME = datetime.datetime(2024, 5, 1, 12)


def column(table, name="a"):
    return next(each_column(table, [name]))


def objects(*values):
    return pd.DataFrame({"a": pd.Series(values, dtype=object)})


def nullable(values, dtype):
    return pd.DataFrame({"a": pd.array(values, dtype=dtype)})


def of_polars(values, dtype=None):
    return pl.DataFrame({"a": pl.Series(values, dtype=dtype, strict=False)})


def of_arrow(values, kind):
    return pa.table({"a": pa.array(values, type=kind)})


BIG = 2**63 - 1
NUMBERS = {
    "numpy integers": (pd.DataFrame({"a": [1, BIG]}), "integer", [1, BIG]),
    "numpy booleans": (pd.DataFrame({"a": [True, False]}), "boolean", [1, 0]),
    "numpy halves": (pd.DataFrame({"a": np.array([1, np.nan], "f2")}), "real", [1, None]),
    "nullable integers": (nullable([BIG, None], "Int64"), "integer", [BIG, None]),
    "nullable unsigned": (nullable([2**64 - 1, None], "UInt64"), "integer", [2**64 - 1, None]),
    "nullable floats": (nullable([0.5, None], "Float32"), "real", [0.5, None]),
    "nullable booleans": (nullable([True, None], "boolean"), "boolean", [1, None]),
    "arrow integers in pandas": (nullable([BIG, None], "int64[pyarrow]"), "integer", [BIG, None]),
    "arrow decimals in pandas": (
        nullable([Decimal("1.5"), None], pd.ArrowDtype(pa.decimal128(9, 2))),
        "real",
        [1.5, None],
    ),
    "sparse floats": (pd.DataFrame({"a": pd.arrays.SparseArray([0.0, np.nan])}), "real", [0, None]),
    "sparse integers": (pd.DataFrame({"a": pd.arrays.SparseArray([0, 7])}), "integer", [0, 7]),
    "objects with None": (objects(1.5, None), "real", [1.5, None]),
    "objects with NA and NaT": (objects(1.5, pd.NA, pd.NaT, float("nan")), "real", [1.5, None, None, None]),
    "decimals": (objects(Decimal("1.5"), Decimal("NaN")), "real", [1.5, None]),
    "fractions and NumPy's numbers": (objects(Fraction(1, 2), np.float32(0.5), np.int8(2)), "real", [0.5, 0.5, 2]),
    "integer objects": (objects(BIG, None), "integer", [BIG, None]),
    "large integer objects": (objects(2**64 - 1, 0), "integer", [2**64 - 1, 0]),
    "huge integer objects": (objects(2**70, 0), "real", [2.0**70, 0]),
    "boolean objects": (objects(True, np.False_, None), "boolean", [1, 0, None]),
    "polars integers": (of_polars([BIG, None]), "integer", [BIG, None]),
    "polars wide integers": (of_polars([2**100, None], pl.Int128), "real", [2.0**100, None]),
    "polars NaN": (of_polars([0.5, None, float("nan")]), "real", [0.5, None, None]),
    "polars decimals": (of_polars([Decimal("1.5"), None], pl.Decimal(9, 2)), "real", [1.5, None]),
    "polars booleans": (of_polars([True, None]), "boolean", [1, None]),
    "arrow unsigned": (of_arrow([2**64 - 1, None], pa.uint64()), "integer", [2**64 - 1, None]),
    "arrow halves": (of_arrow([1.0, None], pa.float16()), "real", [1, None]),
    "arrow decimals": (of_arrow([Decimal("1.5"), None], pa.decimal256(50, 2)), "real", [1.5, None]),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_are_read_exactly_and_missing_cells_apart(kind):
    table, expected, values = NUMBERS[kind]
    found = column(table)
    assert found.kind == expected
    assert found.missing.tolist() == [value is None for value in values]
    assert [v for v, hole in zip(found.values.tolist(), found.missing, strict=True) if not hole] == [
        value for value in values if value is not None
    ]


@pytest.mark.parametrize(
    "table",
    [objects(None, pd.NA), of_polars([None, None]), of_arrow([None], pa.null()), objects(float("nan"), pd.NaT)],
    ids=lambda table: type(table).__module__,
)
def test_a_column_without_a_value_is_empty_whatever_its_type(table):
    assert column(table).kind == "empty"
    assert np.isnan(matrix_of(table)).all()


@pytest.mark.parametrize(
    "table",
    [
        objects("x", None, float("nan")),
        nullable(["x", None, None], "str"),
        nullable(["x", None, None], "category"),
        nullable(["x", None, None], "string[pyarrow]"),
        of_polars(["x", None, None]),
        of_polars(["x", None, None], pl.Categorical),
        of_polars(["x", None, None], pl.Enum(["x"])),
        of_arrow(["x", None, None], pa.large_string()),
        pa.table({"a": pa.array(["x", None, None]).dictionary_encode()}),
    ],
    ids=lambda table: f"{library_of(table)} {column(table).what}",
)
def test_text_and_categories_are_labels_and_no_numbers(table):
    found = column(table)
    assert (found.kind, found.values.tolist()) == ("category", ["x", None, None])
    with pytest.raises(
        InvalidDataError, match=r"^column 'a' holds (text|categories) \(.*\); only numbers and booleans"
    ):
        matrix_of(table)


REFUSED = {
    "dates": (objects(DAY, None), r"dates or times \(date\), such as .* in row 0"),
    "timestamps": (pd.DataFrame({"a": pd.to_datetime([TIME])}), r"dates or times \(datetime64"),
    "timestamps with zone": (pd.DataFrame({"a": pd.to_datetime([TIME]).tz_localize("UTC")}), "dates or times"),
    "durations": (pd.DataFrame({"a": pd.to_timedelta([1])}), r"durations \(timedelta64"),
    "periods": (pd.DataFrame({"a": pd.period_range("2024", periods=1, freq="D")}), "dates or times of type period"),
    "lists": (objects([1, 2], [3]), r"lists \(list\)"),
    "dictionaries": (objects({"a": 1}), "dictionaries"),
    "bytes": (objects(b"12"), "bytes"),
    "complex": (pd.DataFrame({"a": [1j]}), "complex numbers"),
    "complex objects": (objects(np.complex64(1j)), "complex numbers"),
    "a mixture with text": (objects(1, 2.5, "none", None), r"a mixture of numbers and text \(str\), such as 'none' in"),
    "a mixture of flags": (objects(True, 2, 3), "a mixture of booleans and numbers"),
    "too large a number": (objects(1, 10**400), r"a number in row 1 that is larger than any float"),
    "arrow dates in pandas": (nullable([DAY], "date32[pyarrow]"), "dates or times"),
    "polars date": (of_polars([DAY]), r"dates or times \(Date\)"),
    "polars datetime": (of_polars([TIME]), r"dates or times \(Datetime"),
    "polars duration": (of_polars([datetime.timedelta(1)]), r"dates or times \(Duration"),
    "polars time": (of_polars([datetime.time(1)]), r"dates or times \(Time"),
    "polars list": (of_polars([[1, 2]]), r"nested values \(List"),
    "polars struct": (of_polars([{"b": 1}]), r"nested values \(Struct"),
    "polars binary": (of_polars([b"1"]), r"bytes \(Binary"),
    "polars objects": (of_polars([DAY], pl.Object), "dates or times"),
    "arrow timestamp": (of_arrow([TIME], pa.timestamp("s")), "dates or times"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_other_columns_are_refused_by_name_type_and_remedy(kind):
    table, said = REFUSED[kind]
    with pytest.raises(InvalidDataError, match=f"^column 'a' holds {said}") as caught:
        matrix_of(table)
    assert "\n" not in str(caught.value)
    assert "drop it" in str(caught.value)


def test_a_matrix_has_the_smallest_type_that_holds_its_columns():
    assert matrix_of(pd.DataFrame({"a": [True], "b": np.array([3], "i1")})).dtype == np.int16
    assert matrix_of(of_polars([True, False])).dtype == np.uint8
    assert matrix_of(pd.DataFrame({"a": np.array([1], "f4"), "b": np.array([1], "u1")})).dtype == np.float32
    mixed = matrix_of(pd.DataFrame({"a": pd.array([1, None], dtype="Int8"), "b": [True, False]}))
    assert_array_equal(mixed, [[1, 1], [np.nan, 0]])


def test_a_frame_of_one_type_is_not_copied():
    rows = np.arange(12.0).reshape(4, 3)
    assert np.shares_memory(matrix_of(pd.DataFrame(rows, copy=False)), rows)


def test_lazy_frames_record_batches_and_narwhals_frames_become_frames():
    frame = pl.DataFrame({"a": [1, 2]})
    assert eager(frame.lazy().with_columns(b=pl.col("a"))).columns == ["a", "b"]
    assert eager(nw.from_native(frame)) is frame
    assert eager(nw.from_native(frame.lazy())).equals(frame)
    batch = pa.record_batch({"a": [1]})
    assert library_of(batch) is None
    assert library_of(eager(batch)) == "pyarrow"
    assert library_of([1]) is None


def test_columns_are_found_by_any_name():
    wide = pd.DataFrame(np.eye(2), columns=pd.MultiIndex.from_tuples([("a", 1), ("a", 2)]))
    assert labels_of(wide) == [("a", 1), ("a", 2)]
    assert column(wide, ("a", 2)).values.tolist() == [0, 1]
    twice = pd.DataFrame(np.eye(2), columns=["a", "a"])
    assert [each.values.tolist() for each in each_column(twice)] == [[1, 0], [0, 1]]


def test_arrays_of_objects_are_numbers_or_name_the_column():
    assert_array_equal(objects_matrix(np.array([[1, None], [Decimal("2.5"), True]], object)), [[1, np.nan], [2.5, 1]])
    with pytest.raises(InvalidDataError, match=r"^column 1 holds dates or times \(date\), such as"):
        objects_matrix(np.array([[1, DAY]], object))
    with pytest.raises(InvalidDataError, match=r"^column 0 holds text \(str objects\); convert"):
        objects_matrix(np.array([["1.5"]], object))
