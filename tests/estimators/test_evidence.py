import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import multivariate_normal, norm

from isthmus import VariationalAutoencoder
from isthmus.core.errors import InvalidParameterError
from isthmus.estimators.evidence import log_scale
from isthmus.losses.likelihoods import resolve

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(200, 2)) @ RNG.normal(size=(2, 5)) * [1, 10, 0.1, 1, 1] + RNG.normal(size=(200, 5)) * 0.3 + 4


def linear(**settings):
    options = {
        "n_components": 2,
        "hidden_layer_sizes": (),
        "output_activation": "identity",
        "learning_rate": 1e-2,
        "max_epochs": 60,
    }
    options |= {"early_stopping": False, "batch_size": 32, "random_state": 0, "precision": "float64"}
    return VariationalAutoencoder(**{**options, **settings})


def closed_form(model, rows):
    """Return the log density of rows under a linear decoder, a normal distribution, of the observed cells alone."""
    layer = model.params_["decoder"][0]
    scale, center = model.scaler_.scale, model.scaler_.center
    weight = np.asarray(layer["weight"], float) * scale
    mean = np.asarray(layer["bias"], float) * scale + center
    deviation = np.exp(np.asarray(model.params_["likelihood"]["log_scale"], float)) * scale
    covariance = weight.T @ weight + np.diag(np.broadcast_to(deviation, 5) ** 2)
    seen = [~np.isnan(row) for row in rows]
    return [
        multivariate_normal(mean[one], covariance[np.ix_(one, one)]).logpdf(row[one])
        for row, one in zip(rows, seen, strict=True)
    ]


@pytest.mark.slow
def test_the_estimate_is_the_density_of_a_linear_gaussian_model():
    model = linear().fit(ROWS)
    found = model.log_likelihood(ROWS[:20], 4000)
    assert_allclose(found, closed_form(model, ROWS[:20]), atol=0.05)
    # Jensen: the mean of estimates from fewer draws is smaller.
    assert model.log_likelihood(ROWS[:20], 1).mean() < found.mean()


@pytest.mark.slow
def test_the_estimate_is_the_integral_over_a_code_of_one_unit():
    rows = ROWS / ROWS.std(axis=0)
    model = linear(n_components=1, hidden_layer_sizes=(8,), max_epochs=10, scaling=None).fit(rows)
    deviation = np.exp(model.params_["likelihood"]["log_scale"])
    grid = np.linspace(-6, 6, 601)
    outputs = model.inverse_transform(grid[:, None])
    for row, found in zip(rows[:4], model.log_likelihood(rows[:4], 20_000), strict=True):
        joint = norm.logpdf(row, outputs, deviation).sum(axis=1) + norm.logpdf(grid)
        expected = joint.max() + np.log(np.trapezoid(np.exp(joint - joint.max()), grid))
        assert_allclose(found, expected, atol=0.05)


@pytest.mark.slow
def test_missing_cells_are_integrated_out():
    rows = ROWS.copy()
    rows[::3, 1] = np.nan
    model = linear(missing="mask").fit(rows)
    assert_allclose(model.log_likelihood(rows[:20], 4000), closed_form(model, rows[:20]), atol=0.1)


@pytest.mark.slow
def test_an_estimate_depends_on_its_own_row_and_number_alone():
    model = linear(max_epochs=2).fit(ROWS)
    many = model.log_likelihood(np.tile(ROWS, (3, 1)), 20)
    assert_array_equal(many[:200], model.log_likelihood(ROWS, 20))
    assert (many[200:400] != many[:200]).all()  # other draws of the same rows


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::isthmus.core.errors.CollapseWarning")  # of one epoch
def test_the_unit_of_a_density_is_that_of_the_cells():
    model = linear(max_epochs=1, conditions=[1]).fit(ROWS)
    expected = np.log(ROWS.std(axis=0)) * [1, 0, 1, 1, 1]  # a condition has no density
    assert_allclose(log_scale(model, resolve("gaussian")), expected, rtol=1e-6, atol=1e-12)
    assert_array_equal(log_scale(model, resolve("poisson")), 0)  # counts have probabilities
    with pytest.raises(InvalidParameterError, match="needs a scaling by column, not scaling='zca'"):
        linear(max_epochs=1, scaling="zca").fit(ROWS).log_likelihood(ROWS)
