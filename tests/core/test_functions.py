import copy
import functools
import os
import pickle
import subprocess
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from isthmus.core.errors import InvalidParameterError, ModelFileError
from isthmus.core.functions import (
    Function,
    Trusted,
    as_function,
    fingerprint,
    is_function,
    name_of,
    place_of,
    why_no_place,
)

SCALE = 2.0


def square(x):
    return x**2


def cube(x):
    return x**3


def power(x, exponent, *, factor=1.0):
    return factor * x**exponent


def scaled(x):
    return SCALE * x


def twice_scaled(x):
    return 2 * scaled(x)


def endless(x, n):
    return endless(x, n - 1) if n else x


def made(factor):
    def times(x):
        return factor * x

    return times


class Times:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return self.factor * x

    def method(self, x):
        return self.factor * x


def same(one, other):
    one, other = Function(one), Function(other)
    assert (one == other) == (hash(one) == hash(other))
    return one == other


# Equality -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (square, square),
        (made(2.0), made(2.0)),
        (made(np.arange(3.0)), made(np.arange(3.0))),
        (functools.partial(power, exponent=2), functools.partial(power, exponent=2)),
        (functools.partial(power, exponent=2, factor=3.0), functools.partial(power, factor=3.0, exponent=2)),
        (functools.partial(power, exponent=np.ones(2)), functools.partial(power, exponent=np.ones(2))),
        (functools.partial(power, exponent=jnp.ones(2)), functools.partial(power, exponent=jnp.ones(2))),
        (functools.partial(power, exponent=[1, (2, {"a": 3})]), functools.partial(power, exponent=[1, (2, {"a": 3})])),
        (jnp.sin, jnp.sin),
        (endless, endless),
    ],
)
def test_equal_functions(one, other):
    assert same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (square, cube),
        (made(2.0), made(3.0)),
        (made(2.0), made(2)),
        (made(1), made(True)),
        (made(0.0), made(-0.0)),
        (made(np.arange(3.0)), made(np.arange(3))),
        (made(np.zeros(3)), made(np.zeros((3, 1)))),
        (functools.partial(power, exponent=2), functools.partial(power, exponent=3)),
        (functools.partial(power, exponent=2), functools.partial(square)),
        (square, functools.partial(square)),
        (jnp.sin, jnp.cos),
        (Times(2).method, Times(2).method),
        (made(jax.random.key(0)), made(jax.random.key(1))),
    ],
)
def test_different_functions(one, other):
    assert not same(one, other)


def test_a_function_that_reads_another_value_is_another(monkeypatch):
    before = [Function(one) for one in (scaled, twice_scaled)]
    monkeypatch.setattr(sys.modules[__name__], "SCALE", 3.0)
    after = [Function(one) for one in (scaled, twice_scaled)]
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, False]
    monkeypatch.undo()
    assert before == [Function(one) for one in (scaled, twice_scaled)]


def test_an_object_whose_attribute_changed_is_another():
    times = Times(2)
    before = Function(times), Function(times.method)
    assert before == (Function(times), Function(times.method))
    times.factor = 3
    assert before[0] != Function(times)
    assert before[1] != Function(times.method)


def test_copies_and_pickles_are_equal():
    for function in (square, functools.partial(power, exponent=2)):
        one = Function(function)
        assert pickle.loads(pickle.dumps(one)) == one
        assert copy.deepcopy(one) == copy.copy(one) == one
        assert fingerprint(copy.deepcopy(one).function) == fingerprint(function)
        assert one(3.0) == 9.0


def test_what_becomes_a_function():
    assert as_function("mse") == "mse"
    assert as_function(None) is None
    one = as_function(square)
    assert one.function is square
    assert as_function(one) is one
    assert Function(square) != square


def test_functions_and_objects():
    assert all(map(is_function, (square, jnp.sin, np.sin, functools.partial(square), Times(1).method, jax.nn.relu)))
    assert not any(map(is_function, (Times(1), "square", None, 3)))


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (square, "square"),
        (made(1), "times"),
        (Times(1), "Times"),
        (functools.partial(power, 2, factor=0.5), "power(2, factor=0.5)"),
        (Times(1).method, "Times.method"),
    ],
)
def test_names(function, name):
    assert name_of(function) == repr(Function(function)) == name


@pytest.mark.slow
def test_fingerprints_are_the_same_in_every_process(tmp_path):
    code = """
import functools, sys
def made(factor):
    return lambda x: factor * x + sum(n for n in range(3)) + (x in {'a', 'b', 'c'})
from isthmus.core.functions import fingerprint
print(fingerprint(made(2)), fingerprint(functools.partial(made(2), a=1)), fingerprint(made(3)))
"""
    run = [sys.executable, "-c", code]
    one, other = (subprocess.run(run, capture_output=True, text=True, check=True).stdout for _ in range(2))
    assert one == other
    assert len(set(one.split())) == 3


# Places -------------------------------------------------------------------------------------------------------


def test_places():
    assert place_of(square) == f"{__name__}:square"
    assert place_of(Times) == f"{__name__}:Times"
    assert place_of(jax.nn.relu) == "jax.nn:relu"
    assert place_of(jnp.sin) == "jax.numpy:sin"
    assert place_of(optax.losses.log_cosh).endswith(":log_cosh")


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: x, "a lambda has no name to import it by"),
        (made(1), "it is defined inside another function"),
        (types.FunctionType(cube.__code__, {}, "cube"), "it is not what its module has under its name"),
    ],
)
def test_functions_without_a_place(function, reason):
    assert place_of(function) is None
    assert why_no_place(function) == reason


# Trust --------------------------------------------------------------------------------------------------------

HERE = f"{__name__}:square"


@pytest.mark.parametrize(
    "trusted", [[square], [__name__], [f"{__name__}.square"], [HERE], __name__, square, (cube, square)]
)
def test_trusted_functions_are_found(trusted):
    assert Trusted(trusted).function("file", HERE) is square


@pytest.mark.parametrize("trusted", [[], [cube], ["os"], [__name__[:-1]], [f"{__name__}.cube"], [f"{HERE}x"]])
def test_others_are_refused(trusted):
    with pytest.raises(
        ModelFileError, match=r"^file refers to functions, .*square, .* load\(path, trusted=\["
    ) as caught:
        Trusted(trusted).function("file", HERE)
    assert "\n" not in str(caught.value)


def test_a_function_stands_for_that_of_a_script():
    assert Trusted([square]).function("file", "__main__:square") is square
    assert not Trusted([square]).allows("other:square")
    assert not Trusted([square]).allows("__main__:cube")


@pytest.mark.parametrize(
    "place", [f"{__name__}:os.system", f"{__name__}:os", f"{__name__}:log_cosh", f"{__name__}:", f"{__name__}:SCALE"]
)
def test_a_trusted_module_leads_to_no_other(place, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "log_cosh", os.system, raising=False)
    with pytest.raises(ModelFileError, match="defines no such function; pass the function itself"):
        Trusted([__name__]).function("file", place)


@pytest.mark.parametrize("place", ["jax.nn:jnp.load", "jax.nn:initializers.zeros", "jax.numpy:load", "jax.nnn:relu"])
def test_of_jax_only_activations_are_trusted(place):
    assert Trusted().function("file", "jax.nn:relu") is jax.nn.relu
    assert not Trusted().allows(place)


def test_nothing_is_imported_that_is_not_trusted(tmp_path):
    (tmp_path / "pieces").mkdir()
    (tmp_path / "pieces" / "__init__.py").write_text("")
    (tmp_path / "pieces" / "losses.py").write_text("print('imported')\ndef own(x, y):\n    return x\n")
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from isthmus.core.functions import Trusted
for trusted in ([], ["pieces.other"], ["piec"], ["pieces"]):
    try:
        print(trusted, Trusted(trusted).function("file", "pieces.losses:own").__name__)
    except Exception as error:
        print(trusted, type(error).__name__, "pieces.losses" in sys.modules)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    refused = [f"{trusted} ModelFileError False" for trusted in ([], ["pieces.other"], ["piec"])]
    assert found.splitlines() == [*refused, "imported", "['pieces'] own"]


def test_a_module_that_cannot_be_imported():
    with pytest.raises(ModelFileError, match=r"importing nowhere failed: No module named 'nowhere'; install it, or"):
        Trusted(["nowhere"]).function("file", "nowhere:own")


@pytest.mark.parametrize("trusted", [[3], [""], [None]])
def test_what_cannot_be_trusted(trusted):
    with pytest.raises(InvalidParameterError, match="it must be a list of functions, and of names"):
        Trusted(trusted)
