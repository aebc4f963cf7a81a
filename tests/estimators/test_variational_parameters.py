import pytest
from isthmus.likelihoods import Gaussian

from isthmus import VariationalAutoencoder
from isthmus.core.parameters import parameters_of
from isthmus.estimators.parameters import AUTOENCODER
from isthmus.estimators.variational_parameters import ColumnNames, VariationalParameters
from isthmus.losses import LIKELIHOODS
from parameter_ranges import assert_range

DECLARED = parameters_of(VariationalParameters)


@pytest.mark.parametrize(
    ("name", "accepted", "refused"),
    [
        ("likelihood", [*LIKELIHOODS, Gaussian("feature")], ["normal", None, 3]),
        ("beta", [0, 0.5, 10], [-1, "auto", None]),
        ("kl_warmup", [0, 0.5, 1], [-0.1, 1.1]),
        ("free_bits", [0, 0.3], [-0.1]),
        ("n_samples", [1, 50], [0, 1.5]),
        ("conditions", [None, ["a"], [0, 3], ("a", "b")], [[], [-1], [1.5], 3]),
    ],
)
def test_ranges(name, accepted, refused):
    assert_range(VariationalAutoencoder, name, accepted, refused)


@pytest.mark.parametrize("text", ["batch", "batch,site", " batch , site "])
def test_columns_are_read_from_the_command_line(text):
    assert ColumnNames().read(text) == tuple(name.strip() for name in text.split(","))
    assert ColumnNames().accepts(ColumnNames().read(text))


def test_shared_parameters_have_the_default_of_autoencoders():
    shared = set(DECLARED) & set(AUTOENCODER) - {"n_components"}
    assert shared > {"hidden_layer_sizes", "learning_rate", "scaling", "random_state"}
    assert {name for name in shared if DECLARED[name].default != AUTOENCODER[name].default} == set()
