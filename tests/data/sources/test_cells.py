import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.data.sources.cells import is_number, is_open, quoted, records, split, unquoted

CELLS = st.text(st.sampled_from('ab0.," ;\n\r#é'), max_size=6)


@given(st.lists(st.lists(CELLS, min_size=2, max_size=4), min_size=1, max_size=5), st.booleans())
def test_rows_are_those_of_the_csv_module(rows, everywhere):
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_ALL if everywhere else csv.QUOTE_MINIMAL).writerows(rows)
    text = file.getvalue()
    found = [split(text[row.start : row.stop], ",") for row in records(text, ",")]
    assert [[unquoted(cell) for cell in row] for row in found] == rows
    assert "".join(text[row.start : row.end] for row in records(text, ",")) == text


@given(CELLS, st.booleans())
def test_a_quoted_cell_is_read_again(text, always):
    cell = quoted(text, ";", always=always)
    (row,) = csv.reader(io.StringIO(f"{cell};x", newline=""), delimiter=";")
    assert row == [text, "x"]
    assert unquoted(cell) == text


@pytest.mark.parametrize(
    ("line", "goes_on"),
    [('a,"b\n', True), ('a,"b"\n', False), ('a,"b""\n', True), ('a,b"\n', False), ('"a\n', True), ("a,b\n", False)],
)
def test_a_line_with_an_open_quote_goes_on(line, goes_on):
    assert is_open(line, ",") == goes_on


@pytest.mark.parametrize("text", ["1", "-1.5", "+.5", "1.", "1e5", "1E-05", " 2 ", "inf", "-Infinity"])
def test_numbers(text):
    assert is_number(text)
    assert is_number(text.replace(".", ","), ",")


@pytest.mark.parametrize("text", ["", ".", "1_000", "0x1F", "1,5", "1.2.3", "e5", "nan", "none"])
def test_no_numbers(text):
    assert not is_number(text)


def test_a_quote_that_is_never_closed_takes_linear_time():
    (row,) = records('"' + "a\n" * 200_000, ",")
    assert row.stop == 400_001
