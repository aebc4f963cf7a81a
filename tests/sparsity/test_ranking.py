import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal

from isthmus.sparsity import ranking
from isthmus.sparsity.ranking import decode_top, encode_top

# Compiled once for each shape and k.
top_k = jax.jit(ranking.top_k, static_argnums=1)
keep_top = jax.jit(ranking.keep_top, static_argnums=1)
nth_largest = jax.jit(ranking.nth_largest, static_argnums=2)
rng = np.random.default_rng(0)
# Few different values, so that most are ties.
TIES = st.sampled_from([-2.0, -0.5, 0.0, 0.5, 1.0])
WIDE = {
    "ties": rng.integers(-3, 4, (5, 2048)).astype("f4"),
    "all different": rng.normal(size=(5, 2048)).astype("f4"),
    "all negative": -rng.random((5, 2048)).astype("f4"),
    "all equal": np.zeros((5, 2048), "f4"),
    "few finite": np.where(rng.random((5, 2048)) < 0.002, 1, -np.inf).astype("f4"),
}


def by_sorting(values, k):
    columns = np.argsort(-values, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(values, columns, axis=1), columns


def kept_by_sorting(values, k):
    kept = np.zeros_like(values)
    largest, columns = by_sorting(values, k)
    np.put_along_axis(kept, columns, largest, axis=1)
    return kept


@settings(max_examples=50)
@given(st.sampled_from([(3, 1), (4, 5)]), st.data())
def test_the_k_largest_are_those_of_a_sort(shape, data):
    # XLA may take a subnormal number for 0.
    numbers = TIES | st.floats(-5, 5, width=32, allow_subnormal=False)
    values = data.draw(hnp.arrays(np.float32, shape, elements=numbers))
    # For lax.top_k, 0 is larger than -0.
    values = values + np.float32(0)
    k = data.draw(st.integers(1, shape[1]))
    for found, expected in zip(top_k(values, k), by_sorting(values, k), strict=True):
        assert_array_equal(found, expected)
    assert_array_equal(keep_top(values, k), kept_by_sorting(values, k))
    rank = data.draw(st.integers(1, k))
    assert_array_equal(keep_top(values, k, jnp.float32(rank)), kept_by_sorting(values, rank))


@pytest.mark.parametrize("k", [1, 3, 32, 33, 2048])
@pytest.mark.parametrize("name", WIDE)
def test_long_rows_give_the_same_in_two_stages(name, k):
    for found, expected in zip(top_k(WIDE[name], k), by_sorting(WIDE[name], k), strict=True):
        assert_array_equal(found, expected)


@settings(max_examples=30)
@given(hnp.arrays(np.float32, (2, 1024), elements=TIES), st.sampled_from([1, 2, 16]))
def test_long_rows_full_of_ties(values, k):
    for found, expected in zip(top_k(values, k), by_sorting(values, k), strict=True):
        assert_array_equal(found, expected)
    assert_array_equal(keep_top(values, k), kept_by_sorting(values, k))


@pytest.mark.parametrize("rank", [None, 2])
def test_only_kept_values_have_gradients(rank):
    values, weight = WIDE["ties"], rng.normal(size=(5, 2048)).astype("f4")
    gradient = jax.grad(lambda values: jnp.sum(weight * keep_top(values, 3, rank and jnp.int32(rank))))(values)
    _, columns = by_sorting(values, rank or 3)
    expected = np.zeros_like(values)
    np.put_along_axis(expected, columns, np.take_along_axis(weight, columns, axis=1), axis=1)
    assert_array_equal(gradient, expected)


def nth_by_sorting(values, n, axis):
    ordered = np.sort(values, axis=axis)
    return np.take(ordered, -min(n, ordered.shape[axis or 0]), axis=axis or 0)


FLOATS = TIES | st.floats(width=32, allow_nan=False) | st.sampled_from([-np.inf, np.inf, -0.0])


@settings(max_examples=60)
@given(hnp.arrays(np.float32, (4, 5), elements=FLOATS), st.integers(1, 21), st.sampled_from([None, 0, 1]))
def test_the_nth_largest_is_that_of_a_sort(values, n, axis):
    # Subnormal numbers are zeros on some processors.
    values = np.where(np.abs(values) < np.finfo(np.float32).tiny, 0, values).astype("f4")
    assert_array_equal(nth_largest(values, jnp.int32(n), axis), nth_by_sorting(values, n, axis))


@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("n", [1, 2, 3, 7, 700])
def test_the_nth_largest_in_double_precision(n, axis):
    values = np.float64(1) + np.array([[-1, 0, 1e-12], [2e-12, -3, 1e-12], [-np.inf, 1e300, 2e-12]])
    with jax.enable_x64(True):
        assert_array_equal(nth_largest(jnp.asarray(values), jnp.int32(n), axis), nth_by_sorting(values, n, axis))


def test_another_rank_compiles_nothing(compilations):
    values = WIDE["ties"]
    nth_largest(values, np.int32(3)), keep_top(values, 3, np.int32(3))
    with compilations() as compiled:
        least, kept = nth_largest(values, np.int32(1)), keep_top(values, 3, np.int32(2))
    assert compiled == []
    assert float(least) == 3
    assert_array_equal(kept, kept_by_sorting(values, 2))


X, ENCODER, BIAS = rng.normal(size=(7, 5)), rng.normal(size=(5, 12)), rng.normal(size=12)
DECODER, PULL = rng.normal(size=(12, 4)), rng.normal(size=(7, 4))


def dense(x, encoder, bias, decoder, k):
    return ranking.keep_top(jax.nn.relu(x @ encoder + bias), k) @ decoder


def sparse(x, encoder, bias, decoder, k):
    return decode_top(*encode_top(x, encoder, bias, k), decoder)


# The last has rows with fewer than k units above 0, and units that are never selected.
@pytest.mark.parametrize("bias", [BIAS, BIAS - 3, np.where(np.arange(12) % 3, BIAS - 1, -np.inf)])
@pytest.mark.parametrize("k", [1, 4, 12])
def test_values_and_gradients_are_those_of_dense_products(k, bias):
    with jax.enable_x64(True):
        both = [
            jax.jit(jax.value_and_grad(lambda *args, f=f: jnp.vdot(PULL, f(*args, k)), argnums=(0, 1, 2, 3)))(
                X, ENCODER, bias, DECODER
            )
            for f in (sparse, dense)
        ]
        assert_allclose(sparse(X, ENCODER, bias, DECODER, k), dense(X, ENCODER, bias, DECODER, k), atol=1e-12)
    jax.tree.map(lambda a, b: assert_allclose(a, b, atol=1e-12), *both)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(both))


def test_active_units_largest_first():
    code = encode_top(X, ENCODER, BIAS, 3)
    pre_code = np.maximum(X @ ENCODER + BIAS, 0)
    columns = np.argsort(-pre_code, axis=1, kind="stable")[:, :3]
    assert_array_equal(
        np.where(np.asarray(code.values) > 0, code.units, -1),
        np.where(np.take_along_axis(pre_code, columns, axis=1) > 0, columns, -1),
    )
    assert_allclose(code.values, np.take_along_axis(pre_code, columns, axis=1), rtol=1e-5, atol=1e-6)


def test_repeated_units_are_added():
    values, units = np.array([[1.0, 2.0]]), np.array([[3, 3]])
    with jax.enable_x64(True):
        assert_allclose(decode_top(values, units, DECODER)[0], 3 * DECODER[3])
        gradient = jax.grad(lambda weight: decode_top(values, units, weight).sum())(jnp.asarray(DECODER))
    assert_array_equal(gradient, 3 * (np.arange(12) == 3)[:, None] * np.ones(4))
