import numpy as np
import pytest

from isthmus.explore import units


def test_a_unit_is_described_by_its_values(explored):
    values = explored.codes[:, 2]
    found = units.unit(explored, 2)
    active = values[values != 0]
    assert found.density == len(active) / 120
    assert found.counts.sum() == len(active)
    if len(active):
        assert found.mean == pytest.approx(active.mean())
        order = np.sort(values)[::-1]
        np.testing.assert_array_equal(values[found.strongest], order[: len(found.strongest)])


def test_sparse_and_dense_codes(explored, explored_table):
    assert units.is_sparse(explored)
    assert not units.is_sparse(explored_table)
    np.testing.assert_allclose(units.densities(explored), (explored.codes != 0).mean(axis=0))


def test_the_axes_of_a_wide_code_are_its_principal_components(explored):
    first, second = units.axes(explored)
    codes = explored.codes.astype(np.float64)
    variances = np.linalg.eigvalsh(np.cov(codes.T, bias=True))[::-1]
    assert np.var(codes @ first) == pytest.approx(variances[0], rel=1e-4)
    assert np.var(codes @ second) == pytest.approx(variances[1], rel=1e-4)
    assert abs(first @ second) < 1e-5


def test_the_axes_of_a_plane_are_its_units(explored_table):
    np.testing.assert_array_equal(np.stack(units.axes(explored_table)), np.eye(2))
