import gzip
import io

import numpy as np
import pyarrow as pa
import pytest

from isthmus.core.errors import BrokenFileError
from isthmus.data.sources import open_source
from isthmus.data.sources.decoding import Decoded
from isthmus.data.sources.layout import TextLayout


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_the_text_is_utf8_of_the_asked_size_without_empty_lines_at_the_end(encoding, size):
    text = Decoded(io.BytesIO("ä\r\n\r\n€\r\n".encode(encoding)), TextLayout(encoding, ",", ".", ("a",), True))
    pieces = list(iter(lambda: text.read(size), b""))
    assert max(map(len, pieces)) <= size
    assert b"".join(pieces) == "ä\r\n\r\n€\n".encode()
    assert text.ended.is_set()


def test_stopping_ends_the_text():
    text = Decoded(io.BytesIO(b"1\n2\n"), TextLayout("utf-8", ",", ".", ("a",), False))
    assert text.read(1) == b"1"
    text.ended.set()  # as the thread would
    text.stop()
    assert text.read(1) == b""


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
@pytest.mark.parametrize("names", ["a", "a,b"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_rows_and_no_rows(tmp_path, suffix, names, encoding):
    path = tmp_path / f"rows.csv{suffix}"
    row = ",".join("1" for _ in names.split(","))
    for n_rows in (0, 3):
        content = (f"{names}\n" + f"{row}\n" * n_rows).encode(encoding)
        if suffix == ".zst":
            with pa.CompressedOutputStream(str(path), "zstd") as file:
                file.write(content)
        else:
            path.write_bytes(gzip.compress(content) if suffix else content)
        rows = [block.values for block in open_source(path).blocks()]
        assert sum(map(len, rows)) == n_rows
        assert np.all(np.concatenate(rows) == 1) if rows else n_rows == 0


def test_a_damaged_text_of_one_column_is_refused(tmp_path):
    (tmp_path / "rows.csv.gz").write_bytes(
        gzip.compress(np.random.default_rng(0).bytes(100_000).hex("\n", 4).encode())[:60_000]
    )
    with pytest.raises(BrokenFileError):
        list(open_source(tmp_path / "rows.csv.gz").blocks())
