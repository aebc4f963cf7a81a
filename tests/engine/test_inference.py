from itertools import pairwise

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from isthmus.core.errors import InvalidDataError
from isthmus.data.scaling import Patches, Scaler, WhitenedPatches, Whitening
from isthmus.data.sources import ArraySource, Block
from isthmus.engine.inference import Inference, _regrouped, block_rows, blocks_for, compile_functions
from isthmus.networks.dense import Dense
from isthmus.sparsity import BatchTopK, TopK

rng = np.random.default_rng(0)
NETWORK = Dense(6, 2, (9,), (9,), "tanh", output_activation="sigmoid", linear_path=True)
PARAMS = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(leaf.dtype), NETWORK.init(0))
SCALER = Scaler("standard", np.arange(6.0), np.arange(1.0, 7))
MIXING = Whitening(np.full(6, 100.0), np.eye(6) / 50 + 0.002, np.linalg.inv(np.eye(6) / 50 + 0.002))
MANY = {dtype: rng.integers(0, 200, (70, 6)).astype(dtype) for dtype in ("u1", "f4", "f8", "i8")}


class SmallBlocks(Inference):
    """Blocks of 16 rows, so that a few rows are several blocks."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.rows = 16


@pytest.fixture(scope="module")
def inference():
    return SmallBlocks(NETWORK, PARAMS, SCALER)


def joined(blocks):
    return np.concatenate([np.empty((0, 2), np.float32), *blocks])


def cut(rows, places=()):
    edges = [0, *sorted(min(place, len(rows)) for place in places), len(rows)]
    return [Block(rows[start:stop], start) for start, stop in pairwise(edges)]


@settings(max_examples=60)
@given(
    st.sampled_from(sorted(MANY)),
    st.lists(st.integers(0, 69), min_size=1, max_size=70),
    st.lists(st.integers(0, 70), max_size=5),
)
def test_a_rows_code_depends_on_that_row_alone(inference, dtype, chosen, places):
    rows = MANY[dtype]
    whole = joined(inference.encode(cut(rows)))
    assert_array_equal(joined(inference.encode(cut(rows[chosen], places))), whole[chosen])


@settings(max_examples=30)
@given(st.lists(st.integers(0, 69), min_size=1, max_size=70), st.lists(st.integers(0, 70), max_size=5))
def test_a_codes_row_depends_on_that_code_alone(inference, chosen, places):
    codes = rng.normal(size=(70, 2))
    whole = np.concatenate(list(inference.decode(cut(codes))))
    assert_array_equal(np.concatenate(list(inference.decode(cut(codes[chosen], places)))), whole[chosen])


@pytest.mark.parametrize("dtype", MANY)
def test_codes_and_rows_are_those_of_the_network(inference, dtype):
    scaled = ((MANY[dtype] - SCALER.center) / SCALER.scale).astype(np.float32)
    code = NETWORK.activate_code(NETWORK.encode(PARAMS, scaled))
    found = joined(inference.encode(cut(MANY[dtype])))
    assert found.dtype == np.float32
    assert_allclose(found, code, rtol=1e-4, atol=1e-4)
    rows = np.concatenate(list(inference.decode(cut(found))))
    assert_allclose(rows, NETWORK.activate_output(NETWORK.decode(PARAMS, found)), rtol=1e-4, atol=1e-5)


def test_blocks_are_full_whatever_the_blocks_of_the_source(inference):
    lengths = [len(block) for block in inference.encode(cut(MANY["f4"], [0, 3, 3, 40]))]
    assert lengths == [16, 16, 16, 16, 6]
    assert list(inference.encode([])) == []


@given(st.lists(st.integers(0, 70), max_size=9), st.integers(1, 80))
def test_blocks_are_regrouped_in_order_with_their_first_row(places, rows):
    numbers = np.arange(70).reshape(70, 1)
    memory = np.empty((70, 1), int)

    def blocks():
        for values, start in cut(numbers, places):
            memory[: len(values)] = values  # as a source that reuses one buffer
            yield Block(memory[: len(values)], start)

    found = [(values.copy(), start) for values, start in _regrouped(blocks(), rows)]
    assert [start for _, start in found] == list(range(0, 70, rows))
    assert {len(values) for values, _ in found[:-1]} <= {rows}
    assert_array_equal(np.concatenate([values for values, _ in found]), numbers)


def test_sources_with_random_access_are_read_in_blocks_of_the_given_size():
    source = ArraySource(np.arange(140.0).reshape(70, 2))
    assert [(len(values), start) for values, start in blocks_for(source, 32)] == [(32, 0), (32, 32), (6, 64)]
    source.random_access = False
    assert [(len(values), start) for values, start in blocks_for(source, 32)] == [(70, 0)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_are_yielded_with_their_reconstruction(inference, dtype):
    rows = MANY["f4"]
    pieces = list(inference.reconstruct(cut(rows, [3, 50]), dtype))
    assert_array_equal(np.concatenate([raw for raw, _ in pieces]), rows)
    codes = joined(inference.encode(cut(rows))).astype(dtype)
    expected = np.concatenate(list(inference.decode(cut(codes))))
    assert_array_equal(np.concatenate([reconstruction for _, reconstruction in pieces]), expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize(("names", "column"), [((), "4"), (list("abcdef"), "'e'")])
def test_a_cell_that_is_not_finite_is_named(value, dtype, names, column):
    rows = MANY[dtype].copy()
    rows[47, 4] = value
    inference = Inference(NETWORK, PARAMS, SCALER, None, names)
    with pytest.raises(InvalidDataError, match=f"at row 47, column {column};"):
        list(inference.encode(cut(rows, [10, 40])))
    with pytest.raises(InvalidDataError, match=f"at row 47, column {column};"):
        list(inference.reconstruct(cut(rows, [10, 40]), np.float32))


def test_finite_rows_may_add_up_to_infinity(inference):
    codes = joined(inference.encode(cut(np.full((9, 6), 1e38, np.float32))))
    assert len(codes) == 9


@pytest.mark.parametrize("dtype", MANY)
def test_a_round_trip_is_encode_and_decode(inference, dtype):
    rows = MANY[dtype]
    raw, codes, reconstruction = map(
        np.concatenate, zip(*inference.round_trip(cut(rows, [5, 40]), np.float32), strict=True)
    )
    assert_array_equal(raw, rows)
    assert_array_equal(codes, joined(inference.encode(cut(rows))), strict=True)
    assert_array_equal(reconstruction, np.concatenate(list(inference.decode(cut(codes)))), strict=True)
    alone = np.concatenate([found for _, found in inference.reconstruct(cut(rows), np.float32)])
    assert_array_equal(reconstruction, alone)


def test_a_round_trip_rounds_codes_to_the_type(inference):
    precise = Inference(Dense(6, 2, (4,), (4,), "tanh", precision="float64"), Dense(6, 2, (4,), (4,)).init(0), SCALER)
    ((_, codes, reconstruction),) = precise.round_trip(cut(MANY["f8"]), np.float32)
    (decoded,) = precise.decode(cut(codes))
    assert codes.dtype == np.float32
    assert_array_equal(reconstruction, decoded, strict=True)


@settings(max_examples=20)
@given(st.sampled_from(sorted(MANY)), st.lists(st.integers(0, 69), min_size=1, max_size=70))
@pytest.mark.parametrize("scaler", [Patches(6, 40.0), WhitenedPatches(MIXING, Patches(6, 1.0)), MIXING])
def test_scalings_that_mix_columns(scaler, dtype, chosen):
    rows = MANY[dtype]
    whole = joined(SmallBlocks(NETWORK, PARAMS, scaler).encode(cut(rows)))
    code = NETWORK.activate_code(NETWORK.encode(PARAMS, scaler.scaled(rows)))
    assert_allclose(whole, code, rtol=1e-4, atol=1e-4)
    assert_array_equal(joined(SmallBlocks(NETWORK, PARAMS, scaler).encode(cut(rows[chosen]))), whole[chosen])


def test_float64_is_kept():
    network = Dense(6, 2, (4,), (4,), "tanh", precision="float64")
    params = network.init(0)
    inference = Inference(network, params, SCALER)
    x = (MANY["f8"] - SCALER.center) / SCALER.scale
    hidden = np.tanh(x @ params["encoder"][0]["weight"])
    code = joined(inference.encode(cut(MANY["f8"])))
    assert code.dtype == np.float64
    assert_allclose(code, hidden @ params["encoder"][1]["weight"], rtol=1e-12, atol=1e-12)
    assert next(iter(inference.decode(cut(code)))).dtype == np.float64


@pytest.mark.parametrize("hidden", [(), (8,), (128, 64), (5000,), (100_000,)])
def test_block_sizes_are_powers_of_two_given_by_the_network(hidden):
    network = Dense(20, 2, hidden, hidden[::-1])
    shapes = [*pairwise(network.encoder_widths), *pairwise(network.decoder_widths)]
    params = [np.broadcast_to(np.float32(0), shape) for shape in shapes]
    rows = block_rows(network, params)
    assert 16 <= rows <= 1 << 16
    assert rows & (rows - 1) == 0
    assert rows == 16 or rows * max(20, *hidden, 2) <= 1 << 21


def test_equal_networks_share_their_functions_and_other_parameters_compile_nothing(compilations, inference):
    assert compile_functions(Dense(**vars(NETWORK))) is compile_functions(NETWORK)
    joined(inference.encode(cut(MANY["f4"])))
    other = jax.tree.map(lambda leaf: leaf + 1, PARAMS)
    with compilations() as compiled:
        codes = joined(SmallBlocks(NETWORK, other, SCALER).encode(cut(MANY["f4"][:5])))
    assert compiled == []
    assert (codes != joined(inference.encode(cut(MANY["f4"][:5])))).any()


# Sparse codes ------------------------------------------------------------------------------------------------------

SPARSE = Dense(6, 12, code_activation="relu")
SPARSE_PARAMS = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(leaf.dtype), SPARSE.init(0))
STATE = {**BatchTopK(2).init(12), "threshold": np.float32(0.6), "known": np.float32(0.5)}
WITH = [(None, ()), (TopK(3), TopK(3).init(12)), (BatchTopK(2), STATE)]


def activations(rows):
    scaled = (rows - SCALER.center) / SCALER.scale
    return np.maximum(scaled @ SPARSE_PARAMS["encoder"][0]["weight"] + SPARSE_PARAMS["encoder"][0]["bias"], 0)


@pytest.mark.parametrize(("sparsity", "state"), WITH)
def test_a_sparsity_selects(sparsity, state):
    rows = MANY["f4"]
    inference = Inference(SPARSE, SPARSE_PARAMS, SCALER, sparsity=sparsity, state=state)
    inference.rows = 16
    values, found = activations(rows), np.concatenate(list(inference.encode(cut(rows, [7]))))
    # Batch top-k weighs an activation by the length of its decoder row.
    lengths = np.linalg.norm(SPARSE_PARAMS["decoder"][0]["weight"], axis=1)
    threshold = {None: 0, TopK(3): np.sort(values, axis=1)[:, [-3]], BatchTopK(2): 1.2 / lengths}[sparsity]
    assert_allclose(found, np.where(values >= threshold, values, 0), rtol=1e-4, atol=1e-3)
    assert_array_equal(np.concatenate(list(inference.encode(cut(rows[11:12])))), found[11:12])
    _, codes, reconstruction = map(np.concatenate, zip(*inference.round_trip(cut(rows), np.float32), strict=True))
    assert_array_equal(codes, found)
    assert_allclose(
        reconstruction,
        found @ SPARSE_PARAMS["decoder"][0]["weight"] + SPARSE_PARAMS["decoder"][0]["bias"],
        rtol=1e-3,
        atol=1e-2,
    )


def test_another_threshold_compiles_nothing(compilations):
    first = Inference(SPARSE, SPARSE_PARAMS, SCALER, sparsity=BatchTopK(2), state=STATE)
    first.rows = 16
    codes = np.concatenate(list(first.encode(cut(MANY["f4"]))))
    with compilations() as compiled:
        other = Inference(
            *(SPARSE, SPARSE_PARAMS, SCALER),
            sparsity=BatchTopK(2, dead_after=7),
            state={**STATE, "known": np.float32(0.3)},
        )
        other.rows = 16
        fewer = np.concatenate(list(other.encode(cut(MANY["f4"]))))
    assert compiled == []
    assert (fewer != 0).sum() < (codes != 0).sum()


@pytest.mark.parametrize("wide", [False, True])
def test_the_jacobian_of_the_decoder(wide):
    network = Dense(6, 12 if wide else 3, (), (4,), "tanh", "relu", "sigmoid", precision="float64")
    params = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape), network.init(0))
    code = np.abs(rng.normal(size=network.n_components))
    found = Inference(network, params, SCALER).code_jacobian(code)
    hidden, last = params["decoder"]
    bend = 1 - np.tanh(code @ hidden["weight"] + hidden["bias"]) ** 2
    assert_allclose(found, hidden["weight"] * bend @ last["weight"], rtol=1e-10)
