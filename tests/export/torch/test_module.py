import numpy as np
import pytest

from isthmus import Autoencoder, SparseAutoencoder, VariationalAutoencoder
from isthmus.core.errors import InvalidParameterError
from isthmus.export.onnx.graph import Graph
from isthmus.export.torch import to_torch
from running_onnx import assert_near
from sae_folders import randomized

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # importing PyTorch takes seconds
ROWS = np.random.default_rng(0).normal(3, 2, (60, 16)).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    return randomized(Autoencoder(3, hidden_layer_sizes=(8,), random_state=0), ROWS)


def test_parts_compute_what_the_model_does(model):
    rows, codes = torch.from_numpy(ROWS), torch.from_numpy(model.transform(ROWS))
    with torch.no_grad():
        reconstruction, found = to_torch(model)(rows)
        assert_near(found, model.transform(ROWS))
        assert_near(reconstruction, model.reconstruct(ROWS))
        assert_near(to_torch(model, "encoder")(rows), model.transform(ROWS))
        assert_near(to_torch(model, "decoder")(codes), model.inverse_transform(model.transform(ROWS)))


def test_weights_are_parameters_and_scaling_is_not(model):
    module = to_torch(model)
    assert {"encoder_0_weight", "decoder_1_bias", "encoder_path"} <= {name for name, _ in module.named_parameters()}
    assert {"scaling_center", "scaling_scale"} <= {name for name, _ in module.named_buffers()}
    assert repr(module) == "GraphModule(rows -> reconstruction, codes)"
    other = to_torch(randomized(Autoencoder(3, hidden_layer_sizes=(8,), random_state=1), ROWS + 1))
    other.load_state_dict(module.state_dict())
    torch.testing.assert_close(other(torch.from_numpy(ROWS)), module(torch.from_numpy(ROWS)))


def test_a_module_can_be_trained(model):
    module, rows = to_torch(model), torch.from_numpy(ROWS)
    optimizer = torch.optim.Adam(module.parameters(), 1e-2)
    losses = []
    for _ in range(60):
        loss = ((module(rows)[0] - rows) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]
    assert all(parameter.grad is not None for parameter in module.parameters())


def test_wrong_numbers_of_inputs_and_unknown_operations_are_refused(model):
    with pytest.raises(InvalidParameterError, match="the module takes rows, but got 2 inputs"):
        to_torch(model)(1, 2)
    graph = Graph()
    graph.output(graph.node("Loop", graph.input("x", "float32", (1,))), "y", "float32", (1,))
    from isthmus.export.torch.module import GraphModule

    with pytest.raises(InvalidParameterError, match="the operation Loop cannot be computed with PyTorch"):
        GraphModule(graph)


def test_gradients_reach_active_units_alone():
    sparse = randomized(SparseAutoencoder(32, k=3, random_state=0), ROWS)
    module = to_torch(sparse, "encoder")
    rows = torch.from_numpy(ROWS[:1])
    codes = module(rows)
    codes.sum().backward()
    moved = module.encoder_0_bias.grad != 0
    assert moved.tolist() == (codes[0] != 0).tolist()


def test_a_decoder_takes_conditions():
    model = VariationalAutoencoder(2, conditions=[3], hidden_layer_sizes=(6,), max_epochs=1, random_state=0).fit(ROWS)
    codes, given = model.transform(ROWS), ROWS[::-1, 3:4].copy()
    module = to_torch(model, "decoder")
    assert module.inputs == ("codes", "conditions")
    with torch.no_grad():
        rows = module(torch.from_numpy(codes), torch.from_numpy(given))
    assert_near(rows, model.inverse_transform(codes, conditions={3: given[:, 0]}))
