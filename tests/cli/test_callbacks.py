import signal
import time

import numpy as np
import pandas as pd
import pytest

import isthmus as library
from commands import FAST, fails, isthmus, spawn
from isthmus import Autoencoder


def table(path):
    head, *lines = (line.split(",") for line in path.read_text().splitlines())
    return pd.DataFrame([[float(cell) for cell in line] for line in lines], columns=head)


def same(log, history):
    found = table(log)
    assert set(found) == set(history)
    return all(np.array_equal(found[name], history[name]) for name in history)


def test_the_csv_log_of_a_fit(in_folder, tmp_path):
    log, fit = tmp_path / "log.csv", ("fit", "rows.csv", "-o", tmp_path / "m", *FAST, "--quiet", "--csv-log")
    isthmus(*fit, log)
    assert same(log, Autoencoder.load(tmp_path / "m").history_)
    before = log.read_bytes()
    (tmp_path / "m").unlink()
    fails(*fit, log, match=r"log\.csv is the log of another fit; pass another path, or --force \(overwrite=True\)")
    assert log.read_bytes() == before
    isthmus(*fit, log, "--force")
    assert same(log, Autoencoder.load(tmp_path / "m").history_)


@pytest.mark.slow
def test_a_file_of_options_has_it_too(in_folder, tmp_path):
    (tmp_path / "options.toml").write_text(f'csv-log = "{tmp_path}/log.csv"\nepochs = 2\n')
    isthmus("fit", "rows.csv", "-o", tmp_path / "m", *FAST[:2], "--config", tmp_path / "options.toml")
    assert len(table(tmp_path / "log.csv")) == 2


def test_paths_that_are_refused(in_folder, tmp_path):
    fit = ("fit", "rows.csv", "-o", tmp_path / "m", *FAST)
    rows = (in_folder / "rows.csv").read_bytes()
    fails(*fit, "--csv-log", "rows.csv", "--force", match="rows.csv is read by this command; pass another path")
    fails(*fit, "--csv-log", "more.csv", match="more.csv exists and is no log of epochs")
    fails(*fit, "--csv-log", tmp_path / "m", match="--csv-log .*m is the model file; give another name")
    fails(*fit, "--csv-log", "-", match="--csv-log '-' must be a path on a disk of this machine")
    fails(*fit, "--tensorboard", "s3://a/b", match="--tensorboard 's3://a/b' must be a path on a disk of this machine")
    fails(*fit, "--csv-log", tmp_path / "no" / "log.csv", code=1, match="No such file or directory; create the folder")
    assert (in_folder / "rows.csv").read_bytes() == rows
    assert list(tmp_path.iterdir()) == []


def test_the_folder_for_tensorboard(in_folder, tmp_path):
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    isthmus("fit", "rows.csv", "-o", tmp_path / "m", *FAST, "--tensorboard", tmp_path / "runs" / "a")
    assert [path.name[:20] for path in (tmp_path / "runs" / "a").iterdir()] == ["events.out.tfevents."]


@pytest.mark.slow
@pytest.mark.parametrize("saved", [True, False])
def test_a_killed_fit_continues_its_log(in_folder, tmp_path, saved):
    log, lock = tmp_path / "log.csv", tmp_path / ".log.csv.lock"
    fit = ["fit", "rows.csv", "-o", tmp_path / "m", "--hidden", "5", "--no-early-stopping", "--seed", "0", "--quiet"]
    fit += ["--csv-log", log, "--checkpoint", tmp_path / "run", "--checkpoint-every", "0" if saved else "1000"]
    process = spawn(*fit, "--epochs", "1000000")
    try:
        began = time.monotonic()
        while not log.exists() or log.read_text().count("\n") < 6:
            assert process.poll() is None
            assert time.monotonic() - began < 120
        process.send_signal(signal.SIGKILL)
    finally:
        process.communicate(timeout=60)
    epochs = log.read_text().count("\n") + 20
    assert lock.exists()
    isthmus(*fit, "--epochs", epochs)
    assert not lock.exists()
    model = library.load(tmp_path / "m")
    assert same(log, model.history_)
    whole = ["fit", "rows.csv", "-o", tmp_path / "w", "--hidden", "5", "--no-early-stopping", "--seed", "0", "--quiet"]
    isthmus(*whole, "--csv-log", tmp_path / "whole.csv", "--epochs", epochs)
    measured = ["seconds", "waiting"]
    pd.testing.assert_frame_equal(
        table(log).drop(columns=measured), table(tmp_path / "whole.csv").drop(columns=measured), check_exact=True
    )
