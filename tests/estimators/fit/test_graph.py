import numpy as np
import pandas as pd
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix
from sklearn.neighbors import NearestNeighbors

from isthmus import NeighborAutoencoder
from isthmus.core.parameters import values_of
from isthmus.data.sources.encoded import open_mixed
from isthmus.estimators.fit import graph
from isthmus.estimators.fit.graph import given_graph, graph_of, graph_of_codes, scaled_rows
from isthmus.estimators.fit.neighborhood import MapPlan
from isthmus.estimators.fit.preparing import prepare
from isthmus.estimators.fit.rows import FitRows, weighted

rng = np.random.default_rng(0)
ROWS = rng.normal(size=(40, 3)) * [1, 10, 100]


def prepared_of(rows, **settings):
    source = open_mixed(rows)
    plan = MapPlan.of(values_of(NeighborAutoencoder(random_state=0, **settings)), source.schema, source.n_rows).plan
    return prepare(plan, source, ())


def neighbours(edges):
    return [set(edges.ends[start:stop]) for start, stop in zip(edges.starts, edges.starts[1:], strict=False)]


def test_neighbours_are_those_of_scaled_rows():
    found = graph_of(prepared_of(ROWS), 4, "euclidean", 0)
    scaled = (ROWS - ROWS.mean(axis=0)) / ROWS.std(axis=0)
    expected = NearestNeighbors(n_neighbors=4).fit(scaled).kneighbors()[1]
    assert neighbours(found.edges) == [set(row) for row in expected]
    assert (found.n_rows, found.recall) == (40, 1.0)
    assert graph_of(prepared_of(ROWS), 100, "euclidean", 0).edges.ends.size == 40 * 39


def test_a_missing_cell_is_its_columns_mean():
    rows = np.array([[0.0, 0], [4, 0], [np.nan, 0], [1.9, 0], [2.3, 0]])
    found = graph_of(prepared_of(rows, missing="mask"), 2, "euclidean", 0)
    assert neighbours(found.edges)[2] == {3, 4}


def test_a_category_counts_as_one_column():
    table = pd.DataFrame({"a": [0.0, 0, 1, 1] * 5, "b": list("xyxy") * 5})
    prepared = prepared_of(table)
    rows = scaled_rows(prepared.loader, np.arange(4)) / prepared.error_scale
    assert_allclose(np.square(rows[0] - rows[2]).sum(), np.square(rows[0] - rows[1]).sum(), rtol=1e-5)


def test_a_sample_of_many_rows(monkeypatch):
    monkeypatch.setattr(graph, "SAMPLE_BYTES", 4 * 3 * 25)
    found = graph_of(prepared_of(ROWS), 4, "euclidean", 0)
    counts = np.diff(found.edges.starts)
    assert found.n_rows == 25 == (counts == 4).sum()
    assert (counts == 0).sum() == 15
    assert set(found.edges.ends) <= set(np.flatnonzero(counts))


def test_given_graphs():
    given = FitRows(open_mixed(ROWS[:4]))
    listed = given_graph(np.array([[1, 2], [0, -1], [2, 3], [-1, -1]]), given, 0)
    matrix = csr_matrix(([1, 1, 9, 0.5, 0], ([0, 0, 1, 2, 3], [1, 2, 0, 3, 0])), (4, 4))
    assert neighbours(listed.edges) == neighbours(given_graph(matrix, given, 0).edges) == [{1, 2}, {0}, {3}, set()]
    assert_array_equal(matrix.toarray()[3], 0)  # not changed
    fewer = weighted(open_mixed(ROWS[:4]), np.array([1, 0, 1, 2.0]))
    assert neighbours(given_graph(listed_array := np.array([[1, 2], [0, 2], [0, 3], [1, 0]]), fewer, 0).edges) == [
        {1},
        {0, 2},
        {0},
    ]
    assert listed_array.shape == (4, 2)


def test_neighbours_by_codes_are_those_of_scikit_learn(monkeypatch):
    codes = rng.normal(size=(50, 6)).astype(np.float32)
    found = graph_of_codes([codes[:30], codes[30:]], 50, 4, 0)
    expected = NearestNeighbors(n_neighbors=4, metric="cosine").fit(codes).kneighbors()[1]
    assert neighbours(found.edges) == [set(row) for row in expected]
    monkeypatch.setattr(graph, "SAMPLE_BYTES", 4 * 6 * 25)
    part = graph_of_codes([codes[:30], codes[30:]], 50, 4, 0)
    kept = np.flatnonzero(np.diff(part.edges.starts))
    assert part.n_rows == 25 == len(kept)
    nearest = NearestNeighbors(n_neighbors=4, metric="cosine").fit(codes[kept]).kneighbors()[1]
    assert [neighbours(part.edges)[row] for row in kept] == [set(kept[row]) for row in nearest]
