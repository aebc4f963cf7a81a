import csv
import lzma
import warnings

import numpy as np
import pandas as pd
import pytest

from isthmus.core.errors import BrokenFileError, InvalidParameterError, IsthmusWarning
from isthmus.data.sources import TextPath, open_source
from isthmus.data.sources.layout import TextOptions, find_layout

LAST = "7,8,9\n"


def layout(folder, content, **options):
    path = folder / "rows.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return find_layout(path, TextOptions(**options))


@pytest.mark.parametrize(
    ("content", "delimiter", "decimal", "names"),
    [
        ("a,b\n1,2\n", ",", ".", ["a", "b"]),
        ("a;b\n1;2\n", ";", ".", ["a", "b"]),
        ("a\tb\n1\t2\n", "\t", ".", ["a", "b"]),
        ("a|b\n1|2\n", "|", ".", ["a", "b"]),
        ("a;b\n1,5;2\n", ";", ",", ["a", "b"]),
        ("a;b\n1,5;2.5\n", ";", ".", ["a", "b"]),
        ("1,5;2,5\n3,5;4,5\n", ";", ",", ["x0", "x1"]),
        ("a,b;c\n1,2\n", ",", ".", ["a", "b;c"]),
        ("name;x\nDoe, John;1\nRoe, Jane;2\n", ";", ".", ["name", "x"]),
        ('a,b\n"x;y",1\n"z;w",2\n', ",", ".", ["a", "b"]),
        ("DE;2072-05-18;2,43E-05\nNA;2017-09-19;1,82e05\n", ";", ",", ["DE", "2072-05-18", "2,43E-05"]),
        ("sep=|\na|b\n1|2\n", "|", ".", ["a", "b"]),
        ("# by me, 2020\n# again\na,b\n1,2\n", ",", ".", ["a", "b"]),
        ("#id,b\n1,2\n", ",", ".", ["#id", "b"]),
        ("a,b,\n1,2,\n", ",", ".", ["a", "b"]),
        ("a,b,,\n1,2,,\n", ",", ".", ["a", "b"]),
        ("a,b\n1,2,\n3,4,\n", ",", ".", ["a", "b"]),
        ("1,2,\n3,4,\n", ",", ".", ["x0", "x1"]),
    ],
)
def test_what_the_first_rows_show(tmp_path, content, delimiter, decimal, names):
    header = True if content.startswith("DE") else None
    found = layout(tmp_path, content, header=header)
    assert (found.delimiter, found.decimal, found.columns) == (delimiter, decimal, names)


@pytest.mark.parametrize(
    ("first", "header", "said"),
    [
        ("a,b,c", True, None),
        ("3,1,2", False, None),
        ("1,2,3", True, "read as names"),
        ('"3","1","2"', True, None),
        ("0,1,2", True, "read as names"),
        (",2,3", False, "read as a row"),
        ("?,2,3", False, "read as a row"),
        ("NA,2,3", False, "read as a row"),
        (",a,b", True, "the first column has no name"),
        (",0,1", True, "read as names"),
        ("a,2019,2020", True, "read as names"),
        ("a,,c", True, "column 2 has no name"),
        ("a,NA,c", True, "read as names"),
    ],
)
def test_whether_the_first_row_has_names_is_said_where_it_is_not_clear(tmp_path, first, header, said):
    found = layout(tmp_path, f"{first}\n7,8.5,9\n4,5,6\n")
    assert found.named == header
    assert said in found.note if said else found.note is None
    for given in (True, False):
        assert layout(tmp_path, f"{first}\n7,8.5,9\n", header=given).named == given


def test_no_row_of_pandas_is_lost(tmp_path):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(5, 4)))
    frame.to_csv(tmp_path / "names.csv", index=False)
    frame.to_csv(tmp_path / "index.csv")
    frame.to_csv(tmp_path / "values.csv", index=False, header=False)
    for name, said in (("names", "read as names"), ("index", "labels of the rows"), ("values", None)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            source = open_source(tmp_path / f"{name}.csv")
        rows = np.concatenate([block.values for block in source.blocks()])
        np.testing.assert_allclose(rows, frame)
        assert [said in str(warning.message) for warning in caught] == ([True] if said else [])


def test_the_unnamed_first_column_can_be_asked_for(tmp_path):
    (tmp_path / "rows.csv").write_text(",a\n5,1\n6,2\n")
    with pytest.warns(IsthmusWarning, match="is left out"):
        source = open_source(tmp_path / "rows.csv", columns=["a", ""])
    assert next(source.blocks()).values.tolist() == [[1, 5], [2, 6]]


def test_names_that_are_one_less_than_the_cells_stand_right_of_row_labels(tmp_path):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(5, 3)), index=[*"vwxyz"], columns=[*"abc"])
    for sep, quoting in ((",", csv.QUOTE_MINIMAL), ("\t", csv.QUOTE_NONNUMERIC)):  # as R's write.table
        text = frame.to_csv(sep=sep, quoting=quoting).replace('""', "").removeprefix(sep)
        (tmp_path / "rows.csv").write_text(text)
        with pytest.warns(IsthmusWarning, match="the first column has no name in the header and is left out"):
            source = open_source(tmp_path / "rows.csv")
        assert source.schema.names == ("a", "b", "c")
        np.testing.assert_allclose(next(source.blocks()).values, pd.read_csv(tmp_path / "rows.csv", sep=sep))
    for content in ("a title\n1,x\n3,y\n", "1,2\n3,4,5\n6,7,8\n"):
        (tmp_path / "rows.csv").write_text(content)
        with pytest.raises(BrokenFileError, match="line 2 has"), warnings.catch_warnings(action="ignore"):
            next(open_source(tmp_path / "rows.csv").blocks())


@pytest.mark.parametrize(
    ("encoding", "given"), [("utf-8-sig", None), ("utf-16", None), ("utf-16-be", "utf-16-be"), ("cp1252", "cp1252")]
)
def test_encodings(tmp_path, encoding, given):
    content = "größe,ort\r\n1.5,2\r\n".encode(encoding)
    found = layout(tmp_path, content, encoding=given)
    assert found.columns == ["größe", "ort"]
    source = open_source(TextPath(tmp_path / "rows.csv", encoding=given))
    assert next(source.blocks()).values.tolist() == [[1.5, 2]]
    assert source.schema.names == ("größe", "ort")


def test_numbers_are_read_whatever_the_encoding_of_other_columns(tmp_path):
    (tmp_path / "rows.csv").write_bytes("a,ort\n1,Köln\n".encode("cp1252"))
    assert next(open_source(tmp_path / "rows.csv", drop=["ort"]).blocks()).values.tolist() == [[1]]
    with pytest.raises(BrokenFileError, match="not UTF-8 text: line 2 has '1,Köln'"):
        open_source(tmp_path / "rows.csv")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("größe,a\n1,2\n".encode("latin-1"), "is not UTF-8 text: line 1 has 'größe,a'.*--encoding cp1252"),
        (b"PK\x03\x04 and more", "is not text but an Excel workbook"),
        (b"\x1f\x8b\x08\x00", "is not text but compressed with gzip"),
        (lzma.compress(b"a,b\n1,2\n"), "is not text but compressed with xz; unpack it"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 9\n", "a pointer of Git LFS.*git lfs pull"),
        ("a,b\n1,2\n".encode("utf-16-be"), "looks like UTF-16-BE"),
        (bytes(100), "is not text: most of its first bytes are 0"),
    ],
)
def test_other_files_are_refused_by_what_they_are(tmp_path, content, match):
    with pytest.raises(BrokenFileError, match=match):
        layout(tmp_path, content)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"encoding": "utf-99"}, "encoding='utf-99' is not known"),
        ({"delimiter": ";;"}, "delimiter=';;' must be one character"),
        ({"delimiter": '"'}, "must be one character"),
        ({"decimal": "x"}, "decimal='x' must be"),
        ({"missing_values": "NA"}, r"pass a list, \['NA'\]"),
    ],
)
def test_invalid_options(options, match):
    with pytest.raises(InvalidParameterError, match=match):
        TextOptions(**options)


def test_options_apply_to_text_alone(tmp_path):
    np.save(tmp_path / "rows.npy", np.eye(2))
    with pytest.raises(InvalidParameterError, match="delimiter= does not apply"):
        open_source(tmp_path / "rows.npy", delimiter=";")
