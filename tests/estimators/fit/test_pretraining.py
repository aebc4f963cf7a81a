import jax
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from isthmus import Autoencoder, DenoisingAutoencoder
from isthmus.core.errors import InvalidParameterError
from isthmus.data.sources import open_source
from isthmus.estimators.fit.run import start_fit

rng = np.random.default_rng(0)
X = rng.random((300, 3)) @ rng.random((3, 8)) / 3
DEEP = {
    "n_components": 3,
    "hidden_layer_sizes": (6, 4),
    "activation": "sigmoid",
    "corruption": "masking",
    "pretrain": 3,
    "scaling": None,
    "early_stopping": False,
    "random_state": 7,
}
LAYER = {
    "hidden_layer_sizes": (),
    "linear_path": False,
    "corruption": "masking",
    "code_activation": "sigmoid",
    "scaling": None,
    "early_stopping": False,
    "max_epochs": 3,
    "init": "glorot",
}


def started(**changes):
    return start_fit(DenoisingAutoencoder(**{**DEEP, **changes}), open_source(X)).state.params


@pytest.mark.slow
@pytest.mark.parametrize("tied", [False, True])
def test_each_layer_is_a_denoising_autoencoder_of_the_codes_before_it(tied):
    deep = started(tied_weights=tied)
    first = Autoencoder(6, output_activation="identity", tied_weights=tied, random_state=7, **LAYER)
    codes = first.fit(X.astype(np.float32)).transform(X.astype(np.float32))
    second = Autoencoder(4, output_activation="sigmoid", tied_weights=tied, random_state=8, **LAYER).fit(codes)
    for number, shallow in enumerate((first, second)):
        jax.tree.map(assert_array_equal, deep["encoder"][number], shallow.params_["encoder"][0])
        jax.tree.map(assert_array_equal, deep["decoder"][-1 - number], shallow.params_["decoder"][0])


@pytest.mark.slow
def test_layers_do_not_learn_from_held_out_rows():
    model = DenoisingAutoencoder(**{**DEEP, "early_stopping": True, "validation_fraction": 0.3})
    run = start_fit(model, open_source(X))
    held = run.trainer.loader.holdout.mask(0, len(X))
    shallow = Autoencoder(6, output_activation="identity", random_state=7, **LAYER).fit(X[~held].astype(np.float32))
    assert_array_equal(run.state.params["encoder"][0]["weight"], shallow.params_["encoder"][0]["weight"])


@pytest.mark.slow
def test_the_whole_network_is_trained_from_its_layers():
    model = DenoisingAutoencoder(**DEEP, max_epochs=4).fit(X)
    plain = DenoisingAutoencoder(**{**DEEP, "pretrain": None}, max_epochs=4).fit(X)
    assert model.n_iter_ == 4
    assert model.history_["loss"] != plain.history_["loss"]
    assert not model.network_.linear_path


def test_a_corruption_of_images_is_refused_for_codes():
    with pytest.raises(InvalidParameterError, match="Blockout"):
        DenoisingAutoencoder(**{**DEEP, "corruption": "blockout"}, max_epochs=1).fit(
            open_source(rng.random((50, 4, 4)))
        )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pretrain": "greedy"}, "pretrain='greedy' must be 'layerwise', an integer >= 1 or None"),
        ({"pretrain": 0}, "pretrain=0 must be"),
    ],
)
def test_what_is_refused(options, said):
    with pytest.raises(InvalidParameterError, match=said):
        DenoisingAutoencoder(**{**DEEP, **options}).fit(X)


@pytest.mark.slow
def test_layerwise_is_fifteen_epochs(monkeypatch):
    few = X[:60]
    one, other = (
        start_fit(DenoisingAutoencoder(**{**DEEP, "pretrain": pretrain}), open_source(few)).state.params
        for pretrain in ("layerwise", 15)
    )
    jax.tree.map(assert_array_equal, one, other)


@pytest.mark.slow
def test_layers_of_rows_with_missing_cells_are_trained_on_the_observed_ones():
    spoilt = np.where(np.random.default_rng(1).random(X.shape) < 0.1, np.nan, X)
    params = start_fit(DenoisingAutoencoder(**DEEP, missing="mask"), open_source(spoilt)).state.params
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params))
    assert not np.array_equal(params["encoder"][0]["weight"], started()["encoder"][0]["weight"])


@pytest.mark.slow
def test_weights_of_the_features_hold_for_the_first_layer_alone():
    weights = np.arange(1.0, 9)
    deep = started(feature_weights=weights)
    first = Autoencoder(6, output_activation="identity", random_state=7, feature_weights=weights, **LAYER)
    first.fit(X.astype(np.float32))
    jax.tree.map(assert_array_equal, deep["encoder"][0], first.params_["encoder"][0])
