import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_array_equal

from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.data.groups import Groups, LastRows, groups_of, split_by
from isthmus.data.sources import open_source

rng = np.random.default_rng(0)
ROWS = rng.normal(size=(400, 3))
SITES = np.array([f"site {number}" for number in rng.integers(0, 20, 400)])
FRAME = pd.DataFrame(ROWS, columns=list("abc")).assign(site=SITES)
FORMATS = ("pandas", "categories", "polars", "pyarrow", "csv", "parquet", "source", "data set")


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grouped")
    FRAME.to_csv(folder / "rows.csv", index=False)
    pq.write_table(pa.Table.from_pandas(FRAME), folder / "rows.parquet", row_group_size=70)
    return {
        "pandas": FRAME,
        "categories": FRAME.astype({"site": "category"}),
        "polars": pl.from_pandas(FRAME),
        "pyarrow": pa.Table.from_pandas(FRAME),
        "csv": folder / "rows.csv",
        "parquet": str(folder / "rows.parquet"),
        "source": open_source(folder / "rows.parquet", drop=["site"]),
        "data set": ds.dataset(folder / "rows.parquet"),
    }


@pytest.mark.parametrize("name", FORMATS)
def test_whole_groups_are_held_out_the_same_in_every_format(name, tables):
    expected = split_by(FRAME, "site")[1](7, 0.25)
    rows, hold = split_by(tables[name], "site")
    holdout = hold(7, 0.25)
    assert str(hold) == "site"
    assert_array_equal(holdout.held, expected.held)
    assert not set(SITES[holdout.held]) & set(SITES[~holdout.held])
    assert 0.25 <= holdout.share < 0.25 + 0.1
    assert open_source(rows).schema.names == ("a", "b", "c")
    assert (hold(8, 0.25).held != holdout.held).any()


def test_the_last_rows_are_held_out():
    holdout = LastRows(100)(0, 0.1)
    assert_array_equal(np.flatnonzero(holdout.held), np.arange(90, 100))
    assert holdout.count(95) == 5
    assert_array_equal(holdout.mask(88, 92), [False, False, True, True])
    assert LastRows(1)(0, 0.1).held.tolist() == [False]


def test_rows_are_counted_whatever_their_format(tmp_path):
    file = tmp_path / "rows.csv"
    np.savetxt(file, ROWS, delimiter=",")
    for given in (ROWS, ROWS.tolist(), FRAME[list("abc")], file, str(file), [file], open_source(ROWS)):
        rows, hold = split_by(given, "last")
        assert str(hold) == "last"
        assert np.flatnonzero(hold(0, 0.1).held).tolist() == list(range(360, 400))
        assert open_source(rows).n_rows == 400


def test_a_missing_value_is_a_group():
    codes = split_by(FRAME.assign(site=[None] * 100 + ["x"] * 300), "site")[1].codes
    assert len(set(codes[:100])) == len(set(codes[100:])) == 1
    assert codes[0] != codes[-1]


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_each_side_has_at_least_one_group(share):
    holdout = Groups("g", np.array([0, 0, 1, 1, 2, 2]), ["a", "b", "c"])(3, share)
    assert 0 < holdout.held.sum() < 6


@pytest.mark.parametrize(("rows", "by"), [(ROWS, "site"), (FRAME, "sight"), (pl.from_pandas(FRAME), "sight")])
def test_an_unknown_column_is_refused(rows, by):
    with pytest.raises(InvalidParameterError, match="is neither 'last' nor a column of these rows"):
        split_by(rows, by)


@pytest.mark.parametrize(
    ("rows", "said"), [(FRAME.assign(site="x"), "all rows are of one group, 'x'"), (FRAME[:0], "there are no rows")]
)
def test_fewer_than_two_groups_are_refused(rows, said):
    with pytest.raises(InvalidDataError, match=said):
        split_by(rows, "site")


def test_a_column_that_the_source_reads_is_refused(tables):
    source = open_source(tables["parquet"], columns=["a", "b"])
    with pytest.raises(InvalidParameterError, match=r"open it with drop=\['a'\]"):
        split_by(source, "a")


# Groups given as an array ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values", [np.repeat([3, 1, 2, 9], 5), np.repeat(["a", "b", "", "c"], 5), [None, 1.5, "x", 2] * 5]
)
def test_given_groups_are_held_out_whole(values):
    hold = groups_of(values, 20)
    held = hold(0, 0.2).mask(0, 20)
    keys = np.array([str(value) for value in values])
    assert set(keys[held]).isdisjoint(keys[~held])
    assert 0 < held.sum() < 20
    assert hold(0, 0.2).groups is hold.codes


def test_given_groups_are_identified_by_all_of_them():
    first, other = np.repeat([0, 1], 10), np.r_[np.repeat([0, 1], 9), 1, 0]
    digests = [groups_of(values, 20).digest for values in (first, first.copy(), other, first * 7)]
    assert digests[0] == digests[1]
    assert len({*digests}) == 3


def test_groups_need_one_value_for_each_row():
    with pytest.raises(
        InvalidDataError, match=r"groups has shape \(3,\), but there are 4 rows; pass one value for each"
    ):
        groups_of([1, 2, 3], 4)
    with pytest.raises(InvalidDataError, match="groups: all rows are of one group, '1'; hold out single rows instead"):
        groups_of([1, 1, 1], 3)


def test_the_last_rows_of_a_table_of_mixed_columns(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,c\n1,x\n2,y\n3,x\n4,y\n")
    rows, hold = split_by(path, "last")
    assert rows.is_mixed
    assert hold(0, 0.5).mask(0, 4).tolist() == [False, False, True, True]


def test_groups_of_a_table_of_mixed_columns(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,c,g\n1,x,p\n2,y,q\n3,x,p\n4,y,p\n")
    rows, hold = split_by(path, "g")
    assert rows.is_mixed
    assert rows.schema.names == ("a", "c")
    assert hold(0, 0.5).mask(0, 4).sum() in (1, 3)
