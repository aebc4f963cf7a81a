import numpy as np
import pandas as pd
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
