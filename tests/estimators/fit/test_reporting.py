import re
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from isthmus.data.sources import open_source
from isthmus.estimators.fit.reporting import Estimate, Reporter, estimate
from isthmus.estimators.fit.run import start_fit

DURATION = r"[\d.]+ (ms|s|min|h)"


@pytest.mark.parametrize(
    ("seconds", "first", "most"),
    [(0.0123, "12 ms", "1.2 s"), (1.5, "1.5 s", "2 min"), (300, "5 min", "8.3 h"), (7300, "2.0 h", "202.8 h")],
)
def test_the_text_of_an_estimate(seconds, first, most):
    text = str(Estimate(seconds, 100, 5 << 20))
    assert text == f"about {first} an epoch, at most {most} for 100 epochs, 5 MB in addition to the data"


def test_an_estimate_of_a_run(small, rows):
    run = start_fit(small(), open_source(rows))
    found = estimate(run.trainer, run.state)
    assert 0 < found.seconds_per_epoch < 60
    assert found.max_epochs == 4
    chunks = 2 * np.prod(run.trainer.loader.chunk_shape) * 4
    assert chunks < found.bytes < chunks + 1e6
    wider = start_fit(small(hidden_layer_sizes=(600,)), open_source(rows))
    more = 4 * (4 * 600 + 600 * 2 - 4 * 6 - 6 * 2) * 2 * 5  # two halves; params thrice, and Adam's two moments
    assert estimate(wider.trainer, wider.state).bytes - found.bytes > 0.9 * more


def test_an_estimate_does_not_change_the_run(small, rows, fitted, capsys):
    model = small(verbose=1).fit(rows)
    assert np.array_equal(model.transform(rows), fitted.transform(rows))
    out, err = capsys.readouterr()
    assert out == ""
    first, *lines = err.splitlines()
    assert re.fullmatch(
        rf"isthmus: about {DURATION} an epoch, at most {DURATION} for 4 epochs, \d+ MB in addition to the data", first
    )
    history = zip(model.history_["loss"], model.history_["validation_loss"], model.history_["seconds"], strict=True)
    for number, (line, (loss, validation, seconds)) in enumerate(zip(lines, history, strict=True), 1):
        when, rest = line.removeprefix("isthmus: ")[:19], line.removeprefix("isthmus: ")[20:]
        assert abs(datetime.now() - datetime.strptime(when, "%Y-%m-%d %H:%M:%S")).total_seconds() < 600
        epoch, *facts, left = rest.split(", ")
        assert epoch == f"epoch {number}/4"
        n_rows = len(rows) - round(0.1 * len(rows))
        assert facts[:2] == [f"loss {loss:.6g}", f"validation loss {validation:.6g}"]
        speed = float(facts[2].removesuffix(" rows/s").replace(",", ""))
        assert 0.8 * n_rows < speed * seconds < 1.2 * n_rows
        assert re.fullmatch(rf"at most {DURATION} left", left)


def test_a_log_on_a_full_disk_ends_no_fit(small, rows, monkeypatch):
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr("sys.stderr", full)
        assert small(verbose=1).fit(rows).n_iter_ == 4
        monkeypatch.undo()
        with suppress(OSError):
            full.close()


def test_a_closed_stderr_ends_no_fit(small, rows, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr", None)
    assert small(verbose=1).fit(rows).n_iter_ == 4
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("step", "epochs"), [(1, [1, 2, 3, 4]), (2, [2, 4]), (3, [3]), (9, [])])
def test_epoch_lines(small, rows, capsys, step, epochs):
    losses = small(verbose=2, display_step=step).fit(rows).history_["loss"]
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines() == [f"Epoch: {epoch:04d} cost= {losses[epoch - 1]:.9f}" for epoch in epochs]


def test_partial_fit_numbers_its_epochs(small, rows, capsys):
    small(verbose=2).partial_fit(rows).partial_fit(rows)
    assert [line[:11] for line in capsys.readouterr().out.splitlines()] == ["Epoch: 0001", "Epoch: 0002"]


def test_a_bar_on_a_terminal(small, rows, terminal, capsys):
    stderr = terminal()
    model = small(verbose=1).fit(rows)
    text = stderr.getvalue()
    assert text.startswith("isthmus: about ")
    assert "epoch 4/4 " in text
    assert "rows/s" in text
    validation = model.history_["validation_loss"][-1]
    assert f"loss {model.loss_:.4g}, validation {validation:.4g}" in text
    assert "Epoch: 0001" not in text
    assert capsys.readouterr().out == ""


def test_the_bar_of_a_fit_that_goes_on_begins_where_it_was(small, rows, terminal):
    terminal()
    run = start_fit(small(verbose=1), open_source(rows))
    state = run.state._replace(epoch=2, cursor=100)
    with run.reporter:
        run.reporter.begin(run.trainer, state)
        task = run.reporter._bar.tasks[0]
        assert (task.completed, task.total) == (2 * run.trainer.n_rows + 100, 4 * run.trainer.n_rows)
        assert task.description == "epoch 2/4"


def test_epochs_are_logged_whether_or_not_they_are_printed(small, rows, caplog):
    with caplog.at_level("INFO", "isthmus"):
        model = small().fit(rows)
    facts = [record.facts for record in caplog.records if getattr(record, "event", "") == "epoch"]
    assert [one["loss"] for one in facts] == model.history_["loss"]
    assert [one["epoch"] for one in facts] == [1, 2, 3, 4]
    caplog.clear()
    small(verbose=1).fit(rows)  # nothing listens: no record is made
    assert caplog.records == []


def test_the_bar_is_removed_when_a_run_fails(small, rows, terminal):
    terminal()
    run = start_fit(small(verbose=1), open_source(rows))
    with pytest.raises(RuntimeError), run.reporter:
        run.reporter.begin(run.trainer, run.state)
        assert not run.reporter._bar.finished
        run.reporter.rows_done(150)
        assert run.reporter._bar.tasks[0].completed == 150
        raise RuntimeError
    assert not run.reporter._bar.live.is_started


@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_nothing_is_printed_before_the_first_epoch(verbose, capsys):
    with Reporter(verbose, 1, 3) as reporter:
        reporter.epoch_done(SimpleNamespace(metrics={}, epoch=0))
        reporter.rows_done(10)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("verbose", [1, 2])
def test_other_processes_print_nothing(small, rows, verbose, monkeypatch, capsys):
    monkeypatch.setattr("isthmus.estimators.fit.run.is_main_process", lambda: False)
    small(verbose=verbose).fit(rows)
    assert capsys.readouterr() == ("", "")


def test_inactive_units_are_printed_where_they_are_counted(capsys):
    with Reporter(2, 1, 3) as reporter:
        reporter.epoch_done(SimpleNamespace(metrics={"loss": [0.5], "dead_units": [7.0]}, epoch=1))
    assert capsys.readouterr().out == "Epoch: 0001 cost= 0.500000000 dead= 7\n"


@pytest.mark.parametrize(("verbose", "expected"), [(1, ["40 %", "80 %", "25 %"]), (2, []), (0, [])])
def test_a_log_has_a_line_a_minute_within_long_epochs(monkeypatch, capsys, verbose, expected):
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now, strftime=lambda form: "NOW")
    monkeypatch.setattr("isthmus.estimators.fit.reporting.time", clock)
    monkeypatch.setattr("isthmus.estimators.fit.reporting.estimate", lambda *run: "an estimate")
    reporter = Reporter(verbose, 1, 3)
    state = SimpleNamespace(epoch=0, cursor=0, metrics={})
    reporter.begin(SimpleNamespace(n_rows=1000), state)
    for _ in range(5):
        clock.now += 31
        reporter.rows_done(200)
    reporter.epoch_done(SimpleNamespace(epoch=1, metrics={"loss": [0.5], "seconds": [155.0]}))
    clock.now += 61
    reporter.rows_done(250)
    lines = [line for line in capsys.readouterr().err.splitlines() if "% of 1,000 rows" in line]
    numbers = [1, 1, 2]
    assert lines == [
        f"isthmus: NOW epoch {epoch}/3, {share} of 1,000 rows"
        for epoch, share in zip(numbers[: len(expected)], expected, strict=True)
    ]
