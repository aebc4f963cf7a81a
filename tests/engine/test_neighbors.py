import builtins

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors

from isthmus.core.errors import InvalidParameterError
from isthmus.engine import neighbors
from isthmus.engine.neighbors import approximate, exact, nearest, recall

ROWS = np.random.default_rng(0).normal(size=(300, 7)) + 2


@pytest.mark.parametrize("metric", neighbors.METRICS)
def test_neighbours_equal_scikit_learn(metric):
    for rows in (ROWS, ROWS.astype(np.float32)):
        expected = NearestNeighbors(n_neighbors=9, metric=metric, algorithm="brute").fit(rows).kneighbors()[1]
        assert_array_equal(exact(rows, 9, metric), expected)


def test_distances_of_integers_equal_scikit_learn():
    # With many ties, where numbers may differ and distances may not.
    rows = load_digits().data[:400]
    found, truth = exact(rows, 5), NearestNeighbors(n_neighbors=5).fit(rows).kneighbors()[0]
    distances = np.linalg.norm(rows[:, None] - rows[found], axis=2)
    np.testing.assert_allclose(distances, truth, atol=1e-5)


def test_rows_at_one_distance_are_in_the_order_of_their_numbers():
    assert exact(np.ones((6, 3)), 3).tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2], [0, 1, 2], [0, 1, 2]]
    line = np.arange(5.0)[:, None]
    assert exact(line, 2).tolist() == [[1, 2], [0, 2], [1, 3], [2, 4], [3, 2]]


def test_a_row_of_zeros_has_neighbours_by_cosine():
    rows = np.array([[0.0, 0], [1, 0], [2, 0.1], [0, -3]])
    assert exact(rows, 2, "cosine").tolist() == [[1, 2], [2, 0], [1, 0], [0, 1]]


def test_two_rows():
    assert exact(np.array([[1.0], [2.0]]), 1).tolist() == [[1], [0]]


def test_the_size_of_blocks_does_not_matter(monkeypatch):
    expected = exact(ROWS, 5)
    monkeypatch.setattr(neighbors, "_AT_ONCE", 7 * 320)
    assert_array_equal(exact(ROWS, 5), expected)


def test_recall():
    found = exact(ROWS, 6)
    assert recall(ROWS, found) == 1
    assert recall(ROWS, np.where(np.arange(6) < 3, found, -1), n_samples=50) == 0.5


def test_many_rows_need_another_package(monkeypatch):
    imported = builtins.__import__

    def without(name, *rest):
        if name == "pynndescent":
            raise ImportError(name)
        return imported(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setattr(neighbors, "EXACT_ROWS", 200)
    with pytest.raises(InvalidParameterError, match=r"isthmus\[maps\]"):
        nearest(ROWS, 5)


@pytest.mark.slow  # numba compiles for a minute
def test_approximate_neighbours():
    pytest.importorskip("pynndescent")
    found = approximate(ROWS, 5)
    assert found.shape == (300, 5)
    assert not (found == np.arange(300)[:, None]).any()
    assert recall(ROWS, found) > 0.95


def test_own_numbers_are_left_out():
    found = np.array([[0, 1, 2], [0, 2, 1], [0, 1, 3], [3, 1, 0]])
    assert neighbors._without_own(found, 2).tolist() == [[1, 2], [0, 2], [0, 1], [1, 0]]
