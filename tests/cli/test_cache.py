import json

import pytest

from commands import isthmus
from isthmus.core import compilation


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """The folder of compiled programs, with two files of 1.5 MB together."""
    monkeypatch.setenv("ISTHMUS_CACHE", str(tmp_path / "cache"))
    folder = compilation.cache_folder()
    folder.mkdir(parents=True)
    (folder / "a-cache").write_bytes(bytes(1_000_000))
    (folder / "b-cache").write_bytes(bytes(500_000))
    return folder


def test_cache_shows_folder_and_size(programs, tmp_path):
    assert programs.is_relative_to(tmp_path / "cache")
    assert isthmus("cache").stdout == f"{programs}: 2 programs, 1.5 MB of at most 537 MB\n"
    facts = json.loads(isthmus("cache", "--json").stdout)
    assert facts == {"folder": str(programs), "files": 2, "bytes": 1_500_000, "cleared": False}
    assert len(list(programs.iterdir())) == 2


def test_cache_of_a_folder_that_does_not_exist(tmp_path, monkeypatch):
    monkeypatch.setenv("ISTHMUS_CACHE", str(tmp_path / "none"))
    assert ": 0 programs, 0.0 MB of at most" in isthmus("cache").stdout
    assert "removed 0 programs" in isthmus("cache", "--clear").stdout
    assert list(tmp_path.iterdir()) == []


def test_clear_removes_all_programs(programs):
    assert isthmus("cache", "--clear").stdout == f"{programs}: removed 2 programs, 1.5 MB\n"
    assert list(programs.iterdir()) == []
    facts = json.loads(isthmus("cache", "--clear", "--json").stdout)
    assert facts == {"folder": str(programs), "files": 0, "bytes": 0, "cleared": True}


@pytest.mark.parametrize("value", ["off", "OFF"])
@pytest.mark.parametrize("options", [(), ("--clear",)])
def test_cache_turned_off(value, options, monkeypatch):
    monkeypatch.setenv("ISTHMUS_CACHE", value)
    assert isthmus("cache", *options).stdout == "off: ISTHMUS_CACHE=off\n"
    assert json.loads(isthmus("cache", *options, "--json").stdout) == {"folder": None}


def test_cache_without_a_home(monkeypatch):
    monkeypatch.setattr(compilation, "cache_folder", lambda: None)
    monkeypatch.delenv("ISTHMUS_CACHE", raising=False)
    assert isthmus("cache").stdout.startswith("off: no home folder is known; set HOME, or ISTHMUS_CACHE")
