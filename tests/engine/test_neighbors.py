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


def _wide(n: int, rank: int, noise: float) -> np.ndarray:
    generator = np.random.default_rng(1)
    rows = generator.normal(size=(n, rank)) @ generator.normal(size=(rank, 300))
    return (rows + noise * generator.normal(size=rows.shape)).astype(np.float32)


@pytest.mark.parametrize("metric", neighbors.METRICS)
@pytest.mark.parametrize(("rank", "noise"), [(20, 0.0), (20, 0.3), (60, 1.0)])
def test_lower_bounds_change_no_neighbour(monkeypatch, metric, rank, noise):
    rows = _wide(700, rank, noise)
    rows[100:140] = rows[100]  # equal rows: no bound proves which of them are the nearest
    if metric == "cosine":
        rows[200:203] = 0
    expected = exact(rows, 6, metric)
    monkeypatch.setattr(neighbors, "_MANY_ROWS", 1)
    asked: list[int] = []
    by_bounds = neighbors._search_by_bounds
    monkeypatch.setattr(neighbors, "_search_by_bounds", lambda *given: (asked.append(1), by_bounds(*given))[1])
    assert_array_equal(exact(rows, 6, metric), expected)
    assert asked


def test_lower_bounds_prove_most_rows_of_few_directions():
    base = _wide(700, 20, 0.1)
    base -= base.mean(axis=0)
    found = np.full((700, 6), -1, np.int32)
    short = neighbors._shortened(base)
    left = neighbors._search_by_bounds(found, np.arange(700), neighbors._padded(base), short, False)
    assert len(left) < 70
    proved = np.setdiff1d(np.arange(700), left)
    assert_array_equal(found[proved], exact(base, 6)[proved])


def test_lower_bounds_are_no_larger_than_distances():
    base = _wide(400, 20, 1.0)
    short = neighbors._shortened(base)
    assert short.shape[1] <= 101
    bounds, distances = (np.linalg.norm(rows[:, None] - rows, axis=2) for rows in (short, base))
    assert (bounds <= distances * (1 + 1e-5) + 1e-4).all()
    assert np.corrcoef(bounds.ravel(), distances.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("shape", [(400, 300), (300, 400)])
def test_principal_directions_of_a_sample(shape):
    rows = np.random.default_rng(2).normal(size=shape) * np.geomspace(1, 0.01, shape[1])
    rows -= rows.mean(axis=0)
    squares, directions = neighbors._principal(rows)
    np.testing.assert_allclose(squares[:50], np.linalg.svd(rows)[1][:50] ** 2)
    np.testing.assert_allclose(directions[:50] @ directions[:50].T, np.eye(50), atol=1e-9)
    np.testing.assert_allclose(np.square(rows @ directions[:50].T).sum(axis=0), squares[:50])


def test_no_lower_bounds_where_many_directions_matter():
    assert neighbors._shortened(np.random.default_rng(0).normal(size=(400, 300)).astype(np.float32)) is None
    assert neighbors._shortened(_wide(100, 5, 0.0)) is None  # few rows
    assert neighbors._shortened(_wide(400, 5, 0.0)[:, :200]) is None  # few columns


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
