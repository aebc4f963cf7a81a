"""Every row of the tables, as PyTorch computes it."""

import numpy as np
import pytest

from isthmus import Autoencoder, AutoencoderClassifier
from isthmus.data.scaling.maps import Patches, WhitenedPatches, Whitening
from isthmus.export.onnx.activations import activated
from isthmus.export.onnx.graph import Graph
from isthmus.export.onnx.networks import nodes_of, reconstruction
from isthmus.export.onnx.scalings import maps_of
from isthmus.export.onnx.sparsities import sparse_code
from isthmus.export.torch import to_torch
from isthmus.images.denoiser import Denoiser
from isthmus.networks.activations import ACTIVATIONS
from isthmus.networks.convolutional import Convolutional
from isthmus.networks.dense import Dense
from isthmus.sparsity import SPARSITIES
from isthmus.sparsity.base import Step
from running_onnx import assert_near
from sae_folders import randomized

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
RNG = np.random.default_rng(0)


def computed(graph, *inputs):
    from isthmus.export.torch.module import GraphModule

    with torch.no_grad():
        found = GraphModule(graph)(*map(torch.from_numpy, inputs))
    return found if isinstance(found, tuple) else (found,)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    graph, x = Graph(), np.linspace(-12, 12, 120, dtype=np.float32).reshape(3, 40)
    graph.output(activated(graph, name, graph.input("x", "float32", ("n", 40))), "y", "float32", ("n", 40))
    assert_near(computed(graph, x)[0], ACTIVATIONS[name](x), 2e-6)


@pytest.mark.parametrize("name", SPARSITIES)
def test_sparsities(name):
    sparsity = SPARSITIES[name]()
    network = Dense(6, 32, code_activation=sparsity.code_activation)
    params = network.init(0)
    own = sparsity.learned(32)
    params["sparsity"] = {key: (leaf + RNG.normal(0, 0.2, 32)).astype(np.float32) for key, leaf in own.items()}
    state = sparsity.init(32)
    if "known" in state and "threshold" in state:
        state |= {"threshold": np.float32(0.3), "known": np.float32(0.5)}
    pre_code = RNG.normal(0, 1, (50, 32)).astype(np.float32)
    graph = Graph()
    code = sparse_code(graph, sparsity, network, params, state, graph.input("x", "float32", ("n", 32)))
    graph.output(code, "y", "float32", ("n", 32))
    expected, _ = sparsity.select(Step(network, params, state, pre_code=pre_code, train=False))
    assert_near(computed(graph, pre_code)[0], expected, 2e-6)


@pytest.mark.parametrize(
    "network",
    [
        Dense(10, 3, (7, 5), (5, 7), tied=True, linear_path=True, layer_norm=True),
        Dense(10, 3, (7,), (7,), indicator=True, categories=((0, 2), (5, 8))),
        Dense(10, 3, (7,), (7,), precision="bfloat16", pre_bias=True),
        Convolutional((7, 10, 3), 4, channels=(4, 6), output_activation="sigmoid"),
    ],
    ids=["tied", "categories", "bfloat16", "convolutional"],
)
def test_networks(network):
    params, width = network.init(3), network.n_features
    x, z = (RNG.normal(size=(5, size)).astype(np.float32) for size in (width, network.n_components))
    mask = (RNG.random(x.shape) < 0.3).astype(np.float32)
    graph = Graph(rounded=network.precision == "bfloat16")
    names = [graph.input(name, "float32", ("n", width)) for name in ("rows", "mask", "code")]
    graph.output(nodes_of(network).encode(graph, network, params, *names[:2]), "y", "float32", ("n", 1))
    pre_output = nodes_of(network).decode(graph, network, params, names[2])
    graph.output(reconstruction(graph, network, pre_output), "output", "float32", ("n", width))
    code, output = computed(graph, x, mask, z)
    tolerance = 1e-2 if network.precision == "bfloat16" else 1e-5
    assert_near(code, network.encode(params, x, None, None, mask), tolerance)
    assert_near(output, network.activate_output(network.decode(params, z)), tolerance)


def test_scalings():
    matrix = np.linalg.qr(RNG.normal(size=(9, 9)))[0]
    scaling = WhitenedPatches(Whitening(RNG.normal(size=9), matrix, matrix.T), Patches(9, 0.4))
    raw, graph = RNG.normal(5, 1, (20, 9)).astype(np.float32), Graph()
    rows, means = maps_of(scaling).scaled(graph, scaling, graph.input("x", "float32", ("n", 9)), np.float32)
    graph.output(rows, "scaled", "float32", ("n", 9))
    graph.output(maps_of(scaling).raw(graph, scaling, rows, means, np.float32), "back", "float32", ("n", 9))
    found, back = computed(graph, raw)
    assert_near(found, scaling.scaled(raw))
    assert_near(back, scaling.raw(scaling.scaled(raw), np.float32, like=raw))


def test_the_denoiser():
    shipped = Denoiser.shipped()
    pictures, noise = RNG.random((2, 24, 36)).astype(np.float32), np.array([0.1, 0.02], np.float32)
    with torch.no_grad():
        cleaned = to_torch(shipped)(torch.from_numpy(pictures), torch.from_numpy(noise))
    assert_near(cleaned, shipped.network.clean(shipped.params, pictures, noise))


def test_a_classifier_gives_probabilities():
    rows, options = RNG.normal(size=(40, 5)).astype(np.float32), {"max_epochs": 1, "random_state": 0}
    inner = Autoencoder(2, early_stopping=False, **options)
    classifier = AutoencoderClassifier(inner, **options).fit(rows, np.where(rows[:, 0] > 0, "up", "down"))
    with torch.no_grad():
        assert_near(to_torch(classifier)(torch.from_numpy(rows)), classifier.predict_proba(rows))


def test_tables_are_encoded_rows():
    import pandas as pd

    frame = pd.DataFrame({"plan": ["a", "b", None, "a"] * 10, "calls": np.arange(40.0)})
    model = randomized(Autoencoder(2, hidden_layer_sizes=(4,), missing="mask", random_state=0), frame)
    rows = torch.from_numpy(model.encoding_.encode(frame).astype(np.float32))
    with torch.no_grad():
        reconstruction, codes = to_torch(model)(rows)
    assert_near(codes, model.transform(frame))
    assert_near(reconstruction, model.reconstruct(frame, probabilities=True))
