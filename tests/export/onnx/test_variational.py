import json

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from isthmus import VariationalAutoencoder
from isthmus.export.onnx.graph import Graph
from isthmus.export.onnx.networks import nodes_of, reconstruction
from isthmus.export.onnx.variational import context_of, usual_context
from isthmus.export.onnx.writing import to_model
from isthmus.networks.variational import VariationalConvolutional, VariationalDense
from running_onnx import assert_near, run

NETWORKS = {
    "conditions": VariationalDense(10, 3, (7,), (6,), conditions=(2, 9)),
    "counts": VariationalDense(10, 3, (7,), (6,), counts=True),
    "counts and categories": VariationalDense(10, 3, (), (), conditions=(0, 4, 5), counts=True, categories=((4, 6),)),
    "convolutional": VariationalConvolutional((4, 4, 2), 3, channels=(4,), output_activation="sigmoid"),
    "convolutional, conditions": VariationalConvolutional(
        (6, 5, 1), 3, (4, 3), conditions=(2, 31, 32), categories=((31, 33),), output_activation="sigmoid"
    ),
    "convolutional, counts": VariationalConvolutional((4, 4, 1), 3, (4,), conditions=(16,), counts=True),
}


def agree(network, *, zero_logit=None):
    """Check codes, reconstructions of rows, and rows for codes alone against the network."""
    rng, width = np.random.default_rng(0), network.n_features
    params = jax.tree.map(lambda leaf: rng.normal(0, 0.5, leaf.shape).astype(np.float32), network.init(0))
    if zero_logit is not None:
        params["likelihood"] = {"zero_logit": np.float32(zero_logit)}
    x = rng.poisson(3, (6, width)).astype(np.float32)
    for first, stop in network.categories:
        x[:, first:stop] = np.eye(stop - first)[rng.integers(0, stop - first, 6)]
    graph = Graph()
    rows, z = graph.input("rows", "float32", ("n", width)), graph.input("z", "float32", ("m", network.n_components))
    code = nodes_of(network).encode(graph, network, params, rows, None)
    graph.output(code, "code", "float32", ("n", network.n_components))
    contexts = {"whole": context_of(graph, network, rows), "alone": usual_context(graph, network, params)}
    for name, context in contexts.items():
        decoded = code if name == "whole" else z
        pre_output = nodes_of(network).decode(graph, network, params, decoded, context)
        graph.output(reconstruction(graph, network, pre_output), name, "float32", ("k", width))
    codes = rng.normal(size=(4, network.n_components)).astype(np.float32)
    found = run(to_model(graph), rows=x, z=codes)
    expected = network.encode(params, jnp.asarray(x))
    assert_near(found["code"], expected)
    besides = network.context(jnp.asarray(x))
    whole = expected if besides is None else jnp.concatenate([expected, besides], axis=1)
    assert_near(found["whole"], network.activate_output(network.decode(params, whole)))
    assert_near(found["alone"], network.activate_output(network.decode(params, jnp.asarray(codes))))


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_the_decoder_reads_conditions_and_sums(network):
    agree(network)


@pytest.mark.slow
def test_zero_inflation_lowers_the_means():
    agree(NETWORKS["counts"], zero_logit=0.7)


def about(proto):
    return {entry.key: entry.value for entry in proto.metadata_props}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::isthmus.core.errors.CollapseWarning")
def test_the_decoder_of_a_matrix_takes_its_conditions():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(80, 4)).astype(np.float32), columns=["a", "b", "dose", "batch"])
    frame["batch"] = (frame["batch"] > 0).astype(np.float32)
    options = {"hidden_layer_sizes": (6,), "max_epochs": 2, "random_state": 0}
    model = VariationalAutoencoder(2, conditions=["batch", "dose"], **options).fit(frame)
    rows, codes = frame.to_numpy(), model.transform(frame)
    found = run(model.to_onnx(), x=rows)
    assert_near(found["codes"], codes)
    assert_near(found["reconstruction"], model.reconstruct(frame))
    proto = model.to_onnx(part="decoder")
    assert json.loads(about(proto)["isthmus.conditions"]) == ["dose", "batch"]
    given = np.column_stack([frame["dose"] + 1, 1 - frame["batch"]]).astype(np.float32)
    conditions = {"dose": given[:, 0], "batch": given[:, 1]}
    expected = model.inverse_transform(codes, conditions=conditions)
    assert np.abs(np.asarray(expected) - np.asarray(model.reconstruct(frame))).max() > 0.01
    assert_near(run(proto, codes=codes, conditions=given)["reconstruction"], expected)
    unknown = np.full_like(given, np.nan)
    assert_near(run(proto, codes=codes, conditions=unknown)["reconstruction"], model.inverse_transform(codes))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::isthmus.core.errors.CollapseWarning")
@pytest.mark.parametrize("likelihood", ["gaussian", "poisson"])
def test_the_decoder_of_a_table_takes_its_conditions_by_column(likelihood):
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(rng.poisson(4, (90, 3)).astype(float), columns=["a", "b", "c"])
    frame["batch"] = np.array(["north", "south", "west"])[rng.integers(0, 3, 90)]
    frame["dose"] = rng.normal(size=90)
    options = {"hidden_layer_sizes": (6,), "max_epochs": 2, "random_state": 0, "likelihood": likelihood}
    model = VariationalAutoencoder(2, conditions=["batch", "dose"], **options).fit(frame)
    codes, other = model.transform(frame).astype(np.float32), frame["batch"].iloc[::-1].to_numpy()
    proto = model.to_onnx(part="decoder")
    assert [value.name for value in proto.graph.input] == ["codes", "batch", "dose"]
    expected = model.inverse_transform(codes, conditions={"batch": other, "dose": frame["dose"]})
    dose = frame["dose"].to_numpy()[:, None]
    dose = dose.astype(np.float32 if proto.graph.input[2].type.tensor_type.elem_type == 1 else np.float64)
    found = run(proto, codes=codes, batch=other.astype(object)[:, None], dose=dose)
    assert (found["batch:reconstruction"][:, 0] == other).all()
    for name in "abc":
        assert_near(found[f"{name}:reconstruction"][:, 0], expected[name], tolerance=1e-4)
    none = run(proto, codes=codes, batch=np.full((90, 1), "", object), dose=np.full_like(dose, np.nan))
    assert_near(none["a:reconstruction"][:, 0], model.inverse_transform(codes)["a"], tolerance=1e-4)
    east = run(proto, codes=codes, batch=np.full((90, 1), "east", object), dose=dose)
    assert np.isnan(east["a:reconstruction"]).all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::isthmus.core.errors.CollapseWarning")
def test_a_decoder_of_pictures_takes_conditions():
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    table = pd.DataFrame(X[:200]).rename(columns=lambda number: f"p{number}").assign(digit=y[:200].astype(str))
    model = VariationalAutoencoder(
        3,
        network="convolutional",
        channels=(4,),
        image_shape=(8, 8),
        conditions=["digit"],
        likelihood="bernoulli",
        scaling="minmax",
        max_epochs=2,
        random_state=0,
    ).fit(table)
    codes, proto = model.transform(table).astype(np.float32), model.to_onnx(part="decoder")
    found = run(proto, codes=codes, digit=np.full((200, 1), "7", object))
    expected = model.inverse_transform(codes, conditions={"digit": "7"})
    assert_near(found["p20:reconstruction"][:, 0], expected["p20"])
    assert_near(found["p33:reconstruction"][:, 0], expected["p33"])
