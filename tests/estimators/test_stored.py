import copy
import functools
import json
import pickle

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

import isthmus
from isthmus import Autoencoder
from isthmus.core.errors import InvalidParameterError, MissingFileError, ModelFileError
from isthmus.core.persistence import read_model, write_model
from isthmus.data.scaling import SCALINGS
from isthmus.engine import OPTIMIZERS
from isthmus.losses import LOSSES


def own_network(n_features, n_components, key):
    return eqx.nn.MLP(n_features, n_components, 7, 1, key=key), eqx.nn.MLP(n_components, n_features, 7, 1, key=key)


def other_network(n_features, n_components, key):
    return eqx.nn.MLP(n_features, n_components, 8, 1, key=key), eqx.nn.Linear(n_components, n_features, key=key)


def sized_network(n_features, n_components, key, width=3):
    return eqx.nn.MLP(n_features, n_components, width, 1, key=key), eqx.nn.Linear(n_components, n_features, key=key)


def steep(x, by=1.0):
    return jnp.tanh(by * x)


def log_cosh(reconstruction, target):
    error = reconstruction - target
    return jnp.logaddexp(error, -error) - jnp.log(2.0)


def small_code(code, params):
    return jnp.mean(code**2)


FUNCTIONS = {
    "loss": log_cosh,
    "activation": functools.partial(steep, by=0.5),
    "code_activation": jnp.tanh,
    "penalty": small_code,
    "penalty_weight": 0.01,
}


@pytest.fixture(scope="module")
def own(small, rows):
    """A model with functions of a user."""
    return small(**FUNCTIONS).fit(rows)


def saved(model, path, **options):
    model.save(path, **options)
    return path


def assert_same_model(one, other, rows):
    assert_array_equal(one.transform(rows), other.transform(rows))
    assert_array_equal(one.reconstruct(rows), other.reconstruct(rows))
    assert one.score(rows) == other.score(rows)
    assert one.history_ == other.history_
    for name in ("n_components_", "n_features_in_", "n_iter_", "best_iter_", "loss_", "seed_", "image_shape_"):
        assert getattr(one, name) == getattr(other, name)
    assert one.scaler_.kind == other.scaler_.kind


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"n_components": 0.9, "hidden_layer_sizes": [5, 3], "decoder_layer_sizes": (4,)},
        {"tied_weights": True, "layer_norm": True, "dropout": 0.1},
        pytest.param({"precision": "float64", "scaling": "robust"}, marks=pytest.mark.slow),
        pytest.param(
            {"precision": "bfloat16", "learning_rate": np.float32(0.01), "early_stopping": np.False_},
            marks=pytest.mark.slow,
        ),
        {"optimizer": "adamw", "gradient_clip": 1, "random_state": np.random.RandomState(3)},
        *({"loss": loss, "scaling": "minmax"} for loss in LOSSES),
    ],
)
def test_a_loaded_model_gives_identical_results(small, rows, tmp_path, options):
    model = small(**options).fit(rows)
    other = Autoencoder.load(saved(model, tmp_path / "model.safetensors"))
    assert_same_model(model, other, rows)
    expected = {**model.get_params(), "random_state": other.random_state}
    assert other.get_params() == expected
    assert_array_equal(other.get_feature_names_out(), model.get_feature_names_out())
    assert_array_equal(other.encoder_weights_[0], model.encoder_weights_[0])


@pytest.mark.parametrize("scaling", [*SCALINGS, None])
def test_each_scaling_is_stored_exactly(small, rows, tmp_path, scaling):
    model = small(scaling=scaling, max_epochs=1).fit(rows)
    other = Autoencoder.load(saved(model, tmp_path / "model.safetensors"))
    assert_same_model(model, other, rows)
    codes = model.transform(rows)
    assert_array_equal(other.inverse_transform(codes), model.inverse_transform(codes))
    assert type(other.scaler_) is type(model.scaler_)
    assert_array_equal(other.scaler_.scaled(rows, np.float64), model.scaler_.scaled(rows, np.float64))


def test_feature_names_are_stored(small, rows, tmp_path):
    frame = pd.DataFrame(rows, columns=["größe", "b", "c c", "d"])
    model = small().fit(frame)
    other = Autoencoder.load(str(saved(model, tmp_path / "model.safetensors")))
    assert_array_equal(other.feature_names_in_, model.feature_names_in_)
    assert_same_model(model, other, frame)
    with pytest.raises(ValueError, match="feature names should match"):
        other.transform(frame[["b", "größe", "c c", "d"]])
    assert not hasattr(Autoencoder.load(saved(small().fit(rows), tmp_path / "plain.safetensors")), "feature_names_in_")


def test_a_loaded_model_is_saved_to_the_same_bytes(fitted, tmp_path):
    first = saved(fitted, tmp_path / "first", optimizer=True)
    second = saved(Autoencoder.load(first), tmp_path / "second", optimizer=True)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("options", [*({"optimizer": name} for name in OPTIMIZERS), {"precision": "float64"}])
def test_a_model_saved_with_its_optimizer_continues_training_identically(small, rows, tmp_path, options):
    model = small(random_state=None, **options).fit(rows)
    other = Autoencoder.load(saved(model, tmp_path / "model", optimizer=True))
    model.partial_fit(rows)
    other.partial_fit(rows)
    assert_array_equal(model.transform(rows), other.transform(rows))
    assert model.history_["loss"] == other.history_["loss"]


def test_a_model_saved_without_its_optimizer_starts_with_an_empty_state(small, rows, tmp_path):
    model = small().fit(rows)
    other = Autoencoder.load(saved(model, tmp_path / "model"))
    assert other.optimizer_state_ is None
    assert not any("optimizer" in name for name in read_model(tmp_path / "model")[1])
    assert not np.array_equal(other.partial_fit(rows).transform(rows), model.partial_fit(rows).transform(rows))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("optimizer", optax.adam(1e-3), "; give it by name"),
        ("learning_rate_schedule", lambda share: 1.0, ": a lambda has no name to import it by; define it with def at"),
    ],
)
def test_save_rejects_parameters_that_cannot_be_stored(small, rows, tmp_path, name, value, said):
    path = saved(small(max_epochs=1).fit(rows), tmp_path / "model")
    before = path.read_bytes()
    model = small(max_epochs=1, **{name: value}).fit(rows)
    with pytest.raises(InvalidParameterError, match=f"^{name}=.* cannot be written to a file{said}") as caught:
        model.save(path)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    assert [child.name for child in tmp_path.iterdir()] == ["model"]


def test_a_custom_network(small, rows, tmp_path):
    model = small(network=own_network, learning_rate=0.02, max_epochs=30, early_stopping=False).fit(rows)
    assert model.history_["loss"][-1] < 0.7 * model.history_["loss"][0]
    scaled = (rows - model.scaler_.center) / model.scaler_.scale
    encoder, _ = model.network_.modules(model.params_)
    assert_allclose(model.transform(rows), jax.vmap(encoder)(scaled.astype(np.float32)), atol=1e-5)
    path = saved(model, tmp_path / "own", optimizer=True)
    other = Autoencoder.load(path, network=own_network)
    assert_same_model(model, other, rows)
    assert_array_equal(other.partial_fit(rows).transform(rows), copy.deepcopy(model).partial_fit(rows).transform(rows))
    with pytest.raises(ModelFileError, match=r"holds a network of your own; .*load\(path, network=.*own_network\)"):
        Autoencoder.load(path)
    with pytest.raises(ModelFileError, match=r"has params.* as float32.*, but the network needs|has no tensor"):
        Autoencoder.load(path, network=other_network)
    with pytest.raises(AttributeError, match="keeps its weights in params_"):
        model.encoder_weights_


@pytest.mark.parametrize("trusted", [[__name__], [log_cosh, steep, small_code]])
def test_functions_are_stored_by_name(own, rows, tmp_path, trusted):
    path = saved(own, tmp_path / "own")
    other = Autoencoder.load(path, trusted=trusted)
    assert_same_model(own, other, rows)
    assert other.network_ == own.network_
    assert (other.loss, other.penalty, other.code_activation) == (log_cosh, small_code, jnp.tanh)
    assert (other.activation.func, other.activation.keywords) == (steep, {"by": 0.5})
    assert saved(other, tmp_path / "again").read_bytes() == path.read_bytes()


def test_functions_that_are_not_trusted_are_refused_together(own, tmp_path):
    path = saved(own, tmp_path / "own")
    for trusted in ([], [log_cosh], ["other"]):
        with pytest.raises(
            ModelFileError, match=r"own refers to functions, .*steep.*, and importing them runs code"
        ) as one:
            isthmus.load(path, trusted=trusted)
        assert "\n" not in str(one.value)
        assert ("log_cosh" in str(one.value)) == (trusted != [log_cosh])


def test_functions_are_copied_and_pickled(own, rows):
    for other in (pickle.loads(pickle.dumps(own)), copy.deepcopy(own), copy.copy(own)):
        assert_same_model(own, other, rows)
        assert other.network_ == own.network_
        assert other.loss is log_cosh
    assert clone(own).get_params()["loss"] is log_cosh


@pytest.mark.slow
def test_a_factory_is_stored_by_name(small, rows, tmp_path):
    factory = functools.partial(sized_network, width=5)
    model = small(network=factory, max_epochs=1, early_stopping=False).fit(rows)
    path = saved(model, tmp_path / "own")
    other = Autoencoder.load(path, trusted=[__name__])
    assert_same_model(model, other, rows)
    assert other.network_ == model.network_
    assert other.network.keywords == {"width": 5}
    with pytest.raises(ModelFileError, match=r"or trust it by name: load\(path, trusted=\['.*sized_network'\]\)$"):
        Autoencoder.load(path)
    local = small(network=lambda *given: sized_network(*given), max_epochs=1, early_stopping=False).fit(rows)
    path = saved(local, tmp_path / "local")
    with pytest.raises(ModelFileError, match=r"pass its factory: load\(path, network=.*<lambda>\)$"):
        Autoencoder.load(path, trusted=[__name__])
    assert_same_model(local, Autoencoder.load(path, network=sized_network), rows)


class Special(Autoencoder):
    def __init__(self, n_components=2):
        super().__init__(n_components)


def drop(header, tensors):
    del tensors["fitted.params_.decoder.0.bias"]


def reshape(header, tensors):
    tensors["fitted.params_.encoder.0.weight"] = np.zeros((4, 9), np.float32)


def retype(header, tensors):
    tensors["fitted.params_.encoder.0.weight"] = np.zeros((4, 6), np.float16)


def narrow_scaler(header, tensors):
    tensors["fitted.scaler_.center"] = np.zeros(3)


def parameters(header):
    return header["model"]["parameters"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda header, tensors: header.update(format=99), "has format 99, but this isthmus reads formats up to"),
        (lambda header, tensors: header.update({"class": "Special"}), "holds a Special, not the class Autoencoder"),
        (lambda header, tensors: parameters(header).update(novel=3), "is damaged: TypeError .*novel"),
        (
            lambda header, tensors: [header.update(version="9.9"), parameters(header).update(novel=3)],
            r"was written by isthmus 9\.9, whose models this version, .*, does not read \(TypeError .*novel",
        ),
        (lambda header, tensors: parameters(header).pop("dropout"), "is damaged: KeyError 'dropout'"),
        (lambda header, tensors: parameters(header).update(max_epochs=-1), "InvalidParameterError max_epochs=-1 must"),
        (lambda header, tensors: header["model"].pop("fitted"), "is damaged: KeyError 'fitted'"),
        (lambda header, tensors: header["model"]["fitted"]["network_"].update(n_features="x"), "needs x|is damaged"),
        (
            lambda header, tensors: header["model"]["fitted"]["network_"].update({"$object": "os.system"}),
            "stored class='os.system', which is not registered",
        ),
        (drop, r"has no tensor fitted\.params_\.decoder\.0\.bias"),
        (reshape, r"as float32\(4, 9\), but the network needs float32\(4, 6\)"),
        (retype, r"as float16\(4, 6\), but the network needs float32\(4, 6\)"),
        (narrow_scaler, "has a scaling of 3 columns, but the network needs 4"),
    ],
)
def test_damaged_files_and_those_of_other_classes_raise_one_line_messages(fitted, tmp_path, change, match):
    header, tensors = read_model(saved(fitted, tmp_path / "model"))
    header = json.loads(json.dumps(header))
    change(header, tensors)
    write_model(tmp_path / "changed", header, tensors)
    with pytest.raises(ModelFileError, match=match) as caught:
        Autoencoder.load(tmp_path / "changed")
    assert "\n" not in str(caught.value)


def test_other_classes_and_missing_files(fitted, tmp_path):
    with pytest.raises(ModelFileError, match="holds a Autoencoder, not the class Special"):
        Special.load(saved(fitted, tmp_path / "model"))
    with pytest.raises(MissingFileError):
        Autoencoder.load(tmp_path / "nowhere")
