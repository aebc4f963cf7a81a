"""Which values a parameter of an estimator takes."""

import pytest

from isthmus.core.errors import InvalidParameterError
from isthmus.core.parameters import check_parameters, values_of


def assert_range(estimator, name, accepted, refused):
    """Assert that an estimator's class takes some values of a parameter, and refuses others by its name."""
    for value in accepted:
        check_parameters(estimator, values_of(estimator(**{name: value})))
    for value in refused:
        with pytest.raises(InvalidParameterError, match=f"{name}="):
            check_parameters(estimator, values_of(estimator(**{name: value})))
