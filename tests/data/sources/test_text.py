import gzip

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from isthmus.core.errors import BrokenFileError, InvalidDataError
from isthmus.data.sources import CsvSource, open_source
from opened_rows import read, refused, text


@pytest.mark.parametrize(
    ("content", "names", "rows"),
    [
        ("a,b\n1,2\n3,4\n", ("a", "b"), [[1, 2], [3, 4]]),
        ("\ufeffa,b\r\n1,2\r\n", ("a", "b"), [[1, 2]]),
        ("1,2.5\n3,4\n", ("x0", "x1"), [[1, 2.5], [3, 4]]),
        ("\ufeff1,2\n3,4", ("x0", "x1"), [[1, 2], [3, 4]]),
        ("a;b\n1;2\n", ("a", "b"), [[1, 2]]),
        ('"a\nb",c\n1,2\n', ("a\nb", "c"), [[1, 2]]),
        ("a,b\n1,\nnan,NA\n", ("a", "b"), [[1, np.nan], [np.nan, np.nan]]),
        ("a,b\ntrue,1e400\nFalse,-2\n", ("a", "b"), [[1, np.inf], [0, -2]]),
        ("a\n" + "1\n" * 10 + "1.5\n", ("a",), [[1]] * 10 + [[1.5]]),
        ("a\n\n1\n\n2\n", ("a",), [[np.nan], [1], [np.nan], [2]]),
        ("\ufeff1\r\n\r\n2\r\n", ("x0",), [[1], [np.nan], [2]]),
        ("a,b\n1,2\n\n3,4\n\n", ("a", "b"), [[1, 2], [3, 4]]),
        ("a\n", ("a",), np.empty((0, 1))),
        ("a,b\n", ("a", "b"), np.empty((0, 2))),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_csv(tmp_path, content, names, rows, zipped):
    path = text(tmp_path, content, "rows.csv")
    if zipped:
        path = text(tmp_path, gzip.compress(content.encode(), mtime=0), "rows.csv.gz")
    source = open_source(path)
    assert source.n_rows is None
    assert source.dtype == "f8"
    assert source.schema.names == names
    assert source.schema.named == (not names[0].startswith("x"))
    assert_array_equal(read(source), rows)


def test_csv_types_do_not_come_from_the_first_block(tmp_path, monkeypatch):
    monkeypatch.setattr("isthmus.data.sources.text._CSV_BLOCK", 1 << 10)
    path = text(tmp_path, "a,b\n" + "1,\n" * 2000 + "2.5,7\n")
    assert_array_equal(read(open_source(path))[-1], [2.5, 7])


def test_csv_row_longer_than_a_block(tmp_path, monkeypatch):
    monkeypatch.setattr("isthmus.data.sources.text._CSV_BLOCK", 1 << 10)
    frame = pd.DataFrame(np.random.default_rng(0).random((5, 500)))
    frame.to_csv(tmp_path / "rows.csv", index=False, header=False)
    assert_array_equal(read(open_source(tmp_path / "rows.csv")), frame)


@pytest.mark.parametrize(
    ("content", "error", "match"),
    [
        ("", InvalidDataError, "rows.csv is empty"),
        ("\n\n", InvalidDataError, "rows.csv is empty"),
        (
            "a,b\n1,2\n3,4,5\n",
            BrokenFileError,
            "rows.csv cannot be read: line 3 has 3 cells, but the table has 2 columns: '3,4,5'",
        ),
        ("a,b\n1,2\n3\n", BrokenFileError, "line 3 has 1 cells, but"),
        ("a,b\n1,x\n", InvalidDataError, r"column 'b' holds text \(string\).*drop=\['b'\]"),
        ("a,b\n1,2020-01-01\n", InvalidDataError, "column 'b' holds dates or times"),
        ("a,a\n1,2\n", InvalidDataError, "more than one column named 'a'"),
        (b"a\xff,b\n1,2\n", BrokenFileError, "is not UTF-8 text"),
        ("a,b\n1,2\n".encode("utf-16-le"), BrokenFileError, "looks like UTF-16-LE: pass encoding='utf-16-le'"),
    ],
)
def test_broken_csv(tmp_path, content, error, match):
    refused(error, text(tmp_path, content), match)


def test_csv_that_breaks_late(tmp_path, monkeypatch):
    monkeypatch.setattr("isthmus.data.sources.text._CSV_BLOCK", 1 << 10)
    good = "a,b\n" + "1,2\n" * 2000
    refused(BrokenFileError, text(tmp_path, good + "1,2,3\n"), "line 2,002 has 3 cells, but")
    refused(InvalidDataError, text(tmp_path, good + "1,?\n"), r"'b' holds '\?' in row 2,000 \(line 2,002\)")


def test_truncated_gzip(tmp_path):
    zipped = gzip.compress(b"a,b\n" + b"".join(b"%d,2\n" % i for i in range(5000)))
    refused(BrokenFileError, text(tmp_path, zipped[: len(zipped) // 2], "rows.csv.gz"), "rows.csv.gz cannot be read")
    refused(BrokenFileError, text(tmp_path, b"a,b\n1,2\n", "rows.csv.gz"), "rows.csv.gz cannot be read")


def test_what_follows_a_gzip_stream(tmp_path):
    content = "a,b\n" + "".join(f"{i},{i % 7}\n" for i in range(200))
    zipped, rows = gzip.compress(content.encode()), [[i, i % 7] for i in range(200)]
    for padding in (16, 512):  # as tapes and some devices write
        source = open_source(text(tmp_path, zipped + bytes(padding), "rows.csv.gz"))
        assert_array_equal(read(source), rows)
    source = open_source(text(tmp_path, zipped + gzip.compress(b"1,2\n"), "rows.csv.gz"))
    assert_array_equal(read(source), [*rows, [1, 2]])
    refused(BrokenFileError, text(tmp_path, zipped + b"junk", "rows.csv.gz"), "other bytes follow it; unpack it")


def test_csv_folder(tmp_path):
    text(tmp_path, "a,b\n1,2\n", "0.csv")
    text(tmp_path, "b\ta\n4\t3\n", "1.tsv")
    assert_array_equal(read(CsvSource(tmp_path)), [[1, 2], [3, 4]])
    text(tmp_path, "1,2\n", "2.csv")
    refused(BrokenFileError, tmp_path, "2.csv has no column 'a'")
