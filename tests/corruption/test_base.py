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
from isthmus.corruption import Blockout, Gaussian, Masking, Poisson, SaltAndPepper, Swap, Uniform
from isthmus.corruption.base import settled, share_of, signed_share

rng = np.random.default_rng(0)
WORDS = rng.integers(0, 2**32, 1_000_000, dtype=np.uint32)
WORDS[:3] = 0, 2**32 - 1, 2**31
X = rng.standard_normal((200, 50)).astype(np.float32)


def test_words_as_shares():
    share, signed = (np.asarray(f(jnp.asarray(WORDS), jnp.float32), np.float64) for f in (share_of, signed_share))
    assert_array_equal(share, (WORDS >> 8) / 2**24)
    assert_array_equal(signed, (2 * (WORDS >> 8).astype(np.int64) + 1 - 2**24) / 2**24)
    assert (np.abs(signed) < 1).all()
    assert (signed != 0).all()


def test_missing_and_untouched_cells_stay():
    x, observed = jnp.asarray(X), jnp.asarray(X > -1)
    made = settled(Batch(x, x[:, 0], x[:, :2], observed), x + 1, jnp.asarray(X < 0.5), as_missing=True)
    assert_array_equal(made.corrupted, (X < 0.5) & (X > -1))
    assert_array_equal(made.x, np.where(made.corrupted, X + 1, X))
    assert_array_equal(made.hidden, made.corrupted)


# Numbers over a run ------------------------------------------------------------------------------------------------


@given(st.floats(0, 1))
def test_a_number_stays(rate):
    share = np.linspace(0, 1, 5)
    for schedule in Masking(rate).schedules().values():
        assert_array_equal(schedule(share), np.full(5, rate))


def test_a_schedule_is_asked_at_each_step():
    scheduled = Gaussian(lambda done: 2 * done).schedules()
    assert {*scheduled} == {"corruption_scale_low", "corruption_scale_high"}
    for schedule in scheduled.values():
        assert_array_equal(schedule(np.array([0, 0.25, 1])), [0, 0.5, 2])
    early, late = (corrupted(Gaussian(lambda done: 2 * done), X, share=share) for share in (0.1, 0.9))
    assert_allclose((late.x - X) / 1.8, (early.x - X) / 0.2, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("kind", "high"), [(Gaussian, 3.0), (Uniform, 3.0), (SaltAndPepper, 0.9), (Masking, 0.9)])
def test_a_pair_is_drawn_from_for_each_row_and_epoch(kind, high):
    x = np.zeros((20_000, 2))
    first, second = (corrupted(kind((0.1, high)), x, epoch=epoch).level for epoch in (1, 2))
    for level in (first, second):
        assert kstest(level, "uniform", (0.1, high - 0.1)).pvalue > 1e-4
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05


def test_a_row_gets_the_level_that_is_told():
    x = np.zeros((50, 20_000))
    columns = columns_of(x)._replace(spread=np.ones(20_000))
    made = corrupted(Gaussian((0.1, 3.0)), x, columns=columns)
    assert_allclose(made.x.std(axis=1), made.level, rtol=0.03)
    made = corrupted(Masking((0.1, 0.9)), x)
    assert_allclose(made.corrupted.mean(axis=1), made.level, atol=0.02)


@pytest.mark.parametrize("number", [0.3, (0.1, 0.5), lambda done: 0.3])
def test_another_number_is_the_same_program(number):
    assert Masking(number).static() == Masking().static()
    assert hash(Gaussian(number, unit="input").static()) == hash(Gaussian(unit="input").static())
    assert Gaussian(number, unit="input").static() != Gaussian(number).static()
    assert Masking(number, as_missing=True).static() != Masking(number).static()


# Settings ----------------------------------------------------------------------------------------------------------


def test_settings_are_read_and_changed():
    method = Gaussian([0.1, 0.2], unit="input")
    assert method.get_params() == {"scale": (0.1, 0.2), "unit": "input"}
    assert method.set_params(scale=0.7) is method
    assert method == Gaussian(0.7, "input")
    with pytest.raises(InvalidParameterError, match="Gaussian has no setting 'sigma'; it has scale, unit"):
        method.set_params(sigma=1)
    with pytest.raises(InvalidParameterError, match="scale=-1 is not legal"):
        method.set_params(scale=-1)
    assert method.scale == 0.7


NAN, RANGE = float("nan"), "it takes a number at least 0"


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: Masking(1.5), f"rate=1.5 is not legal; {RANGE} and at most 1, a pair (low, high) of them or a func"),
        (lambda: Masking((0.2, 1.5)), "rate=(0.2, 1.5) is not legal"),
        (lambda: Swap(-0.1), "rate=-0.1 is not legal"),
        (lambda: SaltAndPepper("half"), "rate='half' is not legal"),
        (lambda: Masking(True), "rate=True is not legal"),
        (lambda: Gaussian(-1), f"scale=-1 is not legal; {RANGE}, a pair"),
        (lambda: Gaussian(NAN), "scale=nan is not legal"),
        (lambda: Gaussian((0.5, 0.5)), "scale=(0.5, 0.5) is not legal; a pair (low, high) grows"),
        (lambda: Uniform((2, 1)), "width=(2, 1) is not legal; a pair (low, high) grows"),
        (lambda: Gaussian((1, 2, 3)), "scale=(1, 2, 3) is not legal"),
        (lambda: Gaussian(unit="sigma"), "unit='sigma' is not one of 'deviation', 'input'"),
        (lambda: Poisson(0), "peak=0 is not legal; it takes a number above 0 or a function"),
        (lambda: Poisson((1, 2)), "peak=(1, 2) is not legal"),
        (lambda: Blockout(-1), "size=-1 is not legal"),
        (
            lambda: Masking(lambda done: 5 * done / 2).check(3, True),
            "rate is 1.25 at 50% of training; it takes a number",
        ),
        (lambda: Poisson(lambda done: done).check(3, True), "peak is 0.0 at 0% of training; it takes a number above 0"),
        (lambda: Gaussian(unit="input").check(3, False), "Gaussian is told in the input's own units"),
        (lambda: Poisson().check(3, False), "Poisson is told in the input's own units"),
    ],
)
def test_what_is_refused(build, said):
    with pytest.raises(InvalidParameterError) as caught:
        build()
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)
