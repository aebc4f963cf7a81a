import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from isthmus.metrics import continuity, distance_correlation, knn_accuracy, trustworthiness
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness as trustworthiness_of_scikit_learn
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import LeaveOneOut, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.evaluation import neighborhoods

rng = np.random.default_rng(0)
X, y = (part[:300] for part in load_digits(return_X_y=True))
X = X + rng.normal(scale=1e-3, size=X.shape)  # no two distances are equal
CODES = PCA(2, random_state=0).fit_transform(X)


@pytest.mark.parametrize("k", [1, 4, 5])
@pytest.mark.parametrize("labels", [y, np.array([f"class {label}" for label in y]), y.astype(object)])
def test_knn_accuracy_is_that_of_scikit_learn(k, labels):
    classifier = KNeighborsClassifier(k)
    expected = classifier.fit(CODES[:200], labels[:200].astype(str)).score(CODES[200:], labels[200:].astype(str))
    assert knn_accuracy(CODES[:200], labels[:200], CODES[200:], labels[200:], n_neighbors=k) == expected


@pytest.mark.parametrize("k", [1, 5])
def test_leave_one_out(k):
    expected = cross_val_score(KNeighborsClassifier(k), CODES, y, cv=LeaveOneOut()).mean()
    assert_allclose(knn_accuracy(CODES, y, n_neighbors=k), expected)


def test_a_row_does_not_vote_for_itself_among_equal_rows():
    codes, labels = np.zeros((40, 2)), np.arange(40)
    assert knn_accuracy(codes, labels, n_neighbors=3) == 0
    found = np.array([[7, 3, 9], [5, 6, 8]])
    assert_array_equal(neighborhoods.without_self(found, np.array([3, 4])), [[7, 9], [5, 6]])


def test_ties_go_to_the_first_class():
    codes = [[0.0], [1.0], [2.0], [3.0]]
    assert knn_accuracy(codes, ["b", "a", "a", "b"], [[1.5]], ["a"], n_neighbors=4) == 1


@pytest.mark.parametrize("k", [1, 5, 20])
def test_trustworthiness_is_that_of_scikit_learn(k):
    expected = trustworthiness_of_scikit_learn(X, CODES, n_neighbors=k)
    assert_allclose(trustworthiness(X, CODES, n_neighbors=k), expected, rtol=1e-12)
    expected = trustworthiness_of_scikit_learn(CODES, X, n_neighbors=k)
    assert_allclose(continuity(X, CODES, n_neighbors=k), expected, rtol=1e-12)


def test_blocks_of_rows_give_the_same(monkeypatch):
    whole = trustworthiness(X, CODES)
    monkeypatch.setattr(neighborhoods, "_AT_ONCE", 7 * len(X))
    assert trustworthiness(X, CODES) == whole


def test_the_identity_keeps_all():
    assert trustworthiness(X, X) == continuity(X, X) == 1
    assert_allclose(distance_correlation(X, 3 * X + 1), 1)


def test_equal_rows_are_at_equal_ranks():
    rows, shown = np.repeat([[0.0], [1.0]], 10, axis=0), rng.random((20, 1)) * 0.1
    shown[10:] += 1
    assert trustworthiness(rows, shown, n_neighbors=5) == 1


def test_distance_correlation_is_spearmans():
    assert_allclose(distance_correlation(X, CODES), spearmanr(pdist(X), pdist(CODES))[0], rtol=1e-9)
    assert np.isnan(distance_correlation(X, np.zeros((300, 2))))
    assert np.isnan(distance_correlation(X[:2], CODES[:2]))


def test_a_sample_is_drawn_from_the_seed():
    rows = neighborhoods.sampled(300, 100, 3)
    assert len(set(rows)) == 100
    assert_array_equal(neighborhoods.sampled(300, 300, 3), np.arange(300))
    expected = trustworthiness_of_scikit_learn(X[rows], CODES[rows], n_neighbors=5)
    assert_allclose(trustworthiness(X, CODES, n_samples=100, random_state=3), expected, rtol=1e-12)
    assert trustworthiness(X, CODES, n_samples=100) != trustworthiness(X, CODES, n_samples=100, random_state=3)
    # All rows vote on the rows of the sample.
    correct = cross_val_score(KNeighborsClassifier(5), CODES, y, cv=LeaveOneOut())
    assert_allclose(knn_accuracy(CODES, y, n_samples=100, random_state=3), correct[rows].mean())


@pytest.mark.parametrize("offset", [1e9, -1e9])
def test_rows_far_from_zero_are_compared_as_near_zero(offset):
    # Multiples of a power of two: float64 holds their sums with the offset exactly. Some distances are then equal.
    rows, codes = (np.round(part * 64) / 64 for part in (X, CODES))
    kept = trustworthiness(rows, codes), continuity(rows, codes), distance_correlation(rows, codes)
    far = rows + offset, codes + offset
    assert (trustworthiness(*far), continuity(*far), distance_correlation(*far)) == pytest.approx(kept, abs=1e-3)
    assert knn_accuracy(rows + offset, y) == knn_accuracy(rows, y)
    assert knn_accuracy(rows + offset, y, rows[:50] + offset, y[:50]) == knn_accuracy(rows, y, rows[:50], y[:50])


def test_frames_and_missing_cells():
    frame = pd.DataFrame(X).mask(rng.random(X.shape) < 0.1)
    # A missing cell is left out of a distance, which is scaled up in turn.
    own = pairwise_distances(frame, metric="nan_euclidean")
    assert_allclose(neighborhoods.distances(frame.to_numpy(), frame.to_numpy()), own**2, rtol=1e-9, atol=1e-9)
    assert trustworthiness(X, CODES) - 0.05 < trustworthiness(frame, CODES, n_samples=290) < 1
    assert knn_accuracy(pd.DataFrame(CODES), pd.Categorical(y)) == knn_accuracy(CODES, y)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: knn_accuracy(CODES, y[:9]), "labels of shape (9,) must have one label for each of 300 rows"),
        (lambda: knn_accuracy(CODES, CODES[:, 0]), "labels are measurements, 300 different ones, not classes"),
        (lambda: knn_accuracy(CODES[:3], ["a", None, "b"]), "labels[1] is missing; drop rows that have no label"),
        (lambda: knn_accuracy(CODES[:3], [1, 2, np.nan]), "labels[2] is missing"),
        (lambda: knn_accuracy(CODES[:3], pd.array([1, pd.NA, 2])), "labels[1] is missing"),
        (lambda: knn_accuracy(CODES[:5], y[:5]), "n_neighbors=5 must be an integer from 1 to 4, for this number"),
        (lambda: knn_accuracy(CODES, y, n_samples=0), "n_samples=0 must be an integer >= 1 or None"),
        (lambda: knn_accuracy(CODES, y, CODES), "test_codes and test_labels belong together"),
        (lambda: knn_accuracy(CODES, y, CODES[:2], ["0", "1"]), "no label of test_labels, such as np.str_('0'), is"),
        (lambda: knn_accuracy(CODES * np.nan, y), "codes[0, 0] is nan; drop or clip such rows"),
        (lambda: knn_accuracy(y, y), "codes of shape (300,) must have rows and columns"),
        (lambda: knn_accuracy(CODES[:0], y[:0]), "codes has no rows; pass at least one"),
        (lambda: trustworthiness(X, CODES[:9]), "300 rows have 9 codes; pass one code for each row"),
        (lambda: trustworthiness(X[:9], CODES[:9]), "n_neighbors=5 must be an integer from 1 to 4, for this number"),
        (lambda: continuity(X + np.inf, CODES), "X[0, 0] is inf; drop or clip such rows"),
    ],
)
def test_errors(call, message):
    with pytest.raises((InvalidDataError, InvalidParameterError)) as caught:
        call()
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("form", [scipy.sparse.csr_array, scipy.sparse.coo_matrix])
def test_sparse_rows_and_codes_are_those_of_their_dense_form(form):
    rows = np.where(X > 8, X, 0)
    for metric in (trustworthiness, continuity, distance_correlation):
        assert metric(form(rows), form(CODES), n_samples=100) == metric(rows, CODES, n_samples=100)
