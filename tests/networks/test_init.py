"""The contract of every network family: what each row of the table computes, and what it says it supports."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from isthmus.core.errors import InvalidParameterError
from isthmus.core.random import Stream, key_words
from isthmus.core.types import Noise
from isthmus.losses.reconstruction import Reconstruction
from isthmus.networks import FAMILIES
from isthmus.networks.activations import ODD
from isthmus.networks.base import Network, NetworkOptions, Reinitialisation
from isthmus.networks.custom import Custom
from stepping import batch_of
from toys import ToyNetwork

D, K, B = 12, 4, 6
rng = np.random.default_rng(0)
X = rng.normal(size=(B, D)).astype(np.float32)
NOISE = Noise(jnp.asarray(key_words(0, Stream.NOISE)), jnp.uint32(1))
# A value of each option that not every family supports, and others that it needs.
OPTIONS = {
    "decoder_sizes": {"decoder_sizes": (5,)},
    "linear_path": {"linear_path": True},
    "tied": {"tied": True},
    "dropout": {"dropout": 0.3},
    "layer_norm": {"layer_norm": True},
    "bfloat16": {"precision": "bfloat16"},
    "pre_bias": {"pre_bias": True},
    "transposed_start": {"transposed_start": True},
    "indicator": {"indicator": True},
    "channels": {"channels": (3, 5)},
    "categories": {"categories": ((0, 2),)},
}


def custom(n_features, n_components, key):
    return (lambda row: row[:n_components]), (lambda code: jnp.zeros(n_features) + code.sum())


def families():
    return [*(FAMILIES[name] for name in FAMILIES), ToyNetwork, Custom]


def options_of(**changes):
    return NetworkOptions(D, K, **{"encoder_sizes": (7,), "image_shape": (4, 3), "factory": custom, **changes})


def networks():
    """Return a network of each family, with each of the options it supports."""
    made = {}
    for family in families():
        for name in ["", *sorted(family.options)]:
            made[f"{family.__name__} {name}"] = family.from_options(options_of(**OPTIONS.get(name, {})))
        made[f"{family.__name__} without layers"] = family.from_options(options_of(encoder_sizes=()))
    return made


NETWORKS = networks()
EVERY = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)


def condition_of(network):
    return jnp.zeros((B, D)) if network.condition_kind == "missing" else None


def computed(network, params, x=X):
    code, pre_output = through(network, params, x)
    return np.asarray(code), np.asarray(pre_output)


@functools.partial(jax.jit, static_argnames="network")
def through(network, params, x):
    code = network.activate_code(network.encode(params, x, condition=condition_of(network)))
    return code, network.decode(params, code)


def test_options_are_named():
    assert all(family.options <= set(OPTIONS) for family in families())


@pytest.mark.parametrize("family", families(), ids=lambda family: family.__name__)
@pytest.mark.parametrize("name", OPTIONS)
def test_unsupported_options_are_refused(family, name):
    parameter, value = NetworkOptions(D, K, **OPTIONS[name]).requested()[name]
    if name in family.options:
        family.from_options(options_of(**OPTIONS[name]))
        return
    with pytest.raises(InvalidParameterError) as caught:
        family.from_options(options_of(**OPTIONS[name]))
    refused = f"{parameter}={value!r} cannot be combined with network="
    assert str(caught.value).startswith("network=" if name == "categories" else refused)


@EVERY
def test_shapes_and_types(network):
    params = network.init(3)
    assert isinstance(network, Network)
    assert (network.n_features, network.n_components, network.dtype) == (D, K, np.float32)
    assert all(isinstance(leaf, np.ndarray) and leaf.dtype == network.dtype for leaf in jax.tree.leaves(params))
    code, pre_output = computed(network, params)
    assert (code.shape, pre_output.shape) == ((B, K), (B, D))
    assert network.activate_output(pre_output).shape == (B, D)


@EVERY
def test_parameters_are_a_function_of_the_seed(network):
    jax.tree.map(assert_array_equal, network.init(3), network.init(3))
    assert jax.tree.structure(network.init(3)) == jax.tree.structure(network.init(4))
    if not isinstance(network, Custom):
        pairs = zip(jax.tree.leaves(network.init(3)), jax.tree.leaves(network.init(4)), strict=True)
        assert any((one != other).any() for one, other in pairs)


@EVERY
def test_equal_networks_are_one(network):
    fields = {field.name: getattr(network, field.name) for field in dataclasses.fields(network) if field.init}
    again = type(network)(**fields)
    assert (again, hash(again)) == (network, hash(network))
    assert type(network)(**fields | {"n_components": K + 1}) != network


@EVERY
def test_codes_depend_on_their_own_row(network):
    params = network.init(0)
    code, pre_output = computed(network, params)
    other = X.copy()
    other[1:] = 99
    changed, _ = computed(network, params, other)
    assert_allclose(changed[0], code[0], rtol=1e-5, atol=1e-6)
    assert_allclose(network.decode(params, code[:1]), pre_output[:1], rtol=1e-5, atol=1e-6)


@EVERY
def test_gradients_are_finite(network):
    params, batch = network.init(0), batch_of(X)._replace(condition=condition_of(network))
    objective = Reconstruction(network)
    gradients = jax.jit(jax.grad(lambda params: objective(params, (), batch, batch.x, NOISE, {})[0]))(params)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))


@EVERY
def test_encoder_params_are_what_encode_reads(network):
    params = network.init(0)
    read = network.encoder_params({**params, "sparsity": {}})
    assert_array_equal(network.encode(read, X), network.encode(params, X))


@EVERY
def test_layers(network):
    params = network.init(0)
    if not network.reorders:
        with pytest.raises(AttributeError, match="keeps its weights in params_"):
            network.layers(params, "encoder")
        return
    for half in ("encoder", "decoder"):
        layers = network.layers(params, half)
        assert all(set(layer) == {"weight", "bias"} for layer in layers)
        assert all(layer["weight"].shape[-1:] == layer["bias"].shape for layer in layers)
    assert network.layers(params, "encoder")[-1]["weight"].shape[-1] == K
    assert_array_equal(network.layers(params, "decoder")[0]["weight"], network.decoder_rows(params))
    assert_array_equal(network.code_bias(params), network.layers(params, "encoder")[-1]["bias"])
    if network.encoder_widths:
        widths = [layer["weight"].shape for layer in network.layers(params, "encoder")]
        assert widths == list(zip(network.encoder_widths[:-1], network.encoder_widths[1:], strict=True))
        widths = [layer["weight"].shape for layer in network.layers(params, "decoder")]
        assert widths == list(zip(network.decoder_widths[:-1], network.decoder_widths[1:], strict=True))


@EVERY
def test_decoder_rows(network):
    params = network.init(0)
    rows = network.decoder_rows(params)
    if rows is None or network.tied:
        return
    new = network.with_decoder_rows(params, 2 * rows)
    assert_array_equal(network.decoder_rows(new), 2 * rows)
    assert_array_equal(network.decoder_rows(params), rows)
    if network.is_linear_decoder:
        code, pre_output = computed(network, params)
        bias = network.decode(params, np.zeros_like(code[:1]))
        assert_allclose(
            pre_output, code @ rows + bias, rtol=1e-3, atol=1e-2 if network.precision != "float32" else 1e-5
        )


@EVERY
def test_path(network):
    params = network.init(0)
    path = network.path(params)
    assert (path is not None) == network.linear_path
    if path is not None:
        assert (path[0].shape, path[1].shape) == ((D, K), (K, D))


@EVERY
def test_output_bias(network):
    params, bias = network.init(0), np.arange(D, dtype=np.float32)
    if not network.stacks:
        with pytest.raises(AttributeError):
            network.with_output_bias(params, bias)
        return
    code, pre_output = computed(network, params)
    moved = network.decode(network.with_output_bias(params, bias), code)
    old = network.layers(params, "decoder")[-1]["bias"]
    assert_allclose(moved, pre_output - old + bias, rtol=1e-5, atol=1e-5)


@EVERY
def test_reordering_changes_the_code_alone(network):
    if not network.reorders:
        assert not network.signs_are_free
        with pytest.raises(NotImplementedError):
            network.reordered(network.init(0), np.arange(K), np.ones(K))
        return
    params = network.init(0)
    assert network.signs_are_free == (network.code_activation in ODD)
    order, signs = np.array([2, 0, 3, 1]), np.array([1, -1, 1, -1], np.float32)
    code, pre_output = computed(network, params)
    new_code, new_output = computed(network, network.reordered(params, order, signs))
    assert_allclose(new_code, code[:, order] * signs, rtol=1e-5, atol=1e-5)
    assert_allclose(new_output, pre_output, rtol=1e-4, atol=1e-5)


@EVERY
def test_sparse_codes(network):
    network = dataclasses.replace(network, code_activation="relu")
    if not network.sparse_code_supported:
        return
    params = network.init(0)
    weight, bias = network.code_layer(params)
    pre_code = network.before_code(params, X) @ weight + bias
    assert_allclose(pre_code, network.encode(params, X), rtol=1e-5, atol=1e-5)
    code = np.maximum(pre_code, 0)
    output = network.after_code(params, code @ network.decoder_rows(params))
    assert_allclose(output, network.decode(params, code), rtol=1e-5, atol=1e-5)


@EVERY
def test_reinitialised_units(network):
    params, dead = network.init(0), np.array([False, True, False, True])
    how = Reinitialisation(dead, X, rng.normal(size=X.shape), np.array([4, 0]), 0.5)
    if not network.reinitialises:
        if not network.tied:
            with pytest.raises(NotImplementedError):
                network.reinitialised(params, how)
        return
    before = jax.tree.map(np.copy, params)
    after = network.reinitialised(params, how)
    old, new = (network.layers(tree, "encoder")[-1] for tree in (before, after))
    lengths = [np.linalg.norm(layer["weight"], axis=0) for layer in (old, new)]
    assert_array_equal(new["weight"][:, ~dead], old["weight"][:, ~dead])
    assert_allclose(lengths[1][dead], 0.5 * lengths[0][~dead].mean(), rtol=1e-5)
    assert_array_equal(network.decoder_rows(after)[~dead], network.decoder_rows(before)[~dead])
    moments = network.with_reset_units(jax.tree.map(np.ones_like, {**params, "sparsity": {"own": np.ones(K)}}), dead)
    for leaf in (network.decoder_rows(moments).T, network.code_bias(moments), moments["sparsity"]["own"]):
        assert_array_equal(leaf != 0, np.broadcast_to(~dead, leaf.shape))


@EVERY
def test_shallow_layers(network):
    if not network.stacks:
        with pytest.raises(NotImplementedError):
            network.shallow(0)
        return
    params = network.init(0)
    if network.decoder_sizes != network.encoder_sizes[::-1]:
        return
    for number in range(len(network.encoder_sizes) + 1):
        shallow = network.shallow(number)
        assert shallow.encoder_widths == network.encoder_widths[number : number + 2]
        learned = shallow.init(9)
        new = network.with_layer(params, number, learned)
        assert jax.tree.structure(new) == jax.tree.structure(params)
        assert_array_equal(network.layers(new, "encoder")[number]["weight"], learned["encoder"][0]["weight"])
        assert_array_equal(network.layers(new, "decoder")[-1 - number]["bias"], learned["decoder"][0]["bias"])


@EVERY
def test_dropout(network):
    assert network.with_dropout(0.0).dropout == 0
    if "dropout" in type(network).options:
        assert network.with_dropout(0.25).dropout == 0.25
    else:
        with pytest.raises(InvalidParameterError, match=r"^dropout=0\.25 is not supported by a .* network$"):
            network.with_dropout(0.25)


@pytest.mark.usefixtures("toys")
def test_a_family_from_outside():
    assert FAMILIES["toy"] is ToyNetwork
    assert list(FAMILIES)[-1] == "toy"


def test_the_family_is_removed_again():
    assert "toy" not in FAMILIES
    with pytest.raises(InvalidParameterError, match=r"^network='convolution' .* did you mean 'convolutional'\?$"):
        FAMILIES["convolution"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tied": True, "decoder_sizes": (3,)}, "tied_weights=True needs a mirrored decoder: decoder_layer_sizes=(3,)"),
        (
            {"pre_bias": True, "output_activation": "sigmoid"},
            "pre_bias=True needs output_activation='identity', not 's",
        ),
        ({"transposed_start": True, "tied": True}, "transposed_start=True cannot be combined with tied_weights=True"),
        ({"transposed_start": True, "decoder_sizes": ()}, "transposed_start=True needs hidden layers on both sides"),
        ({"transposed_start": True, "decoder_sizes": (8,)}, "transposed_start=True needs the same width on both sides"),
    ],
)
def test_contradictory_options_of_dense(changes, message):
    with pytest.raises(InvalidParameterError) as caught:
        FAMILIES["dense"].from_options(options_of(channels=None, **changes))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("shape", [(4, 4), (4, 3, 2), (12,), (2, 2, 3, 1)])
def test_an_image_shape_of_other_rows(shape):
    with pytest.raises(InvalidParameterError, match=r"^image_shape=\(.* is not the shape of rows of 12 cells; give"):
        FAMILIES["convolutional"].from_options(options_of(image_shape=shape))


def test_rows_without_a_shape_are_images_of_one_line():
    network = FAMILIES["convolutional"].from_options(options_of(image_shape=None))
    assert (network.image_shape, network.channels) == ((1, D, 1), (32, 64))
