"""Distributed runs of several commands on one machine."""

import os
import signal
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose

import isthmus
from isthmus.core.errors import InvalidParameterError, LostProcessError
from isthmus.core.processes import broadcast, detect_lost_processes, global_maximum, is_main_process, join

pytestmark = pytest.mark.slow

# Batches of 64 and one of 39: two processes split the first evenly, three neither. A tenth is for validation.
N_ROWS = 541
FIT = [
    "--components",
    "12",
    "--sparsity",
    "batch_topk",
    "--k",
    "3",
    "--batch-size",
    "64",
    "--epochs",
    "4",
    "--seed",
    "0",
]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("distributed") / "rows.npy"
    np.save(path, (rng.normal(size=(N_ROWS, 8)) @ rng.normal(size=(8, 8))).astype(np.float32))
    return path


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def start(count, *arguments, **more):
    """Start a command as several processes of one run."""
    shared = {"JAX_PLATFORMS": "cpu", "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{free_port()}", **more}
    return [
        subprocess.Popen(
            [sys.executable, "-m", "isthmus", *map(str, arguments), "--distributed"],
            env={**os.environ, **shared, "JAX_NUM_PROCESSES": str(count), "JAX_PROCESS_ID": str(number)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(count)
    ]


def wait_for(processes, seconds=120):
    try:
        outputs = [process.communicate(timeout=seconds) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [process.returncode for process in processes], outputs


@pytest.fixture(scope="module")
def alone(rows):
    path = rows.with_name("alone")
    subprocess.run([sys.executable, "-m", "isthmus", "fit", rows, "-o", path, *FIT, "-q"], check=True)
    return isthmus.load(path)


@pytest.fixture(scope="module")
def checkpoints(rows):
    return rows.with_name("checkpoints")


@pytest.mark.parametrize("count", [2, 3])
def test_processes_train_like_one(count, rows, alone, checkpoints):
    path = rows.with_name(f"of{count}")
    kept = ["--checkpoint", checkpoints] if count == 2 else []
    codes, outputs = wait_for(start(count, "fit", rows, "-o", path, *FIT, *kept))
    assert codes == [0] * count, outputs
    assert all(not out for out, _ in outputs[1:])  # only process 0 prints
    model = isthmus.load(path)
    for name in ("loss", "validation_loss", "last_batch_loss"):
        assert_allclose(model.history_[name], alone.history_[name], rtol=1e-5)
    for name in ("epoch", "learning_rate", "dead_units"):
        assert model.history_[name] == alone.history_[name]
    idle = (fitted.sparsity_state_["idle"] for fitted in (model, alone))
    np.testing.assert_array_equal(*idle)
    for one, other in zip(jax.tree.leaves(model.params_), jax.tree.leaves(alone.params_), strict=True):
        assert_allclose(one, other, atol=2e-4)


def test_a_run_resumes_with_another_number_of_processes_and_more_epochs(rows, alone, checkpoints):
    # This process resumes a run of two processes after four epochs, and one of a single process.
    options = {"checkpoint": checkpoints, "checkpoint_every": 0}
    resumed, whole = (isthmus.SparseAutoencoder(**{**alone.get_params(), "max_epochs": 6, "verbose": 0}) for _ in "ab")
    resumed.fit(rows, **options)
    assert resumed.n_iter_ == 6
    assert resumed.history_["loss"][:4] == pytest.approx(alone.history_["loss"], rel=1e-5)
    own = checkpoints.with_name("own")
    type(alone)(**{**alone.get_params(), "verbose": 0}).fit(rows, checkpoint=own)
    whole.fit(rows, checkpoint=own)
    assert_allclose(resumed.history_["loss"], whole.history_["loss"], rtol=1e-5)


def test_the_others_exit_when_one_is_killed(rows, tmp_path):
    fit = ("fit", rows, "-o", tmp_path / "m", *FIT[:-4], "--epochs", "100000", *FIT[-2:], "--no-early-stopping")
    folder = tmp_path / "checkpoints"
    processes = start(2, *fit, "--checkpoint", folder, "--checkpoint-every", "0", "-q", ISTHMUS_HEARTBEAT_SECONDS="10")
    while not (folder.exists() and list(folder.glob("checkpoint-*"))):
        assert processes[0].poll() is None, processes[0].communicate()
        time.sleep(0.05)
    processes[1].send_signal(signal.SIGKILL)
    codes, outputs = wait_for(processes)
    assert codes == [1, -signal.SIGKILL]
    lines = [line for line in outputs[0][1].splitlines() if line.startswith("isthmus: ")]
    assert len(lines) == 1, outputs[0]
    assert "process 0 of 2 lost another process; restart all: with --checkpoint they resume" in lines[0]
    assert not (tmp_path / "m").exists()
    assert list(folder.glob("checkpoint-*"))


def test_all_stop_when_one_gets_sigterm(rows, tmp_path):
    fit = ("fit", rows, "-o", tmp_path / "m", *FIT[:-4], "--epochs", "100000", *FIT[-2:], "--no-early-stopping")
    folder = tmp_path / "checkpoints"
    processes = start(2, *fit, "--checkpoint", folder, "--checkpoint-every", "0", "-q")
    while not (folder.exists() and list(folder.glob("checkpoint-*"))):
        assert processes[0].poll() is None, processes[0].communicate()
        time.sleep(0.05)
    processes[1].send_signal(signal.SIGTERM)
    codes, outputs = wait_for(processes)
    assert codes == [143, 143], outputs


def test_a_single_process_exchanges_nothing():
    assert broadcast(2**32 - 1) == 2**32 - 1
    assert global_maximum(7) == 7
    assert is_main_process()
    with pytest.raises(jax.errors.JaxRuntimeError), detect_lost_processes():
        raise jax.errors.JaxRuntimeError("another error")


@pytest.mark.parametrize("error", [jax.errors.JaxRuntimeError("reset"), ValueError("UNKNOWN: Gloo AllGather failed")])
def test_a_failed_collective_means_a_lost_process(error, monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with (
        pytest.raises(LostProcessError, match=r"^process 0 of 2 lost another process; restart all"),
        detect_lost_processes(),
    ):
        raise error
    with pytest.raises(ValueError, match="another error"), detect_lost_processes():
        raise ValueError("another error")


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"JAX_NUM_PROCESSES": "two"}, "JAX_NUM_PROCESSES='two' must be an integer >= 0"),
        ({"ISTHMUS_HEARTBEAT_SECONDS": "-1"}, "must be an integer >= 0"),
        ({}, "cannot join a run"),
    ],
)
def test_errors_of_join(environment, message, monkeypatch):
    def fail(**options):
        raise ValueError("coordinator_address should be defined.")

    monkeypatch.setattr(jax.distributed, "initialize", fail)
    with pytest.raises(InvalidParameterError, match=message):
        join(environment)


def test_the_environment_of_join(monkeypatch):
    joined = {}
    monkeypatch.setattr(jax.distributed, "initialize", lambda **options: joined.update(options))
    join({"JAX_COORDINATOR_ADDRESS": "host:1", "JAX_NUM_PROCESSES": "4", "JAX_PROCESS_ID": "3"})
    assert (joined["coordinator_address"], joined["num_processes"], joined["process_id"]) == ("host:1", 4, 3)
    assert joined["heartbeat_timeout_seconds"] == 60
