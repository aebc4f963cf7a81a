import numpy as np
import pandas as pd
import pytest

import mixed
from isthmus.core.errors import ModelFileError
from isthmus.data.encoding.types import build, is_time_of_day, limits_of, merged, plain_label, type_of, zone_of


@pytest.mark.parametrize("library", list(mixed.FRAMES))
def test_types_are_text_and_numbers(library):
    frame = mixed.FRAMES[library](0)

    def plain(kind):
        return all(isinstance(part, str | int | float | None) or plain(part) for part in kind)

    assert all(plain(type_of(frame, place)) for place in range(frame.shape[1]))


@pytest.mark.parametrize("library", list(mixed.FRAMES))
def test_only_known_names_are_looked_up(library):
    with pytest.raises(ModelFileError, match="the type 'system', which this isthmus does not know"):
        build(library, ("system", "ls"), np.zeros(1), np.zeros(1, bool))


def test_limits_and_zones_are_those_of_the_type():
    frame = mixed.pandas_frame(0)
    types = {name: type_of(frame, place) for place, name in enumerate(frame.columns)}
    limits = {name: limits_of(kind) for name, kind in types.items() if limits_of(kind)}
    assert {name: limits[name] for name in ("uint8", "Int16")} == {"uint8": (0, 255), "Int16": (-32768, 32767)}
    assert set(limits) == {"uint8", "Int16", "int64", "arrow"}
    assert [name for name, kind in types.items() if zone_of(kind)] == ["zoned"]
    assert [name for name, kind in types.items() if is_time_of_day(kind)] == ["times"]


def test_the_wider_of_two_floats_holds_both():
    assert merged(("numpy", "float32"), ("numpy", "float64")) == ("numpy", "float64")
    assert merged(("string",), ("large_string",)) == ("string",)


def test_labels_become_plain():
    labels = [np.int64(3), np.bool_(True), "a", pd.Interval(0.0, 0.5), pd.Timestamp("2020-01-01"), pd.Period("2020-01")]
    assert list(map(plain_label, labels)) == [3, True, "a", "(0.0, 0.5]", "2020-01-01T00:00:00", "2020-01"]
