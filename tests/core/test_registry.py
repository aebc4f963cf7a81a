import sys

import pytest

from isthmus.core.errors import InvalidParameterError
from isthmus.core.registry import Registry


@pytest.fixture
def table():
    return Registry("colour", {"red": "colorsys:rgb_to_hsv", "blue": len})


def test_names_are_read_without_an_import(monkeypatch, table):
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    assert list(table) == ["red", "blue"]
    assert "red" in table and len(table) == 2
    assert "colorsys" not in sys.modules


def test_a_row_is_imported_when_it_is_used(table):
    import colorsys

    assert table["red"] is colorsys.rgb_to_hsv
    assert table["blue"] is len
    assert dict(table) == {"red": colorsys.rgb_to_hsv, "blue": len}


def test_an_unknown_name_gets_one_line_with_the_nearest(table):
    with pytest.raises(InvalidParameterError) as caught:
        table["rad"]
    assert str(caught.value) == "colour='rad' is not one of 'red', 'blue'; did you mean 'red'?"
    assert table.get("rad") is None
    assert table.get("rad", 1) == 1


def test_rows_are_added_and_removed_from_outside(table):
    table["green"] = max
    assert list(table) == ["red", "blue", "green"] and table["green"] is max
    del table["green"]
    assert "green" not in table
