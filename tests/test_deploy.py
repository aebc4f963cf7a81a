import re
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from isthmus.cli import app

DEPLOY = Path(__file__).parent.parent / "deploy"
FILES = sorted(DEPLOY.iterdir())


def test_the_script_of_slurm_is_bash():
    assert subprocess.run(["bash", "-n", DEPLOY / "slurm.sh"]).returncode == 0


def test_the_manifest_is_yaml_and_its_pods_know_how_many_they_are():
    yaml = pytest.importorskip("yaml")
    job = yaml.safe_load((DEPLOY / "jobset.yaml").read_text())
    work = job["spec"]["replicatedJobs"][0]["template"]["spec"]
    container = work["template"]["spec"]["containers"][0]
    condition = {one["name"]: one.get("value") for one in container["env"]}
    assert int(condition["JAX_NUM_PROCESSES"]) == work["parallelism"] == work["completions"]
    assert work["completionMode"] == "Indexed"
    assert condition["JAX_COORDINATOR_ADDRESS"].startswith(f"{job['metadata']['name']}-")
    assert set(condition) == {"JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"}


def test_the_script_of_ray_compiles():
    compile((DEPLOY / "ray_train.py").read_text(), "ray_train.py", "exec")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_options_are_there(file):
    listed = CliRunner().invoke(app, ["fit", "--help"], terminal_width=200).output
    for line in file.read_text().splitlines():
        if re.search(r"\bisthmus\W+fit\b", line) and not line.startswith("#"):
            assert all(option in listed for option in re.findall(r"--[a-z-]+", line.partition("fit")[2]))
