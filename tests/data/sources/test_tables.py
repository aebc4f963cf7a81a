import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_array_equal

from isthmus.core.errors import (
    BrokenFileError,
    InvalidDataError,
    InvalidParameterError,
    IsthmusWarning,
    MissingFileError,
)
from isthmus.data.sources import ParquetSource, open_source
from opened_rows import read, refused, text


def test_columns_and_drop(write):
    path = write({"a.b": [1, 2], "name": ["x", "y"], "c": [3, 4], "d": [5, 6]})
    assert_array_equal(read(open_source(path, columns=["d", "a.b"])), [[5, 1], [6, 2]])
    assert open_source(path, drop=["name"]).schema.names == ("a.b", "c", "d")
    assert open_source(path, columns=["d", "name"], drop=["name"]).schema.names == ("d",)
    refused(InvalidDataError, path, r"column 'name' holds text \(string\), .*drop=\['name'\]")
    refused(
        InvalidParameterError, path, r"columns: .*no column 'nam', only 'a.b', .*did you mean 'name'", columns=["nam"]
    )
    refused(InvalidParameterError, path, "drop: .*no column 'e'", drop=["e"])
    refused(InvalidParameterError, path, r"pass a list, drop=\['name'\]", drop="name")
    refused(InvalidParameterError, path, "twice", columns=["c", "c"])
    refused(InvalidParameterError, path, "no column .* is left", columns=["name"], drop=["name"])


@pytest.mark.parametrize(
    ("values", "what"),
    [
        (pa.array(["a"]), "text"),
        (pa.array(["a"]).dictionary_encode(), "categories"),
        (pa.array([0]).cast(pa.timestamp("s")), "dates or times"),
        (pa.array([["a", "b"]]), "nested values"),
        (pa.array([b"a"]), "bytes"),
    ],
)
def test_refused_columns(write, values, what):
    path = write({"a": [1], "odd": values})
    refused(InvalidDataError, path, rf"column 'odd' holds {what}.* leave it out with drop=\['odd'\]")
    assert_array_equal(read(open_source(path, drop=["odd"])), [[1]])


def test_folder(write, tmp_path):
    folder = tmp_path / "folder"
    (folder / "b").mkdir(parents=True)
    parts = [write({"a": [1, 2], "b": [3, 4]}), write({"b": [0.5], "a": [6.5]}, "other")]
    suffix = parts[0].suffix
    parts[0].rename(folder / f"a{suffix}")
    parts[1].rename(folder / "b" / f"a{suffix}")
    (folder / "_SUCCESS").touch()
    (folder / f".hidden{suffix}").write_text("no table")
    (folder / f"empty{suffix}").touch()
    source = open_source(folder)
    assert source.n_rows == 3
    assert source.dtype == "f8"
    assert_array_equal(read(source), [[1, 3], [2, 4], [6.5, 0.5]])
    assert [(b.start, b.values.tolist()) for b in source.blocks(2)] == [(2, [[6.5, 0.5]])]
    write({"a": [1]}).rename(folder / f"c{suffix}")
    refused(BrokenFileError, folder, "has no column 'b', but .* of this table has one")
    write({"a": [1], "b": [2], "c": [3]}).rename(folder / f"c{suffix}")
    refused(BrokenFileError, folder, "has a column 'c', but .* of this table has none")
    write({"a": [1], "b": ["x"]}).rename(folder / f"c{suffix}")
    refused(InvalidDataError, folder, f"c{suffix}: column 'b' holds text")
    (folder / f"c{suffix}").rename(folder / "readme.txt")
    refused(InvalidDataError, folder, "holds readme.txt next to tables like")
    (folder / "readme.txt").rename(folder / "rows.npy")
    refused(InvalidDataError, folder, "holds several formats, .*rows.npy")


def test_columns_of_one_name(write):
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"])
    refused(InvalidDataError, write(table), "more than one column named 'a'")


@settings(deadline=None, max_examples=15)
@given(
    hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)),
    st.sampled_from([".csv", ".parquet", ".feather", ".npy"]),
)
def test_every_float_is_read_back_exactly(values, suffix):
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"rows{suffix}"
        columns = {f"c{i}": column for i, column in enumerate(values.T)}
        if suffix == ".csv":
            pd.DataFrame(columns).to_csv(path, index=False, na_rep="nan")
        elif suffix == ".npy":
            np.save(path, values)
        elif suffix == ".parquet":
            pq.write_table(pa.table(columns), path)
        else:
            pyarrow.feather.write_feather(pa.table(columns), path)
        assert_array_equal(read(open_source(path)), values)


def test_empty_folder(tmp_path):
    (tmp_path / "_SUCCESS").touch()
    with pytest.raises(InvalidDataError, match="holds no files"):
        ParquetSource(tmp_path)
    with pytest.raises(MissingFileError):
        ParquetSource(tmp_path / "none")


def test_only_wanted_files_are_read(write, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    for i in range(3):
        path = write({"a": [i * 10, i * 10 + 1]})
        path.rename(folder / f"{i}{path.suffix}")
    source = open_source(folder)
    source._parts[0] = None
    assert next(source.blocks(3)).values.tolist() == [[11]]  # would fail on the first file


def test_take_keeps_the_table(tmp_path):
    path = text(tmp_path, "a,b\n1,2\n3,4\n")
    source = open_source(path)
    out = np.empty((1, 2))
    source.take(np.array([1]), out)
    path.unlink()
    source.take(np.array([0]), out)
    assert_array_equal(out, [[1, 2]])
    assert source.n_rows == 2
    assert not source.random_access


def test_fingerprint(tmp_path):
    path = text(tmp_path, "a,b\n1,2\n3,4\n")
    known = open_source(path).fingerprint
    assert open_source(path, columns=["a"]).fingerprint != known
    assert open_source(path.rename(tmp_path / "other.csv")).fingerprint == known


def test_columns_in_the_names_of_folders_warn(tmp_path):
    table = pa.table({"a": [1.0, 2.0, 3.0], "year": [2023, 2024, 2024]})
    pq.write_to_dataset(table, tmp_path / "run=1/hive", partition_cols=["year"])
    with pytest.warns(IsthmusWarning, match=r"the column 'year', .* such as year=2023, is not read") as caught:
        assert read(open_source(tmp_path / "run=1/hive")).shape == (3, 1)
    assert len(caught) == 1
    hive = pa.dataset.dataset(tmp_path / "run=1/hive", partitioning="hive")
    assert read(open_source(hive)).shape == (3, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_source(next((tmp_path / "run=1/hive").rglob("*.parquet")))
