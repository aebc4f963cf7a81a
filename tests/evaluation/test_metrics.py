from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import coo_array, csr_matrix
from sklearn.metrics import r2_score

from isthmus.core.errors import InvalidDataError
from isthmus.evaluation.metrics import (
    CodeStatistics,
    ExplainedVariance,
    Fidelity,
    density_histogram,
    explained_variance,
)

values = st.floats(-100, 100, width=32)
pairs = hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=12).flatmap(
    lambda shape: st.tuples(
        hnp.arrays(np.float32, shape, elements=values), hnp.arrays(np.float32, shape, elements=values)
    )
)


@given(pairs, st.data())
def test_explained_variance_is_r2_over_all_cells_for_any_blocks(pair, data):
    rows, reconstructed = pair
    wide = rows.astype(np.float64)
    spread = np.square(wide - wide.mean(axis=0)).sum()
    if spread < 1e-6:
        return
    expected = 1 - np.square(wide - reconstructed).sum() / spread
    assert_allclose(explained_variance(rows, reconstructed), expected, rtol=1e-9, atol=1e-9)
    cut = data.draw(st.integers(1, len(rows)))
    blocks = ExplainedVariance()
    for part in (slice(0, cut), slice(cut, None)):
        if len(rows[part]):
            blocks.update(rows[part], reconstructed[part])
    assert_allclose(blocks.value, expected, rtol=1e-9, atol=1e-9)


def test_explained_variance_equals_r2_score():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((200, 5)) * [1, 2, 3, 4, 5] + 1e6
    reconstructed = rows + rng.standard_normal(rows.shape)
    assert_allclose(
        explained_variance(rows, reconstructed),
        r2_score(rows, reconstructed, multioutput="variance_weighted"),
        rtol=1e-9,
    )
    assert explained_variance(rows, rows) == 1
    assert_allclose(explained_variance(rows, np.broadcast_to(rows.mean(axis=0), rows.shape)), 0, atol=1e-12)


def test_explained_variance_of_constant_rows():
    constant = np.full((4, 2), 3.0)
    assert explained_variance(constant, constant) == 1
    assert explained_variance(constant, constant + 1) == 0


@pytest.mark.parametrize("other", [np.zeros((3, 2)), np.zeros(4)])
def test_different_shapes_raise(other):
    with pytest.raises(InvalidDataError, match=r"rows of shape \(4, 2\) cannot be compared"):
        explained_variance(np.zeros((4, 2)), other)


# Fidelity --------------------------------------------------------------------------------------------------------


def cut(n_rows, places):
    edges = [0, *sorted(min(place, n_rows) for place in places), n_rows]
    return [slice(*edge) for edge in pairwise(edges)]


@given(pairs, st.lists(st.integers(0, 12), max_size=4))
def test_fidelity_agrees_with_numpy_for_any_blocks(pair, places):
    rows, reconstructed = pair
    found = Fidelity()
    for part in cut(len(rows), places):
        found.update(rows[part], reconstructed[part])
    x, y = rows.astype(np.float64), reconstructed.astype(np.float64)
    norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    nonzero = x.any(axis=1)
    cosines = np.divide((x * y).sum(axis=1), norms, out=np.zeros(len(x)), where=norms > 0)[nonzero]
    assert found.count == len(rows)
    assert found.zero_rows == (~nonzero).sum()
    assert_allclose(found.mse, np.mean((x - y) ** 2), rtol=1e-12)
    assert_allclose(found.cosine, cosines.mean() if nonzero.any() else np.nan, rtol=1e-9, atol=1e-12)
    assert_allclose(found.explained_variance, explained_variance(rows, reconstructed), rtol=1e-9, atol=1e-9)
    assert found.fvu == 1 - found.explained_variance


def test_cosine_of_tiny_and_huge_rows():
    found = Fidelity()
    found.update(np.array([[3e-200, 4e-200], [3e100, 0], [0, 0]]), np.array([[4e-200, 3e-200], [-1e100, 0], [1, 1]]))
    assert_allclose(found.cosine, (0.96 - 1) / 2)
    assert found.zero_rows == 1


def test_a_row_of_weight_2_is_two_rows_of_the_fidelity():
    rng = np.random.default_rng(0)
    rows, rebuilt, weights = rng.normal(size=(8, 3)), rng.normal(size=(8, 3)), np.arange(8) % 3
    rows[4] = 0
    rows[1, 2] = np.nan
    weighted, repeated = Fidelity(), Fidelity()
    weighted.update(rows, rebuilt, weights)
    repeated.update(np.repeat(rows, weights, axis=0), np.repeat(rebuilt, weights, axis=0))
    for name in ("mse", "cosine", "explained_variance", "fvu"):
        assert_allclose(getattr(weighted, name), getattr(repeated, name), rtol=1e-12)


def test_a_reconstruction_of_zeros_has_cosine_zero():
    found = Fidelity()
    found.update(np.eye(4), np.diag([1.0, 1, 1, 0]))
    assert found.cosine == 0.75


def test_zero_and_one_rows():
    found = Fidelity()
    found.update(np.empty((0, 2)), np.empty((0, 2)))
    assert np.isnan([found.mse, found.cosine, found.explained_variance, found.fvu]).all()
    found.update(np.ones((1, 2)), np.zeros((1, 2)))
    assert (found.count, found.mse, found.cosine) == (1, 1, 0)
    assert np.isnan(found.fvu)
    with pytest.raises(
        InvalidDataError, match=r"rows of shape \(1, 2\) cannot be compared with a reconstruction of shape \(2"
    ):
        found.update(np.ones((1, 2)), np.ones((2, 2)))


# Codes -----------------------------------------------------------------------------------------------------------


sparse_values = st.one_of(st.just(0.0), st.just(-0.0), st.floats(-100, 100, width=32))
some_codes = hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=sparse_values)


@given(some_codes, st.lists(st.integers(0, 9), max_size=4), st.lists(st.booleans(), min_size=5, max_size=5))
def test_code_statistics_agree_with_numpy_for_dense_and_sparse_blocks(codes, places, sparse):
    found = CodeStatistics(codes.shape[1])
    for part, as_matrix in zip(cut(len(codes), places), sparse, strict=False):
        found.update(csr_matrix(codes[part]) if as_matrix else codes[part])
    active = codes != 0
    assert found.count == len(codes)
    assert_array_equal(found.l0_histogram, np.bincount(active.sum(axis=1), minlength=codes.shape[1] + 1))
    assert_array_equal(found.active_rows, active.sum(axis=0))
    assert found.l0_histogram.dtype == found.active_rows.dtype == np.int64
    assert_allclose(found.l0, active.sum(axis=1).mean(), rtol=1e-12)
    assert_array_equal(found.frequency, active.sum(axis=0) / len(codes))
    assert_allclose(found.mean_activation, codes.astype(np.float64).mean(axis=0), rtol=1e-12, atol=1e-12)
    assert_array_equal(found.largest_activation, codes.max(axis=0))
    assert found.dead == (~active.any(axis=0)).sum()
    assert found.fraction_alive == active.any(axis=0).mean()
    assert found.fraction_dead == (~active.any(axis=0)).mean()


def test_explicit_zeros_of_a_sparse_matrix_are_not_active():
    twice = csr_matrix(([1.0, -1, 0, 5], [0, 0, 1, 2], [0, 2, 4, 4]), shape=(3, 4))
    before = twice.data.copy()
    found = CodeStatistics(4)
    found.update(twice)
    assert_array_equal(found.active_rows, [0, 0, 1, 0])
    assert_array_equal(found.l0_histogram, [2, 1, 0, 0, 0])
    assert_array_equal(twice.data, before)


def test_largest_activation_may_be_negative():
    codes = np.array([[-1.0, -1, 0], [-2, 0, -3]])
    for form in (np.asarray, csr_matrix, coo_array):
        found = CodeStatistics(3)
        found.update(form(codes))
        assert_array_equal(found.largest_activation, [-1, 0, 0])


def test_code_statistics_of_no_rows():
    found = CodeStatistics(2)
    found.update(np.empty((0, 2)))
    assert found.count == 0
    assert found.dead == 2
    for values in (found.l0, found.frequency, found.mean_activation, found.largest_activation):
        assert np.isnan(values).all()


@pytest.mark.parametrize(
    ("codes", "match"),
    [
        (np.zeros((2, 3)), r"codes have shape \(2, 3\); expected \(n_rows, 2\)"),
        (np.zeros(2), r"codes have shape \(2,\)"),
        (csr_matrix((2, 5)), r"codes have shape \(2, 5\)"),
        (np.array([[0, np.nan]]), "codes of unit 1 are not finite"),
        (csr_matrix([[np.inf, 0]]), "codes of unit 0 are not finite"),
    ],
)
def test_invalid_codes_raise(codes, match):
    found = CodeStatistics(2)
    with pytest.raises(InvalidDataError, match=match):
        found.update(codes)
    assert found.count == 0


@given(st.lists(st.one_of(st.just(0.0), st.floats(1e-9, 1)), min_size=1, max_size=30), st.integers(1, 5))
def test_every_unit_is_dead_or_in_one_bin(shares, per_decade):
    edges, counts, dead = density_histogram(shares, per_decade=per_decade)
    assert dead == shares.count(0)
    assert counts.sum() == len(shares) - dead
    assert len(edges) == len(counts) + 1 >= 2
    assert edges[-1] == 0
    assert_allclose(np.diff(edges), 1 / per_decade)
    alive = np.log10([share for share in shares if share])
    inside = (alive[:, None] >= edges[:-1]) & (alive[:, None] < np.append(edges[1:-1], np.inf))
    assert_array_equal(counts, inside.sum(axis=0))
    assert len(counts) == 1 or counts[0]


def test_frequencies_outside_0_to_1_raise():
    for wrong in (1.5, -0.1, np.nan):
        with pytest.raises(InvalidDataError, match=rf"fractions of rows in \[0, 1\], not {wrong:g}"):
            density_histogram([0.5, wrong])


@pytest.mark.parametrize("unit", [1e-300, 1e-200, 1e200])
def test_explained_variance_does_not_depend_on_the_unit(unit):
    rows = np.random.default_rng(0).normal(size=(60, 3))
    found = ExplainedVariance()
    found.update(rows[:20] * unit * 1e-60, rows[:20] * 0.5 * unit * 1e-60)
    found.update(rows[20:] * unit, rows[20:] * 0.5 * unit)
    expected = ExplainedVariance()
    expected.update(rows[:20] * 1e-60, rows[:20] * 0.5 * 1e-60)
    expected.update(rows[20:], rows[20:] * 0.5)
    assert found.value == pytest.approx(expected.value, rel=1e-12)
    assert explained_variance(rows * unit, rows * 0) == pytest.approx(explained_variance(rows, rows * 0))


@pytest.mark.parametrize("parts", [1, 4])
def test_weighted_explained_variance_is_scikit_learns(parts):
    rng = np.random.default_rng(0)
    rows, weights = rng.normal(5, 2, (40, 3)), rng.uniform(0, 2, 40)
    rebuilt = rows + rng.normal(size=rows.shape)
    weights[::7] = 0
    explained = ExplainedVariance()
    for part in np.array_split(np.arange(40), parts):
        explained.update(rows[part], rebuilt[part], weights[part])
    assert explained.value == pytest.approx(
        r2_score(rows, rebuilt, sample_weight=weights, multioutput="variance_weighted"), rel=1e-12
    )
