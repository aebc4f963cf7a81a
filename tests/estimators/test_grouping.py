import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_allclose
from sklearn import config_context
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

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


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pandas", "csv", "parquet"])
def test_validation_by_a_column_trains_on_the_other_groups(name, tables):
    model = Autoencoder(2, hidden_layer_sizes=(4,), max_epochs=3, random_state=0, validation_fraction=0.3)
    model.fit(tables[name], validation_by="site")
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    holdout = split_by(FRAME, "site")[1](0, 0.3)
    np.testing.assert_allclose(model.scaler_.affine[0], ROWS[~holdout.held].mean(0), atol=1e-9)


def test_validation_by_last_trains_on_the_first_rows(tmp_path):
    np.savetxt(tmp_path / "rows.csv", ROWS, delimiter=",")
    for rows in (ROWS, tmp_path / "rows.csv", ROWS.tolist()):
        model = Autoencoder(2, hidden_layer_sizes=(4,), max_epochs=2, random_state=0).fit(rows, validation_by="last")
        np.testing.assert_allclose(model.scaler_.affine[0], ROWS[:360].mean(0), atol=1e-9)


@pytest.mark.parametrize(
    ("rows", "by", "options", "message"),
    [
        (ROWS, "site", {}, "is neither 'last' nor a column of these rows"),
        (FRAME, "sight", {}, "is neither 'last' nor a column of these rows"),
        (FRAME, "site", {"early_stopping": False}, "has no effect: no rows are held out, since early_stopping=False"),
    ],
)
def test_invalid_validation_by(rows, by, options, message):
    with pytest.raises(InvalidParameterError, match=message):
        Autoencoder(2, **options).fit(rows, validation_by=by)


def test_validation_by_cannot_be_combined_with_validation_data():
    with pytest.raises(InvalidParameterError, match="since validation_data is given"):
        MODEL.fit(FRAME, validation_by="site", validation_data=ROWS)


def test_a_single_group_is_rejected():
    with pytest.raises(InvalidDataError, match="all rows are of one group, 'x'"):
        MODEL.fit(FRAME.assign(site="x"), validation_by="site")


def test_a_group_column_that_is_also_a_feature_is_rejected(tables):
    with pytest.raises(InvalidParameterError, match=r"open it with drop=\['a'\]"):
        MODEL.fit(open_source(tables["parquet"], columns=["a", "b"]), validation_by="a")


def test_groups_come_with_the_fit_and_through_a_pipeline():
    rows = np.random.default_rng(0).standard_normal((60, 5))
    groups = np.repeat(np.arange(12), 5)
    model = Autoencoder(2, hidden_layer_sizes=(4,), max_epochs=2, random_state=0)
    alone = clone(model).fit(rows, groups=groups)
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(FunctionTransformer(), clone(model).set_fit_request(groups=True))
        routed = pipeline.fit(rows, groups=groups)[-1]
    assert_allclose(routed.transform(rows), alone.transform(rows))
    column = pd.DataFrame(rows).assign(person=groups).rename(columns=str)
    by_column = clone(model).fit(column, validation_by="person")
    assert_allclose(by_column.transform(column.drop(columns="person")), alone.transform(rows), atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "given", "message"),
    [
        ({"early_stopping": False}, {}, "groups has no effect: no rows are held out, since early_stopping=False"),
        ({}, {"validation_data": np.ones((3, 5))}, "groups has no effect: no rows are held out, since validation_data"),
        ({}, {"validation_by": "last"}, "validation_by='last' cannot be combined with groups"),
    ],
)
def test_groups_without_effect_are_refused(changes, given, message):
    rows = np.random.default_rng(0).standard_normal((60, 5))
    with pytest.raises(InvalidParameterError, match=message):
        Autoencoder(2, max_epochs=2, **changes).fit(rows, groups=np.arange(60) // 5, **given)
