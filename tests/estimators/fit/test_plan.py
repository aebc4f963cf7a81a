from dataclasses import replace
from importlib import import_module

import numpy as np
import optax
import pytest

from isthmus import Autoencoder, DenoisingAutoencoder, SparseAutoencoder
from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.corruption import Blockout, Gaussian, Masking
from isthmus.data.scaling import ColumnStatistics, Scaler
from isthmus.data.sources import open_source
from isthmus.engine.sampling import Window
from isthmus.estimators.fit.plan import resolve
from isthmus.networks.convolutional import Convolutional
from isthmus.networks.custom import Custom
from isthmus.sparsity import SPARSITIES, TopK


@pytest.fixture
def network(plan_of):
    def build(n_components=2, near_bounds=False, **parameters):
        plan = plan_of(n_components=n_components, **parameters)
        return plan.network.build(n_components, near_bounds=near_bounds)

    return build


@pytest.fixture
def objective(plan_of):
    def build(**parameters):
        plan = plan_of(n_components=16, **parameters)
        return plan.objective(plan.network.build(16, near_bounds=False))

    return build


# Each name once ----------------------------------------------------------------------------------------------------


@pytest.fixture
def calls(monkeypatch):
    """The arguments of each call that resolves a plan, a sparsity or a corruption."""
    seen = {}

    def count(name, place):
        module, _, attribute = place.rpartition(".")
        original = getattr(import_module(module), attribute)

        def counting(*args, **kwargs):
            seen.setdefault(name, []).append(args[0])
            return original(*args, **kwargs)

        monkeypatch.setattr(place, counting)

    count("plan", "isthmus.estimators.fit.run.resolve")
    count("sparsity", "isthmus.sparsity.resolve")
    count("corruption", "isthmus.corruption.resolve")
    return seen


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        Autoencoder(2, max_epochs=2),
        SparseAutoencoder(8, sparsity="topk", corruption="masking", resample_dead=1, max_epochs=3),
        DenoisingAutoencoder(2, hidden_layer_sizes=(6, 4), pretrain=1, max_epochs=2),
        Autoencoder(0.9, sparsity="kl", corruption=Masking(0.2), code_activation="sigmoid", max_epochs=2),
    ],
    ids=["plain", "sparse", "pretrained", "by variance"],
)
def test_a_fit_resolves_each_name_once(calls, rows, model):
    model.set_params(random_state=0).fit(rows)
    assert {name: len(found) for name, found in calls.items()} == {"plan": 1, "sparsity": 1, "corruption": 1}
    assert calls["sparsity"] == [model.sparsity]
    assert calls["corruption"] == [model.corruption]
    calls.clear()
    model.partial_fit(rows)
    assert {name: len(found) for name, found in calls.items()} == {"plan": 1, "sparsity": 1, "corruption": 1}


def test_a_plan_has_copies_of_objects(plan_of):
    sparsity, corruption = TopK(k=2), Gaussian(0.2)
    plan = plan_of(n_components=8, sparsity=sparsity, corruption=corruption)
    sparsity.set_params(k=3)
    corruption.set_params(scale=0.5)
    assert (plan.sparsity.k, plan.corruption.scale) == (2, 0.2)


def test_parameters_that_an_estimator_does_not_have_are_at_their_defaults(small, rows):
    parameters = small().get_params(deep=False)
    assert not {"k", "channels", "corruption_level"} & set(parameters)
    plan = resolve(parameters, open_source(rows).schema, len(rows))
    assert (plan.sparsity, plan.corruption, plan.loss.unit_norm, plan.bias_start) == (None, None, False, "zeros")


def test_a_given_seed_replaces_the_random_state(plan_of):
    assert plan_of(random_state=None, seed=17).seed == 17
    assert plan_of(random_state=5).seed == 5


# Settings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "decay"),
    [
        ({}, 0.0),
        ({"optimizer": "adamw"}, 0.01),
        ({"optimizer": "adamw", "weight_decay": 0}, 0.0),
        ({"weight_decay": 0.3}, 0.3),
        ({"optimizer": optax.adamw(0.1)}, 0.0),
    ],
)
def test_decay(plan_of, changes, decay):
    plan = plan_of(**changes)
    assert plan.settings.decay == decay
    assert plan.optimizer.decays == (decay > 0)


def test_settings_have_each_number(plan_of):
    plan = plan_of(max_epochs=7, learning_rate=0.5, gradient_clip=2, n_iter_no_change=3, tol=0.2, restore_best=False)
    settings = plan.settings
    assert (settings.max_epochs, settings.learning_rate, settings.clip) == (7, 0.5, 2.0)
    assert (settings.patience, settings.tol, settings.restore_best) == (3, 0.2, False)
    assert plan.optimizer.clips
    assert not plan_of().optimizer.clips


@pytest.mark.parametrize(("pretrain", "epochs"), [(None, None), ("layerwise", 15), (3, 3)])
def test_epochs_of_pretraining(plan_of, pretrain, epochs):
    assert plan_of(hidden_layer_sizes=(4,), pretrain=pretrain).pretrain_epochs == epochs


def test_rows_decide_batches_validation_and_order(plan_of):
    few, many = plan_of(n_rows=40), plan_of(n_rows=10**8)
    assert (few.batch_size, few.validation_share, few.shuffle) == (32, 0.25, True)
    assert (many.batch_size, many.validation_share, many.shuffle) == (256, 0.1, Window.for_width(5))


@pytest.mark.parametrize(("precision", "compute"), [("float32", "f4"), ("bfloat16", "f4"), ("float64", "f8")])
def test_the_type_of_the_computation(plan_of, precision, compute):
    assert plan_of(precision=precision).compute == np.dtype(compute)


# Networks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({}, True),
        ({"hidden_layer_sizes": ()}, False),
        ({"hidden_layer_sizes": (), "decoder_layer_sizes": (3,)}, True),
        ({"code_activation": "tanh"}, False),
        ({"n_components": 5}, True),
        ({"n_components": 5, "linear_path": True}, True),
        ({"linear_path": False}, False),
        ({"hidden_layer_sizes": (), "linear_path": True}, True),
        ({"sparsity": "l1", "code_activation": "identity"}, False),
        ({"pretrain": 2}, False),
    ],
)
def test_when_there_is_a_linear_path(network, changes, path):
    assert network(**changes).linear_path is path


@pytest.mark.parametrize(
    ("changes", "near_bounds", "expected"),
    [
        ({}, False, "identity"),
        ({}, True, "sigmoid"),
        ({"output_activation": "tanh"}, True, "tanh"),
        ({"loss": "bce"}, False, "sigmoid"),
        ({"loss": "bce", "output_activation": "sigmoid"}, False, "sigmoid"),
    ],
)
def test_the_output_activation(network, changes, near_bounds, expected):
    assert network(near_bounds=near_bounds, **changes).output_activation == expected


@pytest.mark.parametrize(
    ("activation", "init"), [("gelu", "he"), ("relu", "he"), ("tanh", "glorot"), ("sigmoid", "glorot")]
)
def test_automatic_initialisation(network, activation, init):
    assert network(activation=activation).init_name == init
    assert network(activation=activation, init="lecun").init_name == "lecun"


def test_the_decoder_mirrors_the_encoder(network):
    assert network(hidden_layer_sizes=[9, 4]).decoder_sizes == (4, 9)
    assert network(hidden_layer_sizes=(9, 4), decoder_layer_sizes=()).decoder_sizes == ()
    assert network(hidden_layer_sizes=[9]) == network(hidden_layer_sizes=(np.int64(9),))
    assert hash(network(hidden_layer_sizes=[9])) == hash(network(hidden_layer_sizes=(9,)))


def factory(n_features, n_components, key):
    return (lambda row: row[:n_components]), (lambda code: code.sum() * np.ones(n_features))


def test_a_factory_is_a_custom_network(network):
    own = network(network=factory, code_activation="tanh")
    assert isinstance(own, Custom)
    assert (own.n_features, own.n_components, own.code_activation, own.output_activation) == (5, 2, "tanh", "identity")


def test_image_shapes_of_the_parameter_and_of_the_source(plan_of):
    options = {"network": "convolutional", "channels": (4,), "hidden_layer_sizes": (), "n_features": 12}
    for plan in (plan_of(image_shape=(3, 4), **options), plan_of(**options)):
        assert isinstance(plan.network.build(2, near_bounds=False), Convolutional)
    assert plan_of(image_shape=(3, 4), **options).network.build(2, near_bounds=False).image_shape == (3, 4, 1)


# Sparse codes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "pre_bias", "unit_norm", "transposed"),
    [
        ({"sparsity": "topk"}, True, True, True),
        ({"sparsity": "l1"}, True, False, True),
        ({"sparsity": "kl"}, False, False, False),
        ({"sparsity": "lifetime"}, False, False, False),
        ({"sparsity": None}, False, False, False),
        ({"sparsity": "topk", "hidden_layer_sizes": (7,)}, False, False, False),
        ({"sparsity": "topk", "decoder_layer_sizes": (7,)}, False, False, False),
        ({"sparsity": "topk", "tied_weights": True}, False, False, False),
        ({"sparsity": "topk", "output_activation": "sigmoid"}, False, True, True),
        (
            {"sparsity": "topk", "pre_bias": False, "unit_norm_decoder": False, "transposed_start": False},
            *(False, False, False),
        ),
        (
            {"sparsity": "kl", "pre_bias": True, "unit_norm_decoder": True, "transposed_start": True},
            *(True, True, True),
        ),
        ({"sparsity": TopK(1, pre_bias=False, unit_norm_decoder=False)}, False, False, True),
    ],
)
def test_what_auto_means_for_a_dictionary(objective, changes, pre_bias, unit_norm, transposed):
    found = objective(**{"hidden_layer_sizes": (), **changes})
    assert (found.network.pre_bias, found.network.transposed_start) == (pre_bias, transposed)
    assert found.unit_norm is unit_norm
    assert found.network.linear_path is False


@pytest.mark.parametrize("setting", ["pre_bias", "unit_norm_decoder"])
def test_settings_of_a_sparse_code_need_one(plan_of, setting):
    with pytest.raises(InvalidParameterError, match=f"^{setting}=True has no effect without sparsity"):
        plan_of(sparsity=None, **{setting: True})


def test_near_bounds_values_have_no_pre_bias_unless_it_is_asked_for(plan_of):
    options = {"n_components": 16, "hidden_layer_sizes": (8,), "sparsity": "topk"}
    assert not plan_of(**options).network.build(16, near_bounds=True).pre_bias
    with pytest.raises(InvalidParameterError, match="pre_bias=True needs output_activation='identity', not 'sigmoid'"):
        plan_of(pre_bias=True, **options).network.build(16, near_bounds=True)


def test_the_output_of_a_dictionary_is_linear_whatever_the_values(plan_of):
    options = {"n_components": 16, "hidden_layer_sizes": (), "sparsity": "topk"}
    for near_bounds in (False, True):
        network = plan_of(**options).network.build(16, near_bounds=near_bounds)
        assert (network.output_activation, network.pre_bias) == ("identity", True)
        given = plan_of(output_activation="sigmoid", **options).network.build(16, near_bounds=near_bounds)
        assert (given.output_activation, given.pre_bias) == ("sigmoid", False)


@pytest.mark.parametrize(
    ("options", "rate", "every", "scaling"),
    [
        ({}, 3e-3, 1, "auto_dictionary"),
        ({"n_components": 1024}, 1.5e-3, 1, "auto_dictionary"),
        ({"n_components": 0.9}, 3e-3, 1, "auto_dictionary"),
        ({"sparsity": "jumprelu"}, 3e-3, 1, "auto_dictionary"),
        ({"learning_rate": 0.01, "scaling": "minmax", "resample_dead": None}, 0.01, None, "minmax"),
        ({"resample_dead": 4, "output_activation": "sigmoid"}, 3e-3, 4, "auto"),
        ({"sparsity": TopK(resample_dead=None)}, 3e-3, None, "auto_dictionary"),
        ({"hidden_layer_sizes": (8,)}, 1e-3, None, "auto"),
        ({"tied_weights": True}, 1e-3, None, "auto"),
        ({"sparsity": "kl"}, 1e-3, None, "auto"),
        ({"sparsity": "lifetime"}, 1e-3, None, "auto"),
        ({"sparsity": None}, 1e-3, None, "auto"),
    ],
)
def test_rate_restarts_and_scaling_of_a_dictionary(plan_of, options, rate, every, scaling):
    plan = plan_of(
        **{"n_components": 16, "hidden_layer_sizes": (), "sparsity": "topk", "learning_rate": "auto", **options}
    )
    assert plan.settings.learning_rate == pytest.approx(rate)
    assert (plan.resample_every, plan.scaling) == (every, scaling)


@pytest.mark.parametrize("sparsity", [None, *SPARSITIES])
def test_losses_are_reduced_as_in_the_papers(objective, sparsity):
    found = objective(sparsity=sparsity, l2_penalty=0.1)
    expected = {"kl": "half_sum", "l1": "sum", "jumprelu": "sum", "gated": "sum"}.get(sparsity, "mean")
    assert (found.reduction, found.l2) == (expected, True)
    assert objective(sparsity=sparsity, loss_reduction="half_sum").reduction == "half_sum"
    activation = {None: "identity", "kl": "sigmoid"}.get(sparsity, "relu")
    assert found.network.code_activation == activation


def test_feature_weights(objective, plan_of):
    assert objective(feature_weights=np.arange(1, 6)).feature_weights == (1, 2, 3, 4, 5)
    with pytest.raises(InvalidParameterError, match="feature_weights has 2 numbers, but rows have 5 columns"):
        plan_of(feature_weights=[1, 2])


# Scheduled values --------------------------------------------------------------------------------------------------


def ends(plan, share=1.0):
    return {name: float(schedule(np.full(1, share))[0]) for name, schedule in plan.schedules(16, 300).items()}


def test_schedules(plan_of):
    sparse = plan_of(n_components=16, sparsity="l1", sparsity_weight=4, l2_penalty=0.1)
    assert ends(sparse) == {"weight": 4, "dead_after": 600, "l2": 0.1}
    assert ends(plan_of(n_components=3)) == {"linear": 10}
    assert ends(plan_of(n_components=3, linear_weight=0.3)) == {"linear": 0.3}
    assert ends(plan_of(n_components=3, linear_weight=0)) == {}
    assert ends(plan_of(n_components=3, linear_path=False)) == {}
    noisy = plan_of(corruption="masking", corruption_level=0.4, untouched_weight=0.5)
    assert set(ends(noisy).values()) >= {0.4, 0.5}


def test_constant_schedules_are_those_of_the_end(plan_of):
    plan = plan_of(n_components=16, sparsity="l1", sparsity_weight=4)
    assert ends(plan, share=0.0)["weight"] < 4
    assert ends(replace(plan, constant_schedules=True), share=0.0) == ends(plan)


# The range of the rows ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("high", "refused"), [(1.0, False), (1.5, True)])
def test_cross_entropy_needs_the_unit_range(plan_of, high, refused):
    statistics = ColumnStatistics(5, np.dtype(np.float64))
    statistics.update(np.array([[0.0] * 5, [high] * 5]))
    none = Scaler("none", np.zeros(5), np.ones(5))
    plan_of().check_range(statistics, none)
    plan = plan_of(loss="bce")
    if not refused:
        plan.check_range(statistics, none)
        return
    with pytest.raises(InvalidDataError, match=r"scaled rows range from 0 to 1\.5; use scaling='minmax'"):
        plan.check_range(statistics, none)
    plan.check_range(statistics, Scaler("minmax", np.zeros(5), np.full(5, 1.5)))


@pytest.mark.parametrize(("scaling", "refused"), [("patches", False), ("whitened_patches", False), ("zca", True)])
def test_cross_entropy_needs_a_scaling_with_bounds(small, rows, scaling, refused):
    model = small(scaling=scaling, loss="bce", max_epochs=1)
    if refused:
        with pytest.raises(InvalidDataError, match="scaled rows have no bounds; use scaling='minmax'"):
            model.fit(rows)
        return
    assert model.fit(rows).network_.output_activation == "sigmoid"


def test_a_corruption_is_bound_to_the_shape_of_images(plan_of):
    assert plan_of(n_features=12, image_shape=(3, 4), corruption=Blockout(2)).corruption != Blockout(2)
    with pytest.raises(InvalidParameterError, match="Blockout"):
        plan_of(n_features=12, corruption=Blockout(2))
