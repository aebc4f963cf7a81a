import sys

from typer.testing import CliRunner

from commands import Terminal, fails
from isthmus.cli.app import app, progress_of


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
