import jax
import numpy as np
import pytest
from isthmus.estimators.fitting import start_fit
from numpy.testing import assert_array_equal

from isthmus import Autoencoder, DenoisingAutoencoder
from isthmus.core.errors import InvalidParameterError
from isthmus.data.sources import open_source

rng = np.random.default_rng(0)
X = rng.random((300, 3)) @ rng.random((3, 8)) / 3
DEEP = {
    "n_components": 3,
    "hidden_layer_sizes": (6, 4),
    "activation": "sigmoid",
    "corruption": "masking",
    "pretrain": "layerwise",
    "pretrain_epochs": 3,
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


@pytest.mark.parametrize("tied", [False, True])
def test_each_layer_is_a_denoising_autoencoder_of_the_codes_below(tied):
    deep = started(tied_weights=tied)
    first = Autoencoder(6, output_activation="identity", tied_weights=tied, random_state=7, **LAYER)
    codes = first.fit(X.astype(np.float32)).transform(X.astype(np.float32))
    second = Autoencoder(4, output_activation="sigmoid", tied_weights=tied, random_state=8, **LAYER).fit(codes)
    for number, shallow in enumerate((first, second)):
        jax.tree.map(assert_array_equal, deep["encoder"][number], shallow.params_["encoder"][0])
        jax.tree.map(assert_array_equal, deep["decoder"][-1 - number], shallow.params_["decoder"][0])


def test_held_back_rows_are_not_learned_from():
    model = DenoisingAutoencoder(**{**DEEP, "early_stopping": True, "validation_fraction": 0.3})
    run = start_fit(model, open_source(X))
    held = run.trainer.loader.holdout.mask(0, len(X))
    shallow = Autoencoder(6, output_activation="identity", random_state=7, **LAYER).fit(X[~held].astype(np.float32))
    assert_array_equal(run.state.params["encoder"][0]["weight"], shallow.params_["encoder"][0]["weight"])


def test_the_whole_is_trained_from_there():
    model = DenoisingAutoencoder(**DEEP, max_epochs=4).fit(X)
    plain = DenoisingAutoencoder(**{**DEEP, "pretrain": None}, max_epochs=4).fit(X)
    assert model.n_iter_ == 4
    assert model.history_["loss"] != plain.history_["loss"]
    assert not model.network_.linear_path


def test_pictures_may_be_blocked_out_in_the_first_layer_alone():
    with pytest.raises(InvalidParameterError, match="Blockout"):
        DenoisingAutoencoder(**{**DEEP, "corruption": "blockout"}, max_epochs=1).fit(
            open_source(rng.random((50, 4, 4)))
        )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"linear_path": True}, "no meaning beside linear_path=True"),
        ({"decoder_layer_sizes": (5,)}, r"mirrored decoder: decoder_layer_sizes=\(5,\) is not \(4, 6\)"),
        ({"network": lambda *_: None}, "pretrain='layerwise' has no meaning beside network="),
        ({"pretrain": "greedy"}, "pretrain='greedy'"),
        ({"pretrain_epochs": 0}, "pretrain_epochs=0"),
    ],
)
def test_what_is_refused(options, said):
    with pytest.raises(InvalidParameterError, match=said):
        DenoisingAutoencoder(**{**DEEP, **options}).fit(X)
