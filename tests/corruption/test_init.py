import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from corrupting import columns_of, corrupted
from isthmus.core.errors import InvalidParameterError
from isthmus.corruption import (
    CORRUPTIONS,
    Blockout,
    Chain,
    Corruption,
    Deform,
    Function,
    Gaussian,
    Masking,
    Poisson,
    SaltAndPepper,
    Swap,
    Uniform,
    name_of,
    resolve,
)

rng = np.random.default_rng(0)
X = rng.random((60, 48)).astype(np.float32) + 1
NAMES = pytest.mark.parametrize("name", CORRUPTIONS)


def of(name, **settings):
    return CORRUPTIONS[name](**settings).bound((6, 8))


# Contract of every row of the table -------------------------------------------------------------------------------


@NAMES
def test_the_same_seed_and_epoch_give_the_same_result(name):
    one, again = corrupted(of(name), X), corrupted(of(name), X)
    assert_array_equal(one.x, again.x)
    for other in ({"epoch": 2}, {"seed": 1}):
        assert (corrupted(of(name), X, **other).x != one.x).any(axis=1).mean() > 0.5


@NAMES
@pytest.mark.parametrize("order", [np.arange(60)[::-1], np.r_[0:60:7], np.array([31])], ids=["back", "some", "one"])
def test_a_rows_noise_does_not_depend_on_its_batch(name, order):
    if name == "swap":
        pytest.skip("takes values of other rows")
    columns = columns_of(X)
    whole = corrupted(of(name), X, columns=columns)
    part = corrupted(of(name), X[order], rows=order, columns=columns)
    assert_array_equal(part.corrupted, whole.corrupted[order])
    assert_allclose(part.x, whole.x[order], rtol=1e-6)
    assert_allclose(part.level, whole.level[order], rtol=1e-6)


@NAMES
def test_shapes_types_and_uncorrupted_cells(name):
    observed = rng.random(X.shape) < 0.7
    result = corrupted(of(name), np.where(observed, X, 0), observed=observed)
    assert (result.x.shape, result.x.dtype) == (X.shape, np.float32)
    assert (result.corrupted.shape, result.corrupted.dtype) == (X.shape, bool)
    assert result.level.shape == (60,)
    assert result.corrupted.any()
    assert not result.corrupted[~observed].any()
    assert_array_equal(result.x[~result.corrupted], np.where(observed, X, 0)[~result.corrupted])


@NAMES
def test_level_0_corrupts_nothing(name):
    if name == "poisson":
        pytest.skip("has no level 0")
    result = corrupted(of(name, **{CORRUPTIONS[name].main: 0}), -X)
    assert_array_equal(result.x.view(np.uint32), (-X).view(np.uint32))
    assert not result.corrupted.any()


@NAMES
def test_declarations(name):
    kind = CORRUPTIONS[name]
    assert issubclass(kind, Corruption)
    assert kind.main in kind.traced
    assert {*kind.traced} <= {*kind().get_params()}
    assert {*kind().schedules()} == {f"corruption_{number}_{end}" for number in kind.traced for end in ("low", "high")}
    assert all(f"\n    {setting} :" in kind.__doc__ for setting in kind().get_params())
    of(name).check(48, True)
    assert clone(kind()) == kind()
    assert hash(kind()) == hash(kind())
    half = {kind.main: 0.5}
    assert kind(**half).static() == kind().static() == kind(**{kind.main: lambda done: 0.5}).static()


# Names and objects -------------------------------------------------------------------------------------------------


@NAMES
def test_a_name_gives_its_class(name):
    assert resolve(name) == CORRUPTIONS[name]()
    given = CORRUPTIONS[name]()
    found = resolve(given)
    assert found == given
    # A copy, so that a later change of the object does not reach what was fitted.
    assert found is not given


@pytest.mark.parametrize(
    ("name", "level", "expected"),
    [
        ("gaussian", 0.2, Gaussian(0.2)),
        ("uniform", 2, Uniform(2)),
        ("masking", 0, Masking(0)),
        ("salt_and_pepper", 1, SaltAndPepper(1)),
        ("swap", 0.1, Swap(0.1)),
        ("poisson", 7, Poisson(7)),
        ("blockout", 5.0, Blockout(5)),
        ("deform", 0.5, Deform(strength=0.5)),
    ],
)
def test_the_level_is_the_main_setting(name, level, expected):
    assert resolve(name, level) == expected


def test_a_function_is_wrapped():
    assert resolve(wrapped) == Function(wrapped)
    assert resolve(None) is None


def wrapped(key, x):
    return x


@pytest.mark.parametrize(
    ("given", "level", "message"),
    [
        (None, 0.5, "corruption_level=0.5 has no effect without corruption"),
        ("gausian", None, "corruption='gausian' is not one of 'gaussian', 'uniform', 'masking',"),
        (3, None, "corruption=3 is not one of"),
        (Gaussian, None, "corruption=Gaussian is a class; write Gaussian()"),
        (
            Gaussian(),
            0.5,
            "corruption_level=0.5 cannot be combined with a corruption object; write Gaussian(scale=0.5",
        ),
        (
            Chain((Gaussian(),)),
            0.5,
            "corruption_level=0.5 cannot be combined with a corruption object; set the level",
        ),
        (wrapped, 0.5, "corruption_level=0.5 cannot be combined with a function; set the level inside"),
        ("masking", 1.5, "corruption_level=1.5 must be a number >= 0 and <= 1"),
        ("poisson", 0, "corruption_level=0 must be a number > 0"),
    ],
)
def test_errors_of_the_level(given, level, message):
    with pytest.raises(InvalidParameterError) as caught:
        resolve(given, level)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [*CORRUPTIONS, wrapped])
def test_the_untouched_weight_goes_with_a_name_or_a_function(name):
    assert resolve(name, untouched_weight=0.5).untouched_weight == 0.5
    assert resolve(name, untouched_weight=0) == dataclasses.replace(resolve(name), untouched_weight=0)
    assert resolve(name).untouched_weight == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "untouched_weight=0.5 has no effect without corruption"),
        (Masking(), "untouched_weight=0.5 cannot be combined with a corruption object; write Masking(untouched_weigh"),
        (Chain((Masking(),)), "untouched_weight=0.5 cannot be combined with a corruption object; write Chain(untouch"),
    ],
)
def test_errors_of_the_untouched_weight(given, message):
    with pytest.raises(InvalidParameterError) as caught:
        resolve(given, untouched_weight=0.5)
    assert str(caught.value).startswith(message)
    with pytest.raises(InvalidParameterError, match="untouched_weight=2 must be a number >= 0 and <= 1"):
        resolve("masking", untouched_weight=2)


def test_texts_name_a_corruption_as_the_table_does():
    assert [name_of(resolve(name)) for name in CORRUPTIONS] == [name.replace("_", " ") for name in CORRUPTIONS]
    assert name_of(resolve(lambda key, x: x)) == "Function"


def test_names_are_read_without_jax():
    code = (
        "import sys\n"
        "from isthmus.corruption import CORRUPTIONS\n"
        "from isthmus.engine import OPTIMIZERS, SCHEDULES\n"
        "assert len([*CORRUPTIONS, *OPTIMIZERS, *SCHEDULES]) == 20\n"
        "assert not {'jax', 'numpy', 'optax'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
