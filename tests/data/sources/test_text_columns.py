import datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core.errors import InvalidDataError
from isthmus.data.sources.arrow_columns import Part
from isthmus.data.sources.layout import TextOptions
from isthmus.data.sources.text_columns import (
    TypeFinder,
    bad_number,
    common_types,
    first_decimal_comma,
    inferred,
    numbers_of,
    of_kind,
    typed,
    without,
)

PLAIN = TextOptions()
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


def text(*cells):
    return pa.chunked_array([pa.array(cells, pa.string())])


@settings(max_examples=100, deadline=None)
@given(st.lists(NUMBERS | st.none() | st.booleans(), min_size=1))
def test_numbers_are_those_that_python_reads(values):
    cells = ["" if value is None else f" {value!r}" for value in values]
    expected = [None if value is None else float(value) for value in values]
    assert numbers_of(text(*cells), PLAIN, ".").to_pylist() == expected
    commas = text(*[cell.replace(".", ",") for cell in cells])
    assert numbers_of(commas, PLAIN, ",").to_pylist() == expected


def test_a_point_is_no_decimal_mark_where_the_comma_is():
    with pytest.raises(pa.ArrowInvalid):
        numbers_of(text("1.5"), PLAIN, ",")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1)
    | st.lists(NUMBERS.filter(lambda number: "e" not in repr(number)), min_size=1)
    | st.lists(st.booleans(), min_size=1)
    | st.lists(st.dates(datetime.date(1700, 1, 1), datetime.date(2200, 1, 1)), min_size=1)
)
def test_a_type_is_found_from_the_spellings_of_its_values(values):
    kind = {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), datetime.date: pa.date32()}[type(values[0])]
    cells = [str(value).lower() if isinstance(value, bool) else str(value) for value in values]
    finder = TypeFinder()
    for cell in [*cells, ""]:
        finder.look(text(cell))
    assert finder.type == kind
    assert typed(text(*cells, ""), finder.type).to_pylist() == [*values, None]


@pytest.mark.parametrize("cells", [("1.10",), ("007",), ("+1", "2"), ("1", "x"), ("true", "1"), (), ("",)])
def test_a_column_is_text_where_another_type_would_lose_a_spelling(cells):
    finder = TypeFinder()
    finder.look(text(*cells))
    assert finder.type == pa.string()
    assert typed(text(*cells), finder.type).to_pylist() == [*cells]


def test_spellings_do_not_matter_where_the_result_has_numbers_alone():
    finder = TypeFinder(numbers=True)
    finder.look(text("1.10", "007"))
    assert finder.type == pa.float64()


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (("1", "", "NA", "+3"), pa.int64(), [1, None, None, 3]),
        (("1", "2.5", "1e3", "inf"), pa.float64(), [1, 2.5, 1000, float("inf")]),
        (("TRUE", "false", ""), pa.bool_(), [True, False, None]),
        (("2020-02-29", ""), pa.date32(), [datetime.date(2020, 2, 29), None]),
        (("12:30:05",), pa.string(), ["12:30:05"]),
        (("2020-02-29 12:00:00",), pa.timestamp("s"), [datetime.datetime(2020, 2, 29, 12)]),
        (("02139", "501"), pa.string(), ["02139", "501"]),
        (("+4930", "+4931"), pa.string(), ["+4930", "+4931"]),
        (("1225717802167984165912", "0"), pa.string(), ["1225717802167984165912", "0"]),
        (("a", "", "1"), pa.string(), ["a", None, "1"]),
        (("", ""), pa.null(), [None, None]),
    ],
)
def test_a_column_has_the_type_that_all_its_cells_have(cells, kind, values):
    found = inferred(text(*cells), PLAIN, ".")
    assert found.type == kind
    assert found.to_pylist() == values


@pytest.mark.parametrize(
    ("kind", "cell"), [("real", "x"), ("integer", "x"), ("boolean", "2"), ("boolean", "0.5"), ("boolean", "x")]
)
def test_a_cell_that_is_not_of_the_kind_is_refused(kind, cell):
    with pytest.raises(pa.ArrowInvalid):
        of_kind(text("1", cell), kind, PLAIN, ".")


def test_categories_keep_their_spelling():
    assert of_kind(text("01", "", "NA"), "category", PLAIN, ".").to_pylist() == ["01", None, "NA"]
    assert without(text("a", "?", ""), ["?"]).to_pylist() == ["a", None, ""]


@pytest.mark.parametrize(
    ("cells", "place"),
    [
        (("1", "2", "3"), None),
        ((*map(str, range(9)), "x"), 9),  # nine in ten
        ((*map(str, range(8)), "x", "y"), None),  # eight in ten, of several words
        (("1", "none", "3", "none", "5"), 1),  # one word between numbers that do not repeat
        (("1", "none", "1", "none", "1"), None),  # and between a number that does
        (("1", "", "NA"), None),
    ],
)
def test_the_word_among_numbers(cells, place):
    assert bad_number(text(*cells), PLAIN, ".") == place


def test_another_share_of_numbers():
    cells = text("1", "x", "y", "z")
    assert bad_number(cells, PLAIN, ".", most=0.25) == 1
    assert bad_number(cells, PLAIN, ".", most=0.26) is None


@pytest.mark.parametrize(
    ("cells", "place"), [(("1", "2,5"), 1), (("1", "2.5"), None), (("1,5", "2.5"), None), (("a,b",), None)]
)
def test_decimal_commas(cells, place):
    assert first_decimal_comma(text(*cells), PLAIN) == place


def part(path, kind):
    return Part(path, None, {"x": kind})


def test_types_that_files_have_in_common():
    whole, truth, day = pa.int64(), pa.bool_(), pa.date32()
    assert common_types([part("a", whole), part("b", truth)], "x") == [pa.float64(), truth]
    assert common_types([part("a", pa.null()), part("b", day)], "x") == [day, day]
    assert common_types([part("a", whole), part("b", day)], "x", "category") == [pa.string()] * 2
    assert common_types([part("a", pa.timestamp("s"))], "x") == [pa.timestamp("us")]
    assert common_types([part("a", pa.timestamp("ns"))], "x") == [pa.timestamp("ns")]
    with pytest.raises(InvalidDataError, match=r"'x' holds .* in a, but .* in b; write it in one form"):
        common_types([part("a", whole), part("b", day)], "x")
