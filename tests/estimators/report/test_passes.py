from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA

from isthmus.data.scaling import Scaler
from isthmus.data.sources import open_source
from isthmus.estimators.report import passes
from isthmus.estimators.report.passes import Columns, _Strongest, sampled

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(700, 5)) @ RNG.normal(size=(5, 5)) * [1, 5, 0.1, 2, 3] + [0, 1e4, 1, 2, 3]


def model_of(rows, missing=False):
    scaler = Scaler("standard", np.nanmean(rows, axis=0), np.nanstd(rows, axis=0))
    network = SimpleNamespace(indicator=missing)
    return SimpleNamespace(scaler_=scaler, error_scale_=None, network_=network)


def passed(rows, **options):
    model, source = model_of(rows, **options), open_source(rows)
    return model, source, Columns(model, source, lambda done: None)


def test_statistics_of_columns_are_numpys_also_block_by_block(monkeypatch):
    rows = ROWS.copy()
    rows[RNG.random(rows.shape) < 0.1] = np.nan
    monkeypatch.setattr("isthmus.data.sources.arrays.BLOCK_BYTES", 4_000)
    _, _, found = passed(rows, missing=True)
    assert_array_equal(found.missing, np.isnan(rows).sum(axis=0))
    assert_allclose(found.mean, np.nanmean(rows, axis=0), rtol=1e-12)
    assert_allclose(found.deviation, np.nanstd(rows, axis=0), rtol=1e-9)
    assert_array_equal(found.low, np.nanmin(rows, axis=0))
    assert_array_equal(found.high, np.nanmax(rows, axis=0))
    assert len(found.hashes) == len(rows)


@pytest.mark.parametrize("widest", [2048, 2])
def test_principal_components_are_scikit_learns_exact_or_of_a_sample(monkeypatch, widest):
    monkeypatch.setattr(passes, "_WIDEST", widest)
    model, source, found = passed(ROWS)
    own = found.principal(model, source, 2, 0)
    scaled = model.scaler_.scaled(ROWS, np.float64)
    pca = PCA(2).fit(scaled)
    assert_allclose(np.abs(np.sum(own.directions * pca.components_, axis=1)), 1, rtol=1e-9)
    assert_allclose(own.rebuilt(scaled), pca.inverse_transform(pca.transform(scaled)), atol=1e-9)
    assert own.rows == len(ROWS)


def test_the_strongest_rows_are_those_of_a_sort(monkeypatch):
    codes = np.maximum(RNG.normal(size=(100, 4)), 0)
    codes[:, 2] = 0
    codes[:3, 3] = 9.0
    found = _Strongest(np.array([1, 2, 3]))
    for first in range(0, 100, 30):
        found.update(codes[first : first + 30], first)
    rows, values = found.found()
    assert_array_equal(rows[0], np.argsort(-codes[:, 1], kind="stable")[:8])
    assert_array_equal(values[0], np.sort(codes[:, 1])[::-1][:8])
    assert (rows[1] == -1).all()
    assert_array_equal(rows[2, :3], [0, 1, 2])


def test_a_sample_is_in_order_and_the_same_again():
    rows = sampled(1000, 50, 3)
    assert len({*rows.tolist()}) == 50
    assert_array_equal(rows, np.sort(rows))
    assert_array_equal(rows, sampled(1000, 50, 3))
    assert_array_equal(sampled(7, 50, 3), np.arange(7))
