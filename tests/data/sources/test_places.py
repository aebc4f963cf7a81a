import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal

from isthmus import Autoencoder
from isthmus.core.errors import BrokenFileError, InvalidDataError, IsthmusWarning, MissingFileError
from isthmus.data.sinks import open_sink
from isthmus.data.sources import NpySource, open_source
from isthmus.data.sources.places import FileList, is_location, local_files, locate
from opened_rows import read

FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(90, 3)), columns=list("abc"))


@pytest.fixture
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, suffix in enumerate(["csv", "csv", "csv"]):
        FRAME[30 * number : 30 * number + 30].to_csv(f"part-{number}.{suffix}", index=False)
        FRAME[30 * number : 30 * number + 30].to_parquet(f"part-{number}.parquet")
        np.save(f"part-{number}.npy", FRAME[30 * number : 30 * number + 30].to_numpy())
    return tmp_path


@pytest.mark.parametrize("suffix", ["csv", "parquet", "npy"])
def test_a_pattern_is_read_in_the_order_of_names(inside, suffix):
    source = open_source(f"part-*.{suffix}")
    assert_array_equal(read(source), FRAME)
    assert source.schema.n_features == 3
    out = np.empty((3, 3))
    source.take(np.array([89, 0, 30]), out)
    assert_array_equal(out, FRAME.to_numpy()[[89, 0, 30]])


@pytest.mark.parametrize("suffix", ["csv", "parquet", "npy"])
def test_a_list_is_read_in_its_order(inside, suffix):
    source = open_source([f"part-2.{suffix}", inside / f"part-0.{suffix}"])
    assert_array_equal(read(source), np.concatenate([FRAME[60:], FRAME[:30]]))


def test_columns_are_matched_by_name_and_may_be_chosen(inside):
    FRAME[["c", "a", "b"]].to_csv("part-9.csv", index=False)
    source = open_source(["part-0.csv", "part-9.csv"], columns=["b", "c"])
    assert_array_equal(read(source), np.concatenate([FRAME[:30], FRAME])[:, 1:])


def test_every_method_takes_a_pattern_or_a_list(inside):
    model = Autoencoder(2, hidden_layer_sizes=(4,), max_epochs=1, random_state=0).fit("part-*.npy")
    same = Autoencoder(2, hidden_layer_sizes=(4,), max_epochs=1, random_state=0).fit(FRAME.to_numpy())
    codes = same.transform(FRAME.to_numpy())
    for rows in ("part-*.npy", [f"part-{number}.npy" for number in range(3)]):
        assert_array_equal(model.transform(rows), codes)
    assert model.transform_to("part-*.npy", "codes.csv") == 90
    assert abs(model.score("part-*.npy") - same.score(FRAME.to_numpy())) < 1e-12


def test_locations_are_recognised():
    assert is_location("rows.npy") and is_location(["a.npy", "b.npy"]) and is_location(FileList("", ()))
    assert not is_location([]) and not is_location([[1.0, 2.0]]) and not is_location(FRAME) and not is_location(3)


def test_a_file_whose_name_looks_like_a_pattern(tmp_path):
    np.save(tmp_path / "rows[1].npy", np.eye(2))
    assert isinstance(open_source(tmp_path / "rows[1].npy"), NpySource)


@pytest.mark.parametrize(
    ("where", "error", "said"),
    [
        ("", MissingFileError, "the path of the rows is empty"),
        ("none-*.csv", MissingFileError, "no file matches none-*.csv"),
        (["part-0.csv", "part-7.csv"], MissingFileError, "part-7.csv does not exist"),
        (
            ["part-0.csv", "part-0.npy"],
            InvalidDataError,
            "files of several formats, such as part-0.csv and part-0.npy",
        ),
        (["part-0.csv", "."], InvalidDataError, "is a folder; list its files"),
        (["a.idx", "b.idx"], InvalidDataError, "files like b.idx cannot be read from a list"),
    ],
)
def test_locations_that_are_refused(inside, where, error, said):
    for name in ("a.idx", "b.idx"):
        (inside / name).touch()
    with pytest.raises(error) as refusal:
        open_source(where)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_list_of_one_file_is_read_as_the_file(inside):
    assert_array_equal(read(open_source(["part-1.npy"])), FRAME[30:60])
    assert locate("part-1.npy").name == "part-1.npy"


def test_patterns_match_capital_suffixes_and_read_linked_folders_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep").mkdir()
    for name in ("a.csv", "B.CSV", "deep/c.csv"):
        FRAME[:10].to_csv(name, index=False)
    (tmp_path / "deep" / "circle").symlink_to(tmp_path)
    assert [str(file) for file in locate("*.csv").files] == ["B.CSV", "a.csv"]
    assert open_source("**/*.csv").n_rows in (None, 30)
    assert len(read(open_source("**/*.csv"))) == 30
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "link").symlink_to(tmp_path / "deep")
    assert len(read(open_source("elsewhere"))) == 30


# Folders of arrays and data sets -------------------------------------------------------------------------------------


def test_a_folder_of_arrays_is_read_in_the_order_of_names(tmp_path):
    (tmp_path / "more").mkdir()
    for number, name in enumerate(["b.npy", "a.npy", "more/c.npy"]):
        np.save(tmp_path / name, np.full((2, 3), float(number)))
    source = open_source(tmp_path)
    assert_array_equal(read(source)[:, 0], [1, 1, 0, 0, 2, 2])
    out = np.empty((1, 3))
    source.take(np.array([4]), out)
    assert_array_equal(out, [[2, 2, 2]])
    np.save(tmp_path / "d.npy", np.zeros((2, 4)))
    with pytest.raises(InvalidDataError, match=r"d\.npy has rows of 4 float64, but a\.npy of 3 float64"):
        open_source(tmp_path)
    np.save(tmp_path / "d.npy", np.zeros(2))
    with pytest.raises(InvalidDataError, match=r"d\.npy: Expected 2D array"):
        open_source(tmp_path)


def saved_data_set(folder, names=("data-00000-of-00002.arrow", "data-00001-of-00002.arrow")):
    """What Dataset.save_to_disk of Hugging Face writes."""
    folder.mkdir(parents=True)
    (folder / "dataset_info.json").write_text("{}")
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))
    for name, part in zip(names, (FRAME[:50], FRAME[50:]), strict=False):
        table = pa.Table.from_pandas(part, preserve_index=False)
        with pa.OSFile(str(folder / name), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table)


def test_a_data_set_that_hugging_face_saved_is_read(tmp_path):
    saved_data_set(tmp_path / "set")
    (tmp_path / "set" / "cache-0123.arrow").write_bytes(b"of another computation")
    source = open_source(tmp_path / "set")
    assert source.schema.names == ("a", "b", "c")
    assert source.n_rows == 90
    assert_array_equal(read(source), FRAME)
    assert_array_equal(read(open_source(tmp_path / "set", columns=["c"]))[:, 0], FRAME["c"])


def test_splits_of_a_data_set_are_opened_one_by_one(tmp_path):
    for split in ("train", "test"):
        saved_data_set(tmp_path / "sets" / split)
    (tmp_path / "sets" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    with pytest.raises(InvalidDataError, match=r"data set of several splits \(test, train\); open the folder of one"):
        open_source(tmp_path / "sets")
    assert_array_equal(read(open_source(tmp_path / "sets" / "train")), FRAME)


@pytest.mark.parametrize(
    ("state", "error", "match"),
    [
        ("{", BrokenFileError, "does not list the files"),
        ('{"_data_files": [{"filename": "gone.arrow"}]}', MissingFileError, r"gone\.arrow does not exist"),
        ('{"_data_files": []}', InvalidDataError, "holds no files with rows"),
    ],
)
def test_damaged_data_sets(tmp_path, state, error, match):
    saved_data_set(tmp_path / "set")
    (tmp_path / "set" / "state.json").write_text(state)
    with pytest.raises(error, match=match):
        open_source(tmp_path / "set")


def test_a_link_to_nothing_is_named(tmp_path):
    FRAME.to_csv(tmp_path / "1.csv", index=False)
    (tmp_path / "2.csv").symlink_to(tmp_path / "gone.csv")
    with pytest.warns(IsthmusWarning, match=r"2\.csv is not read: it is a link to a file that does not exist"):
        source = open_source(tmp_path)
    assert_array_equal(read(source), FRAME)


# Files that rows are read from ---------------------------------------------------------------------------------------


def test_local_files(inside):
    own = [Path(f"part-{number}.npy") for number in range(3)]
    assert local_files("part-*.npy") == own
    assert local_files([own[1], str(own[0])]) == own[1::-1]
    assert set(local_files(inside)) == set(inside.iterdir())
    assert {file.name for file in local_files(open_source("part-*.npy"))} == {file.name for file in own}
    assert local_files(open_source("part-1.parquet")) == [Path("part-1.parquet")]
    assert [Path(file).name for file in local_files(np.load("part-0.npy", mmap_mode="r")[5:])] == ["part-0.npy"]
    assert local_files(FRAME.assign(path="x", source="y")) == local_files(np.zeros(3)) == []
    assert local_files("gone.csv") == local_files("s3://bucket/x.csv") == []


@pytest.mark.parametrize(
    "suffix", [".csv", ".csv.gz", ".csv.zst", ".parquet", ".feather", "-stream.arrow", "-sparse.parquet"]
)
def test_a_name_that_is_not_utf8(tmp_path, suffix):
    table = pa.table({"a": [1.0, 2.0, 4.0], "b": [0.5, 3.0, 0.0]})
    rows = np.column_stack([table["a"], table["b"]])
    plain = tmp_path / f"rows{suffix}"
    if suffix == "-stream.arrow":
        with pa.OSFile(str(plain), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table)
    else:
        with open_sink(plain, table.column_names, np.float64, sparse="sparse" in suffix) as sink:
            sink.write(rows)
    path = Path(os.fsdecode(bytes(tmp_path) + b"/r\xe9sum\xe9" + suffix.encode()))
    try:
        plain.rename(path)
    except OSError:
        pytest.skip("names are UTF-8 on this file system")
    source = open_source(path)
    for _ in range(2):
        assert_array_equal(np.concatenate([block.values for block in source.blocks()]), rows)
