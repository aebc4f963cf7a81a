import pytest

from isthmus.data.formats import SCALINGS, SINKS, SOURCES, SPARSE_SINKS
from isthmus.data.scaling.maps import Recipe, Scaling
from isthmus.data.sinks.base import Sink


@pytest.mark.parametrize("table", [SINKS, SPARSE_SINKS], ids=["dense", "sparse"])
def test_each_suffix_to_write_has_a_sink_and_can_be_read(table):
    assert all(issubclass(table[suffix], Sink) and suffix in SOURCES for suffix in table)


def test_each_suffix_to_read_has_a_source():
    assert all(hasattr(SOURCES[suffix], "blocks") and suffix == suffix.lower() for suffix in SOURCES)


def test_each_scaling_is_a_recipe_for_a_map():
    assert all(isinstance(SCALINGS[name], Recipe) and issubclass(SCALINGS[name].makes, Scaling) for name in SCALINGS)
