import functools
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit

from isthmus import Autoencoder, NeighborAutoencoder, VariationalAutoencoder
from isthmus.core.errors import DivergedError, InvalidParameterError, IsthmusWarning
from isthmus.core.functions import Function
from isthmus.estimators.fit.functions import check_penalty, penalty_weight, with_functions
from isthmus.networks.dense import Dense

FAST = {"hidden_layer_sizes": (), "scaling": None, "early_stopping": False, "random_state": 0}


def squared(reconstruction, target):
    return (reconstruction - target) ** 2


def powered(x, n):
    return x**n


def test_which_parameters_are_functions():
    values = {"loss": squared, "activation": "relu", "optimizer": squared, "network": None, "penalty": squared}
    found = with_functions(values)
    assert found == {**values, "loss": Function(squared), "penalty": Function(squared)}
    assert with_functions(found) == found


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"activation": np.tanh}, "activation=tanh cannot be compiled: it takes the values"),
        (
            {"code_activation": lambda x: x.sum()},
            r"code_activation=<lambda> returns an array of shape \(\) for rows of",
        ),
        ({"output_activation": jnp.log}, "output_activation=log has a value of nan at -3; it must be finite"),
        ({"loss": lambda x, y: jnp.mean((x - y) ** 2)}, r"loss=<lambda> returns an array of shape \(\)"),
        pytest.param(
            {"penalty": lambda code, params: code},
            r"penalty=<lambda> returns an array of shape \(4, 2\); it must",
            marks=pytest.mark.slow,
        ),
        ({"penalty_weight": 2.0}, "penalty_weight=2 has no effect without penalty"),
        ({"penalty": "contract"}, "penalty='contract' must be 'contractive', a function .*did you mean"),
        ({"loss": 3}, r"loss=3 must be one of .* or a function \(reconstruction, target\) -> the loss of each cell"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line_before_training(rows, changes, match):
    with pytest.raises(InvalidParameterError, match=f"^{match}") as caught:
        Autoencoder(2, **FAST, **changes).fit(rows)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_loss_that_stops_being_finite_is_named(rows):
    def logarithmic(reconstruction, target):
        return jnp.log(reconstruction) + 0 * target

    with pytest.raises(DivergedError, match=r"check that loss=logarithmic and its derivative are finite"):
        Autoencoder(2, loss=logarithmic, **FAST).fit(rows)


def test_the_penalty_is_tried_with_the_networks_parameters():
    network = Dense(4, 2, precision="float64")
    params = network.init(0)
    check_penalty(None, network, params)
    check_penalty("contractive", network, params)
    check_penalty(Function(lambda code, params: jnp.sum(params["encoder"][0]["weight"] ** 2)), network, params)
    with pytest.raises(
        InvalidParameterError, match=r"penalty=<lambda> failed on arrays of shapes .*KeyError: 'weights'"
    ):
        check_penalty(Function(lambda code, params: params["weights"]), network, params)


@pytest.mark.parametrize(
    ("penalty", "given", "weight"),
    [(None, None, 0.0), ("contractive", None, 0.1), ("contractive", 3, 3.0), (Function(squared), None, 1.0)],
)
def test_the_weight_of_a_penalty(penalty, given, weight):
    assert penalty_weight({"penalty": penalty, "penalty_weight": given}) == weight


@pytest.mark.slow
def test_a_function_equal_to_a_name_gives_the_same_model(rows):
    named = Autoencoder(2, loss="mse", activation="tanh", max_epochs=3, **{**FAST, "hidden_layer_sizes": (6,)}).fit(
        rows
    )
    own = Autoencoder(2, loss=squared, activation=jnp.tanh, max_epochs=3, **{**FAST, "hidden_layer_sizes": (6,)}).fit(
        rows
    )
    assert_array_equal(named.transform(rows), own.transform(rows))
    assert named.history_["loss"] == own.history_["loss"]


@pytest.mark.slow
def test_equal_functions_share_a_program(rows, compilations):
    def fitted(n, weight):
        def summed(code, params):
            return jnp.mean(code**2)

        loss, activation = functools.partial(powered_error, n=n), jax.nn.tanh
        return Autoencoder(2, loss=loss, code_activation=activation, penalty=summed, penalty_weight=weight, **FAST).fit(
            rows
        )

    with compilations() as first:
        fitted(2, 0.1)
    with compilations() as second:
        fitted(2, 0.3)
    with compilations() as third:
        fitted(4, 0.3)
    assert "train" in " ".join(first)
    assert second == []
    assert "train" in " ".join(third)


def powered_error(reconstruction, target, n):
    return jnp.abs(reconstruction - target) ** n


@pytest.mark.slow
def test_the_contractive_penalty_of_a_fit(rows):
    """The recorded term is the closed form of the paper, and training lowers it."""
    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    settings = {
        **FAST,
        "tied_weights": True,
        "code_activation": "sigmoid",
        "penalty": "contractive",
        "penalty_weight": 2.0,
    }

    def contraction(model):
        weight, bias = model.encoder_weights_[0], model.encoder_biases_[0]
        h = expit(scaled @ weight + bias)
        return (((h * (1 - h)) ** 2) @ (weight**2).sum(axis=0)).mean()

    still = Autoencoder(3, **settings, learning_rate=1e-9, max_epochs=1).fit(scaled)
    expected = 2 * contraction(still)
    assert_allclose(still.history_["contractive"][0], expected, rtol=1e-4)
    assert_allclose(still.loss_, still.history_["reconstruction"][0] + expected, rtol=1e-4)
    longer = {**settings, "max_epochs": 60, "learning_rate": 0.05, "batch_size": 32}
    free, bound = (Autoencoder(3, **{**longer, "penalty_weight": weight}).fit(scaled) for weight in (1e-9, 2.0))
    assert contraction(bound) < 0.7 * contraction(free)


@pytest.mark.slow
def test_what_a_penalty_asks_for_is_not_undone_by_the_comparison_with_pca(rows):
    """PCA reconstructs these rows best, and training with the penalty shrinks the code all the same."""
    rows = rows @ np.random.default_rng(0).normal(size=(4, 4))
    model = Autoencoder(2, hidden_layer_sizes=(6,), penalty=lambda code, params: jnp.mean(code**2), random_state=0).fit(
        rows
    )
    plain = Autoencoder(2, hidden_layer_sizes=(6,), random_state=0).fit(rows)
    assert model.best_iter_ > 0
    assert np.square(model.transform(rows)).mean() < 0.5 * np.square(plain.transform(rows)).mean()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [NeighborAutoencoder, VariationalAutoencoder])
def test_other_autoencoders_take_an_activation(rows, kind):
    model = kind(2, activation=functools.partial(powered, n=3), hidden_layer_sizes=(6,), max_epochs=1, random_state=0)
    assert model.fit(rows).network_.activation == Function(functools.partial(powered, n=3))
    assert np.isfinite(model.transform(rows)).all()


@pytest.mark.slow
def test_what_makes_a_penalty_doubtful_is_a_warning(rows):
    with pytest.warns(IsthmusWarning, match=r"^penalty='contractive' falls .*; set tied_weights=True, l2_penalty or"):
        Autoencoder(2, penalty="contractive", max_epochs=1, **FAST).fit(rows)


def small_code(code, params):
    return jnp.mean(code**2)


OTHERS = pytest.mark.parametrize("kind", [NeighborAutoencoder, VariationalAutoencoder])


@pytest.mark.slow
@OTHERS
def test_other_autoencoders_take_a_penalty(rows, kind, tmp_path):
    """It lowers the codes, is recorded with its weight, and is saved with the model; a weight of 0 leaves it out."""
    settings = {"hidden_layer_sizes": (6,), "max_epochs": 4, "learning_rate": 0.01, "random_state": 0}
    plain = kind(2, **settings).fit(rows)
    model = kind(2, penalty=small_code, penalty_weight=10.0, **settings).fit(rows)
    without = kind(2, penalty=small_code, penalty_weight=0.0, **settings).fit(rows)
    assert_array_equal(without.transform(rows), plain.transform(rows))
    assert without.history_["loss"] == plain.history_["loss"]
    assert "penalty" not in {*plain.history_, *without.history_}
    assert np.square(model.transform(rows)).mean() < 0.7 * np.square(plain.transform(rows)).mean()
    assert len(model.history_["penalty"]) == model.n_iter_
    model.save(tmp_path / "model")
    other = kind.load(tmp_path / "model", trusted=[small_code])
    assert_array_equal(other.transform(rows), model.transform(rows))
    assert (other.penalty, other.penalty_weight) == (small_code, 10.0)


@OTHERS
@pytest.mark.parametrize(
    ("penalty", "message"),
    [
        ({"penalty": lambda code, params: code}, "penalty=<lambda> returns an array"),
        ({"penalty_weight": 2.0}, "penalty_weight=2 has no effect without penalty"),
    ],
    ids=["shape", "weight alone"],
)
def test_other_autoencoders_check_a_penalty(rows, kind, penalty, message):
    with pytest.raises(InvalidParameterError, match=message):
        kind(2, hidden_layer_sizes=(6,), max_epochs=1, **penalty).fit(rows)


@pytest.mark.slow
def test_a_penalty_of_a_map_is_of_its_last_stage(rows):
    settings = {"hidden_layer_sizes": (6,), "feature_components": 3, "max_epochs": 2, "random_state": 0}
    plain = NeighborAutoencoder(**settings).fit(rows)
    model = NeighborAutoencoder(penalty="contractive", penalty_weight=1.0, **settings).fit(rows)
    assert {name for name in model.history_ if name not in plain.history_} == {"contractive"}
    assert model.feature_history_["loss"] == plain.feature_history_["loss"]
    # The reconstruction is still a mean over cells.
    assert_allclose(model.history_["reconstruction"][0], plain.history_["reconstruction"][0], rtol=0.2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "options", "doubtful"),
    [
        (VariationalAutoencoder, {}, False),
        (NeighborAutoencoder, {}, False),
        (NeighborAutoencoder, {"kernel": "cosine"}, True),
        (NeighborAutoencoder, {"kernel": "cosine", "weight_decay": 0.01}, False),
    ],
    ids=["variational", "distances", "directions", "decay"],
)
def test_where_other_codes_have_a_scale_there_is_no_warning(rows, kind, options, doubtful):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        kind(2, penalty="contractive", hidden_layer_sizes=(6,), max_epochs=1, random_state=0, **options).fit(rows)
    messages = [str(one.message) for one in caught if str(one.message).startswith("penalty=")]
    assert [line.endswith("; set kernel='cauchy' or weight_decay") for line in messages] == [True] * doubtful
