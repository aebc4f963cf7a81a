"""Functions that run the command line, in this process or in another one."""

import re
import subprocess
import sys

import numpy as np
from typer.testing import CliRunner

from isthmus.cli import app
from isthmus.data.sources import open_source

FAST = ["--hidden", "5", "--epochs", "3", "--seed", "0"]
NAMES = ["a", "b", "c", "d"]


def isthmus(*args, code=0, **options):
    """Run a command in this process and check its exit code."""
    result = CliRunner().invoke(app, [str(arg) for arg in args], **options)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def fails(*args, match, code=2, **options):
    """Check that a command prints nothing but a one-line error that matches."""
    result = isthmus(*args, code=code, **options)
    assert result.stdout == ""
    assert re.fullmatch(rf"isthmus: .*{match}.*\n", result.stderr), result.stderr


def spawn(*args, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "isthmus", *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )


def read(path):
    return np.concatenate([block.values for block in open_source(path).blocks()])


class Terminal:
    """A stand-in for stderr on a terminal."""

    def __init__(self):
        self.text = ""

    def isatty(self):
        return True

    def write(self, text):
        self.text += text

    def flush(self):
        pass
