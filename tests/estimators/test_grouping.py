import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from isthmus import Autoencoder, open_source
from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.data.groups import split_by

rng = np.random.default_rng(0)
ROWS = rng.normal(size=(400, 3))
SITES = np.array([f"site {number}" for number in rng.integers(0, 20, 400)])
FRAME = pd.DataFrame(ROWS, columns=list("abc")).assign(site=SITES)
MODEL = Autoencoder(2, hidden_layer_sizes=(4,), max_epochs=2, random_state=0)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grouped")
    FRAME.to_csv(folder / "rows.csv", index=False)
    pq.write_table(pa.Table.from_pandas(FRAME), folder / "rows.parquet", row_group_size=70)
    return {"pandas": FRAME, "csv": folder / "rows.csv", "parquet": folder / "rows.parquet"}


@pytest.mark.parametrize("name", ["pandas", "csv", "parquet"])
def test_a_fit_by_groups_learns_from_the_other_rows(name, tables):
    model = Autoencoder(2, hidden_layer_sizes=(4,), max_epochs=3, random_state=0, validation_fraction=0.3)
    model.fit(tables[name], validation_by="site")
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    holdout = split_by(FRAME, "site")[1](0, 0.3)
    np.testing.assert_allclose(model.scaler_.affine[0], ROWS[~holdout.held].mean(0), atol=1e-9)


def test_a_fit_with_the_last_rows_held_out_learns_from_the_first(tmp_path):
    np.savetxt(tmp_path / "rows.csv", ROWS, delimiter=",")
    for rows in (ROWS, tmp_path / "rows.csv", ROWS.tolist()):
        model = Autoencoder(2, hidden_layer_sizes=(4,), max_epochs=2, random_state=0).fit(rows, validation_by="last")
        np.testing.assert_allclose(model.scaler_.affine[0], ROWS[:360].mean(0), atol=1e-9)


@pytest.mark.parametrize(
    ("rows", "by", "options", "said"),
    [
        (ROWS, "site", {}, "is neither 'last' nor a column of these rows"),
        (FRAME, "sight", {}, "is neither 'last' nor a column of these rows"),
        (FRAME, "site", {"early_stopping": False}, "has no effect: no rows are held out, since early_stopping=False"),
    ],
)
def test_a_column_that_cannot_group_rows_is_refused(rows, by, options, said):
    with pytest.raises(InvalidParameterError, match=said):
        Autoencoder(2, **options).fit(rows, validation_by=by)


def test_validation_by_cannot_be_combined_with_validation_data():
    with pytest.raises(InvalidParameterError, match="since validation_data is given"):
        MODEL.fit(FRAME, validation_by="site", validation_data=ROWS)


def test_one_group_is_refused():
    with pytest.raises(InvalidDataError, match="all rows are of one group, 'x'"):
        MODEL.fit(FRAME.assign(site="x"), validation_by="site")


def test_a_column_that_is_a_feature_of_the_source_is_refused(tables):
    with pytest.raises(InvalidParameterError, match=r"open it with drop=\['a'\]"):
        MODEL.fit(open_source(tables["parquet"], columns=["a", "b"]), validation_by="a")
