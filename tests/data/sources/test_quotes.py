import gzip

import pytest

from isthmus import open_source
from isthmus.core.errors import BrokenFileError
from isthmus.data.sources import quotes
from isthmus.data.sources.text import CsvSource

ROWS = "".join(f"{i},x{i}\n" for i in range(20))


def n_rows(file, **options):
    return sum(len(block.values) for block in open_source(file, **options).blocks())


@pytest.mark.parametrize("piece", [1, 7, 64, 1 << 22])
@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f'a,b\n{ROWS}1,"x\n{ROWS}', 22),  # up to the end
        (f'a,b\n{ROWS}1,"x ""y"" z\r\n{ROWS}', 22),
        (f'a,b\n{ROWS}1,"x\n2,"y"\n{ROWS}', 22),  # up to the quote that opens the next cell
        (f'a,b\n1,"x\ny"\n3,"5"" pipe"\n{ROWS}1,"x\n', 25),  # cells of several lines are counted
        (f'a,"b\n{ROWS}', 1),
    ],
)
def test_a_quote_that_is_not_closed_is_refused_with_its_line(tmp_path, monkeypatch, text, line, piece):
    monkeypatch.setattr(quotes, "_PIECE", piece)
    (tmp_path / "t.csv").write_bytes(text.encode())
    message = rf"t\.csv: the quote that opens in line {line} is not closed.*; close it, or write it twice"
    with pytest.raises(BrokenFileError, match=message):
        n_rows(tmp_path / "t.csv", drop=["b"], header=True)


@pytest.mark.parametrize("piece", [1, 7, 64, 1 << 22])
def test_quotes_that_are_closed_or_text_are_read(tmp_path, monkeypatch, piece):
    monkeypatch.setattr(quotes, "_PIECE", piece)
    cells = ['"u\nv"', '"u ""w"""', '""', '5" pipe', '"u" v', '"u"v""w', '"a\r\nb,c"', '"last"']
    text = "﻿a,b\n" + "".join(f"1,{cell}\n" for cell in cells)
    (tmp_path / "t.csv").write_bytes(text.removesuffix("\n").encode())
    assert n_rows(tmp_path / "t.csv", drop=["b"]) == len(cells)


def test_tables_of_text_and_kept_columns_are_checked_too(tmp_path):
    (tmp_path / "t.csv").write_text(f'a,b\n{ROWS}1,"x\n{ROWS}')
    source = CsvSource(tmp_path / "t.csv", kinds={})
    with pytest.raises(BrokenFileError, match="opens in line 22"):
        list(source.frames())
    numbers = CsvSource(tmp_path / "t.csv", columns=["a"])
    with pytest.raises(BrokenFileError, match="opens in line 22"):
        list(numbers.blocks_keeping(["b"]))


def test_among_numbers_the_quote_is_named_not_the_cell(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n" + "1,2\n" * 20 + '1,"3\n' + "1,2\n" * 20)
    for kinds in (None, {}):
        with pytest.raises(BrokenFileError, match="opens in line 22"):
            list(CsvSource(tmp_path / "t.csv", kinds=kinds).blocks())


def test_in_a_row_of_too_few_cells_the_quote_is_named(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n" + "1,2\n" * 20 + '"1,3\n' + "1,2\n" * 20)
    with pytest.raises(BrokenFileError, match="opens in line 22"):
        n_rows(tmp_path / "t.csv")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_compressed_and_encoded_text(tmp_path, encoding):
    text = f'# "a\na,b\n{ROWS}1,"x\n{ROWS}'
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text.encode(encoding)))
    with pytest.raises(BrokenFileError, match="opens in line 23"):
        n_rows(tmp_path / "t.csv.gz", drop=["b"])
