"""What the first bytes of a file show, where its suffix says something else."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any, NamedTuple


class Content(NamedTuple):
    """What a file is, what to do with it to have its rows read, and the suffixes of such files."""

    what: str
    remedy: str
    suffixes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}"


_RENAME = "give it the suffix of its format"
_UNPACK = "unpack it"
_EXCEL = (".xlsx", ".zip", ".npz")
_CONTENTS = {
    b"PK\x03\x04": Content(
        "an Excel workbook or a zip archive", "save the sheet as CSV, or unpack the archive", _EXCEL
    ),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": Content("an old Excel workbook", "save the sheet as CSV", (".xls",)),
    b"\x1f\x8b": Content("compressed with gzip", f"{_UNPACK}, or {_RENAME}", (".gz", "-ubyte")),
    b"\x28\xb5\x2f\xfd": Content("compressed with zstd", f"{_UNPACK}, or {_RENAME}", (".zst",)),
    b"BZh91AY&SY": Content("compressed with bzip2", _UNPACK),
    b"\xfd7zXZ\x00": Content("compressed with xz", _UNPACK),
    b"\x04\x22\x4d\x18": Content("compressed with lz4", _UNPACK),
    b"7z\xbc\xaf\x27\x1c": Content("a 7-zip archive", _UNPACK),
    b"Rar!\x1a\x07": Content("a RAR archive", _UNPACK),
    b"PAR1": Content("Parquet", _RENAME, (".parquet", ".pq")),
    b"ARROW1\x00\x00": Content("Feather", _RENAME, (".feather", ".arrow")),
    b"FEA1": Content("Feather of version 1", "read it with pyarrow.feather.read_table, and write the table as Parquet"),
    **dict.fromkeys(
        (b"\x80\x04\x95", b"\x80\x05\x95"),
        Content(
            "a pickle, which is never loaded", "load it yourself if you trust it, and save the rows as .npy or Parquet"
        ),
    ),
    b"\x93NUMPY": Content("an array of NumPy", _RENAME, (".npy",)),
    b"\x89HDF\r\n\x1a\n": Content("HDF5", "load the array, and save it with numpy.save"),
    b"MATLAB 5.0 MAT-file": Content("a file of MATLAB", "load the array, and save it with numpy.save"),
    b"SQLite format 3\x00": Content("a database of SQLite", "write the table to CSV"),
    b"%PDF-": Content("a PDF", "save the table in it as CSV"),
    b"\x89PNG\r\n\x1a\n": Content("a PNG picture", _RENAME, (".png",)),
    b"\xff\xd8\xff": Content("a JPEG picture", _RENAME, (".jpg", ".jpeg", ".jfif")),
    b"<!doctype html": Content("a web page", "download the file itself"),
    b"<html": Content("a web page", "download the file itself"),
    b'{"': Content("JSON", "convert it to Parquet, such as pandas.read_json(...).to_parquet(...)"),
    b'[{"': Content("JSON", "convert it to Parquet, such as pandas.read_json(...).to_parquet(...)"),
    b"version https://git-lfs.github.com/": Content(
        "a pointer of Git LFS, which git lfs pull replaces by the file", "run it first"
    ),
}
N_BYTES = max(map(len, _CONTENTS))


def other_content(start: bytes, name: str) -> Content | None:
    """Return what a file is and what to do with it, or None if its first bytes show nothing, or what its name says.

    Parameters
    ----------
    start : bytes
        The first bytes; `N_BYTES` are enough.
    name : str
        The name of the file.
    """
    small = start[:N_BYTES].lower()
    for mark, content in _CONTENTS.items():
        if (small if mark.islower() else start).startswith(mark) and not name.lower().endswith(content.suffixes):
            return content
    return None


def content_of(file: Any) -> Content | None:
    """Return `other_content` of a path, or of what opens as one; None if it cannot be read."""
    try:
        with file.open("rb") as stream:
            return other_content(stream.read(N_BYTES), PurePath(file.name).name)
    except OSError:
        return None
