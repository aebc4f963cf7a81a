import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose
from sklearn.metrics import r2_score

from isthmus.errors import InvalidDataError
from isthmus.metrics import ExplainedVariance, explained_variance, neighbour_accuracy

values = st.floats(-100, 100, width=32)
pairs = hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=12).flatmap(
    lambda shape: st.tuples(
        hnp.arrays(np.float32, shape, elements=values), hnp.arrays(np.float32, shape, elements=values)
    )
)


@given(pairs, st.data())
def test_explained_variance_is_r2_over_all_cells_in_any_blocks(pair, data):
    rows, rebuilt = pair
    wide = rows.astype(np.float64)
    spread = np.square(wide - wide.mean(axis=0)).sum()
    if spread < 1e-6:
        return
    expected = 1 - np.square(wide - rebuilt).sum() / spread
    assert_allclose(explained_variance(rows, rebuilt), expected, rtol=1e-9, atol=1e-9)
    cut = data.draw(st.integers(1, len(rows)))
    blocks = ExplainedVariance()
    for part in (slice(0, cut), slice(cut, None)):
        if len(rows[part]):
            blocks.update(rows[part], rebuilt[part])
    assert_allclose(blocks.value, expected, rtol=1e-9, atol=1e-9)


def test_explained_variance_equals_scikit_learns():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((200, 5)) * [1, 2, 3, 4, 5] + 1e6
    rebuilt = rows + rng.standard_normal(rows.shape)
    assert_allclose(
        explained_variance(rows, rebuilt), r2_score(rows, rebuilt, multioutput="variance_weighted"), rtol=1e-9
    )
    assert explained_variance(rows, rows) == 1
    assert_allclose(explained_variance(rows, np.broadcast_to(rows.mean(axis=0), rows.shape)), 0, atol=1e-12)


def test_rows_that_do_not_vary():
    constant = np.full((4, 2), 3.0)
    assert explained_variance(constant, constant) == 1
    assert explained_variance(constant, constant + 1) == 0


@pytest.mark.parametrize("other", [np.zeros((3, 2)), np.zeros(4)])
def test_shapes_that_differ_are_refused(other):
    with pytest.raises(InvalidDataError, match=r"rows of shape \(4, 2\) cannot be compared"):
        explained_variance(np.zeros((4, 2)), other)


def test_neighbours_vote():
    codes = np.array([[0.0], [0.1], [0.2], [10.0], [10.1], [10.2]])
    labels = np.array(["a", "a", "b", "b", "b", "b"])
    assert neighbour_accuracy(codes, labels, [[0.05], [10.05]], ["a", "b"], n_neighbors=3) == 1
    assert neighbour_accuracy(codes, labels, [[0.05], [10.05]], ["b", "b"], n_neighbors=3) == 0.5
    assert neighbour_accuracy(codes, labels, [[0.2]], ["b"], n_neighbors=1) == 1
