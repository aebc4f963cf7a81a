import numpy as np
import pytest
from isthmus.likelihoods import Gaussian

from isthmus import (
    Autoencoder,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    NeighborAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
    VectorQuantizedAutoencoder,
    corruption,
)
from isthmus.core.parameters import parameters_of
from isthmus.corruption import Chain, Deform, Masking, Swap
from isthmus.estimators.repeating import changed_parameters, command_of, options_of, python_of
from isthmus.sparsity import TopK

MODELS = [
    Autoencoder(),
    Autoencoder(3, hidden_layer_sizes=[7, 5], dropout=0.1, layer_norm=True, linear_path=False, max_epochs=np.int64(9)),
    Autoencoder(0.9, feature_weights={"a": 2.0, "b": 0.5}, scaling=None, early_stopping=False, learning_rate=1e-4),
    Autoencoder(corruption="masking"),
    SparseAutoencoder(32, k=4),
    SparseAutoencoder(sparsity="kl", sparsity_target=0.05),
    DenoisingAutoencoder(corruption="masking", corruption_level=0.2),
    ConvolutionalAutoencoder(channels=(8, 16), image_shape=(8, 8)),
    NeighborAutoencoder(n_neighbors=7),
    VariationalAutoencoder(8, likelihood="student_t", beta=0.5),
    VariationalAutoencoder(conditions=["batch", "year"]),
    VectorQuantizedAutoencoder(16, n_codes=64, n_groups=4, decay=0.95, channels=(8,)),
]
# What no option can say.
OF_OBJECTS = [
    Autoencoder(sparsity=TopK(k=3)),
    Autoencoder(corruption=Chain([Masking(0.3), Swap(0.1)])),
    NeighborAutoencoder(augmentation=Deform(strength=0.5)),
    VariationalAutoencoder(likelihood=Gaussian("feature")),
    VariationalAutoencoder(likelihood=Gaussian("feature"), corruption=corruption.Gaussian(0.3)),
    VariationalAutoencoder(likelihood=Gaussian(0.5), corruption=Chain([Masking(0.3), corruption.Gaussian(0.3)])),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_the_command_makes_the_same_estimator(model):
    from isthmus.cli import options as cli_options
    from isthmus.cli.fit import PARAMETERS
    from isthmus.estimators.choosing import estimator_of

    model.set_params(random_state=5)
    options = options_of(model)
    assert command_of(model).startswith("isthmus fit DATA -o model.safetensors")
    switches = {"map": "NeighborAutoencoder", "variational": "VariationalAutoencoder"}
    kind = next((switches[name] for name in switches if options.pop(name, False)), options.pop("estimator", None))
    by_option = {declared.option: declared for declared in PARAMETERS.values()}
    values = {by_option[name].name: cli_options.value_of(by_option[name], text) for name, text in options.items()}
    again = estimator_of(values, kind)
    assert type(again) is type(model)
    for name in parameters_of(type(model)):
        own, other = getattr(model, name), getattr(again, name)
        assert own == other or list(own) == list(other), name


@pytest.mark.parametrize("model", [*MODELS, *OF_OBJECTS], ids=lambda model: type(model).__name__)
def test_the_lines_of_python_make_the_same_estimator(model):
    model.set_params(random_state=5)
    lines = python_of(model).replace(".fit(X)", "")
    names = {}
    exec(lines, names)
    again = names["model"]
    assert type(again) is type(model)
    assert changed_parameters(again) == changed_parameters(model)


def test_what_has_no_text_has_no_command():
    assert command_of(Autoencoder(sparsity=TopK(k=3))) is None
    assert command_of(Autoencoder(learning_rate_schedule=lambda share: 1.0)) is None


def test_the_seed_is_that_of_the_fit():
    model = Autoencoder(1, hidden_layer_sizes=(3,), max_epochs=1)
    model.seed_ = 17
    assert changed_parameters(model)["random_state"] == 17
    assert "--seed 17" in command_of(model)


def test_conditions_by_number_have_the_names_of_the_columns_in_a_command():
    model = VariationalAutoencoder(conditions=[2, 0])
    assert options_of(model)["conditions"] == "2,0"
    model.feature_names_in_ = np.array(["a", "b", "c"], object)
    assert options_of(model)["conditions"] == "c,a"
    model.feature_names_in_ = np.array(["a", "b", "c,d"], object)
    assert command_of(model) is None  # a comma divides names
