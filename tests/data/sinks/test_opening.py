import os
import sys
import threading

import numpy as np
import pyarrow.parquet as pq
import pytest

from isthmus.core.errors import ExistingFileError, InvalidParameterError, UnwritableError
from isthmus.data.sinks import SINKS
from isthmus.data.sinks.opening import kept_types, open_sink, sink_kind
from isthmus.data.sinks.sparse import SparseParquetSink
from written_rows import write

ROWS = np.array([[1, 2.25]])


def test_stdout_is_csv(capsysbinary):
    write("-", ROWS, ["x", "y"])
    assert capsysbinary.readouterr().out == b"x,y\n1,2.25\n"


def test_a_closed_stdout_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(UnwritableError, match="cannot write to stdout: it is closed; pass the path of a file"):
        write("-", ROWS, ["x", "y"])


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), BrokenPipeError()])
def test_a_full_disk_behind_stdout_is_named_and_a_closed_pipe_is_left_to_the_caller(error):
    kind = BrokenPipeError if isinstance(error, BrokenPipeError) else UnwritableError
    message = None if kind is BrokenPipeError else "^cannot write to stdout: No space left on device"
    with pytest.raises(kind, match=message), open_sink("-", ["x"], np.float32):
        raise error


def test_a_pipe_without_a_suffix_gets_csv(tmp_path):
    pipe, found = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    write(pipe, ROWS, ["x", "y"])
    reader.join(10)
    assert found == [b"x,y\n1,2.25\n"]


def test_existing_files_and_files_that_are_read_are_not_written_over(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("old")
    with pytest.raises(ExistingFileError, match=r"rows\.csv"):
        write(path, ROWS, ["x", "y"])
    with pytest.raises(ExistingFileError, match=r"rows\.csv"):
        write(path, ROWS, ["x", "y"], overwrite=True, reads=[path])
    assert path.read_text() == "old"
    assert write(path, ROWS, ["x", "y"], overwrite=True).read_text() == "x,y\n1,2.25\n"


def test_a_file_is_complete_only_when_the_block_has_ended(tmp_path):
    path = tmp_path / "rows.parquet"
    with open_sink(path, ["x", "y"], np.float64) as sink:
        sink.write(ROWS)
        assert not path.exists()
    assert pq.read_table(path).to_pylist() == [{"x": 1, "y": 2.25}]


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("codes.parket", "cannot write codes.parket: it has none of the suffixes .*; did you mean '.parquet'?"),
        ("codes", "cannot write codes: it has none of the suffixes"),
        ("codes.gz", "none of the suffixes"),
    ],
)
def test_unknown_suffixes(name, match):
    with pytest.raises(InvalidParameterError, match=match), open_sink(name, ["x"], np.float32):
        pass


@pytest.mark.parametrize("suffix", SINKS)
def test_the_class_is_that_of_the_longest_suffix_in_any_case(suffix):
    for name in (f"a{suffix}", f"A.csv{suffix.upper()}", f"s3://bucket/rows.npy{suffix}"):
        assert sink_kind(name) is SINKS[suffix]
    expected = SparseParquetSink if suffix in (".parquet", ".pq") else SINKS[suffix]
    assert sink_kind(f"a{suffix}", sparse=True) is expected


@pytest.mark.parametrize(
    ("path", "types"),
    [("-", None), ("a.csv", None), ("a.tsv.gz", None), ("a.npy", "numbers"), ("a.pq", "exact"), ("a.arrow", "exact")],
)
def test_how_kept_text_is_typed(path, types):
    assert kept_types(path) == types
