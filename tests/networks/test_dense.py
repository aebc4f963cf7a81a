import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit

from isthmus.core.random import Stream, generator, key_words
from isthmus.core.types import Noise, Statistics
from isthmus.networks.activations import ACTIVATIONS
from isthmus.networks.dense import Dense
from isthmus.networks.initializers import INITIALIZERS

FUNCTIONS = {"tanh": np.tanh, "sigmoid": expit, "identity": lambda x: x}
rng = np.random.default_rng(0)
rows = rng.random((20, 6))


def randomised(params, seed=5):
    draw = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: draw.normal(size=leaf.shape).astype(leaf.dtype), params)


def reconstruct(network, params, x):
    code = network.activate_code(network.encode(params, x))
    return np.asarray(code), np.asarray(network.activate_output(network.decode(params, code)))


def by_hand(network, params, x):
    def hidden(layer, weight, x):
        pre = x @ weight
        if network.layer_norm:
            pre = (pre - pre.mean(1, keepdims=True)) / np.sqrt(pre.var(1, keepdims=True) + 1e-5) * layer["gain"]
        return FUNCTIONS[network.activation](pre + layer["bias"])

    h = x
    for layer in params["encoder"][:-1]:
        h = hidden(layer, layer["weight"], h)
    code = h @ params["encoder"][-1]["weight"] + params["encoder"][-1]["bias"]
    if network.linear_path:
        code = code + x @ params["encoder_path"]
    code = h = FUNCTIONS[network.code_activation](code)
    weights = (
        [layer["weight"].T for layer in params["encoder"][::-1]]
        if network.tied
        else [layer["weight"] for layer in params["decoder"]]
    )
    for layer, weight in zip(params["decoder"][:-1], weights[:-1], strict=True):
        h = hidden(layer, weight, h)
    out = h @ weights[-1] + params["decoder"][-1]["bias"]
    if network.linear_path:
        out = out + code @ (params["encoder_path"].T if network.tied else params["decoder_path"])
    return code, FUNCTIONS[network.output_activation](out)


SHAPES = [
    Dense(6, 2),
    Dense(6, 2, (5, 4), (3,), "tanh", "tanh", "sigmoid"),
    Dense(6, 2, (5, 4), (4, 5), "sigmoid", tied=True),
    Dense(6, 3, (5, 4), (4,), "tanh", "identity", "identity", True),
    Dense(6, 2, (5,), (5,), "tanh", "identity", "sigmoid", True, True, layer_norm=True),
    Dense(6, 9, (), (4,), "tanh", layer_norm=True),
]


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("network", SHAPES)
def test_what_it_computes_equals_numpy(network, precision):
    network = Dense(**{**vars(network), "precision": precision})
    with jax.enable_x64(precision == "float64"):
        params = randomised(network.init(0))
        code, out = reconstruct(network, params, rows.astype(network.dtype))
    assert code.dtype == out.dtype == network.dtype
    expected = by_hand(network, jax.tree.map(np.float64, params), rows)
    tolerance = 1e-12 if precision == "float64" else 2e-5
    assert_allclose(code, expected[0], rtol=tolerance, atol=tolerance)
    assert_allclose(out, expected[1], rtol=tolerance, atol=tolerance)


def test_bfloat16_rounds_the_factors_and_sums_in_float32():
    network = Dense(6, 2, (5,), (5,), "tanh", precision="bfloat16")
    params = randomised(network.init(0))
    code, out = reconstruct(network, params, rows.astype(np.float32))
    expected = by_hand(network, params, rows)
    assert code.dtype == np.float32
    assert 1e-5 < np.abs(code - expected[0]).max() < 0.1
    assert np.abs(out - expected[1]).max() < 0.2


@pytest.mark.parametrize("network", SHAPES)
def test_parameters_are_drawn_by_seed(network):
    params = network.init(3)
    shapes = [layer["weight"].shape for layer in params["encoder"]]
    assert shapes == list(zip(network.encoder_widths[:-1], network.encoder_widths[1:], strict=True))
    shapes = [layer["bias"].shape for layer in params["decoder"]]
    assert shapes == [(width,) for width in network.decoder_widths[1:]]
    assert all("weight" not in layer for layer in params["decoder"]) == network.tied
    jax.tree.map(assert_array_equal, params, network.init(3))
    assert any((a != b).any() for a, b in zip(jax.tree.leaves(params), jax.tree.leaves(network.init(4)), strict=True))
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(params))
    assert hash(network) == hash(Dense(**vars(network)))


@pytest.mark.parametrize("name", INITIALIZERS)
def test_init_name(name):
    network = Dense(6, 2, (5,), (5,), init_name=name)
    draw = generator(7, Stream.WEIGHTS)
    biased = name == "truncated_normal"
    bias = draw.normal(size=5) if biased else np.zeros(5)
    first = network.init(7)["encoder"][0]
    assert_allclose(first["bias"], bias, rtol=1e-6)
    assert_allclose(first["weight"], INITIALIZERS[name](draw, 6, 5), rtol=1e-6)


# The linear path ---------------------------------------------------------------------------------------------------

SVD = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
PCA = Statistics(rows.mean(0), SVD[2][:2], 2)
PCA_ROWS = (rows - rows.mean(0)) @ SVD[2][:2].T @ SVD[2][:2] + rows.mean(0)


@pytest.mark.parametrize("sizes", [(), (5,), (5, 4)])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("activation", ["gelu", "sigmoid", "softplus"])
@pytest.mark.parametrize("init_name", ["he", "truncated_normal"])
def test_the_linear_path_starts_at_pca(sizes, tied, activation, init_name):
    network = Dense(6, 2, sizes, sizes[::-1], activation, linear_path=True, tied=tied, init_name=init_name)
    code, out = reconstruct(network, network.init(0, PCA), rows.astype(np.float32))
    assert_allclose(code, (rows - rows.mean(0)) @ SVD[2][:2].T, atol=1e-5)
    assert_allclose(out, PCA_ROWS, atol=1e-5)


@pytest.mark.parametrize("sizes", [(), (5,)])
def test_the_linear_path_starts_at_pca_of_columns_in_units(sizes):
    unit = np.array([1, 2, 3, 0.5, 1, 4])
    directions = np.linalg.svd((rows - rows.mean(0)) / unit, full_matrices=False)[2][:2]
    start = Statistics(rows.mean(0), directions, 2, unit)
    network = Dense(6, 2, sizes, sizes, linear_path=bool(sizes))
    code, out = reconstruct(network, network.init(0, start), rows.astype(np.float32))
    assert_allclose(code, (rows - rows.mean(0)) / unit @ directions.T, atol=1e-5)
    assert_allclose(out, code @ directions * unit + rows.mean(0), atol=1e-5)


@pytest.mark.parametrize("tied", [False, True])
def test_with_a_sigmoid_output_the_path_starts_at_the_mean(tied):
    network = Dense(6, 2, (5,), (5,), "sigmoid", output_activation="sigmoid", linear_path=True, tied=tied)
    params = network.init(0, PCA)
    out = network.activate_output(network.decode(params, np.zeros((1, 2), np.float32)))
    assert_allclose(out[0], rows.mean(0), atol=1e-5)
    if not tied:
        assert_allclose(params["decoder_path"], 4 * PCA.components, rtol=1e-6)
        # Where the mean is near a half, the sigmoid's slope cancels the factor to first order.
        small = np.full((1, 2), 0.01, np.float32)
        moved = network.activate_output(network.decode(params, small))[0] - out[0]
        assert_allclose(moved, 0.01 * PCA.components.sum(0), atol=2e-3)


def test_without_statistics_the_path_starts_at_zero():
    params = Dense(6, 2, (5,), (5,), linear_path=True).init(0)
    assert not params["encoder_path"].any()
    assert not params["decoder_path"].any()


# Dropout -----------------------------------------------------------------------------------------------------------

DROPPING = Dense(6, 2, (400,), (300,), "identity", dropout=0.25)
noise = Noise(key_words(1, Stream.NOISE), np.uint32(3))
numbers = np.stack([np.arange(20, dtype=np.uint32) * 7, np.zeros(20, np.uint32)], axis=1)
dropping_params = DROPPING.init(0)
single = rows.astype(np.float32)


def dropped(network, params, row, noise):
    hidden = np.ones((len(row), 400), np.float32)
    return np.asarray(network.dropped(hidden, row, noise, 0))


def test_dropout_fraction_and_mean():
    many = np.stack([np.arange(500, dtype=np.uint32), np.zeros(500, np.uint32)], axis=1)
    kept = dropped(DROPPING, dropping_params, many, noise)
    assert set(np.unique(kept)) == {np.float32(0), np.float32(1 / 0.75)}
    deviation = np.sqrt(0.25 * 0.75 / kept.size)
    assert abs((kept == 0).mean() - 0.25) < 5 * deviation
    assert np.abs((kept == 0).mean(0) - 0.25).max() < 5 * np.sqrt(0.25 * 0.75 / 500)


def test_dropout_depends_on_the_row_alone():
    encode = jax.jit(DROPPING.encode)
    whole = np.asarray(encode(dropping_params, single, numbers, noise))
    order = np.random.default_rng(1).permutation(20)
    moved = np.asarray(encode(dropping_params, single[order], numbers[order], noise))
    assert_array_equal(moved, whole[order])
    assert_allclose(encode(dropping_params, single[4:9], numbers[4:9], noise), whole[4:9], rtol=1e-5, atol=1e-6)
    assert (np.asarray(encode(dropping_params, single, numbers + 1, noise)) != whole).any()


@pytest.mark.parametrize(
    "other", [Noise(key_words(2, Stream.NOISE), np.uint32(3)), Noise(key_words(1, Stream.NOISE), np.uint32(4))]
)
def test_dropout_depends_on_seed_and_epoch(other):
    a, b = (dropped(DROPPING, dropping_params, numbers, which) for which in (noise, other))
    # Two independent masks agree on p^2 + q^2 of the units.
    assert abs((a == b).mean() - (0.25**2 + 0.75**2)) < 0.03


def test_dropout_depends_on_the_layer():
    ones = np.ones((20, 400), np.float32)
    a, b = (np.asarray(DROPPING.dropped(ones, numbers, noise, number)) for number in (0, 1))
    assert abs((a == b).mean() - (0.25**2 + 0.75**2)) < 0.03


def test_no_dropout_outside_training():
    plain = Dense(**{**vars(DROPPING), "dropout": 0.0})
    assert_array_equal(
        DROPPING.encode(dropping_params, single, numbers, None), plain.encode(dropping_params, single, numbers, noise)
    )


# Reordering the code ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(), (5,)])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("linear_path", [False, True])
@pytest.mark.parametrize("code_activation", ACTIVATIONS)
def test_reordering_changes_the_code_and_not_the_network(sizes, tied, linear_path, code_activation):
    network = Dense(6, 3, sizes, sizes, "tanh", code_activation, "sigmoid", linear_path, tied)
    params = randomised(network.init(0))
    before = jax.tree.map(np.copy, params)
    order, signs = np.array([2, 0, 1]), np.ones(3, np.float32)
    if network.signs_are_free:
        signs[1] = -1
    reordered = network.reordered(params, order, signs)
    jax.tree.map(assert_array_equal, params, before)
    code, out = reconstruct(network, params, single)
    new_code, new_out = reconstruct(network, reordered, single)
    assert_allclose(new_code, code[:, order] * signs, rtol=1e-4, atol=1e-5)
    assert_allclose(new_out, out, rtol=1e-4, atol=1e-5)


# Dictionaries ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(), (5,)])
@pytest.mark.parametrize("tied", [False, True])
def test_pre_bias_subtracts_the_output_bias(sizes, tied):
    network = Dense(6, 9, sizes, sizes, "tanh", tied=tied, pre_bias=True)
    plain = Dense(6, 9, sizes, sizes, "tanh", tied=tied)
    params = randomised(network.init(0))
    centred = single - params["decoder"][-1]["bias"]
    assert_allclose(network.encode(params, single), plain.encode(params, centred), rtol=1e-5, atol=1e-6)
    _, out = reconstruct(network, params, single)
    assert_allclose(out, by_hand(plain, params, centred)[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sizes", [(), (5,)])
@pytest.mark.parametrize("init_name", ["he", "truncated_normal"])
def test_the_encoder_starts_as_the_decoders_transpose(sizes, init_name):
    params = Dense(6, 9, sizes, sizes, init_name=init_name, transposed_start=True).init(0)
    first = params["decoder"][0]["weight"]
    assert_allclose(np.linalg.norm(first, axis=1), 1, rtol=1e-6)
    assert_array_equal(params["encoder"][-1]["weight"], first.T)
    assert not np.shares_memory(params["encoder"][-1]["weight"], first)
    drawn = Dense(6, 9, sizes, sizes, init_name=init_name).init(0)
    assert_allclose(
        first,
        drawn["decoder"][0]["weight"] / np.linalg.norm(drawn["decoder"][0]["weight"], axis=1, keepdims=True),
        rtol=1e-5,
    )


@pytest.mark.parametrize("network", [*SHAPES, Dense(6, 9, (5,), (4,), "tanh", pre_bias=True, layer_norm=True)])
def test_before_and_after_the_code(network):
    params = randomised(network.init(0))
    weight, bias = network.code_layer(params)
    path = single @ params["encoder_path"] if network.linear_path else 0
    pre_code = network.before_code(params, single, None, None) @ weight + bias + path
    assert_allclose(pre_code, network.encode(params, single), rtol=1e-5, atol=1e-5)
    assert_array_equal(network.code_bias(params), bias)
    code = np.asarray(network.activate_code(pre_code))
    out = network.after_code(params, code @ network.decoder_weights(params)[0], None, None)
    if network.linear_path:
        out = out + code @ (params["encoder_path"].T if network.tied else params["decoder_path"])
    assert_allclose(out, network.decode(params, code), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("hidden", [(), (3,)])
def test_the_indicator_is_a_separate_matrix_that_starts_at_zero(hidden):
    plain, masked = Dense(4, 2, hidden, hidden), Dense(4, 2, hidden, hidden, indicator=True)
    params = masked.init(5)
    assert not params["indicator"].any()
    drawn = {name: leaf for name, leaf in params.items() if name != "indicator"}
    jax.tree.map(assert_array_equal, drawn, plain.init(5))
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    assert_array_equal(masked.encode(params, x, condition=np.ones_like(x)), plain.encode(drawn, x))
    params["indicator"] = np.ones_like(params["indicator"])
    # For a mask of ones, the indicator adds the number of cells to the first layer.
    shifted = jax.tree.map(np.copy, drawn)
    shifted["encoder"][0]["bias"] += 4
    assert_allclose(masked.encode(params, x, condition=np.ones_like(x)), plain.encode(shifted, x), rtol=1e-6)
