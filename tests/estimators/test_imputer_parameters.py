import pytest

from isthmus import AutoencoderImputer
from isthmus.core.parameters import parameters_of
from isthmus.estimators.imputer_parameters import ImputerParameters
from parameter_ranges import assert_range


def test_the_signature_has_the_declared_parameters():
    assert list(AutoencoderImputer().get_params()) == sorted(parameters_of(ImputerParameters))


@pytest.mark.parametrize(
    ("name", "accepted", "refused"),
    [
        ("n_components", [1, 64], [0, 1.5, None, "auto"]),
        ("hidden_layer_sizes", [(), (128, 128), [7]], [128, (0,), None]),
        ("dropout", [0, 0.99], [1, -0.1, None]),
        ("masking", [0, 1, 0.3, (0.1, 0.6)], [1.1, -0.1, (0.1, 1.1), (0.1, 0.2, 0.3), None]),
        ("n_networks", [1, 5], [0, 2.5]),
        ("learning_rate", [1e-9, 2e-3], [0, -1, "auto"]),
        ("batch_size", [1, 64], [0, "auto"]),
        ("max_epochs", [0, 100], [-1, 2.5]),
        ("n_iter_no_change", [1, 25], [0]),
        ("missing_values", [None, -1, "?", ["", "NA"], float("nan")], []),
        ("keep_empty_features", [True, False], [1, None, "auto"]),
        ("random_state", [None, 0], [-1, "seed"]),
        ("verbose", [0, 1], [-1, 0.5]),
    ],
)
def test_ranges(name, accepted, refused):
    assert_range(AutoencoderImputer, name, accepted, refused)
