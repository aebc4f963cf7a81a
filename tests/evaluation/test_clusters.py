from itertools import permutations

import numpy as np
import pytest
from isthmus.metrics import cluster_scores, clustering_accuracy
from numpy.testing import assert_allclose
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.datasets import make_blobs
from sklearn.metrics import normalized_mutual_info_score

from isthmus.core.errors import InvalidDataError, InvalidParameterError

rng = np.random.default_rng(0)
CODES, LABELS = make_blobs(400, centers=4, random_state=3)


@pytest.mark.parametrize(("n_classes", "n_clusters"), [(4, 4), (3, 5), (5, 3)])
def test_accuracy_is_that_of_the_best_assignment(n_classes, n_clusters):
    labels, clusters = rng.integers(0, n_classes, 60), rng.integers(0, n_clusters, 60)
    most = max(n_classes, n_clusters)
    best = max(np.mean(np.array(order)[clusters] == labels) for order in permutations(range(most), n_clusters))
    assert_allclose(clustering_accuracy(labels, clusters), best)
    assert_allclose(clustering_accuracy(labels.astype(str), [f"group {one}" for one in clusters]), best)


def test_rows_in_no_cluster_are_wrong():
    assert clustering_accuracy(["a", "a", "b", "b"], [-1, -1, 1, 1]) == 0.5
    assert clustering_accuracy(["a", "a"], [-1, -1]) == 0


def test_kmeans():
    found = cluster_scores(CODES, LABELS)
    expected = KMeans(4, n_init=10, random_state=0).fit_predict(CODES)
    assert found.nmi == normalized_mutual_info_score(LABELS, expected)
    assert found.accuracy == clustering_accuracy(LABELS, expected) > 0.9
    assert found[2:] == (4, 400)
    assert cluster_scores(CODES, LABELS, n_clusters=7, n_samples=100)[2:] == (7, 100)


def test_clusters_that_are_not_round_by_a_mixture():
    labels = np.repeat([0, 1], 100)
    long = np.column_stack([rng.uniform(0, 8, 200), 3 * labels + rng.normal(0, 0.3, 200)])
    assert cluster_scores(long, labels, method="mixture") == (1, 1, 2, 200)
    assert cluster_scores(long, labels).accuracy < 0.7


def test_hdbscan():
    found = cluster_scores(CODES, LABELS, method="hdbscan", min_cluster_size=20)
    expected = HDBSCAN(min_cluster_size=20, copy=True).fit_predict(CODES)
    assert found.nmi == normalized_mutual_info_score(LABELS, expected)
    assert found.n_clusters == expected.max() + 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: clustering_accuracy([1, 2], [1, 2, 3]), "labels of shape (2,) must have one label for each of 3 rows"),
        (lambda: cluster_scores(CODES, CODES[:, 0]), "labels are measurements"),
        (
            lambda: cluster_scores(CODES, LABELS, method="dbscan"),
            "method='dbscan' must be one of 'kmeans', 'mixture', 'hdbscan'",
        ),
        (lambda: cluster_scores(CODES, LABELS, n_clusters=0), "n_clusters=0 must be an integer from 1 to 400"),
        (
            lambda: cluster_scores(CODES, LABELS, method="hdbscan", n_clusters=4),
            "n_clusters=4 has no effect with method='hdbscan'; leave it out",
        ),
        (lambda: cluster_scores(CODES, LABELS, min_cluster_size=4), "min_cluster_size=4 has no effect with method='k"),
    ],
)
def test_errors(call, message):
    with pytest.raises((InvalidDataError, InvalidParameterError)) as caught:
        call()
    assert str(caught.value).startswith(message)
