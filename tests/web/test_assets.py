"""Scripts and styles of pages: short files of our own that load nothing from anywhere else."""

import re
from importlib.resources import files

import pytest

from isthmus.web import SCATTER, asset

NAMES = sorted(path.name for path in files("isthmus.web").iterdir() if path.name.endswith((".js", ".css")))


def test_the_scripts_of_a_map_are_assets():
    assert set(SCATTER) <= set(NAMES)
    assert "isthmus.scatter = scatter" in asset("scatter.js")


@pytest.mark.parametrize("name", NAMES)
def test_assets_are_short_and_load_nothing(name):
    text = asset(name)
    assert len(text.splitlines()) <= 450
    assert not re.search(r"https?://|@import|url\(|\bimport\b.*from|\beval\(|new Function|innerHTML", text)


def test_a_name_that_is_no_asset_is_an_error():
    with pytest.raises(FileNotFoundError):
        asset("missing.js")
