import numpy as np
from numpy.testing import assert_array_equal

from isthmus.data.scaling import Scaler
from isthmus.engine.edges import Edges

GRAPH = np.array([[1, 2, 3], [0, 2, -1], [2, 2, 0], [-1, -1, 3], [3, 1, 0]])


def test_a_row_meets_each_neighbour_once_in_k_epochs():
    edges = Edges.of(GRAPH, seed=3)
    rows = np.arange(5)
    met = np.stack([edges.pairs(rows, epoch)[:, 1] for epoch in range(1, 7)])
    assert sorted(met[:3, 0]) == [1, 2, 3] == sorted(met[3:, 0])
    assert sorted(met[:2, 1]) == [0, 2]
    assert set(met[:, 2]) == {0}
    assert set(met[:, 3]) == {3}  # without a neighbour
    assert_array_equal(edges.pairs(rows, 1)[:, 0], rows)


def test_edges_depend_on_seed_and_row_alone():
    edges, other = Edges.of(GRAPH, seed=3), Edges.of(np.tile(np.arange(1, 8), (50, 1)) + 50, seed=4)
    every = edges.pairs(np.arange(5), 2)
    assert_array_equal(edges.pairs(np.array([4, 0, 2]), 2), every[[4, 0, 2]])
    assert len(set(other.pairs(np.arange(50), 1)[:, 1])) > 4  # rows begin at different neighbours
    assert (
        Edges.of(np.tile(np.arange(1, 8), (50, 1)), 5).pairs(np.arange(50), 1) != other.pairs(np.arange(50), 1)
    ).any()


def test_a_loader_with_edges_has_both_ends_in_a_place(loader_of):
    rows = np.arange(20, dtype=np.float32).reshape(5, 4)
    edges = Edges.of(GRAPH, seed=1)
    scaler = Scaler("standard", np.full(4, 1.0), np.full(4, 2.0))
    for data in (rows, rows.astype(np.float64)):  # scaled by the program, and by the loader
        loader = loader_of(data, 2, shuffle=True, edges=edges, scaler=scaler, seed=1)
        (chunk,) = loader.chunks(4)
        assert loader.chunk_shape[1] == 8
        pairs = edges.pairs(chunk.rows[:5], 4)
        expected = data[pairs].reshape(5, 8)
        assert_array_equal(chunk.values[:5], expected if loader.in_program else (expected - 1) / 2)
        assert not chunk.values[5:6].any()
        (small,) = loader_of(data, 2, shuffle=True, edges=edges, scaler=scaler, seed=1, rows_per_chunk=6).chunks(4)
        assert_array_equal(small.rows[:5], chunk.rows[:5])
