import inspect
import math
import re
from types import SimpleNamespace

import numpy as np
import optax
import pytest
from sklearn.utils.estimator_checks import check_parameters_default_constructible

from isthmus import Autoencoder
from isthmus.core.errors import InvalidParameterError
from isthmus.core.parameters import parameters_of
from isthmus.corruption import CORRUPTIONS, Masking
from isthmus.data.scaling import SCALINGS
from isthmus.engine import OPTIMIZERS, SCHEDULES
from isthmus.engine.optimizers import DEFAULT_DECAY
from isthmus.estimators import ESTIMATORS
from isthmus.estimators.fit.plan import CORRUPTION_SETTINGS, SPARSITY_SETTINGS
from isthmus.estimators.method_parameters import ALL
from isthmus.estimators.parameters import AUTOENCODER
from isthmus.losses import LOSSES, REDUCTIONS
from isthmus.networks import FAMILIES
from isthmus.networks.activations import ACTIVATIONS
from isthmus.networks.initializers import INITIALIZERS
from isthmus.sparsity import KL, SPARSITIES, TopK

CLASSES = pytest.mark.parametrize("name", ESTIMATORS)
PARAMETERS = [(name, parameter) for name in ESTIMATORS for parameter in parameters_of(ESTIMATORS[name])]
EACH = pytest.mark.parametrize(("name", "parameter"), PARAMETERS, ids=map(".".join, PARAMETERS))
ADDED = {
    "SparseAutoencoder": [
        *("k", "sparsity_target", "sparsity_weight", "resample_dead", "pre_bias", "unit_norm_decoder"),
        *("transposed_start", "bias_start", "sparse_output"),
    ],
    "DenoisingAutoencoder": ["corruption_level", "untouched_weight"],
    "ConvolutionalAutoencoder": ["channels", "image_shape"],
    "AutoencoderOutlierDetector": [
        *("contamination", "threshold", "false_alarms", "n_estimators", "max_reference_rows"),
    ],
}
FITTED_BY_COMMAND = ("SparseAutoencoder", "DenoisingAutoencoder", "ConvolutionalAutoencoder")
TABLES = {
    "activation": ACTIVATIONS,
    "corruption": CORRUPTIONS,
    "init": INITIALIZERS,
    "learning_rate_schedule": SCHEDULES,
    "loss": LOSSES,
    "loss_reduction": REDUCTIONS,
    "network": FAMILIES,
    "optimizer": OPTIMIZERS,
    "scaling": SCALINGS,
    "sparsity": SPARSITIES,
}


def same(one, other):
    return one is other or one == other or (isinstance(one, float) and math.isnan(one) and math.isnan(other))


def test_parameters_shared_by_all_autoencoders():
    assert list(AUTOENCODER) == list(inspect.signature(Autoencoder).parameters)
    assert " ".join(AUTOENCODER) == (
        "n_components hidden_layer_sizes decoder_layer_sizes linear_path linear_weight dropout layer_norm sparsity "
        "corruption pretrain datetimes missing network activation code_activation output_activation loss "
        "loss_reduction feature_weights penalty penalty_weight l2_penalty tied_weights init optimizer learning_rate "
        "learning_rate_schedule weight_decay gradient_clip batch_size max_epochs shuffle scaling early_stopping "
        "validation_fraction n_iter_no_change tol restore_best precision device random_state warm_start verbose "
        "display_step"
    )
    assert len(AUTOENCODER) == 44


@pytest.mark.parametrize("name", ADDED)
def test_parameters_added_by_each_class(name):
    assert list(parameters_of(ESTIMATORS[name])) == [*AUTOENCODER, *ADDED[name]]


def test_all_has_each_parameter_once():
    assert list(ALL) == [*AUTOENCODER, *(name for cls in FITTED_BY_COMMAND for name in ADDED[cls])]
    assert all(ALL[name] == AUTOENCODER[name] for name in AUTOENCODER)
    options = [row.option for row in ALL.values()]
    assert len(set(options)) == len(options)
    assert all(re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", option) for option in options)


def test_defaults_that_differ_between_autoencoders():
    def differing(name):
        rows = parameters_of(ESTIMATORS[name])
        return {name: rows[name].default for name in AUTOENCODER if rows[name].default != AUTOENCODER[name].default}

    assert differing("SparseAutoencoder") == {
        "n_components": 64,
        "hidden_layer_sizes": (),
        "sparsity": "topk",
    }
    assert differing("DenoisingAutoencoder") == {"n_components": 64, "corruption": "masking"}
    assert differing("ConvolutionalAutoencoder") == {
        "n_components": 32,
        "hidden_layer_sizes": (),
        "network": "convolutional",
        "activation": "relu",
    }


def test_estimators_declare_the_settings_of_their_methods():
    assert set(SPARSITY_SETTINGS) <= set(ADDED["SparseAutoencoder"])
    assert set(CORRUPTION_SETTINGS) == set(ADDED["DenoisingAutoencoder"])
    sparsity_fields = {"resample_dead", "pre_bias", "unit_norm_decoder", "transposed_start", "bias_start"}
    assert sparsity_fields <= set(TopK().get_params())
    assert "untouched_weight" in Masking().get_params()
    declared = parameters_of(ESTIMATORS["SparseAutoencoder"])
    assert all(same(declared[name].default, TopK().get_params()[name]) for name in sparsity_fields)


@CLASSES
def test_the_signature_is_the_declared_parameters(name):
    signature = inspect.signature(ESTIMATORS[name]).parameters
    declared = parameters_of(ESTIMATORS[name])
    assert list(signature) == list(declared)
    assert all(same(signature[one].default, declared[one].default) for one in declared)
    kinds = [one.kind for one in signature.values()]
    assert set(kinds[1:]) == {inspect.Parameter.KEYWORD_ONLY}
    first = "KEYWORD_ONLY" if name == "AutoencoderImputer" else "POSITIONAL_OR_KEYWORD"
    assert kinds[0].name == first
    assert ESTIMATORS[name]().get_params(deep=False).keys() == declared.keys()


@CLASSES
def test_the_constructor_only_sets_its_parameters(name):
    check_parameters_default_constructible(name, ESTIMATORS[name]())


@EACH
def test_each_declaration(name, parameter):
    row = parameters_of(ESTIMATORS[name])[parameter]
    row.check(row.default)
    assert row.default is not None or row.optional
    assert row.words
    assert row.help[0].islower() or row.help[0].isdigit() or row.help.startswith("Adam")
    assert "\n" not in row.help
    assert not row.help.endswith(".")
    for choice in row.names:
        row.check(choice)
        assert repr(choice) in row.words


@EACH
def test_each_parameter_is_in_the_docstring(name, parameter):
    row = parameters_of(ESTIMATORS[name])[parameter]
    section = ESTIMATORS[name].__doc__.partition("\nParameters\n----------\n")[2].partition("\n\n")[0]
    entry = re.search(rf"^{parameter} : (.*\n(?: .*\n?)*)", section + "\n", re.MULTILINE)[1]
    text = " ".join(entry.split())
    assert text == f"{row.words}, default={row.default!r} {row.help[0].upper()}{row.help[1:]}."


@pytest.mark.parametrize("parameter", TABLES)
def test_names_are_the_keys_of_their_table(parameter):
    assert [name for name in ALL[parameter].names if name not in ("auto", "plateau")] == list(TABLES[parameter])


def test_default_decays_name_optimizers():
    assert set(DEFAULT_DECAY) <= set(OPTIMIZERS)


@pytest.mark.parametrize(
    ("parameter", "accepted"),
    [
        ("n_components", [1, 300, np.int64(3), 0.5, np.float32(0.95), 1e-9]),
        ("hidden_layer_sizes", [(), (5,), [128, 64], np.array([3, 2]), (np.int32(4),)]),
        ("linear_path", [True, False, np.True_, "auto"]),
        ("dropout", [0, 0.0, 0.999]),
        ("pretrain", [None, "layerwise", 1, np.int64(15)]),
        ("learning_rate", [1, 1e-30, np.float64(0.1)]),
        ("learning_rate_schedule", ["cosine", lambda share: 1 - share]),
        ("optimizer", ["adam", optax.adam(1e-3)]),
        ("network", [None, "dense", lambda n_features, n_components, key: None]),
        ("scaling", [None, "auto", "minmax"]),
        ("sparsity", [None, "kl", KL(0.1)]),
        ("corruption", [None, "masking", Masking(0.3), lambda key, x: x]),
        ("sparsity_target", [None, 0.05, 30]),
        ("loss_reduction", ["auto", "half_sum"]),
        ("feature_weights", [None, [1, 0, 0.5], (2,), np.array([0.0, 3.0], np.float32)]),
        ("weight_decay", [None, 0, 0.1]),
        ("random_state", [None, 0, 2**32 - 1, np.random.RandomState(0)]),
        ("device", [None, "cpu", "gpu:1"]),
        ("verbose", [0, 2]),
        ("image_shape", [None, (8, 8), (8, 8, 3)]),
    ],
)
def test_accepted_values(parameter, accepted):
    for value in accepted:
        ALL[parameter].check(value)


@pytest.mark.parametrize(
    ("parameter", "rejected"),
    [
        ("n_components", [0, -1, 0.0, 1.0, 1.5, math.nan, True, "auto", (2,)]),
        ("hidden_layer_sizes", [(0,), (-3,), (1.5,), (True,), 5, "12", None]),
        ("linear_path", [1, 0, None]),
        ("dropout", [1, 1.0, -0.1, math.nan, False]),
        ("pretrain", [0, True, 1.5, "layers"]),
        ("learning_rate", [0, -1, math.inf, math.nan, True, "0.1", None, 10**400]),
        ("learning_rate_schedule", [optax.adam(1e-3), None]),
        ("optimizer", [None, 3, ("adam",), {}, {"init": 1}, SimpleNamespace(), len, optax.GradientTransformation]),
        ("batch_size", [0, -1, 2.5, True]),
        ("max_epochs", [0, -5, 10.0, True]),
        ("random_state", [-1, 2**32, 1.5, True, "0", lambda: 0, np.random.RandomState]),
        ("device", ["", 3]),
        ("precision", [32, None]),
        ("validation_fraction", [0, 1, 1.0, 0.0]),
        ("network", ["dens", 3, optax.adam(1e-3)]),
        ("sparsity", ["kll", 3, ("kl",), object(), optax.adam(1e-3), TopK]),
        ("corruption", ["mask", 3]),
        ("sparsity_target", [0, -1, math.nan]),
        ("sparsity_weight", [-1, math.inf]),
        ("k", [0, 1.5, True]),
        ("resample_dead", [0, 2.5]),
        ("untouched_weight", [-0.1, 1.1, None]),
        ("l2_penalty", [-1e-4, None]),
        ("feature_weights", [(), (0, 0), (1, -1), [1, math.nan], "12", 3, [True], np.ones((2, 2)), ["1"]]),
    ],
)
def test_rejected_values(parameter, rejected):
    for value in rejected:
        with pytest.raises(InvalidParameterError, match=rf"^{parameter}=.* must be ") as caught:
            ALL[parameter].check(value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        ("activation", "rely", "did you mean 'relu'?"),
        ("loss", "msse", "did you mean 'mse'?"),
        ("sparsity", "batch_top", "did you mean 'batch_topk'?"),
        ("sparsity", 3, "'lifetime', an object of isthmus.sparsity with its settings or None"),
        ("loss_reduction", "half_sums", "did you mean 'half_sum'?"),
        ("optimizer", "adan", "did you mean 'adam'?"),
        ("n_components", 0, "must be an integer >= 1 or a number > 0 and < 1"),
        ("dropout", 1.0, "must be a number >= 0 and < 1"),
        ("random_state", -1, "must be an integer >= 0 and <= 4294967295, a numpy RandomState or None"),
        ("hidden_layer_sizes", (0,), "must be a tuple of integers >= 1"),
        ("device", "", "must be a non-empty string or None"),
        (
            "network",
            3,
            "-> (encoder, decoder), JAX pytrees such as Equinox modules or None",
        ),
        ("shuffle", "yes", "must be True or False or one of 'global', 'window'"),
        ("linear_path", 3, "must be True or False or 'auto'"),
        ("pretrain", 0, "must be 'layerwise', an integer >= 1 or None"),
    ],
)
def test_messages(parameter, value, message):
    with pytest.raises(InvalidParameterError, match=re.escape(message)):
        ALL[parameter].check(value)


def test_a_subclass_with_another_constructor_can_be_fitted():
    class Narrow(Autoencoder):
        def __init__(self, n_components=1, *, max_epochs=1, scale=2.0):
            super().__init__(n_components, max_epochs=max_epochs)
            self.scale = scale

    rows = np.random.default_rng(0).normal(size=(40, 3))
    model = Narrow(scale=1.0).fit(rows)
    assert model.transform(rows).shape == (40, 1)
    assert model.n_iter_ == 1
    with pytest.raises(InvalidParameterError, match=r"^n_components=0 must be"):
        Narrow(0).fit(rows)
