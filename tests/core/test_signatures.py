import bz2
import gzip
import io
import lzma
import pickle
import warnings

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from PIL import Image

from isthmus.core.signatures import N_BYTES, content_of, other_content

TABLE = pa.table({"a": [1.0, 2.0]})


def written(write):
    file = io.BytesIO()
    write(file)
    return file.getvalue()


CONTENTS = {
    ".csv.gz": (gzip.compress(b"a,b\n"), "compressed with gzip"),
    ".csv.bz2": (bz2.compress(b"a,b\n"), "compressed with bzip2"),
    ".csv.xz": (lzma.compress(b"a,b\n"), "compressed with xz"),
    ".csv.zst": (pa.Codec("zstd").compress(b"a,b\n", asbytes=True), "compressed with zstd"),
    ".npy": (written(lambda file: np.save(file, np.eye(2))), "an array of NumPy"),
    ".npz": (written(lambda file: np.savez(file, np.eye(2))), "an Excel workbook or a zip archive"),
    ".parquet": (written(lambda file: pq.write_table(TABLE, file)), "Parquet"),
    ".feather": (written(lambda file: pyarrow.feather.write_feather(TABLE, file)), "Feather"),
    ".png": (written(lambda file: Image.new("L", (2, 2)).save(file, "png")), "a PNG picture"),
    ".jpg": (written(lambda file: Image.new("L", (2, 2)).save(file, "jpeg")), "a JPEG picture"),
}


@pytest.mark.parametrize("suffix", CONTENTS)
def test_what_a_file_is_under_the_name_of_another(suffix):
    content, what = CONTENTS[suffix]
    found = other_content(content[:N_BYTES], "rows.csv")
    assert found is not None
    assert found.what == what
    assert other_content(content, f"ROWS{suffix}".upper()) is None or suffix in {".csv.bz2", ".csv.xz"}


@pytest.mark.parametrize("protocol", [4, 5])
def test_a_pickle(protocol):
    content = pickle.dumps(np.eye(2), protocol)
    assert str(other_content(content[:N_BYTES], "rows.npy")).startswith("a pickle, which is never loaded; load it")


def test_feather_of_version_1():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated
        content = written(lambda file: pyarrow.feather.write_feather(TABLE, file, version=1))
    assert other_content(content[:N_BYTES], "rows.feather").what == "Feather of version 1"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"<!DOCTYPE html>\n<html>", "a web page"),
        (b"<!doctype HTML>", "a web page"),
        (b'{"a":1,"b":2}\n', "JSON; convert it to Parquet"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS, which"),
        (b"%PDF-1.7\n", "a PDF"),
    ],
)
def test_text_that_is_no_table(content, what):
    assert str(other_content(content, "rows.csv")).startswith(what)


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"BZhang,1\n", b"PARIS,1\n", b"version,b\n"])
def test_tables_of_text_are_what_they_are(content):
    assert other_content(content, "rows.csv") is None


def test_of_a_file(tmp_path):
    path = tmp_path / "rows.npy"
    path.write_bytes(gzip.compress(b"a"))
    assert str(content_of(path)) == "compressed with gzip; unpack it, or give it the suffix of its format"
    assert content_of(tmp_path / "missing") is None
