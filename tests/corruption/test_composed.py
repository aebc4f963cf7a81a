import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from corrupting import corrupted
from isthmus.core.errors import InvalidParameterError
from isthmus.corruption import Blockout, Chain, Function, Gaussian, Masking, Poisson, Swap

X = np.random.default_rng(0).normal(3, 1, (300, 40)).astype(np.float32)


def test_two_parts_of_one_class_draw_independently():
    once = corrupted(Chain((Gaussian(1.0),)), X).x - X
    both = corrupted(Chain((Gaussian(1.0), Gaussian(1.0))), X).x - X
    second = both - once
    assert abs(np.corrcoef(once.ravel(), second.ravel())[0, 1]) < 0.03
    assert_allclose(second.std(), X.std(0).mean(), rtol=0.03)


def test_corrupted_and_hidden_are_unions():
    rates = (0.3, 0.2, 0.1)
    result = corrupted(Chain((Masking(0.3, as_missing=True), Masking(0.2), Masking(0.1, as_missing=True))), X)
    left = np.prod(1 - np.array(rates))
    assert_allclose(result.corrupted.mean(), 1 - left, atol=0.02)
    assert_allclose(result.hidden.mean(), 1 - 0.7 * 0.9, atol=0.02)
    assert_array_equal(result.x == 0, result.corrupted)
    assert_array_equal(result.level, np.float32(0.3))


def test_cells_marked_as_missing_stay_zero():
    result = corrupted(Chain((Masking(0.5, as_missing=True), Gaussian(1.0), Swap(0.5))), X)
    assert_array_equal(result.x == 0, result.hidden)
    assert result.corrupted.all()


def test_each_part_has_its_own_schedules():
    chain = Chain((Masking(0.1), Chain((Masking(0.2), Gaussian((0.1, 0.4))))))
    values = {name: schedule(np.zeros(1))[0] for name, schedule in chain.schedules().items()}
    assert values == {
        "corruption_0_rate_low": 0.1,
        "corruption_0_rate_high": 0.1,
        "corruption_1_0_rate_low": 0.2,
        "corruption_1_0_rate_high": 0.2,
        "corruption_1_1_scale_low": 0.1,
        "corruption_1_1_scale_high": 0.4,
    }
    assert chain.static() == Chain((Masking(0.5), Chain((Masking(0.9), Gaussian(3))))).static()
    assert chain.static() != Chain((Masking(0.1), Chain((Masking(0.2), Poisson())))).static()
    inner = corrupted(Chain((Masking(0.0), Chain((Masking(0.0), Masking(0.4))))), X)
    assert_allclose(inner.corrupted.mean(), 0.4, atol=0.03)


def test_parts_are_bound_and_checked():
    chain = Chain([Gaussian(0.1), Blockout(2)]).bound((5, 8))
    assert chain.parts[1].image_shape == (5, 8)
    chain.check(40, False)
    assert Chain((Gaussian(), Poisson())).in_units
    assert not chain.in_units


def test_a_function_gets_the_rows_and_a_key():
    def noisy(key, x):
        return x + jax.random.normal(key, x.shape)

    result = corrupted(Function(noisy), X)
    assert_allclose((result.x - X).std(), 1, rtol=0.03)
    assert result.corrupted.all()
    assert_array_equal(result.x, corrupted(Function(noisy), X).x)
    for other in ({"epoch": 2}, {"seed": 1}, {"rows": np.arange(1, 301)}):
        assert (corrupted(Function(noisy), X, **other).x != result.x).mean() > 0.99


def test_cells_that_a_function_changes_are_corrupted():
    observed = np.random.default_rng(1).random(X.shape) < 0.8
    result = corrupted(Function(lambda key, x: x.at[:, ::2].set(9.0)), X, observed=observed)
    assert_array_equal(result.corrupted, observed & (np.arange(40) % 2 == 0))
    assert_array_equal(result.x, np.where(result.corrupted, 9, X))


def wrong(key, x):
    return x[:, 1:]


def failing(key, x):
    raise KeyError("no such thing")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Chain(()), "parts=() must be a sequence of one or more corruptions"),
        (lambda: Chain(Gaussian()), "parts=Gaussian("),
        (lambda: Chain((Gaussian(), "masking")), "parts[1]='masking' must be an object of isthmus.corruption"),
        (
            lambda: Chain((Gaussian(), Masking(untouched_weight=0.5)), untouched_weight=0.5),
            "untouched_weight=0.5 of parts[1] has no effect in a Chain; write Chain(parts, untouched_weight=0.5)",
        ),
        (lambda: Chain((Masking(), Blockout(2))).check(4, True), "Blockout needs images"),
        (lambda: Chain((Gaussian(unit="input"),)).check(4, False), "Gaussian uses the input's units"),
        (lambda: Function(3), "function=3 must be a function (key, x) -> x"),
        (
            lambda: Function(wrong).check(5, True),
            "corruption=wrong returned shape (4, 4) for rows of shape (4, 5)",
        ),
        (lambda: corrupted(Function(wrong), X), "corruption=wrong returned shape (300, 39)"),
        (
            lambda: Function(failing).check(5, True),
            "corruption=failing failed on (key, x) with x of shape (4, 5): KeyErr",
        ),
        (lambda: Function(abs).check(5, True), "corruption=abs failed on (key, x)"),
    ],
)
def test_errors(build, message):
    with pytest.raises(InvalidParameterError) as caught:
        build()
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
