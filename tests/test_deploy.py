import re
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from isthmus.cli import app

DEPLOY = Path(__file__).parent.parent / "deploy"
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


def test_the_ray_script_compiles():
    compile((DEPLOY / "ray_train.py").read_text(), "ray_train.py", "exec")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_options_exist(file):
    listed = CliRunner().invoke(app, ["fit", "--help"], terminal_width=200).output
    for line in file.read_text().splitlines():
        if re.search(r"\bisthmus\W+fit\b", line) and not line.startswith("#"):
            assert all(option in listed for option in re.findall(r"--[a-z-]+", line.partition("fit")[2]))
