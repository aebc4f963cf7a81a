import numpy as np
import optax
import pytest

from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.core.parameters import PARAMETERS
from isthmus.data.scaling import ColumnStatistics, Scaler
from isthmus.estimators.build import (
    batch_rows,
    check_range,
    corruption_for,
    draw_seed,
    holdout_share,
    network_for,
    objective_for,
    optimizer_for,
    pick_device,
    schedules_for,
    settings_for,
    sparsity_for,
)
from isthmus.sparsity import SPARSITIES


def values(**changes):
    return {name: row.default for name, row in PARAMETERS.items()} | changes


def scaler(width=5, crowded=False):
    return Scaler("none", np.zeros(width), np.ones(width), crowded)


def network(n_features=5, n_components=2, crowded=False, **changes):
    return network_for(values(**changes), n_features, n_components, scaler(n_features, crowded))


def test_seeds():
    assert draw_seed(np.int64(7)) == 7
    assert draw_seed(np.random.RandomState(3)) == np.random.RandomState(3).randint(2**31 - 1)
    drawn = {draw_seed(None) for _ in range(5)}
    assert len(drawn) == 5
    assert all(0 <= seed < 2**32 for seed in drawn)


def test_devices():
    assert pick_device(None) is None
    assert pick_device("cpu") == pick_device("cpu:0")
    assert pick_device("cpu").platform == "cpu"


@pytest.mark.parametrize("name", ["toaster", "cpu:999", "cpu:x"])
def test_a_missing_device_is_refused(name):
    with pytest.raises(InvalidParameterError, match=rf"^device='{name}' is not here; JAX finds .*cpu"):
        pick_device(name)


@pytest.mark.parametrize(
    ("n_rows", "changes", "expected"),
    [
        (50, {}, 0.1),
        (49, {}, 0.0),
        (10, {"validation_fraction": 0.5}, 0.5),
        (10_000, {"early_stopping": False}, 0.0),
    ],
)
def test_the_share_held_back(n_rows, changes, expected):
    assert holdout_share(values(**changes), n_rows) == expected


@pytest.mark.parametrize(
    ("n_rows", "expected"), [(1, 32), (2047, 32), (2048, 64), (4095, 64), (4096, 128), (8191, 128), (8192, 256)]
)
def test_automatic_batches(n_rows, expected):
    assert batch_rows("auto", n_rows) == expected
    assert batch_rows(np.int64(17), n_rows) == 17
    assert batch_rows("auto", 10 * n_rows + 10_000) == 256


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
def test_decay(changes, decay):
    assert settings_for(values(**changes)).decay == decay
    assert optimizer_for(values(**changes)).decays == (decay > 0)


def test_settings_take_over_each_number():
    settings = settings_for(
        values(max_epochs=7, learning_rate=0.5, gradient_clip=2, n_iter_no_change=3, tol=0.2, restore_best=False)
    )
    assert (settings.max_epochs, settings.learning_rate, settings.clip) == (7, 0.5, 2.0)
    assert (settings.patience, settings.tol, settings.restore_best) == (3, 0.2, False)
    assert not optimizer_for(values()).clips
    assert optimizer_for(values(gradient_clip=2)).clips


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({}, True),
        ({"hidden_layer_sizes": ()}, False),
        ({"hidden_layer_sizes": (), "decoder_layer_sizes": (3,)}, True),
        ({"code_activation": "tanh"}, False),
        ({"n_components": 5}, False),
        ({"n_components": 5, "linear_path": True}, True),
        ({"linear_path": False}, False),
        ({"hidden_layer_sizes": (), "linear_path": True}, True),
    ],
)
def test_when_there_is_a_linear_path(changes, path):
    assert network(n_components=changes.pop("n_components", 2), **changes).linear_path is path


@pytest.mark.parametrize(
    ("changes", "crowded", "expected"),
    [
        ({}, False, "identity"),
        ({}, True, "sigmoid"),
        ({"output_activation": "tanh"}, True, "tanh"),
        ({"loss": "bce"}, False, "sigmoid"),
        ({"loss": "bce", "output_activation": "sigmoid"}, False, "sigmoid"),
    ],
)
def test_the_outputs_function(changes, crowded, expected):
    assert network(crowded=crowded, **changes).output_activation == expected


@pytest.mark.parametrize(
    ("activation", "init"), [("gelu", "he"), ("relu", "he"), ("tanh", "glorot"), ("sigmoid", "glorot")]
)
def test_automatic_initialisation(activation, init):
    assert network(activation=activation).init_name == init
    assert network(activation=activation, init="lecun").init_name == "lecun"


def objective(**changes):
    built, given = network(n_components=16, **changes), values(**changes)
    return objective_for(given, built, sparsity_for(given))


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
        ({"sparsity": None, "pre_bias": True, "unit_norm_decoder": True}, True, True, False),
    ],
)
def test_what_a_dictionary_has_unless_told(changes, pre_bias, unit_norm, transposed):
    found = objective(**{"hidden_layer_sizes": (), **changes})
    assert (found.network.pre_bias, found.network.transposed_start) == (pre_bias, transposed)
    assert found.unit_norm is unit_norm
    assert found.network.linear_path is False


@pytest.mark.parametrize("sparsity", [None, *SPARSITIES])
def test_losses_are_summed_as_the_paper_has_them(sparsity):
    found = objective(sparsity=sparsity, l2_penalty=0.1)
    expected = {"kl": "half_sum", "l1": "sum", "jumprelu": "sum", "gated": "sum"}.get(sparsity, "mean")
    assert (found.reduction, found.l2) == (expected, True)
    assert objective(sparsity=sparsity, loss_reduction="half_sum").reduction == "half_sum"
    activation = {None: "identity", "kl": "sigmoid"}.get(sparsity, "relu")
    assert found.network.code_activation == activation


def test_dials():
    given = values(sparsity="l1", sparsity_weight=4, l2_penalty=0.1)
    scheduled = schedules_for(given, sparsity_for(given), None, 16, 300)
    ends = {name: float(schedule(np.ones(1))[0]) for name, schedule in scheduled.items()}
    assert ends == {"weight": 4, "dead_after": 600, "l2": 0.1}
    assert schedules_for(values(), None, None, 16, 300) == {}
    noisy = values(corruption="masking", corruption_level=0.4, untouched_weight=0.5)
    ends = {
        float(schedule(np.ones(1))[0])
        for schedule in schedules_for(noisy, None, corruption_for(noisy), 16, 300).values()
    }
    assert ends == {0.4, 0.5}


def test_the_decoder_mirrors():
    assert network(hidden_layer_sizes=[9, 4]).decoder_sizes == (4, 9)
    assert network(hidden_layer_sizes=(9, 4), decoder_layer_sizes=()).decoder_sizes == ()
    assert network(hidden_layer_sizes=[9]) == network(hidden_layer_sizes=(np.int64(9),))
    assert hash(network(hidden_layer_sizes=[9])) == hash(network(hidden_layer_sizes=(9,)))


def factory(n_features, n_components, key):
    return (lambda row: row[:n_components]), (lambda code: code.sum() * np.ones(n_features))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tied_weights": True, "decoder_layer_sizes": (3,)}, "tied_weights=True needs a mirrored decoder"),
        ({"loss": "bce", "output_activation": "tanh"}, "loss='bce' needs output_activation='sigmoid', not 'tanh'"),
        ({"network": factory, "tied_weights": True}, "tied_weights=True has no meaning beside network="),
        ({"network": factory, "layer_norm": True}, "layer_norm=True has no meaning beside network="),
        ({"network": factory, "dropout": 0.5}, "dropout=0.5 has no meaning beside network="),
        ({"network": factory, "linear_path": True}, "linear_path=True has no meaning beside network="),
        ({"network": factory, "precision": "bfloat16"}, "precision='bfloat16' has no meaning beside network="),
        ({"network": factory, "decoder_layer_sizes": (3,)}, "decoder_layer_sizes="),
    ],
)
def test_contradictions_are_refused(changes, said):
    with pytest.raises(InvalidParameterError) as caught:
        network(**changes)
    assert str(caught.value).startswith(said)


def test_a_network_of_ones_own():
    own = network(network=factory, code_activation="tanh")
    assert (own.n_features, own.n_components, own.code_activation, own.output_activation) == (5, 2, "tanh", "identity")


@pytest.mark.parametrize(("high", "refused"), [(1.0, False), (1.5, True)])
def test_cross_entropy_needs_the_unit_range(high, refused):
    statistics = ColumnStatistics(5, np.dtype(np.float64))
    statistics.update(np.array([[0.0] * 5, [high] * 5]))
    check_range(values(), statistics, scaler())
    if not refused:
        check_range(values(loss="bce"), statistics, scaler())
        return
    with pytest.raises(InvalidDataError, match=r"scaled rows range from 0 to 1\.5; use scaling='minmax'"):
        check_range(values(loss="bce"), statistics, scaler())
    check_range(values(loss="bce"), statistics, Scaler("minmax", np.zeros(5), np.full(5, 1.5)))


@pytest.mark.parametrize(("scaling", "refused"), [("patches", False), ("whitened_patches", False), ("zca", True)])
def test_cross_entropy_takes_rows_that_are_squeezed_into_the_unit_range(small, rows, scaling, refused):
    model = small(scaling=scaling, loss="bce", max_epochs=1)
    if refused:
        with pytest.raises(InvalidDataError, match="scaled rows have no bounds; use scaling='minmax'"):
            model.fit(rows)
        return
    assert model.fit(rows).network_.output_activation == "sigmoid"


def test_a_decay_that_would_be_ignored_is_refused(small, rows):
    with pytest.raises(InvalidParameterError, match="weight_decay has no effect beside an Optax transformation"):
        small(optimizer=optax.adam(1e-3), weight_decay=0.1).fit(rows)
