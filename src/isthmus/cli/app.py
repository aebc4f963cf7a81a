"""The Typer application, and what every command does alike: speaking, failing, telling of progress."""

from __future__ import annotations

import contextlib
import functools
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
    from isthmus.estimators.results import Progress

_SECONDS_BETWEEN_LINES = 5.0
_FAILURES = (DivergedError, LostProcessError, UnwritableError)

app = typer.Typer(
    name="isthmus",
    no_args_is_help=True,
    rich_markup_mode=None,  # rich would double the time of --help
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line and exit."""
    app()


def _version(asked: bool) -> None:
    if asked:
        print(f"isthmus {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Autoencoders as easy to reach for as PCA: learn a few features from rows, and rebuild the rows from them."""


def say(text: object) -> None:
    """Print a line on stderr."""
    print(f"isthmus: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def errors_as_lines() -> Iterator[None]:
    """Turn errors into one line and an exit code."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *place: say(message)
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
        # The interpreter flushes stdout once more as it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(141) from error
    except Exception as error:
        if os.environ.get("ISTHMUS_DEBUG"):
            traceback.print_exc()
        say(f"{type(error).__name__}: {' '.join(str(error).split())} (unexpected; ISTHMUS_DEBUG=1 shows where)")
        raise typer.Exit(1) from error


def _leave(ending: typer.Exit | SystemExit) -> None:
    # Loaded only where a run of several processes was joined.
    if distributed := sys.modules.get("isthmus.core.processes"):
        code = ending.exit_code if isinstance(ending, typer.Exit) else ending.code
        distributed.leave(code if isinstance(code, int) else 1)


def register(run: Callable[..., None]) -> None:
    """Make a function the command of its name."""

    @functools.wraps(run)
    def guarded(*args: Any, **options: Any) -> None:
        try:
            with errors_as_lines():
                run(*args, **options)
        except (typer.Exit, SystemExit) as ending:
            _leave(ending)
            raise

    app.command()(guarded)


@contextlib.contextmanager
def progress_of(what: str, quiet: bool) -> Iterator[Progress | None]:
    """Give what is told of finished rows: a bar on a terminal, now and then a line anywhere else."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        from isthmus.estimators.reporting import rich_bar

        with rich_bar() as bar:
            task = bar.add_task(what, total=None, loss="")
            yield lambda done, total: bar.update(task, completed=done, total=total)
    else:
        yield _Lines(what)


class _Lines:
    """A line on stderr every few seconds."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.began = self.spoke = time.monotonic()

    def __call__(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        if now - self.spoke < _SECONDS_BETWEEN_LINES:
            return
        self.spoke = now
        speed = done / (now - self.began)
        left = "" if total is None else f" of {total:,}, {(total - done) / speed:.0f} s left"
        say(f"{self.what}: {done:,} rows{left}, {speed:,.0f} rows/s")


def print_result(facts: dict[str, Any], text: str, *, as_json: bool, quiet: bool = False) -> None:
    """Print a result: as one JSON object, or as text unless nobody is to be told."""
    if as_json:
        # JSON knows no NaN.
        plain = {name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in facts.items()}
        print(json.dumps(plain, allow_nan=False))
    elif not quiet:
        print(text)
