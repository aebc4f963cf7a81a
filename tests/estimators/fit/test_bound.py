import numpy as np
import pytest
from scipy.sparse import csr_array

from isthmus import VariationalAutoencoder
from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.data.scaling import ColumnStatistics, Scaler
from isthmus.data.sources.base import Column, Schema
from isthmus.estimators.fit.bound import BoundPlan
from isthmus.losses.evidence import BETA, FREE_BITS
from isthmus.networks.variational import VARIATIONAL

# Three columns of a table, the second a category of three levels.
TABLE = Schema(tuple(Column(f"x{i}") for i in range(5)), categories=((1, 4),), column_of=(0, 1, 1, 1, 2))
PLAIN = Schema(tuple(Column(f"x{i}") for i in range(3)))


def plan(schema=PLAIN, **settings):
    return BoundPlan.of({**VariationalAutoencoder().get_params(), **settings}, schema)


def statistics(rows):
    found = ColumnStatistics(rows.shape[1], rows.dtype)
    found.update(rows)
    return found


def test_an_estimator_without_a_likelihood_has_no_bound():
    assert BoundPlan.of({"likelihood": None}, PLAIN) is None
    assert BoundPlan.of({}, PLAIN) is None


@pytest.mark.parametrize(("columns", "cells"), [([], ()), ([0], (0,)), ([1], (1, 2, 3)), ([2, 1], (1, 2, 3, 4))])
def test_a_condition_is_all_cells_of_its_column(columns, cells):
    assert plan(TABLE, conditions=columns).conditions == cells


def test_beta_rises_to_its_value_over_the_warmup():
    schedules = plan(beta=2.0, kl_warmup=0.5).schedules()
    assert {*schedules} == {BETA}
    values = [float(schedules[BETA](share)) for share in (0.0, 0.25, 0.5, 1.0)]
    np.testing.assert_allclose(values, [0, 1, 2, 2], atol=1e-6)
    bits = plan(free_bits=0.3).schedules()[FREE_BITS]
    assert [float(bits(share)) for share in (0.0, 1.0)] == pytest.approx([0.3, 0.3])


@pytest.mark.parametrize(
    ("likelihood", "output", "scaling"),
    [("gaussian", "auto", "auto"), ("bernoulli", "sigmoid", "auto"), ("poisson", "identity", None)],
)
def test_what_a_likelihood_decides(likelihood, output, scaling):
    values = {**VariationalAutoencoder(likelihood=likelihood).get_params(), "linear_path": True}
    found = BoundPlan.of(values, PLAIN).completed(values)
    assert (found["output_activation"], found["scaling"], found["linear_path"]) == (output, scaling, False)
    assert found["n_components"] == values["n_components"]


@pytest.mark.parametrize("network", [None, *VARIATIONAL])
def test_networks(network):
    assert plan().family({"network": network}) is VARIATIONAL[network or "dense"]


@pytest.mark.parametrize("network", ["residual", lambda **options: None])
def test_networks_without_a_variational_code_are_refused(network):
    with pytest.raises(InvalidParameterError, match=r"network='residual' has no variational code|needs two; use"):
        plan().family({"network": network})


def test_cells_that_cannot_come_from_the_likelihood():
    identity = Scaler("none", np.zeros(3), np.ones(3))
    counts, shares = np.array([[0.0, 3, 5], [2, 1, 0]]), np.array([[0.0, 0.3, 1], [0.5, 1, 0]])
    plan(likelihood="bernoulli").check_range(statistics(shares), identity)
    plan().check_range(statistics(counts - 5), identity)
    with pytest.raises(InvalidDataError, match=r"Bernoulli needs values in .*, and scaled rows range from 0 to 5"):
        plan(likelihood="bernoulli").check_range(statistics(counts), identity)


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_cells_that_are_no_counts(kind):
    counts, poisson = np.array([[0.0, 3, 5], [2, 1, 0]]), plan(likelihood="poisson")
    poisson.check_cells(kind(counts), 0, (), None)
    plan().check_cells(kind(counts - 0.5), 0, (), None)
    with pytest.raises(InvalidDataError, match="Poisson needs counts, and the rows have -1 at row 40, column 0; use"):
        poisson.check_cells(kind(counts - 1), 40, (), None)
    with pytest.raises(InvalidDataError, match=r"the rows have 0\.5 at row 8, column 'c'; use the raw counts"):
        poisson.check_cells(kind(counts + np.array([[0, 0, 0], [0, 0, 0.5]])), 0, list("abc"), np.array([3, 8]))


def test_a_condition_need_not_be_a_count():
    rows, conditioned = np.array([[0.0, 3, -5.5], [2, 1, 0]]), plan(likelihood="poisson", conditions=[2])
    conditioned.check_cells(rows, 0, (), None)
    with pytest.raises(InvalidDataError, match=r"the rows have 1\.5 at row 1, column 1"):
        conditioned.check_cells(rows + np.array([[0, 0, 0], [0, 0.5, 0]]), 0, (), None)


@pytest.mark.parametrize(
    ("schema", "settings", "message"),
    [
        (TABLE, {"likelihood": "poisson"}, "cannot be combined with text or categories; name these columns"),
        (PLAIN, {"likelihood": "poisson", "conditions": [0, 1]}, "it needs at least two columns"),
        (PLAIN, {"likelihood": "poisson", "output_activation": "relu"}, "output_activation='relu'; leave it out"),
        (PLAIN, {"conditions": [3]}, "the rows have no column 3"),
        (PLAIN, {"conditions": [0, 1, 2]}, "leave out at least one, which is to be learned"),
        (PLAIN, {"free_bits": 0.1, "n_samples": 2}, "free_bits=0.1 cannot be combined with n_samples=2"),
    ],
)
def test_parameters_that_contradict_one_another(schema, settings, message):
    with pytest.raises(InvalidParameterError, match=message):
        plan(schema, **settings)
