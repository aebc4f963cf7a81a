"""The command, up to the server: what it refuses, in one line, and what it hands to the page."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import numpy as np
import pytest

from commands import fails, isthmus
from isthmus.cli import explore


@pytest.fixture
def served(monkeypatch):
    """What would have been served."""
    from isthmus.explore import serving

    found = []

    def serve(app, listener, started):
        found.append(app)
        started()

    monkeypatch.setattr(serving, "serve", serve)
    return found


def test_the_address_is_printed(folder, served):
    result = isthmus("explore", folder / "model", folder / "more.csv", "--color-by", "label", "--quiet", "--no-browser")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/   \(300 rows; Ctrl-C ends\)\n", result.stdout)
    assert len(served) == 1


def test_what_is_refused_is_one_line(folder, served, tmp_path):
    data = folder / "rows.csv"
    command = ["explore", folder / "model"]
    fails(
        *command, data, "--quiet", "--color-by", "e", match="--color-by='e' is not one of 'reconstruction error', 'a'"
    )
    fails(*command, data, "--image-shape", "a,b", match="--image-shape a,b must be H,W")
    fails(
        *command, data, "--quiet", "--image-shape", "3,3", match=r"image_shape=\(3, 3\) is not the shape of rows of 4"
    )
    fails(*command, folder / "less.csv", match="'c'")
    fails(*command, folder / "none.csv", match="none.csv")
    fails(*command, data, "--host", "not an address", match="--host not an address")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        fails(*command, data, "--port", port, match="use another --port")
    np.save(tmp_path / "labels.npy", np.zeros(5))
    fails(*command, data, "--quiet", "--color-by", tmp_path / "labels.npy", match="5 labels, but there are 300 rows")
    assert served == []


def test_a_missing_extra_is_named(folder, monkeypatch):
    monkeypatch.setattr(explore, "find_spec", lambda name: None)
    fails("explore", folder / "model", folder / "rows.csv", match=r'pip install "isthmus\[explore\]"')


@pytest.mark.slow
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_the_command_serves_until_ctrl_c(folder, host):
    command = [sys.executable, "-m", "isthmus", "explore", folder / "model", folder / "rows.csv"]
    command += ["--no-browser", "--quiet", "--host", host]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            address = process.stdout.readline().split()[0]
            port = re.search(r":(\d+)/", address)[1]
            token = address.partition("?")[2]
            home = f"http://127.0.0.1:{port}/"
            assert bool(token) == (host == "0.0.0.0")
            if token:
                with pytest.raises(urllib.error.HTTPError, match="401"):
                    urllib.request.urlopen(home)
            opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
            with opener.open(home + (f"?{token}" if token else "")) as answer:
                assert b"<canvas" in answer.read()
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
            assert process.stderr.read() == ""
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
