import datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal

from isthmus.core.errors import InvalidDataError
from isthmus.data.frame_columns import arrow_codes, categories_column, factorized, objects_column


def objects(*values):
    found = np.empty(len(values), object)
    found[:] = values
    return found


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([1, None, 3], "integer", [1, 0, 3]),
        ([2**63, 1], "integer", np.array([2**63, 1], np.uint64)),
        ([2**64, 1], "real", [2.0**64, 1]),
        ([1, 2.5], "real", [1, 2.5]),
        ([Decimal("1.25"), Decimal("NaN")], "real", [1.25, np.nan]),
        ([True, None, np.False_], "boolean", [1, 0, 0]),
        ([None, float("nan")], "empty", [np.nan, np.nan]),
    ],
)
def test_objects_are_the_numbers_that_they_hold(values, kind, expected):
    column = objects_column("x", objects(*values))
    assert column.kind == kind
    assert_array_equal(column.values, expected)
    missing = [value is None or value != value for value in values]
    assert_array_equal(column.missing, missing)


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ([1, "a"], r"a mixture of numbers and text \(int\), such as 1 in row 0"),
        ([[1], [2]], "lists"),
        ([b"a"], "bytes"),
        ([1j], "complex numbers"),
        ([{"a": 1}], "dictionaries"),
    ],
)
def test_objects_that_are_neither_are_described(values, what):
    column = objects_column("x", objects(*values))
    assert column.kind is None
    assert column.what.startswith(what.replace("\\", ""))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([datetime.date(2020, 2, 29), None], np.array(["2020-02-29", "NaT"], "M8[D]")),
        ([datetime.datetime(2020, 1, 1, 2)], np.array(["2020-01-01T02"], "M8[us]")),
        ([datetime.timedelta(hours=1)], np.array([3_600_000_000], "m8[us]")),
        ([datetime.time(1, 30)], np.array([5_400_000_000], "m8[us]")),
    ],
)
def test_dates_and_times_of_objects(values, expected):
    column = objects_column("x", objects(*values))
    assert column.kind is None
    assert column.values.dtype == expected.dtype
    assert_array_equal(column.values, expected)


def test_a_number_beyond_all_floats_is_named():
    with pytest.raises(InvalidDataError, match="column 'x' holds a number in row 1 that is larger than any float"):
        objects_column("x", objects(1.0, 10**400))


@pytest.mark.parametrize(
    "cells",
    [
        pa.array(["b", None, "a", "b"]),
        pa.chunked_array([["b", None], ["a", "b"]]),
        pa.array(["b", None, "a", "b"], pa.string_view()),
        pa.chunked_array([pa.array(["b", None]).dictionary_encode(), pa.array(["a", "b"]).dictionary_encode()]),
    ],
)
def test_codes_of_text_of_arrow(cells):
    codes, labels = arrow_codes(cells)
    assert [None if code == len(labels) else labels[code] for code in codes] == ["b", None, "a", "b"]


def test_text_that_is_no_unicode_has_codes():
    values, missing = objects("a\ud800", "b", "a\ud800", "b"), np.array([False, False, False, True])
    codes, labels = factorized(values, missing)
    assert labels == ["a\ud800", "b"]
    assert_array_equal(codes, [0, 1, 0, 2])


def test_a_column_of_categories_has_labels_as_values():
    column = categories_column("x", "text", np.array([1, 2, 0]), ["a", "b"])
    assert column.values.tolist() == ["b", None, "a"]
    assert_array_equal(column.missing, [False, True, False])
