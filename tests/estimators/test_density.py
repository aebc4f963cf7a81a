import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kstest

import isthmus
from isthmus import Autoencoder
from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.estimators.density import CodeDensity


def test_draws_have_the_mixture_of_the_codes():
    rng = np.random.default_rng(0)
    factor = np.array([[1.0, 0.0], [0.8, 0.3]])
    codes = rng.normal(size=(4000, 2)) @ factor.T + np.where(rng.random(4000) < 0.3, -4.0, 4.0)[:, None]
    drawn = CodeDensity.fit(codes, 2, 0).draw(4000, np.random.default_rng(1))
    for unit in range(2):
        assert kstest(drawn[:, unit], codes[:, unit]).pvalue > 1e-3
    assert_allclose(np.cov(drawn[drawn[:, 0] > 0].T), factor @ factor.T, atol=0.1)


def test_wide_and_constant_codes_have_a_density_too():
    codes = np.random.default_rng(0).normal(size=(300, 80)) * np.arange(80)
    density = CodeDensity.fit(codes, 3, 0)
    assert density.factors.shape == (3, 80)
    assert_allclose(density.draw(9, np.random.default_rng(0))[:, 0], 0, atol=0.2)
    assert CodeDensity.fit(codes[:4], 10, 0).draw(2, np.random.default_rng(0)).shape == (2, 80)
    with pytest.raises(InvalidDataError, match="a density needs the codes of at least 2 rows"):
        CodeDensity.fit(codes[:1], 1, 0)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(300, 2)) @ rng.normal(size=(2, 5)) + 7


def test_every_fitted_autoencoder_draws_rows_and_keeps_the_density(rows, tmp_path):
    model = Autoencoder(2, hidden_layer_sizes=(), max_epochs=1, random_state=0).fit(rows)
    with pytest.raises(InvalidParameterError, match=r"sample needs rows .*: sample\(n_samples, X\)"):
        model.sample(3)
    drawn = model.sample(2000, rows, random_state=0)
    assert_array_equal(model.sample(2000, random_state=0), drawn)
    assert_allclose(drawn.mean(axis=0), rows.mean(axis=0), atol=0.2)
    assert_allclose(np.cov(drawn.T), np.cov(rows.T), atol=0.5)
    model.save(tmp_path / "m")
    assert_array_equal(isthmus.load(tmp_path / "m").sample(5, random_state=1), model.sample(5, random_state=1))
    with pytest.raises(InvalidParameterError, match="n_samples=0 must be an integer >= 1"):
        model.sample(0)
    with pytest.raises(InvalidParameterError, match="n_mixture_components=0 must be an integer >= 1"):
        model.sample(3, rows, n_mixture_components=0)
    model.fit(rows)
    assert not hasattr(model, "code_density_")
