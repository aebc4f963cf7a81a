import inspect

import jax
import numpy as np
import pytest

from isthmus.core import types
from isthmus.core.types import Batch, Output
from isthmus.losses.reconstruction import Reconstruction
from isthmus.networks.convolutional import Convolutional
from isthmus.networks.custom import Custom
from isthmus.networks.dense import Dense

B, D, K = 7, 5, 2


def factory(n_features, n_components, key):
    return lambda row: row[:n_components], lambda code: code[jax.numpy.arange(n_features) % n_components]


NETWORKS = {
    "dense": Dense(D, K, (4,), (4,)),
    "dense with all its parts": Dense(D, K, (4, 3), (3, 4), linear_path=True, tied=True, dropout=0.1, layer_norm=True),
    "custom": Custom(factory, D, K),
    "convolutional": Convolutional((1, D, 1), K, (3,)),
}
SHIPPED = [*((network, "Network") for network in NETWORKS.values()), (Reconstruction(NETWORKS["dense"]), "Objective")]


@pytest.mark.parametrize(("thing", "protocol"), SHIPPED)
def test_methods_take_what_the_protocol_says(thing, protocol):
    wanted = getattr(types, protocol)
    public = {name for name in vars(wanted) if name[0] != "_"} | {"__call__"}
    methods = {name: method for name, method in vars(wanted).items() if name in public and inspect.isfunction(method)}
    assert methods
    for name, method in methods.items():
        assert list(inspect.signature(getattr(type(thing), name)).parameters) == list(
            inspect.signature(method).parameters
        )
    for name in inspect.get_annotations(wanted):
        assert hasattr(thing, name)
    assert isinstance(hash(thing), int)


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_shapes(network):
    params, x = network.init(0, None), np.zeros((B, D), np.float32)
    batch = Batch(x, np.ones(B, np.float32), np.zeros((B, 2), np.uint32))
    output, pre_output = Reconstruction(network).forward(params, x, batch.row, None)
    assert isinstance(output, Output)
    assert output.pre_code.shape == output.code.shape == (B, K)
    assert output.reconstruction.shape == pre_output.shape == (B, D)
    total, (state, terms) = Reconstruction(network)(params, (), batch, x, None)
    assert (total.shape, state, terms) == ((), (), {})


def test_what_is_optional_has_a_default():
    assert Batch(1, 2, 3)[3:] == (None, None, None, None)
    assert Output(1, 2, 3)[3:] == ((), {})
