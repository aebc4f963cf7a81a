"""What an estimator asks of a network, and what a network answers where its class says nothing."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import pytest

from isthmus.core.errors import InvalidParameterError
from isthmus.networks.base import Network, NetworkOptions


@dataclass(frozen=True)
class Plain(Network):
    """A network whose class says nothing but its widths."""

    n_features: int = 3
    n_components: int = 2
    code_activation: str = "identity"
    reorders: bool = False
    dropout: float = 0.0

    options = frozenset({"layer_norm"})


def test_options_at_their_defaults_are_not_requested():
    assert NetworkOptions(3, 2).requested() == {}
    asked = NetworkOptions(3, 2, decoder_sizes=(), precision="bfloat16", indicator=True).requested()
    assert asked == {
        "decoder_sizes": ("decoder_layer_sizes", ()),
        "bfloat16": ("precision", "bfloat16"),
        "indicator": ("missing", "mask"),
    }
    assert NetworkOptions(3, 2, precision="float64").requested() == {}


def test_fields_of_a_class_alone_are_passed_on():
    options = NetworkOptions(5, 4, dropout=0.5, code_activation="tanh", layer_norm=True)
    assert Plain(**options.fields_of(Plain)) == Plain(5, 4, code_activation="tanh", dropout=0.5)


def test_the_first_option_that_is_not_supported_is_named():
    Plain.check_supported(NetworkOptions(3, 2, layer_norm=True), "plain", "leave it out")
    with pytest.raises(InvalidParameterError, match=r"^tied_weights=True cannot be combined with plain; leave it out$"):
        Plain.check_supported(NetworkOptions(3, 2, tied=True, layer_norm=True), "plain", "leave it out")
    with pytest.raises(InvalidParameterError, match=r"plain cannot learn text or categories; encode or drop"):
        Plain.check_supported(NetworkOptions(3, 2, categories=((0, 2),)), "plain", "")
    with pytest.raises(InvalidParameterError, match=r"dropout=0\.1 is not supported by a Plain network"):
        Plain().with_dropout(0.1)
    assert Plain().with_dropout(0.0) == Plain()


@pytest.mark.parametrize(
    ("activation", "reorders", "free"),
    [
        ("identity", True, True),
        ("tanh", True, True),
        ("relu", True, False),
        ("sigmoid", True, False),
        ("tanh", False, False),
    ],
)
def test_a_units_sign_is_free_where_its_activation_is_odd(activation, reorders, free):
    network = Plain(code_activation=activation, reorders=reorders)
    assert network.signs_are_free == free
    if reorders:
        values = jnp.linspace(-2, 2, 9)
        odd = np.allclose(network.activate_code(-values), -network.activate_code(values), atol=1e-6)
        assert odd == free
