import math
from types import SimpleNamespace

import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.core import parameters
from isthmus.core.errors import InvalidParameterError
from isthmus.core.parameters import PARAMETERS, Parameter, check_parameters
from isthmus.data.scaling import SCALINGS
from isthmus.engine.optimizers import DEFAULT_DECAY, OPTIMIZERS, SCHEDULES
from isthmus.losses.reconstruction import LOSSES, REDUCTIONS
from isthmus.networks.activations import ACTIVATIONS
from isthmus.networks.initializers import INITIALIZERS
from isthmus.sparsity import KL, SPARSITIES

TABLES = {
    "ACTIVATION_NAMES": ACTIVATIONS,
    "INIT_NAMES": INITIALIZERS,
    "LOSS_NAMES": LOSSES,
    "OPTIMIZER_NAMES": OPTIMIZERS,
    "SCHEDULE_NAMES": SCHEDULES,
    "REDUCTION_NAMES": REDUCTIONS,
    "SCALING_NAMES": SCALINGS,
    "SPARSITY_NAMES": SPARSITIES,
}


def refused(name, value):
    with pytest.raises(InvalidParameterError) as caught:
        PARAMETERS[name].check(value)
    message = str(caught.value)
    shown = repr(value).replace("\n", " ")
    assert message.startswith(f"{name}={shown} is not ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("names", TABLES)
def test_names_are_the_keys_of_their_table(names):
    assert getattr(parameters, names) == tuple(TABLES[names])


def test_default_decays_name_optimizers():
    assert set(DEFAULT_DECAY) <= set(OPTIMIZERS)


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_row(name):
    row = PARAMETERS[name]
    assert row.name == name
    row.check(row.default)
    assert not row.help[0].isupper() or row.help.startswith("JAX ")
    assert "\n" not in row.help
    assert not row.help.endswith(".")
    assert row.legal
    assert set(row.flag) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert not (row.default is None and not row.optional)
    for choice in row.choices:
        row.check(choice)
        assert repr(choice) in row.legal
    assert ("name" in row.kinds) == bool(row.choices)
    assert row.optional or "is not" in refused(name, None)


def test_flags_are_unique():
    flags = [row.flag for row in PARAMETERS.values()]
    assert len(set(flags)) == len(flags)


@pytest.mark.parametrize(
    ("name", "legal"),
    [
        ("n_components", [1, 300, np.int64(3), 0.5, np.float32(0.95), 1e-9]),
        ("hidden_layer_sizes", [(), (5,), [128, 64], np.array([3, 2]), (np.int32(4),)]),
        ("linear_path", [True, False, np.True_, "auto"]),
        ("dropout", [0, 0.0, 0.999]),
        ("learning_rate", [1, 1e-30, np.float64(0.1)]),
        ("learning_rate_schedule", ["cosine", lambda share: 1 - share]),
        ("optimizer", ["adam", optax.adam(1e-3)]),
        ("network", [None, lambda n_features, n_components, key: None]),
        ("scaling", [None, "auto", "minmax"]),
        ("sparsity", [None, "kl", KL(0.1)]),
        ("sparsity_target", [None, 0.05, 30]),
        ("loss_reduction", ["auto", "half_sum"]),
        ("feature_weights", [None, [1, 0, 0.5], (2,), np.array([0.0, 3.0], np.float32)]),
        ("weight_decay", [None, 0, 0.1]),
        ("random_state", [None, 0, 2**32 - 1, np.random.RandomState(0)]),
        ("device", [None, "cpu", "gpu:1"]),
        ("verbose", [0, 2]),
    ],
)
def test_legal_values(name, legal):
    for value in legal:
        PARAMETERS[name].check(value)


@pytest.mark.parametrize(
    ("name", "illegal"),
    [
        ("n_components", [0, -1, 0.0, 1.0, 1.5, math.nan, True, "auto", (2,)]),
        ("hidden_layer_sizes", [(0,), (-3,), (1.5,), (True,), 5, "12", None]),
        ("linear_path", [1, 0, None]),
        ("dropout", [1, 1.0, -0.1, math.nan, False]),
        ("learning_rate", [0, -1, math.inf, math.nan, True, "0.1", None, 10**400]),
        ("optimizer", [None, 3, ("adam",), {}, SimpleNamespace()]),
        ("batch_size", [0, -1, 2.5, True]),
        ("max_epochs", [0, -5, 10.0, True]),
        ("random_state", [-1, 2**32, 1.5, True, "0"]),
        ("device", ["", 3]),
        ("precision", [32, None]),
        ("validation_fraction", [0, 1, 1.0, 0.0]),
        ("network", ["dense", 3]),
        ("sparsity", ["kll", 3, ("kl",), object()]),
        ("sparsity_target", [0, -1, math.nan]),
        ("sparsity_weight", [-1, math.inf]),
        ("k", [0, 1.5, True]),
        ("resample_dead", [0, 2.5]),
        ("l2_penalty", [-1e-4, None]),
        ("feature_weights", [(), (0, 0), (1, -1), [1, math.nan], [math.inf], "12", 3, [True], np.ones((2, 2)), ["1"]]),
    ],
)
def test_illegal_values_are_refused_in_one_line(name, illegal):
    for value in illegal:
        refused(name, value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("activation", "rely", "did you mean 'relu'?"),
        ("loss", "msse", "did you mean 'mse'?"),
        ("sparsity", "batch_top", "did you mean 'batch_topk'?"),
        ("sparsity", 3, "'lifetime', an object of isthmus.sparsity or None"),
        ("loss_reduction", "half_sums", "did you mean 'half_sum'?"),
        ("optimizer", "adan", "did you mean 'adam'?"),
        ("n_components", 0, "it takes a whole number of at least 1 or a number above 0 and below 1"),
        ("dropout", 1.0, "it takes a number at least 0 and below 1"),
        ("max_epochs", 0, "it takes a whole number at least 1"),
        ("random_state", -1, "a whole number at least 0 and at most 4.29497e+09, a numpy RandomState or None"),
        ("hidden_layer_sizes", (0,), "a tuple of whole numbers of at least 1"),
        ("device", "", "it takes a non-empty string or None"),
        ("network", 3, "it takes a factory (n_features, n_components, key) -> (encoder, decoder) or None"),
        ("shuffle", "yes", "is not one of 'global', 'window'"),
        ("shuffle", 3, "it takes True or False or one of 'global', 'window'"),
        ("linear_path", 3, "it takes True or False or one of 'auto'"),
    ],
)
def test_what_is_said(name, value, said):
    assert said in refused(name, value)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("network", optax.adam(1e-3)),
        ("optimizer", {"init": 1}),
        ("optimizer", len),
        ("learning_rate_schedule", optax.adam(1e-3)),
        ("random_state", lambda: 0),
        ("sparsity", optax.adam(1e-3)),
    ],
)
def test_an_object_of_another_use_is_refused(name, wrong):
    with pytest.raises(InvalidParameterError, match=f"^{name}=.* is not legal; it takes "):
        PARAMETERS[name].check(wrong)


@given(st.floats(allow_nan=True), st.floats(-5, 5), st.floats(-5, 5))
def test_open_and_closed_ends(value, low, high):
    closed = Parameter("x", 0, "", ("number",), low=low, high=high)
    open_ = Parameter("x", 0, "", ("number",), above=low, below=high)
    for row, legal in ((closed, low <= value <= high), (open_, low < value < high)):
        if legal:
            row.check(value)
        else:
            with pytest.raises(InvalidParameterError):
                row.check(value)


def test_check_parameters():
    check_parameters({name: row.default for name, row in PARAMETERS.items()})
    with pytest.raises(InvalidParameterError, match=r"max_epochs=0 is not legal"):
        check_parameters({"max_epochs": 0})
    with pytest.raises(InvalidParameterError, match=r"parameter='learning_rat' .*did you mean 'learning_rate'\?$"):
        check_parameters({"learning_rat": 0.1})
