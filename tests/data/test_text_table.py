"""Text tables whose missing cells are filled: every other byte stays."""

import csv
import io
import re
import warnings

import pandas as pd
import pyarrow as pa
import pytest

from isthmus.core.errors import BrokenFileError, InvalidDataError, IsthmusWarning
from isthmus.data.tables import FORMATS, open_table, write_filled


def filled(path, out, **options):
    """Fill each missing cell of a table with the first value of its column, and write it as `out`."""
    table = open_table(path, **options)
    before = table.typed(table.default_names)
    columns = {}
    for name in before.column_names:
        values = before[name].to_pylist()
        known = next((value for value in values if value is not None), None)
        columns[name] = pa.array([known if value is None else value for value in values], before[name].type)
    write_filled(table, before, pa.table(columns), out)
    return out.read_bytes()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"zip,x\n02139,1\n00501,\n", b"zip,x\n02139,1\n00501,1\n"),
        (b"zip,x\n02139,1\n,2\n", b"zip,x\n02139,1\n02139,2\n"),
        (b"a,b\r\n1.00,+49301000\r\n,\r\n", b"a,b\r\n1.00,+49301000\r\n1,+49301000\r\n"),
        (b"f,x\nFalse,1\nTrue,\n,3\n", b"f,x\nFalse,1\nTrue,1\nFalse,3\n"),
        (b"f,x\nTRUE,1\n,3\n", b"f,x\nTRUE,1\nTRUE,3\n"),
        (b"c,x\nDE,1\nNA,NA\n,2\n", b"c,x\nDE,1\nNA,1\nDE,2\n"),
        (b'"c","x"\n"a ""q""","1"\n"",""\n', b'"c","x"\n"a ""q""","1"\n"a ""q""","1"\n'),
        (b'c,x\n"a,b",1\n,2', b'c,x\n"a,b",1\n"a,b",2'),
        (b'c,x\n"two\nlines",1\n"a\r\nb",\n', b'c,x\n"two\nlines",1\n"a\r\nb",1\n'),
        (b"a;b\n1,5;2\n;3\n", b"a;b\n1,5;2\n1,5;3\n"),
        (b"a\tb\n1\t\n2\t5\n", b"a\tb\n1\t5\n2\t5\n"),
        (b"a|b\n1|\n2|5\n", b"a|b\n1|5\n2|5\n"),
        (b"sep=;\na;b\n1;\n2;5\n", b"sep=;\na;b\n1;5\n2;5\n"),
        (b"# of 2020\na,b\n1,\n# between\n2,5\n# end\n", b"# of 2020\na,b\n1,5\n# between\n2,5\n# end\n"),
        (b"a,b,\n1,,\n2,5,\n", b"a,b,\n1,5,\n2,5,\n"),
        (b"a,b\n\n1,\n\n\n2,5\n\n", b"a,b\n\n1,5\n\n\n2,5\n\n"),
        (b"1,,3\n4,5,6\n", b"1,5,3\n4,5,6\n"),
        (b",a,b\n7,1,\n8,,2\n", b",a,b\n7,1,2\n8,1,2\n"),
        ("\ufeffa,b\n1,\n2,é\n".encode(), "\ufeffa,b\n1,é\n2,é\n".encode()),
        ("a,b\r\n1,\r\n2,é\r\n".encode("utf-16"), "a,b\r\n1,é\r\n2,é\r\n".encode("utf-16")),
        (b"day,x\n2020-01-01,1\n2020-1-1,\n", b"day,x\n2020-01-01,1\n2020-1-1,1\n"),
        (b"id,x\n1225717802167984165912,1\n0,\n", b"id,x\n1225717802167984165912,1\n0,1\n"),
    ],
)
def test_only_missing_cells_of_text_change(tmp_path, content, expected):
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IsthmusWarning)
        assert filled(path, tmp_path / "out.csv") == expected


def test_text_in_another_encoding_is_kept(tmp_path):
    path = tmp_path / "rows.csv"
    content = "Größe;Ort\n1,5;Köln\n;\n".encode("cp1252")
    path.write_bytes(content)
    with pytest.raises(BrokenFileError, match=r"not UTF-8 text: line 1 has 'Größe;Ort'.*encoding='cp1252'"):
        open_table(path)
    assert filled(path, tmp_path / "out.csv", encoding="cp1252") == "Größe;Ort\n1,5;Köln\n1,5;Köln\n".encode("cp1252")


@pytest.mark.parametrize("suffix", [suffix for suffix in FORMATS if suffix.startswith((".csv", ".tsv"))])
def test_text_is_compressed_and_divided_as_the_suffix_says(tmp_path, suffix):
    path, out = tmp_path / "rows.csv", tmp_path / f"out{suffix}"
    path.write_bytes(b'a,b,c\n1,"x,y",x\tz\n2,,z\n')
    filled(path, out)
    content = open_table(out).text
    same = b'a,b,c\n1,"x,y",x\tz\n2,"x,y",z\n'.decode()
    assert content == ('a\tb\tc\n1\t"x,y"\t"x\tz"\n2\tx,y\tz\n' if suffix.startswith(".tsv") else same)


@pytest.mark.parametrize(
    ("cells", "word", "row"),
    [
        (["1", "2.5", "none", "4", "5"], "none", 2),
        ([*map(str, range(5000)), "?", "7"], "?", 5000),
        (["1,5", "2", "3", "4"], "1,5", 0),
    ],
)
def test_a_word_among_numbers_is_named(tmp_path, cells, word, row):
    path = tmp_path / "rows.csv"
    path.write_text("a\tb\n" + "".join(f'"{cell}"\t1\n' for cell in cells))
    with pytest.raises(
        InvalidDataError, match=rf"column 'a' holds '{re.escape(word)}' in row {row:,} \(line {row + 2:,}\)"
    ):
        open_table(path, decimal=".").refuse_bad_numbers(["a", "b"])
    open_table(path, decimal=".", missing_values=[word]).refuse_bad_numbers(["a", "b"])


def test_codes_of_letters_and_numbers_are_categories(tmp_path):
    (tmp_path / "rows.csv").write_text("a\n" + "".join(f"{cell}\n" for cell in ["1", "2", "3", "U"] * 5))
    table = open_table(tmp_path / "rows.csv")
    table.refuse_bad_numbers(["a"])
    assert table.typed(["a"])["a"].type == pa.string()


def test_the_index_of_pandas_is_no_column_to_fill(tmp_path):
    frame = pd.DataFrame({"a": [1.0, None, 3.0]}, index=["x", "y", "z"])
    frame.to_parquet(tmp_path / "rows.parquet")
    frame.to_csv(tmp_path / "rows.csv")
    assert open_table(tmp_path / "rows.parquet").default_names == ["a"]
    with pytest.warns(IsthmusWarning, match="the first column has no name"):
        assert open_table(tmp_path / "rows.csv").default_names == ["a"]


def test_a_character_that_the_encoding_lacks_is_refused(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes("a,b\nö,1\n".encode("cp1252"))
    table = open_table(path, encoding="cp1252")
    with pytest.raises(InvalidDataError, match="'Ω' cannot be written as cp1252; save the table as UTF-8"):
        table.filled({"a": {0: "Ω"}})


def test_cells_are_those_of_the_csv_module(tmp_path):
    rows = [["a", "b"], ['say "x"', ""], ["two\nlines", "1,5"], ["", "é"]]
    with (tmp_path / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    table = open_table(tmp_path / "rows.csv")
    assert [list(row.values()) for row in table.cells.to_pylist()] == rows[1:]
    filled = table.filled({"b": {0: 'a"b'}, "a": {2: "x"}})
    assert list(csv.reader(io.StringIO(filled.decode(), newline=""))) == [
        rows[0],
        ['say "x"', 'a"b'],
        rows[2],
        ["x", "é"],
    ]
