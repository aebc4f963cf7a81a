"""What the help of a parameter says of its default is what the method's object has."""

import pytest

from isthmus import ConvolutionalAutoencoder, DenoisingAutoencoder, SparseAutoencoder
from isthmus.core.parameters import parameters_of
from isthmus.corruption import CORRUPTIONS
from isthmus.data.sources.base import Column, Schema
from isthmus.estimators.fit.plan import resolve
from isthmus.estimators.method_parameters import (
    ALL,
    ConvolutionalParameters,
    DenoisingParameters,
    SparseParameters,
)
from isthmus.estimators.parameters import AUTOENCODER, AutoencoderParameters
from isthmus.sparsity import SPARSITIES


def plan_of(estimator, width=100, rows=500, image_shape=None):
    schema = Schema(tuple(Column(f"x{number}") for number in range(width)), image_shape=image_shape)
    return resolve(estimator.get_params(), schema, rows, seed=0)


@pytest.mark.parametrize("cls", [SparseParameters, DenoisingParameters, ConvolutionalParameters])
def test_methods_have_all_parameters_of_autoencoders_and_the_command_line_those_of_all_methods(cls):
    declared = parameters_of(cls)
    assert set(parameters_of(AutoencoderParameters)) <= set(declared) <= set(ALL)
    assert list(ALL)[: len(AUTOENCODER)] == list(AUTOENCODER)


@pytest.mark.parametrize(("units", "k"), [(64, 4), (160, 10), (8, 1)])
def test_k_is_a_sixteenth_of_the_units(units, k):
    assert "a sixteenth" in parameters_of(SparseParameters)["k"].help
    for name in ("topk", "batch_topk"):
        assert plan_of(SparseAutoencoder(units, sparsity=name)).sparsity.k_of(units) == k
        assert plan_of(SparseAutoencoder(units, sparsity=name, k=3)).sparsity.k_of(units) == 3


@pytest.mark.parametrize(
    ("name", "target", "weight"),
    [("kl", 0.05, 3), ("lifetime", 0.05, None), ("l1", None, 1), ("jumprelu", None, 1)],
)
def test_targets_and_weights_are_those_that_the_help_names(name, target, weight):
    sparsity = SPARSITIES[name]()
    assert getattr(sparsity, "target", None) == target
    assert getattr(sparsity, "weight", None) == weight
    declared = parameters_of(SparseParameters)
    if target is not None:
        assert f"{target:g}" in declared["sparsity_target"].help
    if weight is not None:
        assert f"{weight:g}" in declared["sparsity_weight"].help


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_level_is_the_main_setting_of_its_corruption(name):
    found = plan_of(
        DenoisingAutoencoder(corruption=name, corruption_level=0.125, untouched_weight=0.5), image_shape=(10, 10)
    ).corruption
    assert isinstance(found, CORRUPTIONS[name])
    assert (getattr(found, found.main), found.untouched_weight) == (0.125, 0.5)


def test_levels_of_pictures_have_the_channels_that_are_given():
    network = plan_of(ConvolutionalAutoencoder(channels=(4, 8, 16)), width=256, image_shape=(16, 16)).network
    assert network.options.channels == (4, 8, 16)
