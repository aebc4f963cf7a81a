import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array

from isthmus.core.errors import InvalidDataError, InvalidParameterError, IsthmusWarning, MissingFileError
from isthmus.data.sources import ArraySource, open_source
from isthmus.data.sources.opening import column_names, is_iterator, is_sequence, source_kind
from opened_rows import read

ROWS = np.arange(24, dtype=np.float64).reshape(8, 3)
FRAME = pd.DataFrame(ROWS, columns=["a", "b", "c"])


WRITERS = {
    "rows.npy": lambda path: np.save(path, ROWS),
    "rows.npz": lambda path: np.savez(path, x=ROWS),
    "rows.csv": lambda path: FRAME.to_csv(path, index=False),
    "rows.tsv": lambda path: FRAME.to_csv(path, index=False, sep="\t"),
    "rows.csv.gz": lambda path: FRAME.to_csv(path, index=False),
    "rows.parquet": lambda path: FRAME.to_parquet(path),
    "rows.feather": lambda path: FRAME.to_feather(path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_is_read_by_its_suffix(tmp_path, name):
    WRITERS[name](tmp_path / name)
    for given in (tmp_path / name, str(tmp_path / name)):
        assert_array_equal(read(open_source(given)), ROWS)


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet", "rows.npy"])
def test_a_folder_a_pattern_and_a_list_are_the_rows_of_their_files(tmp_path, name):
    for number in range(3):
        WRITERS[name](tmp_path / f"{number}-{name}")
    files = sorted(tmp_path.iterdir())
    for given in (tmp_path, str(tmp_path / f"*-{name}"), files):
        assert_array_equal(read(open_source(given)), np.tile(ROWS, (3, 1)))
    assert_array_equal(read(open_source(files[:1])), ROWS)


@pytest.mark.parametrize(
    "data",
    [ROWS, ROWS.tolist(), FRAME, csr_array(ROWS), list(ROWS), ArraySource(ROWS)],
    ids=lambda data: type(data).__name__,
)
def test_objects(data):
    source = open_source(data)
    rows = np.empty((8, 3))
    source.take(np.arange(8), rows)
    assert_array_equal(rows, ROWS)
    assert open_source(source) is source


def test_names_are_those_of_a_frame_or_a_file(tmp_path):
    FRAME.to_csv(tmp_path / "a.csv", index=False)
    assert list(open_source(FRAME).schema.names) == ["a", "b", "c"]
    assert column_names(tmp_path / "a.csv") == ["a", "b", "c"]
    assert column_names(ROWS) == []
    assert not open_source(FRAME.rename(columns={"a": 0})).schema.named


def test_columns_are_chosen_in_the_order_that_is_asked_for(tmp_path):
    FRAME.to_csv(tmp_path / "a.csv", index=False)
    assert_array_equal(read(open_source(tmp_path / "a.csv", columns=["c", "a"])), ROWS[:, [2, 0]])
    assert_array_equal(read(open_source(tmp_path / "a.csv", drop=["b"])), ROWS[:, [0, 2]])


@pytest.mark.parametrize(
    ("data", "options", "error", "message"),
    [
        (ROWS, {"columns": ["a"]}, InvalidParameterError, "columns= does not apply to ndarray, which takes no options"),
        ("a.npy", {"delimiter": ";"}, InvalidParameterError, "delimiter= does not apply to .*a.npy"),
        ("none.csv", {}, MissingFileError, "none.csv"),
        ("a.xyz", {}, InvalidParameterError, "a.xyz has"),
        (iter(ROWS), {}, InvalidDataError, "can be read only once, and rows are read several times"),
    ],
)
def test_what_cannot_be_opened_is_one_line(tmp_path, data, options, error, message):
    if isinstance(data, str):
        np.save(tmp_path / "a.npy", ROWS)
        (tmp_path / "a.xyz").write_text("")
        data = tmp_path / data
    with pytest.raises(error, match=message) as caught:
        open_source(data, **options)
    assert "\n" not in str(caught.value)


def test_several_formats_are_refused(tmp_path):
    for name in ("rows.csv", "rows.parquet"):
        WRITERS[name](tmp_path / name)
    with pytest.raises(InvalidDataError, match=r"holds several formats, such as rows.csv and rows.parquet; keep one"):
        source_kind(tmp_path)
    with pytest.raises(InvalidDataError, match="are files of several formats"):
        source_kind(sorted(tmp_path.iterdir()))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidDataError, match="holds no pictures and no tables"):
        source_kind(tmp_path / "empty")
    (tmp_path / "empty" / "notes.pdf").write_text("")
    with pytest.raises(InvalidDataError, match=r"holds no pictures and no tables, only files like notes.pdf"):
        source_kind(tmp_path / "empty")


def test_hidden_files_are_not_read(tmp_path):
    WRITERS["rows.csv"](tmp_path / "rows.csv")
    (tmp_path / ".hidden.parquet").write_bytes(b"")
    with warnings.catch_warnings():
        warnings.simplefilter("error", IsthmusWarning)
        assert_array_equal(read(open_source(tmp_path)), ROWS)


def test_sequences_and_iterators():
    class Rows:
        def __len__(self):
            return 2

        def __getitem__(self, number):
            return ROWS[number]

    assert is_sequence(Rows())
    assert not any(map(is_sequence, (ROWS, FRAME, [1], (1,), "ab", {"a": 1})))
    assert is_iterator(iter([1]))
    assert not is_iterator([1])
    assert_array_equal(read(open_source(Rows())), ROWS[:2])
