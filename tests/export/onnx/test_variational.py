import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from isthmus import VariationalAutoencoder
from isthmus.export.onnx.graph import Graph
from isthmus.export.onnx.networks import nodes_of, reconstruction
from isthmus.export.onnx.variational import context_of
from isthmus.export.onnx.writing import to_model
from isthmus.networks.variational import VariationalConvolutional, VariationalDense
from running_onnx import assert_near, run

NETWORKS = {
    "conditions": VariationalDense(10, 3, (7,), (6,), conditions=(2, 9)),
    "counts": VariationalDense(10, 3, (7,), (6,), counts=True),
    "counts and categories": VariationalDense(10, 3, (), (), conditions=(0, 4, 5), counts=True, categories=((4, 6),)),
    "convolutional": VariationalConvolutional(
        (4, 4, 2), 3, channels=(4,), conditions=(1,), output_activation="sigmoid"
    ),
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
    for name, given, decoded in (("whole", rows, code), ("alone", None, z)):
        context = context_of(graph, network, params, given)
        pre_output = nodes_of(network).decode(graph, network, params, decoded, context)
        graph.output(reconstruction(graph, network, pre_output), name, "float32", ("k", width))
    codes = rng.normal(size=(4, network.n_components)).astype(np.float32)
    found = run(to_model(graph), rows=x, z=codes)
    expected = network.encode(params, jnp.asarray(x))
    assert_near(found["code"], expected)
    whole = jnp.concatenate([expected, network.context(jnp.asarray(x))], axis=1)
    assert_near(found["whole"], network.activate_output(network.decode(params, whole)))
    assert_near(found["alone"], network.activate_output(network.decode(params, jnp.asarray(codes))))


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_the_decoder_reads_conditions_and_sums(network):
    agree(network)


@pytest.mark.slow
def test_zero_inflation_lowers_the_means():
    agree(NETWORKS["counts"], zero_logit=0.7)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_model_with_conditions_is_exported():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(80, 4)).astype(np.float32), columns=["a", "b", "c", "batch"])
    frame["batch"] = (frame["batch"] > 0).astype(np.float32)
    options = {"hidden_layer_sizes": (6,), "max_epochs": 2, "random_state": 0}
    model = VariationalAutoencoder(2, conditions=["batch"], **options).fit(frame)
    rows, codes = frame.to_numpy(), model.transform(frame)
    found = run(model.to_onnx(), x=rows)
    assert_near(found["codes"], codes)
    assert_near(found["reconstruction"], model.reconstruct(frame))
    assert_near(run(model.to_onnx(part="decoder"), x=codes)["reconstruction"], model.inverse_transform(codes))
