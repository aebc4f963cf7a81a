import numpy as np
import pytest

from isthmus.data.sources.base import Column, Schema
from isthmus.estimators.fit.plan import resolve


class UnreadSource:
    """A source that raises when its rows are read."""

    dtype = np.dtype(np.float64)
    random_access = True
    fingerprint = "unread"

    def __init__(self, n_rows=100, n_features=4, image_shape=None):
        self.n_rows = n_rows
        self.schema = schema_of(n_features, image_shape)

    def blocks(self, start=0, stop=None):
        raise AssertionError("rows were read")

    def take(self, rows, out):
        raise AssertionError("rows were read")


def schema_of(n_features, image_shape=None):
    return Schema(tuple(Column(f"x{number}") for number in range(n_features)), image_shape=image_shape)


@pytest.fixture(scope="session")
def unread():
    """Build sources whose rows cannot be read."""
    return UnreadSource


@pytest.fixture(scope="session")
def plan_of():
    """Build the plan of parameters, for 300 rows of five columns unless others are given."""

    def build(n_rows=300, n_features=5, image_shape=None, seed=None, **parameters):
        return resolve(parameters, schema_of(n_features, image_shape), n_rows, seed=seed)

    return build
