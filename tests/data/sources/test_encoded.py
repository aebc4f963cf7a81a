import re
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

import mixed
from isthmus.core.errors import BrokenFileError, InvalidDataError, IsthmusWarning
from isthmus.data.encoding import TableEncoding
from isthmus.data.sources import ArraySource, open_source
from isthmus.data.sources.encoded import EncodedSource, EncodedTable, is_mixed, open_mixed
from isthmus.data.sources.spooled import gathered_rows

COLUMNS = ["x", "count", "flag", "home", "day", "when"]


def table(n_rows=50, seed=0):
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "x": pl.Series(mixed.holes(rng, rng.normal(size=n_rows).tolist()), dtype=pl.Float64),
            "count": mixed.holes(rng, rng.integers(0, 9, n_rows).tolist()),
            "flag": mixed.holes(rng, (rng.random(n_rows) > 0.5).tolist()),
            "home": mixed.holes(rng, rng.choice(["own", 'a "b", c', "NA"], n_rows).tolist()),
            "day": [moment.date() for moment in mixed.times(rng, n_rows)],
            "when": mixed.holes(rng, mixed.times(rng, n_rows)),
        }
    ).to_arrow()


def write(rows, path):
    if path.suffix == ".csv":
        pl.from_arrow(rows).write_csv(path, datetime_format="%Y-%m-%d %H:%M:%S")
    elif path.suffix == ".parquet":
        parquet.write_table(rows, path, row_group_size=13)
    else:
        feather.write_feather(rows, path, chunksize=13)
    return path


def all_rows(source):
    return np.concatenate([block.values for block in source.blocks()])


@pytest.mark.parametrize("library", list(mixed.FRAMES))
def test_taken_rows_are_encoded_rows(library):
    frame = mixed.FRAMES[library](0)
    source = open_mixed(frame, datetimes="calendar")
    rows = source.encoding.encode(frame)
    chosen = np.array([3, 0, 39, 3])
    out = np.empty((4, source.schema.n_features), source.dtype)
    source.take(chosen, out)
    np.testing.assert_array_equal(out, rows[chosen])
    np.testing.assert_array_equal(all_rows(source), rows)
    np.testing.assert_array_equal(np.concatenate([block.values for block in source.blocks(5, 9)]), rows[5:9])
    assert (source.random_access, source.n_rows, source.schema) == (True, 40, source.encoding.schema)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".feather"])
def test_a_file_is_encoded_as_the_frame_in_it(tmp_path, suffix):
    rows = table()
    source = open_mixed(write(rows, tmp_path / f"t{suffix}"))
    expected = TableEncoding.learn(rows).encode(rows)
    assert isinstance(source, EncodedTable)
    np.testing.assert_array_equal(all_rows(source), expected)
    np.testing.assert_array_equal(np.concatenate([block.values for block in source.blocks(7, 20)]), expected[7:20])
    decoded = source.encoding.decode(expected)
    assert pl.from_arrow(decoded).equals(pl.from_arrow(rows))
    assert source.fingerprint == open_mixed(tmp_path / f"t{suffix}").fingerprint
    assert source.fingerprint != open_mixed(tmp_path / f"t{suffix}", datetimes="calendar").fingerprint


@pytest.mark.parametrize("most_bytes", [0, 1 << 20])
def test_gathered_rows_are_the_same_and_keep_one_number_for_each_cell(tmp_path, most_bytes):
    rows = table()
    source = open_mixed(write(rows, tmp_path / "t.csv"))
    gathered = gathered_rows(source, most_bytes)
    assert isinstance(gathered, EncodedSource)
    assert gathered.codes.values.shape == (50, len(COLUMNS))
    out, again = (np.empty((3, source.schema.n_features), source.dtype) for _ in range(2))
    gathered.take(np.array([49, 2, 2]), out)
    source.take(np.array([49, 2, 2]), again)
    np.testing.assert_array_equal(out, source.encoding.encode(rows)[[49, 2, 2]])
    np.testing.assert_array_equal(again, out)


def test_blocks_of_many_columns_are_small(tmp_path, monkeypatch):
    monkeypatch.setattr("isthmus.data.sources.encoded.block_rows", lambda row_bytes: 8)
    source = open_mixed(write(table(), tmp_path / "t.parquet"))
    blocks = list(source.blocks())
    assert max(len(block.values) for block in blocks) == 8
    starts = np.cumsum([0, *(len(block.values) for block in blocks)])
    assert [block.start for block in blocks] == starts[:-1].tolist()


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_other_columns_are_read_with_the_rows(tmp_path, suffix):
    rows = table()
    path = write(rows.append_column("who", pa.array([f"{k:03}" for k in range(50)])), tmp_path / f"t{suffix}")
    source = open_mixed(path, drop=["who"])
    assert source.schema.names[:2] == ("x", "count")
    assert source.kept_schema(["who", "home"]).names == ["who", "home"]
    blocks, kept = zip(*source.blocks_keeping(["who", "home", "count"]), strict=True)
    np.testing.assert_array_equal(np.concatenate([block.values for block in blocks]), source.encoding.encode(rows))
    assert pa.Table.from_batches(kept)["who"].to_pylist() == [f"{k:03}" for k in range(50)]


def test_columns_are_chosen_as_of_any_table(tmp_path):
    path = write(table(), tmp_path / "t.csv")
    assert open_mixed(path, columns=["home", "x"]).schema.names == ("home=NA", 'home=a "b", c', "home=own", "x")
    assert type(open_mixed(path, columns=["x", "count"])) is type(open_source(path, columns=["x", "count"]))


def test_rows_of_numbers_are_opened_as_before(tmp_path):
    path = write(table().select(["x", "count", "flag"]), tmp_path / "t.csv")
    np.testing.assert_array_equal(all_rows(open_mixed(path)), all_rows(open_source(path)))
    assert isinstance(open_mixed(np.zeros((3, 2))), ArraySource)
    frame = pl.DataFrame({"a": [1, 2], "b": [True, False]})
    assert not is_mixed(frame)
    assert open_mixed(frame).schema == open_source(frame).schema
    assert open_mixed(frame, encoding=TableEncoding.learn(frame)).schema.names == ("a", "b")


def test_a_data_set_in_memory_is_encoded_in_pieces():
    from pyarrow import dataset

    rows = table()
    source = open_mixed(dataset.dataset(rows))
    assert isinstance(source, EncodedTable)
    np.testing.assert_array_equal(all_rows(source), TableEncoding.learn(rows).encode(rows))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_folder_is_one_table(tmp_path, suffix):
    rows = table()
    for number, start in enumerate((0, 20, 40)):
        write(rows.slice(start, 20), tmp_path / f"{number}{suffix}")
    source = open_mixed(tmp_path)
    assert repr(source.encoding.columns) == repr(TableEncoding.learn(rows).columns) or suffix == ".csv"
    np.testing.assert_array_equal(all_rows(source), source.encoding.encode(rows))


def test_a_known_encoding_decides_what_text_is(tmp_path):
    frame = pd.DataFrame({"zip": ["0123", "A1", "77"], "n": [1, 2, 3]})
    encoding = TableEncoding.learn(frame)
    path = tmp_path / "t.csv"
    path.write_text("n,zip\n5,0123\n6,77\n")
    rows = all_rows(open_mixed(path, encoding=encoding, columns=["zip", "n"]))
    assert rows.tolist() == [[1, 0, 0, 5], [0, 1, 0, 6]]


def test_unknown_levels_of_a_file_are_said_once_for_all_blocks(tmp_path):
    encoding = TableEncoding.learn(table().select(["home"]))
    path = write(pa.table({"home": ["new"] * 40}), tmp_path / "t.parquet")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert all_rows(open_mixed(path, encoding=encoding)).sum() == 0
    assert [warning.category for warning in caught] == [IsthmusWarning]
    assert "column 'home' has 40 cells" in str(caught[0].message)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["1", "2", "none", "4", "5"], "'a' holds 'none' in row 2 .*which is not a number; if it is a missing cell"),
        (["x", "1", "2"], "column 'a' holds 'x' in row 0"),
    ],
)
def test_a_bad_cell_among_numbers_is_no_category(tmp_path, cells, message):
    path = tmp_path / "t.csv"
    path.write_text("".join(f"{cell},k{place}\n" for place, cell in enumerate(["a", *cells])))
    with pytest.raises(InvalidDataError, match=message):
        open_mixed(path)


@pytest.mark.parametrize(
    ("usual", "bad", "message"),
    [("{}.25", "none", "row 50,000"), ("2020-01-01", "soon", "row 50,000 .* not a date or time")],
    ids=["number", "date"],
)
def test_a_bad_cell_far_below_is_named(tmp_path, usual, bad, message):
    path = tmp_path / "t.csv"
    lines = [f"{usual.format(k)},{'xy'[k % 2] * 200}" for k in range(60_000)]
    lines[50_000] = f"{bad},x"
    path.write_text("\n".join(["a,b", *lines]))
    with pytest.raises(InvalidDataError, match=rf"^\S+t.csv: column 'a' holds '{bad}' in {message}"):
        open_mixed(path)


def test_digits_stay_numbers_and_text_with_a_few_numbers_is_a_category(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("zip,code\n01234,A\n99,7\n5,B\n")
    assert open_mixed(path).schema.names == ("zip", "code=7", "code=A", "code=B")


def test_integers_of_text_that_get_a_fraction_are_numbers(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("n,m,c\n1,1,a\n2,2.5,b\n,3,c\n")
    kinds = [(column.kind, column.dtype) for column in open_mixed(path).encoding.columns]
    assert kinds[:2] == [("integer", ("int64",)), ("real", ("float64",))]


def test_a_column_of_text_in_one_file_and_numbers_in_another_is_refused(tmp_path):
    (tmp_path / "0.csv").write_text("a,b\nx,1\ny,2\n")
    (tmp_path / "1.csv").write_text("a,b\n1,1\n2,2\n")
    with pytest.raises(
        InvalidDataError, match=r"column 'a' holds text \(string\) in .*0.csv, but int64 values in .*1.csv"
    ):
        open_mixed(tmp_path)


def test_what_cannot_be_encoded_is_named_with_its_file(tmp_path):
    rows = pa.table({"a": [1, 2], "raw": [b"x", b"y"]})
    with pytest.raises(InvalidDataError, match=r"t.parquet: column 'raw' holds bytes .*; it cannot be encoded"):
        open_mixed(write(rows, tmp_path / "t.parquet"))
    people = pa.table({"who": [f"p{k}" for k in range(60)]})
    with pytest.raises(InvalidDataError, match=r"t\.parquet: column 'who' has 60 different values"):
        open_mixed(write(people, tmp_path / "t.parquet"))


def test_rows_that_are_no_table_have_no_columns_to_encode(tmp_path):
    np.save(tmp_path / "rows.npy", np.zeros((2, 6)))
    encoding = TableEncoding.learn(table())
    with pytest.raises(InvalidDataError, match=r"rows.npy is no table, but the model was fitted on one"):
        open_mixed(tmp_path / "rows.npy", encoding=encoding)


def test_text_where_the_fit_saw_numbers_is_named(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("n,c\nmany,a\nfew,b\n")
    encoding = TableEncoding.learn(pa.table({"n": [1, 2], "c": ["a", "b"]}))
    with pytest.raises(InvalidDataError, match=r"column 'n' holds text .*such as 'many' in row 0"):
        open_mixed(path, encoding=encoding)


@pytest.mark.parametrize(
    ("mark", "said"), [(" ", "spaces separate its cells, pass delimiter='space'"), *((m, f"'{m}'") for m in ":^~!")]
)
def test_columns_that_other_marks_separate_are_no_category(tmp_path, mark, said):
    path = tmp_path / "t.csv"
    path.write_text("size color\n1 red\n2 blue\n".replace(" ", mark))
    with pytest.raises(InvalidDataError, match=f"if {re.escape(said)}"):
        open_mixed(path)
    assert open_mixed(path, delimiter=mark).schema.names == ("size", "color=blue", "color=red")


def test_blocks_of_numbers_of_a_mixed_table_are_refused(tmp_path):
    source = open_source(write(table(), tmp_path / "t.csv"), kinds={})
    with pytest.raises(InvalidDataError, match=r"column 'home' holds text .* only numbers and booleans can be read"):
        next(source.blocks())


def test_a_late_letter_of_another_encoding_is_named_with_its_line(tmp_path):
    (tmp_path / "late.csv").write_bytes(("a,b\n" + "1,2\n" * 5000 + "3,é\n").encode("latin-1"))
    with pytest.raises(BrokenFileError, match="is not UTF-8 text: line 5,002"):
        open_mixed(tmp_path / "late.csv")
