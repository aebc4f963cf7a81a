import jax
import jax.numpy as jnp
import numpy as np
import pytest

from isthmus.core.errors import InvalidParameterError
from isthmus.core.functions import Function
from isthmus.core.tracing import check_cells, check_number, struct_of

RANGES = ((0.2, 0.7), (0.25, 0.8))


def in_one_line(call, match):
    with pytest.raises(InvalidParameterError, match=f"^loss=own {match}") as caught:
        call()
    assert "\n" not in str(caught.value)


def branching(x, y):
    if (x > y).any():
        return x
    return y


def with_numpy(x, y):
    return np.abs(x - y)


def with_float(x, y):
    return x * float(y[0, 0])


def with_mask(x, y):
    return x[x > y]


def short(x, y):
    return x - jnp.ones((2, 2, 2, 2, 7))


def absolute(x, y):
    return jnp.abs(x - y)


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (branching, r"cannot be compiled: it decides in Python by the values .*; use jax\.numpy\.where$"),
        (with_numpy, r"cannot be compiled: it takes the values of an array out of JAX .*; compute with jax\.numpy"),
        (with_float, "cannot be compiled: it takes the values of an array out of JAX"),
        (with_mask, r"cannot be compiled: it selects cells by a mask, .*; use jax\.numpy\.where$"),
        (short, r"failed on arrays of shapes \(3, 5\) and \(3, 5\): (Type|Value)Error: .+"),
        (lambda x: x, r"failed on arrays of shapes \(3, 5\) and \(3, 5\): TypeError: .*takes 1 positional argument"),
        (
            lambda x, y: jnp.mean((x - y) ** 2),
            r"returns an array of shape \(\) for rows of shape \(3, 5\); it must ret",
        ),
        (lambda x, y: jnp.mean((x - y) ** 2, axis=1), r"returns an array of shape \(3,\) for"),
        (lambda x, y: (x, y), "returns a tuple for rows"),
        (lambda x, y: None, "returns a NoneType for rows"),
        (lambda x, y: (x > y).astype(int), "returns numbers of type int32; it must return floats"),
        (lambda x, y: jnp.log(x - x), r"has a value of -inf at 0\.2, 0\.\d+; it must be finite"),
        (lambda x, y: jnp.sqrt(0 * (x - y)), "has a derivative of nan at"),
        (lambda x, y: (x - y) ** 2 / jnp.var(x, axis=0), "gives a row other values next to other rows than alone"),
    ],
)
def test_what_cannot_be_a_loss_is_said_in_one_line(function, match):
    in_one_line(lambda: check_cells("loss=own", Function(function), 5, RANGES), match)


@pytest.mark.slow
@pytest.mark.parametrize(
    "function", [absolute, jax.jit(absolute), lambda x, y: jnp.where(x > y, x - y, 2 * (y - x)), lambda x, y: x - y]
)
def test_what_can(function):
    check_cells("loss=own", Function(function), 5, RANGES)


def test_the_shape_of_a_result():
    rows = jax.ShapeDtypeStruct((2, 3), np.float32)
    assert struct_of("loss=own", absolute, rows, rows).shape == (2, 3)
    assert struct_of("loss=own", lambda x: 3.0, rows).shape == ()


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (lambda code, params: code, r"returns an array of shape \(2, 3\); it must return one number"),
        (lambda code, params: "none", "failed on arrays of shapes|returns a str"),
        (lambda code, params: jnp.sum(code > 0), "returns a number of type int32; it must return a float"),
        (lambda code, params: jnp.log(jnp.sum(0 * code)), "is -inf at the start of training; it must be finite"),
        (lambda code, params: params["none"], r"failed on arrays of shapes \(2, 3\): KeyError: 'none'"),
    ],
)
def test_what_cannot_be_a_penalty(function, match):
    in_one_line(lambda: check_number("loss=own", function, np.ones((2, 3)), {"weight": np.ones(4)}), match)


def test_what_can_be_a_penalty():
    check_number("loss=own", lambda code, params: jnp.sum(params["weight"] ** 2) + 0 * code[0, 0], np.ones((2, 3)), {
        "weight": np.ones(4, np.float64)
    })  # fmt: skip
    check_number("loss=own", lambda code, params: 0.0, np.ones((2, 3)), {})
