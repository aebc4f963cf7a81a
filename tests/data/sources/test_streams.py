import gc
import io
import os
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_array_equal
from safetensors.numpy import save

from isthmus import Autoencoder
from isthmus.core.errors import BrokenFileError, InvalidDataError
from isthmus.data.sources import open_source
from isthmus.data.sources.streams import copied, copied_stream, is_read_once, with_labels
from opened_rows import read

FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)), columns=list("abc"))


@pytest.fixture
def pipe(tmp_path):
    """A function that makes a named pipe into which something is written, as often as it is read."""

    def made(content, name="pipe", times=1):
        path = tmp_path / name
        os.mkfifo(path)

        def write():
            for _ in range(times):
                path.write_bytes(content)

        threading.Thread(target=write, daemon=True).start()
        return path

    return made


def content(form):
    buffer = io.BytesIO()
    if form == "csv":
        return FRAME.to_csv(index=False).encode()
    if form == "parquet":
        FRAME.to_parquet(buffer)
    elif form == "npy":
        np.save(buffer, FRAME.to_numpy())
    elif form == "safetensors":
        return save({"rows": np.ascontiguousarray(FRAME)})
    else:
        FRAME.to_csv(buffer, index=False, compression="gzip")
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["csv", "parquet", "npy", "csv.gz", "safetensors"])
@pytest.mark.parametrize("named", [True, False])
def test_a_named_pipe_is_read_in_the_format_of_its_name_or_its_content(pipe, form, named):
    source = open_source(pipe(content(form), f"rows.{form}" if named else "pipe"))
    assert_array_equal(read(source), FRAME.to_numpy())
    assert_array_equal(read(source), FRAME.to_numpy())


def test_a_copy_is_removed_with_its_source(pipe):
    files = copied(pipe(content("csv")))
    (copy,) = files.files
    source = open_source(files)
    del files
    gc.collect()
    assert copy.exists()
    del source
    gc.collect()
    assert not copy.parent.exists()


def test_a_model_fits_and_uses_a_pipe_once(pipe):
    model = Autoencoder(1, hidden_layer_sizes=(), max_epochs=1, random_state=0).fit(pipe(content("csv"), "a"))
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    assert_array_equal(model.transform(pipe(content("csv"), "b")), model.transform(FRAME))
    assert_array_equal(model.transform(pipe(content("parquet"), "c")), model.transform(FRAME))


def test_kept_columns_of_a_pipe(pipe, tmp_path):
    model = Autoencoder(1, hidden_layer_sizes=(), max_epochs=1, random_state=0).fit(FRAME)
    table = FRAME.assign(id=range(60)).to_csv(index=False).encode()
    assert model.transform_to(pipe(table), tmp_path / "codes.parquet", keep=["id"]) == 60
    assert pq.read_table(tmp_path / "codes.parquet").column_names == ["id", "autoencoder0"]


def test_an_empty_pipe_and_a_closed_stdin(pipe, monkeypatch):
    with copied_stream(pipe(b"")) as path, pytest.raises(InvalidDataError, match="is empty") as caught:
        open_source(path)
    assert "pipe is empty" in with_labels(str(caught.value))
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(BrokenFileError, match="stdin is closed; pass the path of a file"), copied_stream("-"):
        pass


def test_stdin(monkeypatch):
    for name in ("-", "/dev/stdin", "/dev/fd/0"):
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content("parquet"))))
        with copied_stream(name) as path:
            assert_array_equal(read(open_source(path)), FRAME.to_numpy())
        assert not Path(path).exists()


def test_other_locations_are_not_copied(tmp_path):
    (tmp_path / "x.csv").write_bytes(content("csv"))
    for where in (tmp_path, tmp_path / "x.csv", str(tmp_path / "*.csv"), [tmp_path / "x.csv"], FRAME, "s3://a/b.csv"):
        assert not is_read_once(where)
        assert copied(where) is where
