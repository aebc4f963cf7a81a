import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_array_equal

from isthmus import Autoencoder, open_source
from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.estimators.grouping import Groups, LastRows, holdout_by

rng = np.random.default_rng(0)
ROWS = rng.normal(size=(400, 3))
SITES = np.array([f"site {number}" for number in rng.integers(0, 20, 400)])
FRAME = pd.DataFrame(ROWS, columns=list("abc")).assign(site=SITES)
MODEL = Autoencoder(2, hidden_layer_sizes=(4,), max_epochs=2, random_state=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grouped")
    FRAME.to_csv(folder / "rows.csv", index=False)
    pq.write_table(pa.Table.from_pandas(FRAME), folder / "rows.parquet", row_group_size=70)
    return folder


def sources(folder):
    return {
        "pandas": FRAME,
        "categories": FRAME.astype({"site": "category"}),
        "polars": pl.from_pandas(FRAME),
        "csv": folder / "rows.csv",
        "parquet": str(folder / "rows.parquet"),
        "source": open_source(folder / "rows.parquet", drop=["site"]),
    }


@pytest.mark.parametrize("name", ["pandas", "categories", "polars", "csv", "parquet", "source"])
def test_groups_are_held_back_whole_and_alike_whatever_the_format(name, folder):
    expected = holdout_by(MODEL, FRAME, "site", None)[1](7, 0.25)
    rows, groups = holdout_by(MODEL, sources(folder)[name], "site", None)
    held = groups(7, 0.25)
    assert_array_equal(held.held, expected.held)
    inside, outside = set(SITES[held.held]), set(SITES[~held.held])
    assert not inside & outside
    assert 0.25 <= held.share < 0.25 + 0.1
    names = (
        rows.schema.names
        if hasattr(rows, "schema") and not hasattr(rows, "filter")
        else list(open_source(rows).schema.names)
    )
    assert list(names) == ["a", "b", "c"]
    assert (groups(8, 0.25).held != held.held).any()


@pytest.mark.parametrize("name", ["pandas", "csv", "parquet"])
def test_a_fit_by_groups_learns_what_one_with_those_rows_apart_does(name, folder):
    model = Autoencoder(2, hidden_layer_sizes=(4,), max_epochs=3, random_state=0, validation_fraction=0.3)
    model.fit(sources(folder)[name], validation_by="site")
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    held = holdout_by(MODEL, FRAME, "site", None)[1](0, 0.3)
    scaler = model.scaler_
    np.testing.assert_allclose(scaler.affine[0], ROWS[~held.held].mean(0), atol=1e-9)


def test_the_last_rows_are_held_back(tmp_path):
    held = LastRows(100)(0, 0.1)
    assert_array_equal(np.flatnonzero(held.held), np.arange(90, 100))
    assert held.count(95) == 5
    assert_array_equal(held.mask(88, 92), [False, False, True, True])
    np.savetxt(tmp_path / "rows.csv", ROWS, delimiter=",")
    for rows in (ROWS, tmp_path / "rows.csv", ROWS.tolist()):
        model = Autoencoder(2, hidden_layer_sizes=(4,), max_epochs=2, random_state=0).fit(rows, validation_by="last")
        np.testing.assert_allclose(model.scaler_.affine[0], ROWS[:360].mean(0), atol=1e-9)


def test_a_missing_value_is_a_group():
    codes = holdout_by(MODEL, FRAME.assign(site=[None] * 100 + ["x"] * 300), "site", None)[1].codes
    assert len(set(codes[:100])) == len(set(codes[100:])) == 1
    assert codes[0] != codes[-1]


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_some_groups_stay_on_each_side(share):
    held = Groups("g", np.array([0, 0, 1, 1, 2, 2]), ["a", "b", "c"])(3, share)
    assert 0 < held.held.sum() < 6


@pytest.mark.parametrize(
    ("rows", "by", "options", "said"),
    [
        (ROWS, "site", {}, "is neither 'last' nor a column of these rows"),
        (FRAME, "sight", {}, "is neither 'last' nor a column of these rows"),
        (FRAME, "site", {"early_stopping": False}, "has no effect: no rows are held back, since early_stopping=False"),
    ],
)
def test_what_cannot_be_held_back_by(rows, by, options, said):
    with pytest.raises(InvalidParameterError, match=said):
        Autoencoder(2, **options).fit(rows, validation_by=by)


def test_groups_beside_rows_to_judge_by():
    with pytest.raises(InvalidParameterError, match="since validation_data is given"):
        MODEL.fit(FRAME, validation_by="site", validation_data=ROWS)


def test_one_group_is_refused():
    with pytest.raises(InvalidDataError, match="all rows are of one group, 'x'"):
        MODEL.fit(FRAME.assign(site="x"), validation_by="site")


def test_a_column_that_is_a_feature_of_the_source(folder):
    with pytest.raises(InvalidParameterError, match=r"open it with drop=\['a'\]"):
        MODEL.fit(open_source(folder / "rows.parquet", columns=["a", "b"]), validation_by="a")
