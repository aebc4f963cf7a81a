import pytest

from isthmus.networks.initializers import default_init


@pytest.mark.parametrize(
    ("activation", "name"), [("relu", "he"), ("gelu", "he"), ("tanh", "glorot"), ("sigmoid", "glorot")]
)
def test_default_init(activation, name):
    assert default_init(activation) == name
