import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array

from isthmus.core.errors import InvalidDataError
from isthmus.data.domains import Between, Counts, domain_of, refuse_outside
from isthmus.data.scaling import Scaler

ALL = np.ones(3, bool)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "u1", "bool"])
@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_counts_of_every_type_pass(kind, dtype):
    refuse_outside(Counts(ALL), kind(np.array([[0, 3, 1], [2, 0, 0]], dtype)), 0, ())


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
@pytest.mark.parametrize("seed", range(5))
def test_the_first_other_cell_is_named(kind, seed):
    rng = np.random.default_rng(seed)
    rows, counted = rng.poisson(1.0, (20, 6)).astype(float), rng.random(6) < 0.6
    counted[0] = True
    rows[rng.random(rows.shape) < 0.05] = -1
    rows[7, 0] += 0.25
    wrong = [(i, j) for i in range(20) for j in range(6) if counted[j] and (rows[i, j] < 0 or rows[i, j] % 1)]
    row, column = wrong[0]
    before = rows.copy()
    with pytest.raises(InvalidDataError, match=f"{rows[row, column]:g} at row {row + 10}, column '{'abcdef'[column]}'"):
        refuse_outside(Counts(counted), kind(rows), 10, list("abcdef"))
    assert_array_equal(rows, before)


def test_missing_and_infinite_cells_are_left_to_others():
    refuse_outside(Counts(ALL), np.array([[np.nan, np.inf, -np.inf]]), 0, ())


def test_integers_can_be_negative_and_a_fraction_too_small_for_float32_counts():
    with pytest.raises(InvalidDataError, match="have -3 at row 0, column 1"):
        refuse_outside(Counts(ALL), np.array([[0, -3, 1]]), 0, ())
    with pytest.raises(InvalidDataError, match="at row 0, column 2"):
        refuse_outside(Counts(ALL), np.array([[0, 3, 1 + 1e-12]]), 0, ())


def test_limits_are_those_of_the_unit_interval_in_the_units_of_the_rows():
    scaler = Scaler("minmax", np.array([-2.0, 0, 5]), np.array([4.0, 1, 10]))
    shared = np.array([True, True, False])
    domain = domain_of(None, shared, scaler, for_density=True)
    inside = np.array([[-2.0, 0, 99], [2, 1, -99], [np.nan, np.inf, 0]])
    refuse_outside(domain, inside, 0, ())
    refuse_outside(domain, inside[:2] + 4e-7, 0, ())
    for form in (np.asarray, csr_array):
        for row, column, value in ((0, 0, -2.1), (1, 1, 1.01)):
            wrong = inside.copy()
            wrong[row, column] = value
            with pytest.raises(
                InvalidDataError, match=rf"each column, and .* {value} at row {row + 3}, column {column};"
            ):
                refuse_outside(domain, form(wrong), 3, ())


@pytest.mark.parametrize("dtype", ["f4", "f8", "u1", "i8", "bool"])
def test_values_of_every_type_within_limits_pass(dtype):
    rows = np.array([[0, 1], [1, 0]], dtype)
    refuse_outside(Between(ALL[:2], np.zeros(2), np.ones(2)), rows, 0, ())
    if dtype != "bool":
        with pytest.raises(InvalidDataError, match=r"the model needs values from 0 to 1, .* 2 at row 1, column 'b'"):
            refuse_outside(
                Between(ALL[:2], np.zeros(2), np.ones(2)), rows + np.array([[0, 0], [0, 2]], dtype), 0, list("ab")
            )


@pytest.mark.parametrize(
    ("kind", "scale", "asked"),
    [("none", 1.0, True), ("unit", 255.0, True), ("unit", 1.0, True), ("unit", 16.0, False), ("minmax", 1.0, False)],
)
def test_a_range_that_only_the_training_rows_had_is_asked_of_likelihoods_alone(kind, scale, asked):
    scaler = Scaler(kind, np.zeros(3), np.full(3, scale))
    assert domain_of(None, ALL, scaler, for_density=True) is not None
    assert (domain_of(None, ALL, scaler, for_density=False) is not None) == asked
    assert domain_of(None, None, scaler, for_density=True) is None
    assert isinstance(domain_of(ALL, None, scaler, for_density=False), Counts)
