import pytest

from isthmus import AutoencoderOutlierDetector
from isthmus.core.parameters import parameters_of
from isthmus.estimators.outlier_parameters import OutlierParameters
from isthmus.estimators.parameters import AUTOENCODER
from parameter_ranges import assert_range

DECLARED = parameters_of(OutlierParameters)


def test_the_parameters_of_the_autoencoder_underneath_are_all_there():
    assert set(AUTOENCODER) <= set(DECLARED)
    assert [name for name in DECLARED if name not in AUTOENCODER] == [
        *("contamination", "threshold", "false_alarms", "n_estimators", "max_reference_rows"),
    ]


@pytest.mark.parametrize(
    ("name", "accepted", "refused"),
    [
        ("contamination", ["auto", 0.5, 1e-9], [0, 0.51, -0.1, True, "none", None]),
        ("threshold", ["auto", "tail", "holdout"], ["tails", 0.5, None]),
        ("false_alarms", [0.01, 0.499], [0, 0.5, "auto"]),
        ("n_estimators", [1, 9], [0, 1.5, True]),
        ("max_reference_rows", [2, 8192], [1, -1]),
        ("n_components", [1, 0.9, "auto"], [0, 1.5, -2, "all"]),
    ],
)
def test_ranges(name, accepted, refused):
    assert_range(AutoencoderOutlierDetector, name, accepted, refused)
