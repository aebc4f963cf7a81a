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
