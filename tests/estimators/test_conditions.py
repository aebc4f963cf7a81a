import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from isthmus import VariationalAutoencoder
from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.estimators.conditions import context_for

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(RNG.normal(5, 2, (90, 3)), columns=list("abc"))
FRAME["site"] = np.array(["north", "south", "west"])[np.arange(90) % 3]
FRAME["dose"] = RNG.normal(10, 4, 90)
MATRIX = FRAME[["a", "b", "c", "dose"]].to_numpy()
# Of one epoch.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::isthmus.core.errors.CollapseWarning")]


def fitted(X, conditions):
    return VariationalAutoencoder(
        2, hidden_layer_sizes=(4,), max_epochs=1, early_stopping=False, random_state=0, conditions=conditions
    ).fit(X)


@pytest.fixture(scope="module")
def model():
    return fitted(FRAME, ["site", "dose"])


def test_conditions_are_scaled_numbers_and_one_hot_levels(model):
    found = context_for(model, FRAME, 90)
    assert_array_equal(found[:, :3], pd.get_dummies(FRAME["site"]).to_numpy(float))
    assert_allclose(found[:, 3], (FRAME["dose"] - FRAME["dose"].mean()) / FRAME["dose"].std(ddof=0), rtol=1e-5)


def test_columns_alone_are_read_as_whole_rows_are(model):
    expected = context_for(model, FRAME, 90)
    columns = FRAME[["dose", "site"]]
    assert_allclose(context_for(model, columns, 90), expected, rtol=1e-6)
    assert_allclose(context_for(model, dict(columns.items()), 90), expected, rtol=1e-6)
    assert_allclose(context_for(model, {name: list(cells) for name, cells in columns.items()}, 90), expected, rtol=1e-6)


def test_one_value_stands_for_all_rows(model):
    expected = context_for(model, FRAME.assign(site="west", dose=7.0), 90)
    assert_allclose(context_for(model, {"site": "west", "dose": 7.0}, 90), expected, rtol=1e-6)


def test_a_condition_that_is_not_given_is_the_training_rows_mean(model):
    found = context_for(model, {"dose": FRAME["dose"]}, 90)
    assert_allclose(found[:, :3], 1 / 3, atol=1e-6)
    assert_allclose(found[:, 3], context_for(model, FRAME, 90)[:, 3], rtol=1e-6)


def test_conditions_of_a_matrix_are_known_by_number():
    model = fitted(MATRIX, [3])
    expected = context_for(model, MATRIX, 90)
    assert_allclose(expected[:, 0], (MATRIX[:, 3] - MATRIX[:, 3].mean()) / MATRIX[:, 3].std(), rtol=1e-5)
    assert_allclose(context_for(model, {3: MATRIX[:, 3]}, 90), expected, rtol=1e-6)
    with pytest.raises(InvalidParameterError, match="conditions: 0 is none of the model's, 3"):
        context_for(model, {0: 1.0}, 90)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"cite": "west"}, InvalidParameterError, "'cite' is none of the model's, 'site', 'dose'; did you mean 'site'"),
        ({"site": ["west", "east"]}, InvalidDataError, "'site' has no level 'east'; it has 'north', 'south', 'west'"),
        ({"site": ["west"]}, InvalidDataError, "conditions have 1 rows, but there are 2 codes"),
        (FRAME[:3], InvalidDataError, "conditions have 3 rows, but there are 2 codes"),
    ],
)
def test_what_is_not_a_condition_is_one_line(model, given, error, message):
    with pytest.raises(error, match=message):
        context_for(model, given, 2)


# Values of every library, with codes to decode -----------------------------------------------------------------------

CODES = np.array([[0.5, -1.0], [0.0, 0.0], [1.5, 1.0]])


def quick(**settings):
    options = {"hidden_layer_sizes": (4,), "max_epochs": 1, "batch_size": 32, "random_state": 0}
    return VariationalAutoencoder(2, **{**options, **settings})


def frame_of(n_rows=60):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(n_rows, 3)), columns=list("abc"))
    frame["site"] = np.where(rng.random(n_rows) < 0.5, "north", "south")
    frame["plate"] = pd.Categorical(rng.integers(0, 3, n_rows))
    frame["dose"] = rng.integers(1, 5, n_rows)
    frame["day"] = pd.date_range("2024-01-01", periods=n_rows)
    return frame


CONDITIONS = {
    "site": ["south", "north", "south"],
    "plate": [2, 0, 1],
    "dose": [4, 1, 2],
    "day": [datetime.datetime(2024, 1, day) for day in (3, 1, 9)],
}


@pytest.fixture(scope="module")
def table():
    return quick(conditions=list(CONDITIONS)).fit(frame_of())


@pytest.fixture(scope="module")
def matrix():
    return quick(conditions=[1]).fit(np.random.default_rng(1).normal(size=(60, 4)))


def test_frames_of_all_libraries_give_the_same_conditions(table):
    frame = pd.DataFrame(CONDITIONS).astype({"plate": "category"}).set_index(pd.Index([7, 8, 9]))
    others = pl.from_pandas(frame.astype({"plate": int}))
    expected = table.inverse_transform(CODES, conditions=CONDITIONS)
    assert {name: list(expected[name]) for name in CONDITIONS} == CONDITIONS
    for given in (frame, others, others.lazy(), others.to_arrow(), others.to_arrow().to_batches()[0]):
        found = table.inverse_transform(CODES, conditions=given)
        pd.testing.assert_frame_equal(found, expected)


@pytest.mark.parametrize(
    "values",
    [
        ("south", "north", "south"),
        pd.Series(["south", "north", "south"], index=[4, 5, 6]),
        pd.Categorical(["south", "north", "south"]),
        pl.Series(["south", "north", "south"]),
        pa.chunked_array([["south"], ["north", "south"]]),
    ],
    ids=["tuple", "shifted", "categorical", "polars", "pyarrow"],
)
def test_a_column_may_be_a_sequence_of_any_library(table, values):
    assert list(table.inverse_transform(CODES, conditions={"site": values})["site"]) == CONDITIONS["site"]


def test_a_series_is_the_column_of_its_name(table):
    given = pd.Series(CONDITIONS["site"], name="site")
    assert list(table.inverse_transform(CODES, conditions=given)["site"]) == CONDITIONS["site"]


def test_levels_that_are_numbers_may_be_given_as_numbers(table):
    assert list(table.inverse_transform(CODES, conditions={"plate": 2})["plate"]) == [2, 2, 2]
    with pytest.raises(InvalidDataError, match="conditions: column 'plate' has no level 7; it has 0, 1, 2"):
        table.inverse_transform(CODES, conditions={"plate": [0, 7, 1]})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dose": np.nan}, "conditions: row 0, column 'dose' is missing; fill it, or leave the column out for the"),
        ({"dose": np.ma.array([1, 2, 3], mask=[0, 1, 0])}, "conditions: row 1, column 'dose' is missing"),
        ({"site": ["north", None, "south"]}, "conditions: row 1, column 'site' is missing"),
        ({"dose": [1, 2, np.inf]}, "conditions: row 2, column 'dose' is inf, which is too large"),
        ({"dose": 1e300}, r"conditions: row 0, column 'dose' is 1e\+300, which is too large"),
        ({"dose": "two"}, "column 'dose' holds text"),
        ({"site": pd.Series(["north", "south", "west"], index=[4, 5, 6])}, "column 'site' has no level 'west'"),
        ({"site": [["north", "south", "north"]]}, r"conditions: 'site' has values of shape \(1, 3\); give one value"),
        (pd.DataFrame([["north"] * 2] * 3, columns=["site", "site"]), "more than one column named 'site'"),
        (frame_of(3).assign(dose=[1.0, np.nan, 2.0]), "conditions: row 1, column 'dose' is missing"),
    ],
    ids=["nan", "masked", "none", "infinite", "huge", "text", "level", "2D", "twice", "rows"],
)
def test_values_that_are_no_conditions_are_named(table, given, message):
    with pytest.raises(InvalidDataError, match=message):
        table.inverse_transform(CODES, conditions=given)


@pytest.mark.parametrize(("value", "what"), [("a", "text"), (1j, "complex numbers"), (np.datetime64("2024"), "dates")])
def test_conditions_of_a_matrix_are_numbers(matrix, value, what):
    with pytest.raises(InvalidDataError, match=f"column 1 holds {what}.*; conditions of this model are numbers"):
        matrix.inverse_transform(CODES, conditions={1: value})


def test_an_unknown_number_suggests_no_other(matrix):
    with pytest.raises(InvalidParameterError, match=r"conditions: '1' is none of the model's, 1$"):
        matrix.inverse_transform(CODES, conditions={"1": 2.0})


def test_numbers_are_names_where_columns_are_named_by_numbers():
    rows = np.random.default_rng(0).normal(np.arange(0, 400, 100), size=(60, 4))
    frame = pd.DataFrame(rows, columns=[3, 2, 1, 0])
    model = quick(conditions=[1]).fit(frame)
    found = model.inverse_transform(CODES, conditions={1: 250.0})
    assert_allclose(found[1], 250)
    assert_allclose(model.inverse_transform(CODES, conditions=frame[[1]][:3])[1], frame[1][:3], rtol=1e-6)
    with pytest.raises(InvalidParameterError, match="conditions: the rows have no column 7"):
        quick(conditions=[7]).fit(frame)


def test_a_missing_condition_is_the_mean_where_cells_may_be_missing():
    rows = np.random.default_rng(0).normal(5, 1, size=(60, 3))
    rows[::7, 0] = np.nan
    model = quick(conditions=[0], missing="mask", scaling="minmax").fit(rows)
    found = model.inverse_transform(CODES, conditions={0: [4.0, np.nan, 6.0]})
    assert_allclose(found[[0, 2], 0], [4, 6], rtol=1e-6)
    assert_array_equal(found[1], model.inverse_transform(CODES)[1])
