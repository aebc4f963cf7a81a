import json
import sys
import types

from commands import isthmus


def test_demo(tmp_path, monkeypatch):
    calls = []

    def run(folder, **options):
        options["say"]("a line")
        calls.append((folder, options["quick"], options["data_home"]))
        return {"isthmus": {"mse": 0.5}}

    monkeypatch.setitem(sys.modules, "isthmus.cli.founding", types.SimpleNamespace(run=run))
    assert isthmus("demo", "-o", tmp_path, "--quick", "--data-home", tmp_path).stdout == "a line\n"
    assert isthmus("demo", "--quiet").stdout == ""
    assert json.loads(isthmus("demo", "--json").stdout) == {"isthmus": {"mse": 0.5}}
    assert [(str(folder), *rest) for folder, *rest in calls[:2]] == [
        (str(tmp_path), True, tmp_path),
        ("runs/demo", False, None),
    ]
