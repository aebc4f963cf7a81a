import csv
import io

import numpy as np
import pandas as pd
import pytest

from isthmus.core.errors import InvalidDataError
from isthmus.data.sources.headers import column_names, has_header, has_quoted_names, names_note


def rows_of(text, delimiter=","):
    return list(csv.reader(io.StringIO(text), delimiter=delimiter))


@pytest.mark.parametrize("names", [["a", "b", "c"], ["size (cm)", "2nd", "name"], ["größe", "x y", "-"]])
@pytest.mark.parametrize("decimal", [".", ","])
def test_names_above_numbers_are_a_header_and_numbers_alone_are_not(names, decimal):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(6, 3)), columns=names)
    for header in (True, False):
        text = frame.to_csv(index=False, header=header, sep=";", decimal=decimal)
        found, unsure = has_header(rows_of(text, ";"), decimal)
        assert found == header
        assert unsure == (header and "-" in names)


def test_the_header_of_a_frame_without_names_is_recognised():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(6, 3)))
    assert has_header(rows_of(frame.to_csv(index=False)), ".") == (True, True)
    assert has_header(rows_of(frame.to_csv()), ".") == (True, True)
    assert has_header(rows_of(frame.to_csv(index=False, header=False)), ".") == (False, False)


@pytest.mark.parametrize(
    ("content", "header"),
    [
        ("5.1,3.5,setosa\n4.9,3.0,setosa\n", False),
        ("Ann,23,1.5\nBob,25,1.6\n", False),
        ("country,2019,2020,2021\nDE,1,2,3\nFR,1,2,3\n", True),
        ("0,1\n1,0\n1,1\n", False),
        (",2019,2020\n0,5,6\n1,3,1\n", True),
        (",0\n0,1\n1,0\n", True),
        ("0,1,2,\n0.5,7,6,\n", True),
        ("?,2019,2020\n5,6,7\n", False),
        ("id,400.5,401.2,402.6,404.1,406\na,1,2,.3,.1,3\nb,2,1,.5,5,3\n", True),
        ("0,1\n0.5,1.5\n", True),
        ("0\n1\n1\n", False),
    ],
)
def test_labels_and_years_and_counts(content, header):
    assert has_header(rows_of(content), ".") == (header, True)


@pytest.mark.parametrize(
    ("content", "quoted"),
    [
        ('"2019","2020"\n0.5,0.6\n,1\n', True),
        ('"","2019"\n"a",1\n"b",2\n', True),
        ('"2019","2020"\n"1","2"\n', False),
        ('"1,500","2"\n900,"3"\n', False),
        ('"x",1\n"y",2\n', False),
    ],
)
def test_names_in_quotes_above_numbers_without(content, quoted):
    assert has_quoted_names([line.split(",") for line in content.replace("1,500", "1;500").splitlines()]) == quoted


def test_a_header_alone_and_a_row_alone():
    assert has_header([["a", "b"]], ".") == (True, False)
    assert has_header([["1.5", "2"]], ".") == (False, False)
    assert has_header([["1,5", "2"]], ",") == (False, False)


@pytest.mark.parametrize(
    ("content", "header", "names", "unnamed"),
    [
        ("a,b\n1,2\n", True, ["a", "b"], []),
        ("1,2\n3,4\n", False, ["x0", "x1"], []),
        (",b\n1,2\n", True, ["", "b"], [0]),
        ("a,b,,\n1,2,,\n", True, ["a", "b", "\0" + "2", "\0" + "3"], []),
        ("1,2,\n3,4,\n", False, ["x0", "x1", "\0" + "2"], []),
        ("1,2,\n3,4,5\n", False, ["x0", "x1", "x2"], []),
        ("a,b,\n1,2,3\n", True, ["a", "b", ""], [2]),
    ],
)
def test_each_column_has_a_name(content, header, names, unnamed):
    cells = rows_of(content)
    assert column_names("t.csv", cells, len(cells[0]), header=header) == (names, unnamed)


@pytest.mark.parametrize(
    ("first", "match"),
    [
        ("a,b,a", r"t\.csv has more than one column named 'a' in its first line.*header=False"),
        ("a,,,b", r"t\.csv: columns 2 and 3 have no name in the first line"),
    ],
)
def test_unclear_names_are_refused(first, match):
    cells = rows_of(f"{first}\n1,2,3,4\n")
    with pytest.raises(InvalidDataError, match=match):
        column_names("t.csv", cells, len(cells[0]), header=True)


def test_what_is_said_of_the_first_row():
    clear = {"header": True, "index": False, "unsure": False, "unnamed": []}
    assert names_note("t.csv", ["a"], **clear) is None
    row = names_note("t.csv", list("abcde"), **clear | {"header": False, "unsure": True})
    assert row == (
        "t.csv: the first line ('a', 'b', 'c', 'd', …) is read as a row; pass --header (header=True) if it holds names"
    )
    names = names_note("t.csv", ["", "1"], **clear | {"unsure": True, "index": True, "unnamed": [0]})
    assert names == (
        "t.csv: the first line ('', '1') is read as names; pass --no-header (header=False) if it is a row; "
        "the first column has no name in the header and is left out, as the labels of the rows"
    )
    assert names_note("t.csv", ["a", ""], **clear | {"unnamed": [1]}) == (
        "t.csv: column 2 has no name in the first line, which is read as names"
    )
