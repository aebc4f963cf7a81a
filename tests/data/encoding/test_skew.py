import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import skew as skewness
from scipy.stats import yeojohnson, yeojohnson_normmax

from isthmus.data.encoding.skew import skew_of, transformed, untransformed

RNG = np.random.default_rng(0)
PRICES = RNG.gamma(2.0, 300.0, 2000)
COLUMNS = {"gamma": PRICES, "mirrored": 5000 - PRICES, "negative": -PRICES, "shifted": PRICES - 700}


@pytest.mark.parametrize("values", COLUMNS.values(), ids=COLUMNS)
def test_the_power_is_that_of_the_greatest_likelihood(values):
    center, scale, power = skew_of(values)
    standard = (values - values.mean()) / values.std()
    assert_allclose((center, scale), (values.mean(), values.std()))
    assert_allclose(power, np.clip(yeojohnson_normmax(standard), 0, 2), atol=0.01)
    found = transformed(values, (center, scale, power))
    expected = yeojohnson(np.append(standard, -center / scale), power) * scale
    assert_allclose(found, expected[:-1] - expected[-1], atol=1e-8 * scale)
    assert abs(skewness(found)) < abs(skewness(values)) / 3


@pytest.mark.parametrize("power", [0.0, 0.3, 1.0, 1.7, 2.0])
def test_numbers_come_back(power):
    skew = (50.0, 20.0, power)
    values = np.array([-900.0, -3.0, 0.0, 49.9, 50.0, 51.0, 1000.0, np.nan])
    encoded = transformed(values, skew)
    assert encoded[2] == 0
    assert (np.diff(encoded[:-1]) > 0).all()
    assert_allclose(untransformed(encoded, skew, -900, 1000), values, atol=1e-9)


def test_restored_numbers_end_ten_ranges_outside_the_observed_ones():
    skew = (2.0, 1.0, 0.0)
    assert_allclose(untransformed(np.array([-1e30, np.inf]), skew, 0, 5), [-50, 55])


@pytest.mark.parametrize(
    "values",
    [
        RNG.normal(3, 2, 2000),
        np.repeat([0.0, 1.0, 9.0], 500),
        PRICES[:20],
        PRICES + 1e9,
        np.full(100, 2.0),
        np.empty(0),
        PRICES * 1e300,
    ],
    ids=["normal", "three values", "few rows", "far from 0", "constant", "none", "too large"],
)
def test_other_numbers_stay_as_they_are(values):
    assert skew_of(values) == ()
