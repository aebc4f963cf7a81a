import pytest

from isthmus.core.lazy import attach
from isthmus.core.registry import Registry


def test_names_are_imported_when_they_are_used():
    get, names = attach("isthmus.core", {"Registry": ".registry", "sqrt": "math"})
    assert get("Registry").__module__ == "isthmus.core.registry"
    assert get("sqrt")(4) == 2
    assert {"Registry", "sqrt", "__doc__"} <= set(names())
    assert names() == sorted(names())


def test_an_unknown_name():
    get, _ = attach("isthmus.core", {})
    with pytest.raises(AttributeError, match=r"^module 'isthmus\.core' has no attribute 'nothing'$"):
        get("nothing")


def test_rows_of_a_registry_are_places():
    table = Registry("toy", {"root": "math:sqrt", "object": 3})
    get, _ = attach("isthmus.core", table.places())
    assert table.places() == {"sqrt": "math"}
    assert get("sqrt")(9) == table["root"](9) == 3
    assert table.places() == {}
