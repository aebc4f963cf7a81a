from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal

from isthmus.core.errors import BrokenFileError, InvalidDataError, InvalidParameterError, MissingFileError
from isthmus.data.sources import arrow_columns
from isthmus.data.sources.arrow_columns import Part

NUMERIC = [*map(pa.type_for_alias, ("i1", "i8", "u2", "u8", "f2", "f4", "f8", "bool")), pa.decimal128(9, 2), pa.null()]
WORDS = {
    pa.string(): "text (string)",
    pa.large_string(): "text (large_string)",
    pa.binary(): "bytes (binary)",
    pa.large_binary(): "bytes (large_binary)",
    pa.binary(3): "bytes (fixed_size_binary[3])",
    pa.timestamp("s"): "dates or times (timestamp[s])",
    pa.date32(): "dates or times (date32[day])",
    pa.time64("us"): "dates or times (time64[us])",
    pa.duration("ms"): "dates or times (duration[ms])",
    pa.list_(pa.string()): "nested values (list<",
    pa.struct([("a", pa.int8())]): "nested values (struct<",
    pa.dictionary(pa.int8(), pa.string()): "categories",
}


@pytest.mark.parametrize("kind", NUMERIC, ids=str)
def test_numbers_have_the_type_that_numpy_finds(kind):
    assert arrow_columns.is_numeric(kind)
    assert not arrow_columns.is_bytes(kind)
    if not (pa.types.is_boolean(kind) or pa.types.is_null(kind) or pa.types.is_decimal(kind)):
        assert arrow_columns.numpy_type(kind) == pa.array([1]).cast(kind).to_numpy().dtype


@pytest.mark.parametrize("kind", WORDS, ids=str)
def test_other_types_are_named(kind):
    assert not arrow_columns.is_numeric(kind)
    assert arrow_columns.is_bytes(kind) == WORDS[kind].startswith("bytes")
    assert arrow_columns.describe_type(kind).startswith(WORDS[kind])


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ([pa.bool_()] * 2, "boolean"),
        ([pa.bool_(), pa.int8()], "integer"),
        ([pa.uint8(), pa.int64()], "integer"),
        ([pa.int8(), pa.float32()], "real"),
        ([pa.decimal128(9, 2)], "real"),
        ([pa.null()], "real"),
    ],
)
def test_the_kind_of_a_column_in_several_files(kinds, expected):
    assert arrow_columns.column_kind(kinds) == expected


@pytest.mark.parametrize(
    ("values", "kind", "dtype"),
    [
        ([1, 2], pa.int16(), np.int16),
        ([1, None], pa.int16(), np.float64),
        ([True, False], pa.bool_(), np.uint8),
        ([True, None], pa.bool_(), np.float64),
        ([0.5, None], pa.float32(), np.float32),
        ([None, None], pa.null(), np.float64),
        ([2**53 + 1, None], pa.int64(), np.float64),
        ([2**53 + 1, 2**63 - 1], pa.int64(), np.int64),
    ],
)
@pytest.mark.parametrize("chunks", [1, 2])
def test_values_are_those_of_python(values, kind, dtype, chunks):
    pieces = [pa.array(values, kind)] if chunks == 1 else [pa.array([one], kind) for one in values]
    found = arrow_columns.numbers(pa.chunked_array(pieces, kind))
    assert found.dtype == dtype
    assert_array_equal(found, np.array([np.nan if one is None else one for one in values], dtype))


@pytest.mark.parametrize(
    ("raised", "error", "message"),
    [
        (FileNotFoundError(2, "No such file"), MissingFileError, "rows.pq was removed while it was read"),
        (pa.ArrowInvalid("Could not open X: Invalid: no magic"), BrokenFileError, "rows.pq cannot be read: no magic"),
        (pa.ArrowInvalid("CSV: Row #7: two\nlines"), BrokenFileError, "rows.pq cannot be read: CSV: row 7: two lines"),
        (ValueError("x" * 999), BrokenFileError, "rows.pq cannot be read: " + "x" * 300),
        (InvalidDataError("ours"), InvalidDataError, "ours"),
    ],
)
def test_errors_of_pyarrow_are_one_line_that_names_the_file(raised, error, message):
    with pytest.raises(error) as caught, arrow_columns.reading("rows.pq"):
        raise raised
    assert str(caught.value) == message


def test_the_columns_of_a_file_by_name():
    schema = pa.schema([("a", pa.int8()), ("b", pa.string())])
    assert arrow_columns.fields_of(Path("t"), schema) == {"a": pa.int8(), "b": pa.string()}
    with pytest.raises(InvalidDataError, match="t has no columns"):
        arrow_columns.fields_of(Path("t"), pa.schema([]))
    with pytest.raises(InvalidDataError, match="t has more than one column named 'a'; give each its own name"):
        arrow_columns.fields_of(Path("t"), pa.schema([*schema, ("a", pa.int8())]))


def test_columns_are_chosen_by_a_list_or_a_function_and_dropped():
    names = ["a", "b", "c"]
    assert arrow_columns.chosen_columns("t", names, None, None) == names
    assert arrow_columns.chosen_columns("t", names, ["c", "a"], ["a"]) == ["c"]
    assert arrow_columns.chosen_columns("t", names, lambda all_names: all_names[1:], None) == ["b", "c"]
    for columns, drop, match in (
        (["a", "a"], None, r"columns=\['a', 'a'\] names a column twice"),
        (["a"], ["a"], "no column of t is left to read; choose some of 'a', 'b', 'c'$"),
        (["d"], None, "columns: t has no column 'd', only 'a', 'b', 'c'"),
        ("a", None, r"columns='a' is a string; pass a list, columns=\['a'\]"),
        (None, ["d"], "drop: t has no column 'd'"),
    ):
        with pytest.raises(InvalidParameterError, match=match):
            arrow_columns.chosen_columns("t", names, columns, drop)


def test_long_lists_of_columns_are_shortened():
    names = [f"c{number}" for number in range(100)]
    assert arrow_columns.listed(names) == "'c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7' and 92 more"
    assert arrow_columns.listed(names[:8]).endswith("'c7'")


def test_columns_that_are_not_numbers_are_named_with_the_remedy():
    part = Part(Path("t"), None, {"a": pa.int8(), "b": pa.string(), "c": pa.date32()})
    arrow_columns.refuse_non_numeric(part, ["a"])
    with pytest.raises(InvalidDataError, match=r"t: column 'b' holds text \(string\), .*with drop=\['b', 'c'\]$"):
        arrow_columns.refuse_non_numeric(part, ["a", "b", "c"])


def test_files_of_a_table_have_the_columns_of_the_first_but_for_an_index():
    first = Part(Path("1"), None, {"a": pa.int8(), "b": pa.int8()})
    arrow_columns.refuse_other_columns(first, Part(Path("2"), None, {"b": pa.int8(), "a": pa.int8()}), ["a", "b"])
    more = {"a": pa.int8(), "b": pa.int8(), "i": pa.int8()}
    arrow_columns.refuse_other_columns(first, Part(Path("2"), None, more, frozenset("i")), ["a", "b"])
    with pytest.raises(BrokenFileError, match="2 has a column 'i', but 1 of this table has none"):
        arrow_columns.refuse_other_columns(first, Part(Path("2"), None, more), ["a", "b"])
    with pytest.raises(BrokenFileError, match="2 has no column 'b', but 1 of this table has one"):
        arrow_columns.refuse_other_columns(first, Part(Path("2"), None, {"a": pa.int8()}), ["a", "b"])
