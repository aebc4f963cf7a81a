import csv
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.core.errors import BrokenFileError, InvalidDataError
from isthmus.data.sources.layout import TextOptions, find_layout
from isthmus.data.sources.text_errors import CellKinds, bad_cell, refuse_cells, refuse_date, rows_of

PLAIN = TextOptions()


def layout_of(path, content, **options):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return find_layout(path, TextOptions(**options))


CELLS = st.text(st.sampled_from('ab"\n,; é#'), max_size=6).filter(lambda text: text == text.strip())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=8))
def test_rows_are_those_of_the_csv_module(tmp_path, rows):
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([("name", "word"), *rows])
    layout = layout_of(tmp_path / "rows.csv", out.getvalue(), delimiter=",", header=True)
    found = list(rows_of(tmp_path / "rows.csv", layout))
    assert [tuple(row.cells) for row in found] == rows
    assert [row.number for row in found] == [*range(len(rows))]
    # The line in which each row begins.
    reader = csv.reader(io.StringIO(out.getvalue(), newline=""))
    ends = [reader.line_num for _ in reader]
    assert [row.line for row in found] == [end + 1 for end in ends[:-1]]


def test_comments_and_empty_lines_are_no_rows(tmp_path):
    layout = layout_of(tmp_path / "a.csv", "# head\nx,y\n1,2\n\n# between\n3,4\n")
    assert [(row.number, row.line) for row in rows_of(tmp_path / "a.csv", layout)] == [(0, 3), (1, 6)]


def test_a_row_of_another_width_is_named_by_its_line(tmp_path):
    path = tmp_path / "a.csv"
    layout = layout_of(path, "x,y\n1,2\n" + "3\n")
    with pytest.raises(BrokenFileError, match=r"line 3 has 1 cells, but the table has 2 columns: '3'; correct it"):
        list(rows_of(path, layout))


def test_bytes_that_are_no_utf8_are_named_by_their_line(tmp_path):
    path = tmp_path / "a.csv"
    layout = layout_of(path, "x,y\n1,2\n3,4\n")
    path.write_bytes(b"x,y\n1,2\n3,\xf6\n")
    with pytest.raises(BrokenFileError, match="line 3 has '3,ö'"):
        list(rows_of(path, layout))


@pytest.mark.parametrize(
    ("cells", "wrong"),
    [
        (["1", "2.5", "NA", "", "-1e3"], None),
        (["true", "FALSE", "0", "1"], None),  # 0 and 1 are truth values as well
        (["0", "1", "2"], None),
        (["1.5", "true"], 1),
        (["true", "2"], 1),
        (["1", "x"], 1),
        (["1,5"], 0),
    ],
)
def test_the_first_cell_that_is_not_of_the_columns_kind(tmp_path, cells, wrong):
    kinds = CellKinds(layout_of(tmp_path / "a.csv", "x,y\n1,2\n"), PLAIN)
    fitting = [kinds.fits(cell) for cell in cells]
    assert (fitting.index(False) if False in fitting else None) == wrong


@pytest.mark.parametrize(
    ("cell", "remedy"),
    [
        ("none", r"pass missing_values=\['none'\] \(--missing-values none\)"),
        ("it's", r"--missing-values 'it'\\''s'"),  # as a shell reads it
        ("1,5", r"if ',' is the decimal mark, pass decimal=',' \(--decimal ,\); else correct it"),
        ("1,500", r"pass decimal=',' \(--decimal ,\); if ',' divides thousands, take it out of the numbers; else"),
        ("-1,500,000.25", r"if ',' divides thousands, take it out of the numbers; else correct it"),
    ],
)
def test_the_remedy_is_what_the_cell_suggests(tmp_path, cell, remedy):
    layout = layout_of(tmp_path / "a.csv", "x;y\n1;2\n")
    with pytest.raises(InvalidDataError, match=rf"column 'x' holds .* in row 4, which is not a number; .*{remedy}"):
        raise bad_cell("a.csv", "x", cell, "row 4", layout)


def test_a_long_cell_is_cut(tmp_path):
    layout = layout_of(tmp_path / "a.csv", "x;y\n1;2\n")
    assert "z" * 40 + "…" in str(bad_cell("a.csv", "x", "z" * 500, "row 1", layout)).partition(";")[0]


def test_columns_of_numbers_alone_are_checked(tmp_path):
    path = tmp_path / "a.csv"
    layout = layout_of(path, "word,x\na,1\nb,2\nc,?\n")
    refuse_cells(path, ["word"][:0], layout, PLAIN)
    refuse_cells(path, ["x"], layout, TextOptions(missing_values=["?"]))
    with pytest.raises(InvalidDataError, match=r"column 'x' holds '\?' in row 2 \(line 4\)"):
        refuse_cells(path, ["x"], layout, PLAIN)


def test_a_date_that_is_none_is_found_by_pyarrows_message(tmp_path):
    path = tmp_path / "a.csv"
    layout = layout_of(path, "day,x\n2020-01-01,1\n2020-02-30,2\n")
    said = "In CSV column #0: CSV conversion error to date32[day]: invalid value '2020-02-30'"
    with pytest.raises(InvalidDataError, match=r"column 'day' holds '2020-02-30' in row 1 \(line 3\).*drop=\['day'\]"):
        refuse_date(path, ["day"], layout, said)
    refuse_date(path, ["x"], layout, said)
    refuse_date(path, ["day"], layout, "another error")
