import json
import logging
import os
import re
import signal
import sys
import threading

import pandas as pd
import pytest

from commands import FAST, Terminal, fails, isthmus, spawn
from isthmus import Autoencoder
from isthmus.cli import logs

application = sys.modules["isthmus.cli.app"]
STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d "


@pytest.fixture
def command(monkeypatch):
    """Run a command of which sys.argv has the words, as in a shell."""

    def run(*args, **more):
        monkeypatch.setattr("sys.argv", ["isthmus", *map(str, args)])
        return isthmus(*args, **more)

    return run


def without_stamps(path):
    lines = path.read_text().splitlines()
    assert all(re.match(STAMP, line) for line in lines)
    return [line[20:] for line in lines]


def test_a_log_into_a_pipe_does_not_wait_for_its_content(in_folder, tmp_path, command):
    pipe, lines = tmp_path / "log", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: lines.extend(pipe.read_text().splitlines()), daemon=True)
    reader.start()
    command("encode", "model", "rows.csv", "-o", tmp_path / "codes.csv", "--log-file", pipe)
    reader.join(10)
    assert lines[-1].partition(" ended with ")[2].startswith("exit code 0")


def test_a_log_has_what_is_printed_with_time_stamps(in_folder, tmp_path, command):
    log = tmp_path / "run.log"
    fit = ("fit", "rows.csv", "-o", tmp_path / "m", *FAST, "--log-file", log)
    result = command(*fit)
    first, *lines, written, end = without_stamps(log)
    assert first.endswith(f": isthmus fit rows.csv -o {tmp_path}/m --hidden 5 --epochs 3 --seed 0 --log-file {log}")
    assert written == result.stdout.strip()
    assert re.fullmatch(r"ended with exit code 0 after [\d.]+ s", end)
    printed = [line.removeprefix("isthmus: ") for line in result.stderr.splitlines()]
    assert [re.sub(f"^{STAMP}", "", line) for line in printed] == lines
    # A second command is appended, with its error and exit code.
    again = command(*fit, code=2)
    *before, _, error, end = without_stamps(log)
    assert before == [first, *lines, written, re.sub(r".*", before[-1], end, count=1)]
    assert error == again.stderr.strip().removeprefix("isthmus: ")
    assert end.startswith("ended with exit code 2 ")
    assert logging.getLogger("isthmus").handlers == []


def test_json_lines_are_a_table_of_epochs(in_folder, tmp_path, command):
    log = tmp_path / "run.jsonl"
    result = command("fit", "rows.csv", "-o", tmp_path / "m", *FAST, "--quiet", "--log-file", log)
    assert result.stdout == result.stderr == ""
    table = pd.read_json(log, lines=True)
    assert table["event"].tolist() == ["start", "epoch", "epoch", "epoch", "result", "end"]
    epochs, history = table[table["event"] == "epoch"], Autoencoder.load(tmp_path / "m").history_
    for name in ("loss", "validation_loss", "seconds"):
        assert epochs[name].tolist() == pytest.approx(history[name], rel=1e-12)
    assert epochs["epoch"].tolist() == [1, 2, 3]
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert lines[0]["arguments"][:2] == ["fit", "rows.csv"]
    assert (lines[-2]["components"], lines[-1]["exit_code"]) == (2, 0)
    assert all(pd.Timestamp(line["time"]).tzinfo is not None for line in lines)


@pytest.mark.slow
def test_a_killed_fit_leaves_its_lines_and_the_next_goes_on_below(in_folder, tmp_path, command):
    log = tmp_path / "run.log"
    endless = ["--epochs", "1000000", "--no-early-stopping", "--hidden", "5", "--quiet"]
    process = spawn("fit", "rows.csv", "-o", tmp_path / "m", *endless, "--log-file", log)
    try:
        while not log.exists() or log.read_text().count(" epoch ") < 3:
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    finally:
        process.communicate(timeout=60)
    text = log.read_text()
    assert " epoch 3/1000000, loss " in text
    assert "ended" not in text
    log.write_text(text + "2026-11-28 23:1")  # a line that was cut
    command("score", "model", "rows.csv")  # no log
    command("encode", "model", "rows.csv", "-o", tmp_path / "c.npy", "--log-file", log)
    assert log.read_text().startswith(text + "2026-11-28 23:1\n")
    assert re.search(rf"\n{STAMP}isthmus .*: isthmus encode .*\n(.*\n)*{STAMP}ended with exit code 0", log.read_text())


def test_files_that_are_no_log_are_refused(in_folder, tmp_path):
    fit = ("fit", "rows.csv", "-o", tmp_path / "m", *FAST, "--log-file")
    before = (in_folder / "more.csv").read_bytes(), (in_folder / "model").read_bytes()
    fails(*fit, "model", match="--log-file model exists and is no log of isthmus; give another name")
    (tmp_path / "notes").write_text("my notes\n")
    fails(*fit, tmp_path / "notes", match="exists and is no log of isthmus")
    fails(*fit, "more.csv", match="name it more.jsonl")
    fails(*fit, "-", match="must be the path of a file")
    fails(*fit, tmp_path / "m", match="is another file of this command")
    fails(*fit, tmp_path / "gone" / "log", code=1, match="cannot write --log-file .*: No such file or directory")
    fails(*fit, tmp_path, code=1, match="cannot write --log-file .*: Is a directory")
    assert before == ((in_folder / "more.csv").read_bytes(), (in_folder / "model").read_bytes())
    assert not (tmp_path / "m").exists()


def test_a_disk_that_is_full_ends_the_log_and_not_the_command(in_folder, tmp_path, monkeypatch, command):
    log = tmp_path / "run.log"
    monkeypatch.setattr(logs._Handler, "flush", lambda self: (_ for _ in ()).throw(OSError(28, "No space left")))
    result = command("encode", "model", "rows.csv", "-o", tmp_path / "c.npy", "--log-file", log)
    assert result.stderr.count("cannot write --log-file") == 1
    assert (tmp_path / "c.npy").exists()


def test_progress_goes_to_the_log_while_a_terminal_has_a_bar(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stderr", Terminal())
    monkeypatch.setattr("sys.argv", ["isthmus", "encode", "s3://key:secret@bucket/rows.csv?region=x"])
    monkeypatch.setattr(application, "_SECONDS_BETWEEN_LINES", 0.0)
    logs.start(str(tmp_path / "log"), {})
    try:
        with application.progress_of("encode", quiet=False) as progress:
            progress(100, 400)
        with application.progress_of("encode", quiet=True) as progress:
            progress(200, 400)
    finally:
        logs.stop(0)
    first, *lines, _ = without_stamps(tmp_path / "log")
    assert first.endswith("isthmus encode s3://bucket/rows.csv")  # without credentials
    assert [line.partition(",")[0] for line in lines] == ["encode: 100 rows of 400", "encode: 200 rows of 400"]


def test_values_that_json_does_not_have():
    record = logging.makeLogRecord({"msg": "x", "facts": {"a": float("nan"), "b": (1, None), "c": {2: True}, "d": 1j}})
    line = json.loads(logs._JsonLines().format(record))
    assert {name: line[name] for name in "abcd"} == {"a": None, "b": [1, None], "c": {"2": True}, "d": "1j"}


def test_every_long_command_has_a_log(in_folder):
    for name in ("fit", "encode", "decode", "reconstruct", "denoise", "impute", "outliers", "compare"):
        assert "--log-file FILE" in isthmus(name, "--help").stdout
