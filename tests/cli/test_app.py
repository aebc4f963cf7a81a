import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from commands import Terminal, fails, isthmus, spawn
from isthmus.cli.app import app, errors_as_lines, progress_of


def test_unexpected_errors_and_interruption(in_folder, monkeypatch):
    def raise_on_load(error):
        monkeypatch.setattr("isthmus.cli.inspect.load_model", lambda path: (_ for _ in ()).throw(error))

    raise_on_load(KeyError("a\nb"))
    fails("inspect", "model", code=1, match=r"KeyError: .* \(unexpected; set ISTHMUS_DEBUG=1 for a traceback\)")
    result = CliRunner(env={"ISTHMUS_DEBUG": "1"}).invoke(app, ["inspect", "model"])
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    raise_on_load(KeyboardInterrupt())
    fails("inspect", "model", code=130, match="interrupted")


def test_progress_on_a_terminal_is_a_bar(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with progress_of("encode", quiet=False) as progress:
        progress(50, 200)
        progress(200, 200)
    assert "encode" in terminal.text
    assert "rows/s" in terminal.text


def test_progress_without_a_terminal_is_a_line_every_few_seconds(monkeypatch, capsys):
    times = iter([0.0, 1.0, 10.0, 11.0, 20.0])
    monkeypatch.setattr("time.monotonic", lambda: next(times))
    with progress_of("encode", quiet=False) as progress:
        for done, total in ((100, 4000), (1000, 4000), (1100, 4000), (3000, None)):
            progress(done, total)
    assert capsys.readouterr().err.splitlines() == [
        "isthmus: encode: 1,000 rows of 4,000, 30 s left, 100 rows/s",
        "isthmus: encode: 3,000 rows, 150 rows/s",
    ]
    with progress_of("encode", quiet=True) as progress:
        assert progress is None


# Streams and signals -------------------------------------------------------------------------------------------------


def outcome(process, timeout=120):
    out, err = process.communicate(timeout=timeout)
    assert b"unexpected" not in err
    assert b"Traceback" not in err
    return process.returncode, (out or b"").decode(), err.decode()


@pytest.mark.slow
@pytest.mark.parametrize("words", [("score", "model", "rows.csv"), ("encode", "model", "rows.csv", "-o", "-")])
def test_a_full_disk_behind_stdout_is_one_plain_line(in_folder, words):
    with Path("/dev/full").open("wb") as full:
        process = subprocess.Popen([sys.executable, "-m", "isthmus", *words], stdout=full, stderr=subprocess.PIPE)
        code, _, err = outcome(process)
    assert code == 1
    assert err.startswith("isthmus: cannot write to stdout: No space left on device")
    assert err.count("\n") == 1


def test_version_on_a_full_disk():
    with Path("/dev/full").open("wb") as full:
        process = subprocess.Popen([sys.executable, "-m", "isthmus", "--version"], stdout=full, stderr=subprocess.PIPE)
        assert outcome(process)[0] == 1


@pytest.mark.slow
def test_a_closed_stdout_is_one_plain_line(in_folder):
    command = f"{sys.executable} -m isthmus score model rows.csv >&-"
    process = subprocess.Popen(["sh", "-c", command], stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    code, _, err = outcome(process)
    assert (code, err) == (1, "isthmus: cannot write to stdout: it is closed\n")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_no_temporary_file(in_folder, tmp_path, number):
    np.save(tmp_path / "large.npy", np.random.default_rng(0).normal(size=(1_500_000, 4)))
    process = spawn("encode", "model", tmp_path / "large.npy", "-o", tmp_path / "codes.csv.gz", "-q")
    before = time.monotonic()
    while len(list(tmp_path.iterdir())) == 1 and process.poll() is None and time.monotonic() - before < 60:
        time.sleep(0.01)
    process.send_signal(number)
    code, _, err = outcome(process)
    assert code == 128 + number
    assert err == ("isthmus: interrupted\n" if number == signal.SIGINT else f"isthmus: ended by {number.name}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["large.npy"]


class Ending:
    """Its destructor sends a signal to this process, whose handler then runs where Python ignores exceptions."""

    def __init__(self, number):
        self.number = number

    def __del__(self):
        signal.raise_signal(self.number)


@pytest.mark.parametrize(("number", "line"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "ended by SIGTERM")])
def test_a_signal_inside_a_destructor_is_not_lost(number, line, capsys):
    with pytest.raises(typer.Exit) as caught, errors_as_lines():
        Ending(number)
        time.sleep(10)
    assert caught.value.exit_code == 128 + number
    assert capsys.readouterr().err == f"isthmus: {line}\n"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(24, "Too many open files", "rows.csv"), "rows.csv: Too many open files; raise the limit"),
        (OSError(122, "Disk quota exceeded", "x"), "x: Disk quota exceeded; free some space"),
        (MemoryError(), "out of memory; use fewer rows at once"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating"), "out of memory; use fewer rows at once"),
        (RuntimeError("what"), r"RuntimeError: what \(unexpected; set ISTHMUS_DEBUG=1 for a traceback\)"),
    ],
)
def test_errors_of_the_system_are_plain_lines(error, line, capsys):
    with pytest.raises(typer.Exit) as caught, errors_as_lines():
        raise error
    assert caught.value.exit_code == 1
    assert re.match(f"isthmus: {line}", capsys.readouterr().err)


def test_a_failed_process_ends_at_once_but_runs_what_is_registered_for_its_end():
    """Threads of pyarrow that read ahead aborted it, with exit code 134."""
    code = (
        "import atexit, sys, threading, time, pyarrow, isthmus.cli\n"
        "module = sys.modules['isthmus.cli.app']\n"
        "atexit.register(print, 'removed', file=sys.stderr)\n"
        "threading.Thread(target=time.sleep, args=(60,)).start()\n"
        "module.app = lambda: (print('rows'), sys.exit(2))\n"
        "module.main()\n"
    )
    start = time.monotonic()
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "rows\n", "removed\n")
    assert time.monotonic() - start < 50


def test_a_line_break_in_a_name_leaves_a_message_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert isthmus("encode", "model", "no\nrows.csv", "-o", "no\ncodes.txt", code=2).stderr.count("\n") == 1
    fails("inspect", "no\nmodel", match=r"there is no model file no\\nmodel;")


def test_a_line_that_is_neither_utf8_nor_as_long_as_the_others_is_one_message(in_folder, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_bytes(b"a,b,c,d\n" + b"1,2,3,4\n" * 40 + b"caf\xe9,2,3,4,5\n")
    ended = subprocess.run([sys.executable, "-m", "isthmus", "score", "model", rows], capture_output=True, text=True)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "is not UTF-8 text: line 42" in ended.stderr
