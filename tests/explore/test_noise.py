import numpy as np

from isthmus.explore.noise import noise_of


def test_a_model_without_noise_has_none(explored_table):
    assert noise_of(explored_table) is None


def test_the_levels_are_those_of_the_model(explored):
    noise = noise_of(explored)
    assert (noise.name, noise.level, noise.highest) == ("Gaussian", 0.3, 0.6)


def test_draws_differ_and_rows_do(explored):
    noise = noise_of(explored)
    raw = explored.rows(np.array([3]))
    first, again, other = (noise.of(raw, 3, 0.6, draw) for draw in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, noise.of(raw, 4, 0.6, 0))
