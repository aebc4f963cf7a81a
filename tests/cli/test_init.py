import json
import subprocess
import sys

import pytest

from commands import FAST, fails, isthmus
from isthmus import __version__


def test_json(in_folder, tmp_path):
    fitted = json.loads(isthmus("fit", "rows.csv", "-o", tmp_path / "m", *FAST, "--json").stdout)
    assert (fitted["model"], fitted["features"], fitted["epochs"]) == (str(tmp_path / "m"), 4, 3)
    encoded = json.loads(isthmus("encode", "model", "rows.csv", "-o", tmp_path / "c.npy", "--json").stdout)
    assert (encoded["output"], encoded["rows"]) == (str(tmp_path / "c.npy"), 300)


def test_quiet_prints_nothing(in_folder, tmp_path):
    for args in (
        ("fit", "rows.csv", "-o", tmp_path / "m", *FAST),
        ("encode", "model", "rows.csv", "-o", tmp_path / "c.csv"),
        ("decode", "model", tmp_path / "c.csv", "-o", tmp_path / "r.csv"),
        ("reconstruct", "model", "rows.csv", "-o", tmp_path / "r.csv"),
    ):
        result = isthmus(*args, "--quiet", "--force")
        assert result.stdout == result.stderr == ""


@pytest.mark.parametrize(
    ("args", "match"),
    [
        (["fit", "rows.csv"], "-o MODEL.*--dry-run"),
        (["fit", "rows.csv", "-o", "-"], "-o -: a model"),
        (["fit", "rows.csv", "-o", "rows.csv"], "rows.csv is read by this command; pass another path"),
        (["fit", "rows.csv", "-o", "m", "--activation", "sigmod"], "did you mean 'sigmoid'?"),
        (["fit", "rows.csv", "-o", "m", "--epochs", "0"], "--epochs=0 "),
        (["fit", "gone.csv", "-o", "m"], "gone.csv does not exist"),
        (["fit", "holes.csv", "-o", "m"], "NaN at row 17, column 'c'"),
        (["fit", "model", "-o", "m"], "model .*suffix"),
        (["encode", "model", "holes.csv", "-o", "c.csv"], "NaN at row 17, column 'c'"),
        (["encode", "model", "rows.csv", "-o", "c.cvs"], r"c\.cvs.*did you mean '\.csv'"),
        (["encode", "model", "less.csv", "-o", "c.csv"], r"less\.csv has no column 'c'"),
        (["encode", "gone", "rows.csv", "-o", "c.csv"], "gone"),
        (["encode", "rows.csv", "rows.csv", "-o", "c.csv"], "rows.csv .*model file"),
        (["decode", "model", "rows.npy", "-o", "r.csv"], "4 columns.* 2"),
        (["reconstruct", "model", "gone.npy", "-o", "r.csv"], "gone.npy does not exist"),
        (["score", "model", "-"], "stdin is empty"),
        (["inspect", "gone"], "gone"),
    ],
)
def test_invalid_arguments(in_folder, args, match):
    before = {path: path.read_bytes() for path in in_folder.iterdir()}
    fails(*args, match=match)
    assert {path: path.read_bytes() for path in in_folder.iterdir()} == before


def test_usage_errors(in_folder):
    for args in (["encode", "model"], ["fit", "rows.csv", "--epoch", "3", "-o", "m"], ["nothing"]):
        result = isthmus(*args, code=2)
        assert result.stdout == ""
        assert "Error: " in result.stderr
    assert "--epochs" in isthmus("fit", "rows.csv", "--epoch", "3", code=2).stderr


@pytest.mark.parametrize(
    "args", [["fit", "rows.csv", "-o", "gone/m"], ["encode", "model", "rows.csv", "-o", "gone/c.csv"]]
)
def test_outputs_in_a_missing_folder(in_folder, args):
    fails(*args, code=1, match=f"cannot write {args[-1]}: No such file or directory")


def test_version_and_help():
    assert isthmus("--version").stdout == f"isthmus {__version__}\n"
    assert "Commands:" in isthmus("-h").stdout
    commands = ("demo", "fit", "encode", "decode", "reconstruct", "score", "inspect", "denoise", "impute", "cache")
    for command in (*commands, "outliers", "compare"):
        assert f"Usage: isthmus {command}" in isthmus(command, "--help", prog_name="isthmus").stdout


@pytest.mark.parametrize("command", ["fit", "denoise", "outliers", "compare"])
def test_help_imports_nothing_large(command):
    code = (
        f"import sys\nfrom isthmus.cli import app\ntry: app(['{command}', '--help'])\nexcept SystemExit: pass\n"
        "print('imported', {'jax', 'sklearn', 'matplotlib', 'numpy', 'pandas', 'pyarrow', 'rich'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.endswith("imported set()\n")
