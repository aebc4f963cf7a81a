import numpy as np

from isthmus.corruption import Swap
from isthmus.explore.noise import RowNoise, noise_of


def test_a_model_without_noise_has_none(explored_table):
    assert noise_of(explored_table) is None


def test_the_levels_are_those_of_the_model(explored):
    noise = noise_of(explored)
    assert (noise.name, noise.level, noise.highest) == ("gaussian", 0.3, 0.6)


def test_draws_differ_and_rows_do(explored):
    noise = noise_of(explored)
    raw = explored.rows(np.array([3]))
    first, again, other = (noise.of(raw, 3, 0.6, draw) for draw in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, noise.of(raw, 4, 0.6, 0))


def test_cells_can_be_swapped_with_those_of_other_rows(explored):
    raw = explored.rows(np.array([3]))
    noisy = RowNoise(explored, Swap(0.5)).of(raw, 3, 0.5, 0)
    changed = np.abs(noisy - raw) > 1e-3
    assert 0 < changed.sum() < raw.size
    columns = explored.rows(np.arange(120))
    for column in np.flatnonzero(changed[0]):
        assert np.abs(columns[:, column] - noisy[0, column]).min() < 1e-2
