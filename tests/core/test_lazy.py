import pytest

from isthmus.core.lazy import attach


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
