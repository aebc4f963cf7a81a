import numpy as np
import pytest

from isthmus.explore import selection
from isthmus.explore.selection import apart


def test_means_and_their_difference(explored, pictures):
    X = pictures[0].astype(np.float64)
    places = np.array([0, 2, 4, 6, 9])
    others = np.setdiff1d(np.arange(120), places)
    found = apart(explored, places, most=3)
    np.testing.assert_allclose(found.inside, X[places].mean(axis=0))
    np.testing.assert_allclose(found.outside, X[others].mean(axis=0))
    effect = (X[places].mean(axis=0) - X[others].mean(axis=0)) / X.std(axis=0)
    best = np.argsort(-np.abs(effect))[:3]
    assert [one.place for one in found.differences] == best.tolist()
    np.testing.assert_allclose([one.deviations for one in found.differences], effect[best], rtol=1e-6)
    np.testing.assert_allclose(found.differences[0].errors, effect[best[0]] / np.sqrt(1 / 5 + 1 / 115), rtol=1e-6)


def test_the_planted_columns_are_found(explored, pictures):
    upper = np.flatnonzero(pictures[1] == 0)
    found = apart(explored, upper, most=12)
    assert {one.place for one in found.differences if one.deviations > 1} == set(range(6))


def test_all_rows_differ_from_none(explored):
    assert apart(explored, np.arange(120)).differences == []


def test_of_many_rows_a_sample_is_read(explored, monkeypatch):
    monkeypatch.setattr(selection, "_MOST_READ", 30)
    found = apart(explored, np.arange(0, 120, 2), most=12)
    assert found.n_read == 30
    assert {one.place for one in found.differences if one.deviations > 1} == set(range(6))


def test_missing_cells_are_left_out(explored_table, table):
    places = np.arange(0, 150, 3)
    found = apart(explored_table, places)
    bill = list(explored_table.encoding.names).index("bill")
    assert found.inside[bill] == pytest.approx(
        np.nanmean(explored_table.rows(places)[:, bill].astype(np.float64)), rel=1e-6
    )
    assert explored_table.encoding.names[found.differences[0].place].endswith("=basic")
