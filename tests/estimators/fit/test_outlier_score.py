import numpy as np
import pytest
from sklearn.covariance import MinCovDet
from sklearn.neighbors import NearestNeighbors

from isthmus.estimators.fit.outlier_score import NEIGHBORS, Reference, in_core


def points_of(rows):
    """Rows with residuals of zero."""
    return np.hstack([rows, np.zeros_like(rows)]).astype(np.float32)


@pytest.fixture
def rows():
    return np.random.default_rng(0).standard_normal((200, 3))


def test_the_core_is_that_of_the_minimum_covariance_determinant(rows):
    rows[:40] += 8
    found = in_core(rows, np.zeros((200, 1)))
    assert found.sum() == 120
    assert not found[:40].any()
    nearest = np.argsort(MinCovDet(random_state=0, support_fraction=0.6).fit(rows).dist_)[:120]
    assert found[nearest].mean() > 0.85


def test_rows_with_large_residuals_are_not_in_the_core(rows):
    residuals = np.zeros((200, 2))
    residuals[:30] = 5
    assert not in_core(rows, residuals)[:30].any()


def test_without_distances_to_the_core_the_score_is_the_distance_to_the_neighbours_over_the_root_of_theirs(rows):
    plain = Reference(points_of(rows), np.zeros(200), np.zeros((200, 3)), np.full(200, 4.0), 1.0)
    new = np.random.default_rng(1).standard_normal((20, 3))
    squared = np.square(NearestNeighbors(n_neighbors=NEIGHBORS).fit(rows).kneighbors(new)[0]).mean(axis=1)
    np.testing.assert_allclose(plain.contributions(points_of(new)).sum(axis=1), squared / 2, rtol=1e-4)


def test_contributions_are_by_cell_and_add_rows_and_residuals():
    base = np.zeros((6, 4), np.float32)
    reference = Reference(base, np.zeros(6), np.zeros((6, 2)), np.ones(6), 1.0)
    point = np.array([[1.0, 2.0, 3.0, 0.0]], np.float32)
    np.testing.assert_allclose(reference.contributions(point), [[1 + 9, 4]])


def test_a_row_is_not_its_own_neighbour_but_its_copy_is(rows):
    rows = np.concatenate([rows, rows[:1].repeat(NEIGHBORS, axis=0)])
    own = Reference.learn(points_of(rows), rows)[0].contributions(points_of(rows)).sum(axis=1)
    assert own[0] == own[-1] == 0
    assert (own[1:200] > 0).all()


def test_scores_do_not_depend_on_the_order_of_the_reference_or_on_other_rows(rows):
    points = points_of(rows)
    one = Reference.learn(points, rows)[0].contributions(points)
    order = np.random.default_rng(2).permutation(200)
    other = Reference.learn(points[order], rows[order])[0]
    np.testing.assert_allclose(other.contributions(points), one, rtol=1e-5)
    np.testing.assert_allclose(other.contributions(points[3:4]), one[3:4], rtol=1e-5)


def test_neighbours_of_outliers_have_their_distances_to_the_core_added(rows):
    rows[:10] = 20 + 0.1 * rows[:10]
    reference, _ = Reference.learn(points_of(rows), rows)
    assert (reference.to_core[:10] > 100).all()
    np.testing.assert_allclose(reference.to_core_by_cell.sum(axis=1), reference.to_core, rtol=1e-5)
    assert reference.contributions(points_of(rows)).sum(axis=1)[:10].min() > 10


def test_the_contributions_of_the_reference_rows_come_with_it(rows):
    points = points_of(rows)
    reference, found = Reference.learn(points, rows)
    np.testing.assert_allclose(found, reference.contributions(points), rtol=1e-12)


def test_a_level_that_a_third_of_the_rows_has_is_no_outlier():
    other = np.random.default_rng(2)
    level = np.arange(300) % 3 == 0
    rows = np.column_stack([other.normal(size=300), level, ~level])
    residuals = 0.1 * other.normal(size=(300, 3)) + np.where(level[:, None], [0, 0.9, -0.9], 0)
    points, codes = np.hstack([rows, residuals]), rows[:, :1]
    typical = [
        np.median(Reference.learn(points, codes, numeric)[1].sum(axis=1)[level])
        for numeric in (np.array([True, False, False]), None)
    ]
    assert typical[0] < 3
    assert typical[1] > 10, "without knowing categories the core has none of these rows"
