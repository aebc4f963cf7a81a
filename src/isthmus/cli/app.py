"""The Typer application, and what all commands share: messages, errors, progress and results."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import math
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isthmus.core.errors import DivergedError, IsthmusError, LostProcessError, UnwritableError
from isthmus.core.version import __version__

if TYPE_CHECKING:
    from isthmus.estimators.streaming import Progress

_SECONDS_BETWEEN_LINES = 5.0
_FAILURES = (DivergedError, LostProcessError, UnwritableError)

app = typer.Typer(
    name="isthmus",
    no_args_is_help=True,
    rich_markup_mode=None,  # rich would double the time that --help takes
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line and exit."""
    # A name that the terminal's encoding lacks costs an escape, not the run.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    app()


def _version(requested: bool) -> None:
    if requested:
        print(f"isthmus {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Train autoencoders and use them: encode rows into a few features, and reconstruct the rows from these."""


def say(text: object) -> None:
    """Print a line on stderr."""
    print(f"isthmus: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def errors_as_lines() -> Iterator[None]:
    """Print each error and warning as one line on stderr, and turn errors into exit codes."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *details: say(message)
            yield
            sys.stdout.flush()
    except (typer.Exit, typer.Abort):
        raise
    except IsthmusError as error:
        say(error)
        raise typer.Exit(1 if isinstance(error, _FAILURES) else 2) from error
    except KeyboardInterrupt as error:
        say("interrupted")
        raise typer.Exit(130) from error
    except BrokenPipeError as error:
        # The interpreter flushes stdout again when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(141) from error
    except Exception as error:
        if os.environ.get("ISTHMUS_DEBUG"):
            traceback.print_exc()
        say(f"{type(error).__name__}: {' '.join(str(error).split())} (unexpected; set ISTHMUS_DEBUG=1 for a traceback)")
        raise typer.Exit(1) from error


def _leave_processes(error: typer.Exit | SystemExit) -> None:
    # Imported only if this process joined a distributed run.
    if processes := sys.modules.get("isthmus.core.processes"):
        code = error.exit_code if isinstance(error, typer.Exit) else error.code
        processes.exit_process(code if isinstance(code, int) else 1)


def register(run: Callable[..., None]) -> None:
    """Add a function as the command of the same name."""

    @functools.wraps(run)
    def command(*args: Any, **options: Any) -> None:
        try:
            with errors_as_lines():
                run(*args, **options)
        except (typer.Exit, SystemExit) as error:
            _leave_processes(error)
            raise

    app.command()(command)


@contextlib.contextmanager
def progress_of(name: str, quiet: bool) -> Iterator[Progress | None]:
    """Yield a callback for finished rows: a progress bar on a terminal, else a line every few seconds."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        from isthmus.estimators.fit.reporting import rich_bar

        with rich_bar() as bar:
            task = bar.add_task(name, total=None, loss="")
            yield lambda done, total: bar.update(task, completed=done, total=total)
    else:
        yield _ProgressLines(name)


class _ProgressLines:
    """Prints a line on stderr every few seconds."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.start = self.last_line = time.monotonic()

    def __call__(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        if now - self.last_line < _SECONDS_BETWEEN_LINES:
            return
        self.last_line = now
        speed = done / (now - self.start)
        remaining = "" if total is None else f" of {total:,}, {(total - done) / speed:.0f} s left"
        say(f"{self.name}: {done:,} rows{remaining}, {speed:,.0f} rows/s")


def print_result(facts: dict[str, Any], text: str, *, as_json: bool, quiet: bool = False) -> None:
    """Print a result as one JSON object, or as text unless `quiet`."""
    if as_json:
        # JSON has no NaN.
        plain = {name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in facts.items()}
        print(json.dumps(plain, allow_nan=False))
    elif not quiet:
        print(text)
