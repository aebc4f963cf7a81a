import numpy as np
import pytest

from isthmus.core.errors import InvalidDataError, IsthmusWarning
from isthmus.data.sources import open_source
from isthmus.data.sources.layout import TextOptions, find_layout
from isthmus.data.tables import open_table


def layout(folder, content, **options):
    path = folder / "rows.csv"
    path.write_bytes(content.encode())
    return find_layout(path, TextOptions(**options))


def read(folder, content, **options):
    path = folder / "rows.csv"
    path.write_bytes(content.encode())
    return np.concatenate([block.values for block in open_source(path, **options).blocks()]).tolist()


@pytest.mark.parametrize(
    ("content", "rows", "said"),
    [
        ("-3,09\n1,50\n2,25\n", [[-3.09], [1.5], [2.25]], "read as numbers with a decimal comma; pass --delimiter ,"),
        ("-0,5\n1,2\n", [[-0.5], [1.2]], "read as numbers with a decimal comma"),
        ("1,5\nNA\n2\n", [[1.5], [np.nan], [2]], "read as numbers with a decimal comma"),
        ("x\n1,5\n2,7\n", [[1.5], [2.7]], "read as numbers with a decimal comma"),  # or R's numbers of rows
        ("x\n-3,09\n1,5\n", [[-3.09], [1.5]], None),
        ("3,14\n2,71\n", [[3, 14], [2, 71]], r"read as two columns; pass --decimal , \(decimal=','\)"),
        ("-3,5\n2,7\n", [[-3, 5], [2, 7]], "read as two columns"),
        ("1,2\n3,4\n", [[1, 2], [3, 4]], None),
        ("1,0\n0,1\n1,1\n", [[1, 0], [0, 1], [1, 1]], None),
        ("12,34\n56,10\n7,123\n", [[12, 34], [56, 10], [7, 123]], None),
        ("007,05\n008,123\n", [[7, 5], [8, 123]], "read as two columns"),
        (
            "12,08\n15,03\n17,\n",
            [[12, 8], [15, 3], [17, np.nan]],
            "read as two columns",
        ),  # a missing cell
        ("a,b\n-3,09\n1,50\n", [[-3, 9], [1, 50]], None),
        ("-3,-9\n1,5\n", [[-3, -9], [1, 5]], None),
        ("-3,09,1\n1,50,2\n", [[-3, 9, 1], [1, 50, 2]], None),
        (
            "a\n900\n1.234\n12.500\n999.000\n40\n1\n",
            [[900], [1.234], [12.5], [999], [40], [1]],
            "the point of numbers such as '1.234' is read as a decimal mark; if it divides thousands",
        ),
        ("a;b\n9;5\n1.234;6\n12.5;7\n999.000;8\n40;9\n", [[9, 5], [1.234, 6], [12.5, 7], [999, 8], [40, 9]], None),
        ("a;b\n1,234;5,678\n", [[1.234, 5.678]], "'1,234' is read as a decimal mark; if it divides thousands"),
        ("a;b\n1,234;0,678\n", [[1.234, 0.678]], None),
    ],
)
def test_a_comma_that_may_be_a_decimal_mark(tmp_path, content, rows, said):
    if said is None:
        found = read(tmp_path, content)
    else:
        with pytest.warns(IsthmusWarning, match=said) as caught:
            found = read(tmp_path, content)
        assert len(caught) == 1
    np.testing.assert_array_equal(found, rows)


def test_options_settle_it(tmp_path):
    assert read(tmp_path, "-3,09\n1,50\n", decimal=",") == [[-3.09], [1.5]]
    assert read(tmp_path, "-3,09\n1,50\n", delimiter=",") == [[-3, 9], [1, 50]]
    assert read(tmp_path, "-3,09\n1,50\n", decimal=".") == [[-3, 9], [1, 50]]
    assert read(tmp_path, '"1,5","2,5"\n"3,5","4,5"\n', decimal=",") == [[1.5, 2.5], [3.5, 4.5]]


@pytest.mark.parametrize(
    ("content", "delimiter", "width"),
    [
        ('"TRUE","wé\t;"', ",", 2),
        ('"w|ß"\t"True"\t"wéß0,\';"\n', "\t", 3),
        ('wa|5,00\r\n"w€.;|€\t"|3,30', "|", 2),
        ("x,a;b\ny,c;1\n", ";", 2),  # numbers decide
        ('"a;b",1\n"c;d",2\n', ",", 2),
    ],
)
def test_quotes_and_numbers_show_the_delimiter(tmp_path, content, delimiter, width):
    found = layout(tmp_path, content, header=False)
    assert (found.delimiter, len(found.names), found.note) == (delimiter, width, None)


def test_two_delimiters_that_divide_the_rows_equally_are_said(tmp_path):
    content = "x,a;b\ny,c;d\n"
    found = layout(tmp_path, content, header=False)
    assert found.delimiter == ","
    assert "',' is taken for the delimiter, though ';' divides the rows as well; pass --delimiter" in found.note
    with pytest.warns(IsthmusWarning, match="divides the rows as well"):
        assert open_table(tmp_path / "rows.csv", header=False).names == ["x0", "x1"]
    assert layout(tmp_path, content, header=False, delimiter=";").note is None


@pytest.mark.parametrize(
    "content", ["a,b\n1,2\n", "name,x\nDoe|Jr,1\n", "a,b\nu;v,1\nw;x,2\n", "d,x\n2020-01-02 10:00,1.5\n"]
)
def test_nothing_is_said_of_ordinary_files(tmp_path, content):
    assert layout(tmp_path, content).note is None


@pytest.mark.parametrize(
    ("content", "rows", "filled"),
    [
        ("a\n\n1\n\n2\n", [None, 1, None, 2], "a\n7\n1\n7\n2\n"),
        ("a\r\n1\r\n\r\n2", [1, None, 2], "a\r\n1\r\n7\r\n2"),
        ("a\n1\n", [1], "a\n1\n"),
    ],
)
def test_an_empty_line_between_rows_of_one_column_is_a_missing_cell(tmp_path, content, rows, filled):
    np.testing.assert_array_equal(read(tmp_path, content), [[np.nan if cell is None else cell] for cell in rows])
    table = open_table(tmp_path / "rows.csv")
    assert table.typed(["a"])["a"].to_pylist() == rows
    holes = {i: 7 for i, cell in enumerate(rows) if cell is None}
    assert table.filled({"a": holes}) == filled.encode()


def test_empty_lines_around_the_rows_of_one_column_are_said(tmp_path):
    with pytest.warns(IsthmusWarning, match="empty lines at the end are not read as rows"):
        assert read(tmp_path, "a\n1\n\n\n") == [[1]]
    with pytest.warns(IsthmusWarning, match="empty lines at the end are not read as rows"):
        assert open_table(tmp_path / "rows.csv").n_rows == 1
    with pytest.warns(IsthmusWarning, match="empty lines above the first row"):
        assert read(tmp_path, "\n1\n2\n") == [[1], [2]]


def test_rows_with_empty_lines_are_numbered_alike_in_messages(tmp_path):
    with pytest.raises(InvalidDataError, match=r"'bad' in row 3 \(line 5\)"):
        read(tmp_path, "a\n1\n\n2\nbad\n")
