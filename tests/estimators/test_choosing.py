import pytest

from isthmus import Autoencoder, ConvolutionalAutoencoder, DenoisingAutoencoder, SparseAutoencoder
from isthmus.core.errors import InvalidParameterError
from isthmus.corruption import Gaussian, Masking
from isthmus.estimators.choosing import estimator_of, parameters_for
from isthmus.sparsity import KL, TopK


@pytest.mark.parametrize(
    ("values", "cls"),
    [
        ({}, Autoencoder),
        ({"n_components": 3, "network": "dense"}, Autoencoder),
        ({"sparsity": None, "corruption": None}, Autoencoder),
        ({"corruption": "masking"}, DenoisingAutoencoder),
        ({"corruption": "masking", "corruption_level": 0.2, "untouched_weight": 0.5}, DenoisingAutoencoder),
        ({"sparsity": "topk"}, SparseAutoencoder),
        ({"sparsity": "kl", "sparsity_target": 0.1, "corruption": "masking"}, SparseAutoencoder),
        ({"channels": (4,)}, ConvolutionalAutoencoder),
        ({"image_shape": (4, 4)}, ConvolutionalAutoencoder),
        ({"image_shape": (4, 4), "sparsity": "topk", "corruption": "masking"}, ConvolutionalAutoencoder),
    ],
)
def test_the_class_and_its_parameters(values, cls):
    before = dict(values)
    model = estimator_of(values)
    assert type(model) is cls
    assert values == before
    expected = cls(**{name: value for name, value in values.items() if name in cls().get_params()})
    assert model.get_params() == expected.get_params()


def test_sparsity_settings_are_fields_of_the_sparsity_object():
    model = estimator_of({"channels": (4,), "sparsity": "topk", "k": 3, "resample_dead": 5, "bias_start": "mean"})
    assert model.sparsity == TopK(3, resample_dead=5, bias_start="mean")
    model = estimator_of({"channels": (4,), "sparsity": "kl", "sparsity_target": 0.1, "sparsity_weight": 2.0})
    assert model.sparsity == KL(0.1, 2.0)


def test_corruption_settings_are_fields_of_the_corruption_object():
    values = {"corruption": "masking", "corruption_level": 0.2, "untouched_weight": 0.5}
    assert estimator_of({"sparsity": "topk", **values}).corruption == Masking(0.2, untouched_weight=0.5)
    assert estimator_of({"channels": (4,), "corruption": "gaussian", "untouched_weight": 0}).corruption == Gaussian(
        untouched_weight=0
    )


def test_settings_declared_by_the_class_are_its_parameters():
    model = estimator_of({"sparsity": "topk", "k": 3, "sparse_output": True})
    assert (model.sparsity, model.k, model.sparse_output) == ("topk", 3, True)
    model = estimator_of({"corruption": "masking", "corruption_level": 0.2})
    assert (model.corruption, model.corruption_level) == ("masking", 0.2)


def test_none_and_auto_count_as_not_given():
    model = estimator_of(
        {"image_shape": None, "k": None, "pre_bias": "auto", "corruption_level": None, "loss": "huber"}
    )
    assert model.get_params() == Autoencoder(loss="huber").get_params()
    assert type(estimator_of({"channels": None, "sparsity": "l1"})) is SparseAutoencoder


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"k": 3}, "k=3 has no effect without sparsity"),
        ({"sparsity": None, "sparsity_target": 0.1}, "sparsity_target=0.1 has no effect without sparsity"),
        ({"corruption": "swap", "resample_dead": 2}, "resample_dead=2 has no effect without sparsity"),
        ({"corruption_level": 0.2}, "corruption_level=0.2 has no effect without corruption"),
        ({"sparsity": "topk", "untouched_weight": 0.5}, "untouched_weight=0.5 has no effect without corruption"),
        (
            {"channels": (4,), "sparsity": "kl", "k": 3},
            "k=3 has no effect with sparsity='kl', only with topk, batch_topk",
        ),
        ({"sparse_output": True}, "sparse_output=True has no effect in Autoencoder; leave it out"),
        ({"channels": (4,), "sparse_output": False}, "sparse_output=False has no effect in ConvolutionalAutoencoder; "),
        ({"sparsity": "top"}, ""),
    ],
)
def test_a_setting_without_effect_is_rejected(values, message):
    if not message:  # `fit` checks the name
        assert estimator_of(values).sparsity == "top"
        return
    with pytest.raises(InvalidParameterError) as caught:
        estimator_of(values)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_parameters_for_a_given_class():
    assert parameters_for(SparseAutoencoder, {"k": 3, "sparsity": None}) == {"k": 3, "sparsity": None}
    assert parameters_for(Autoencoder, {"k": 3, "sparsity": "topk", "image_shape": None}) == {"sparsity": TopK(3)}
    with pytest.raises(InvalidParameterError, match=r"^channels=.* has no effect in SparseAutoencoder; leave it out$"):
        parameters_for(SparseAutoencoder, {"channels": (4,)})
