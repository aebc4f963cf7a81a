"""The parameters of the vector-quantised autoencoder are the settings of its code."""

import dataclasses

import pytest

from isthmus import VectorQuantizedAutoencoder
from isthmus.core.parameters import parameters_of
from isthmus.estimators.parameters import AUTOENCODER
from isthmus.estimators.quantized_parameters import VectorQuantizedParameters
from isthmus.sparsity import CODES, VectorQuantization

DECLARED = parameters_of(VectorQuantizedParameters)
SETTINGS = ("n_codes", "n_groups", "commitment", "decay", "min_usage")


def test_defaults_are_those_of_the_codes_class():
    fields = {field.name: field.default for field in dataclasses.fields(VectorQuantization)}
    assert {name: DECLARED[name].default for name in SETTINGS} == {name: fields[name] for name in SETTINGS}
    assert DECLARED["code"].default in CODES


@pytest.mark.parametrize("width", [*range(1, 40), 64, 97, 100])
def test_automatic_groups_are_as_many_as_leave_four_units_in_each(width):
    groups = VectorQuantization().groups_of(width)
    assert width % groups == 0
    possible = [count for count in range(1, width + 1) if width % count == 0 and width / count >= 4]
    assert groups == max(possible, default=1)


def test_shared_parameters_have_the_default_and_the_range_of_autoencoders():
    shared = set(DECLARED) & set(AUTOENCODER) - {"n_components"}
    assert shared > {"hidden_layer_sizes", "learning_rate", "scaling", "random_state"}
    for name in shared:
        assert DECLARED[name].default == AUTOENCODER[name].default, name
        assert DECLARED[name].kinds == AUTOENCODER[name].kinds, name
    assert VectorQuantizedAutoencoder().get_params() == {name: one.default for name, one in DECLARED.items()}
