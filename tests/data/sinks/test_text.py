import csv
import gzip
import io
import re

import numpy as np
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal

from isthmus.core.errors import InvalidDataError
from isthmus.data.sinks.text import CsvSink, GzipTsvSink, TsvSink, ZstdCsvSink
from written_rows import some_rows, write

WORDS = ["plain", "a,b", 'say "so"', "two\nlines", "tab\tbed", "", "größe", " space ", "\r"]


def written(kind, rows, names, kept=None):
    file = io.BytesIO()
    sink = kind(file, names, np.float64, kept and kept.schema)
    sink.write(rows[:1], kept and kept.slice(0, 1))
    sink.write(rows[1:], kept and kept.slice(1))
    sink.finish()
    return file.getvalue()


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".csv", 'a,"b, c","d""e"\n1.5,-2,nan\n0.1,1e+20,3\n'),
        (".tsv", 'a\tb, c\t"d""e"\n1.5\t-2\tnan\n0.1\t1e+20\t3\n'),
    ],
)
def test_the_whole_text(tmp_path, suffix, text):
    rows = np.array([[1.5, -2, np.nan], [0.1, 1e20, 3]])
    assert write(tmp_path / f"r{suffix}", rows).read_text() == text
    packed = write(tmp_path / f"r{suffix}.gz", rows)
    assert gzip.decompress(packed.read_bytes()).decode() == text
    assert packed.read_bytes() == write(tmp_path / f"again{suffix}.gz", rows).read_bytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_have_the_fewest_digits_that_are_read_as_the_same_number(dtype):
    rows, file = some_rows(dtype=dtype), io.BytesIO()
    sink = CsvSink(file, list("abc"), dtype)
    sink.write(rows)
    sink.finish()
    cells = [row.split(",") for row in file.getvalue().decode().splitlines()[1:]]
    assert_array_equal(np.array(cells, dtype), rows)
    for cell, number in zip(np.ravel(cells), rows.ravel(), strict=True):
        shortest = np.format_float_scientific(number, unique=True, trim="-")
        assert digits(cell) == digits(shortest)


def digits(text):
    """The significant digits of a number."""
    return re.sub(r"e.*|[-.]", "", text).strip("0")


@pytest.mark.parametrize(("kind", "delimiter"), [(CsvSink, ","), (TsvSink, "\t")])
def test_kept_text_is_read_back_by_the_csv_module(kind, delimiter):
    kept = pa.table({"word": pa.array(WORDS), "who, what": pa.array(WORDS[::-1]).dictionary_encode()})
    text = written(kind, np.arange(9.0)[:, None], ["x"], kept).decode()
    found = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    assert found[0] == ["word", "who, what", "x"]
    assert found[1:] == [[*pair, str(row)] for row, pair in enumerate(zip(WORDS, WORDS[::-1], strict=True))]
    # Only cells that need quotes have them.
    assert f'\nplain{delimiter}"\r"{delimiter}0\n' in text
    assert ('"tab\tbed"' in text) == (delimiter == "\t")


def test_missing_cells_are_empty_and_dates_have_their_iso_form():
    day = pa.array([None, 19_000], pa.date32())
    kept = pa.table({"day": day, "n": pa.array([7, None]), "flag": [True, None], "word": [None, "b"]})
    assert written(CsvSink, np.ones((2, 1)), ["x"], kept) == b"day,n,flag,word,x\n,7,true,,1\n2022-01-08,,,b,1\n"


def test_packed_text_is_unpacked_by_other_programs():
    rows = np.array([[1, 2.0], [3, 4]])
    assert gzip.decompress(written(GzipTsvSink, rows, ["a", "b"])) == b"a\tb\n1\t2\n3\t4\n"
    stream = pa.CompressedInputStream(pa.BufferReader(written(ZstdCsvSink, rows, ["a", "b"])), "zstd")
    assert stream.read() == b"a,b\n1,2\n3,4\n"


@pytest.mark.parametrize(
    ("values", "what"), [(pa.array([b"a"]), "binary"), (pa.array([[1]]), "list<"), (pa.array([{"a": 1}]), "struct<")]
)
def test_what_text_cannot_hold_is_refused(values, what):
    with pytest.raises(InvalidDataError, match=f"column 'odd' holds {what}.* is not text; write Parquet or Feather"):
        CsvSink(io.BytesIO(), ["x"], np.float64, pa.schema([("odd", values.type)]))
