from functools import partial

import numpy as np
import optax
import pytest

from isthmus import Autoencoder, ConvolutionalAutoencoder, DenoisingAutoencoder, SparseAutoencoder
from isthmus.core.errors import InvalidParameterError
from isthmus.corruption import Blockout, Masking
from isthmus.estimators.fit import rules
from isthmus.estimators.fit.plan import _DEFAULTS, _sparsity
from isthmus.estimators.fit.rules import check_rules
from isthmus.networks import FAMILIES
from isthmus.networks.custom import Custom
from isthmus.sparsity import JumpReLU, TopK


def factory(n_features, n_components, key):
    return (lambda row: row[:n_components]), (lambda code: code.sum() * np.ones(n_features))


MIRRORED = {"hidden_layer_sizes": (6, 5), "pretrain": 2}
# For each rule: a model that breaks it, and the message.
BROKEN = {
    "_weight_decay": [
        (
            Autoencoder(optimizer=optax.adam(1e-3), weight_decay=0.1),
            "weight_decay=0.1 cannot be combined with an Optax transformation; add it to the transformation",
        )
    ],
    "_cross_entropy": [
        (
            Autoencoder(loss="bce", output_activation="tanh"),
            "loss='bce' needs output_activation='sigmoid', not 'tanh'",
        )
    ],
    "_one_network": [
        (
            ConvolutionalAutoencoder(network=factory),
            "channels=(32, 64) cannot be combined with a network of your own; use Autoencoder",
        )
    ],
    "_tied": [
        (
            SparseAutoencoder(**{name: True, "tied_weights": True}),
            f"{name}=True cannot be combined with tied_weights=True; leave one out",
        )
        for name in ("transposed_start", "unit_norm_decoder")
    ],
    "_linear_output": [
        (
            SparseAutoencoder(pre_bias=True, loss="bce"),
            "pre_bias=True needs output_activation='identity', not 'sigmoid'",
        ),
        (
            SparseAutoencoder(bias_start="mean", output_activation="relu"),
            "bias_start='mean' needs output_activation='identity', not 'relu'",
        ),
    ],
    "_resampling": [
        (
            SparseAutoencoder(resample_dead=2, tied_weights=True),
            "resample_dead=2 needs code units that can be exactly 0",
        ),
        (SparseAutoencoder(sparsity="kl", resample_dead=2), "resample_dead=2 needs code units that can be exactly 0"),
    ],
    "_own_decoder": [
        (
            SparseAutoencoder(network=factory, unit_norm_decoder=True),
            "unit_norm_decoder=True cannot be combined with network=; leave it out",
        ),
        (
            SparseAutoencoder(network=factory, bias_start="mean"),
            "bias_start='mean' cannot be combined with network=; leave it out",
        ),
        (
            ConvolutionalAutoencoder(sparsity=TopK(resample_dead=2)),
            "resample_dead=2 cannot be combined with network='convolutional'; leave it out",
        ),
    ],
    "_pretraining": [
        (Autoencoder(network=factory, **MIRRORED), "pretrain=2 cannot be combined with network=; train its layers"),
        (
            Autoencoder(linear_path=True, **MIRRORED),
            "pretrain=2 cannot be combined with linear_path=True, which starts",
        ),
        (
            Autoencoder(decoder_layer_sizes=[5], **MIRRORED),
            "pretrain=2 needs a mirrored decoder: decoder_layer_sizes=(5,) must be (5, 6)",
        ),
    ],
    "_derivative": [
        (
            SparseAutoencoder(penalty="contractive"),
            "penalty='contractive' cannot be combined with sparsity='topk', which",
        ),
    ],
}
# Contradictions that the network, the method or the corruption finds.
OTHERS = [
    (Autoencoder(tied_weights=True, decoder_layer_sizes=(3,)), "tied_weights=True needs a mirrored decoder"),
    (
        Autoencoder(network=factory, tied_weights=True),
        "tied_weights=True cannot be combined with network=; build it into",
    ),
    (Autoencoder(network=factory, layer_norm=True), "layer_norm=True cannot be combined with network="),
    (Autoencoder(network=factory, dropout=0.5), "dropout=0.5 cannot be combined with network="),
    (Autoencoder(network=factory, linear_path=True), "linear_path=True cannot be combined with network="),
    (Autoencoder(network=factory, precision="bfloat16"), "precision='bfloat16' cannot be combined with network="),
    (
        Autoencoder(network=factory, decoder_layer_sizes=(3,)),
        "decoder_layer_sizes=(3,) cannot be combined with network=",
    ),
    (ConvolutionalAutoencoder(image_shape=(3, 5)), "image_shape=(3, 5) is not the shape of rows of 4 cells"),
    (SparseAutoencoder(4, k=5), "k=5 must be at most the code's 4 units"),
    (SparseAutoencoder(4, sparsity=JumpReLU(target=5)), "sparsity_target=5 must be at most the code's 4 units"),
    (SparseAutoencoder(sparsity="kl", code_activation="relu"), "sparsity='kl' needs a code with bounds"),
    (SparseAutoencoder(sparsity="l1", k=2), "k=2 has no effect with sparsity='l1'"),
    (SparseAutoencoder(sparsity=None, k=2), "k=2 has no effect without sparsity"),
    (SparseAutoencoder(sparsity=TopK(2), k=3), "k=3 cannot be combined with an object; write TopK(k=3)"),
    (
        DenoisingAutoencoder(corruption=None, corruption_level=0.5),
        "corruption_level=0.5 has no effect without corruption",
    ),
    (
        DenoisingAutoencoder(corruption=Masking(0.5), corruption_level=0.5),
        "corruption_level=0.5 cannot be combined with",
    ),
    (DenoisingAutoencoder(corruption=Blockout(2)), "Blockout"),
    (DenoisingAutoencoder(corruption=Masking(lambda share: 1.5)), "rate=1.5 at 0% of training must be"),
    (Autoencoder(feature_weights=[1, 2]), "feature_weights has 2 numbers, but rows have 4 columns"),
    (Autoencoder(device="toaster"), "device='toaster' is not available"),
    (Autoencoder(scaling="zca", missing="mask"), "scaling='zca' needs whole rows and cannot be combined with missing="),
]


def refused(fit, message):
    with pytest.raises(InvalidParameterError) as caught:
        fit()
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "message"),
    [case for cases in BROKEN.values() for case in cases] + OTHERS,
    ids=lambda value: value[:40] if isinstance(value, str) else type(value).__name__,
)
def test_contradictions_are_refused_before_any_row_is_read(unread, model, message):
    refused(lambda: model.fit(unread()), message)
    refused(lambda: model.partial_fit(unread()), message)
    assert not hasattr(model, "params_")


def test_each_rule_refuses_its_own_cases():
    assert {rule.__name__ for rule in rules._RULES} == set(BROKEN)
    for name, cases in BROKEN.items():
        rule = getattr(rules, name)
        for model, message in cases:
            refused(partial(rule, *arguments_of(model)), message)


def arguments_of(model):
    """Return the values, the family and the sparsity that a rule is given."""
    values = _DEFAULTS | model.get_params(deep=False)
    network = values["network"]
    return values, Custom if callable(network) else FAMILIES[network or "dense"], _sparsity(values)


@pytest.mark.parametrize(
    "model",
    [
        Autoencoder(),
        Autoencoder(optimizer=optax.adam(1e-3)),
        Autoencoder(loss="bce", output_activation="sigmoid"),
        Autoencoder(network=factory),
        Autoencoder(decoder_layer_sizes=(5, 6), **MIRRORED),
        SparseAutoencoder(tied_weights=True),
        SparseAutoencoder(pre_bias=True, resample_dead=3, bias_start="mean"),
        SparseAutoencoder(output_activation="sigmoid", bias_start="zeros"),
        SparseAutoencoder(network=factory),
        ConvolutionalAutoencoder(sparsity="l1"),
    ],
)
def test_other_combinations_are_kept(model):
    check_rules(*arguments_of(model))
