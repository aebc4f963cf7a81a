import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from isthmus import Autoencoder
from isthmus.core.errors import InvalidDataError, MissingFileError
from isthmus.data.sources import NpySource, open_source
from isthmus.data.sources.places import FileList, is_location, locate

FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(90, 3)), columns=list("abc"))


def read(source):
    return np.concatenate([block.values for block in source.blocks()])


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
