import functools

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kstest

from corrupting import columns_of, corrupted
from isthmus.core.errors import InvalidParameterError
from isthmus.core.types import Batch
from isthmus.corruption import Blockout, Chain, Function, Gaussian, Masking, Poisson, SaltAndPepper, Swap, Uniform
from isthmus.corruption.base import replace_cells

rng = np.random.default_rng(0)
WORDS = rng.integers(0, 2**32, 1_000_000, dtype=np.uint32)
WORDS[:3] = 0, 2**32 - 1, 2**31
X = rng.standard_normal((200, 50)).astype(np.float32)
NAN, RANGE = float("nan"), "must be a number >= 0"


def test_missing_and_uncorrupted_cells_keep_their_values():
    x, observed = jnp.asarray(X), jnp.asarray(X > -1)
    result = replace_cells(Batch(x, x[:, 0], x[:, :2], observed), x + 1, jnp.asarray(X < 0.5), as_missing=True)
    assert_array_equal(result.corrupted, (X < 0.5) & (X > -1))
    assert_array_equal(result.x, np.where(result.corrupted, X + 1, X))
    assert_array_equal(result.hidden, result.corrupted)


# Schedules --------------------------------------------------------------------------------------------------------


@given(st.floats(0, 1))
def test_a_number_is_a_constant_schedule(rate):
    share = np.linspace(0, 1, 5)
    for schedule in Masking(rate).schedules().values():
        assert_array_equal(schedule(share), np.full(5, rate))


def test_a_function_is_a_schedule():
    scheduled = Gaussian(lambda done: 2 * done).schedules()
    assert {*scheduled} == {"corruption_scale_low", "corruption_scale_high"}
    for schedule in scheduled.values():
        assert_array_equal(schedule(np.array([0, 0.25, 1])), [0, 0.5, 2])
    early, late = (corrupted(Gaussian(lambda done: 2 * done), X, share=share) for share in (0.1, 0.9))
    assert_allclose((late.x - X) / 1.8, (early.x - X) / 0.2, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("kind", "high"), [(Gaussian, 3.0), (Uniform, 3.0), (SaltAndPepper, 0.9), (Masking, 0.9)])
def test_each_row_draws_from_a_pair_in_each_epoch(kind, high):
    x = np.zeros((20_000, 2))
    first, second = (corrupted(kind((0.1, high)), x, epoch=epoch).level for epoch in (1, 2))
    for level in (first, second):
        assert kstest(level, "uniform", (0.1, high - 0.1)).pvalue > 1e-4
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05


def test_rows_are_corrupted_at_the_returned_level():
    x = np.zeros((50, 20_000))
    columns = columns_of(x)._replace(spread=np.ones(20_000))
    result = corrupted(Gaussian((0.1, 3.0)), x, columns=columns)
    assert_allclose(result.x.std(axis=1), result.level, rtol=0.03)
    result = corrupted(Masking((0.1, 0.9)), x)
    assert_allclose(result.corrupted.mean(axis=1), result.level, atol=0.02)


@pytest.mark.parametrize("number", [0.3, (0.1, 0.5), lambda done: 0.3])
def test_another_number_has_the_same_static_part(number):
    assert Masking(number).static() == Masking().static()
    assert hash(Gaussian(number, unit="input").static()) == hash(Gaussian(unit="input").static())
    assert Gaussian(number, unit="input").static() != Gaussian(number).static()
    assert Masking(number, as_missing=True).static() != Masking(number).static()


@pytest.mark.parametrize("corruption", [Masking, Gaussian, Function, Chain])
def test_the_untouched_weight_is_scheduled_unless_it_is_1(corruption):
    build = functools.partial(corruption, *{Function: (keep,), Chain: ((Masking(),),)}.get(corruption, ()))
    assert "untouched_weight" not in build(untouched_weight=1).schedules()
    method = build(untouched_weight=0.25)
    assert_array_equal(method.schedules()["untouched_weight"](np.zeros(3)), [0.25] * 3)
    assert method.static() == build().static()
    assert method != build()
    for weight in (-0.1, 1.5, "half", True, NAN):
        with pytest.raises(InvalidParameterError, match=f"untouched_weight={weight!r} must be a number >= 0 and <= 1"):
            build(untouched_weight=weight)


def keep(key, x):
    return x


# Settings ----------------------------------------------------------------------------------------------------------


def test_get_and_set_params():
    method = Gaussian([0.1, 0.2], unit="input")
    assert method.get_params() == {"scale": (0.1, 0.2), "unit": "input", "untouched_weight": 1.0}
    assert method.set_params(scale=0.7) is method
    assert method == Gaussian(0.7, "input")
    with pytest.raises(InvalidParameterError, match="Gaussian has no setting 'sigma'; it has scale, unit, unt"):
        method.set_params(sigma=1)
    with pytest.raises(InvalidParameterError, match="scale=-1 must be a number >= 0"):
        method.set_params(scale=-1)
    assert method.scale == 0.7


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Masking(1.5), f"rate=1.5 {RANGE} and <= 1, a pair (low, high) or a function"),
        (lambda: Masking((0.2, 1.5)), "rate=(0.2, 1.5) must be a number"),
        (lambda: Swap(-0.1), "rate=-0.1 must be a number"),
        (lambda: SaltAndPepper("half"), "rate='half' must be a number"),
        (lambda: Masking(True), "rate=True must be a number"),
        (lambda: Gaussian(-1), f"scale=-1 {RANGE}, a pair"),
        (lambda: Gaussian(NAN), "scale=nan must be a number"),
        (lambda: Gaussian((0.5, 0.5)), "scale=(0.5, 0.5) must be a pair (low, high) with low < high"),
        (lambda: Uniform((2, 1)), "width=(2, 1) must be a pair (low, high) with low < high"),
        (lambda: Gaussian((1, 2, 3)), "scale=(1, 2, 3) must be a number"),
        (lambda: Gaussian(unit="sigma"), "unit='sigma' must be one of 'deviation', 'input'"),
        (lambda: Poisson(0), "peak=0 must be a number > 0 or a function"),
        (lambda: Poisson((1, 2)), "peak=(1, 2) must be a number > 0"),
        (lambda: Blockout(-1), "size=-1 must be a number >= 0"),
        (
            lambda: Masking(lambda done: 5 * done / 2).check(3, True),
            "rate=1.25 at 50% of training must be a number >= 0 and <= 1",
        ),
        (lambda: Poisson(lambda done: done).check(3, True), "peak=0.0 at 0% of training must be a number > 0"),
        (lambda: Gaussian(unit="input").check(3, False), "Gaussian uses the input's units"),
        (lambda: Poisson().check(3, False), "Poisson uses the input's units"),
    ],
)
def test_errors(build, message):
    with pytest.raises(InvalidParameterError) as caught:
        build()
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
