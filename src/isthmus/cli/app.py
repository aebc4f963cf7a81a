"""The Typer application, and what all commands share: messages, errors, progress and results."""

from __future__ import annotations

import atexit
import contextlib
import errno
import functools
import io
import json
import math
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isthmus.cli import logs
from isthmus.cli.help import WIDEST, Command
from isthmus.core.errors import DivergedError, InvalidParameterError, IsthmusError, LostProcessError, UnwritableError
from isthmus.core.files import described, is_stdout
from isthmus.core.version import __version__
from isthmus.data.sources.walking import printable

if TYPE_CHECKING:
    from isthmus.estimators.streaming import Progress

_SECONDS_BETWEEN_LINES = 5.0
_AGAIN = 0.05  # seconds after which a signal that had no effect is sent again
_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGXCPU") if hasattr(signal, name)]
_FAILURES = (DivergedError, LostProcessError, UnwritableError)

app = typer.Typer(
    name="isthmus",
    no_args_is_help=True,
    rich_markup_mode=None,  # rich would double the time that --help takes
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDEST},
)


def main() -> None:
    """Run the command line and exit."""
    # A name that the terminal's encoding lacks costs an escape, not the run.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except OSError as error:  # of --help and --version; commands have messages of their own
        say(_described(error))
        abandon_stdout()
        sys.exit(1)
    except SystemExit as error:
        try:
            flush_stdout()
        except BrokenPipeError:
            abandon_stdout()
            sys.exit(error.code or 141)
        except UnwritableError as full:
            if not error.code:
                say(full)
            sys.exit(error.code or 1)
        if error.code and "pyarrow" in sys.modules:
            _end_at_once(error.code)
        raise


def _end_at_once(code: str | int) -> None:
    """End the process after an error, and leave the memory to the system.

    pyarrow may still be reading ahead in threads: one that calls Python while the interpreter is taken apart aborts the
    process (exit code 134).
    """
    atexit._run_exitfuncs()
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)


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
    """Print a line on stderr, if it is open, and log it."""
    streams = sys.modules.get("isthmus.data.sources.streams")  # imported only if a stream may have been read
    line = printable(text if streams is None else streams.with_labels(str(text)))
    logs.record(line)
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(f"isthmus: {line}", file=sys.stderr, flush=True)


class _Terminated(BaseException):
    """A signal asked for the end of this process; as an exception, it lets temporary files be removed."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextlib.contextmanager
def _signals_as_exceptions() -> Iterator[None]:
    """Raise _Terminated for the signals that schedulers, shells and closed terminals send."""

    def terminate(number: int, frame: Any) -> None:
        raise _Terminated(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # A signal that the parent process ignores, such as SIGHUP under nohup, stays ignored.
    previous = {number: signal.getsignal(number) for number in _SIGNALS}
    previous = {number: handler for number, handler in previous.items() if handler is signal.SIG_DFL}
    for number in previous:
        signal.signal(number, terminate)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _ignored_exceptions_handled() -> Iterator[None]:
    """Handle exceptions that Python ignores, since they were raised where no caller is, as in a destructor.

    pyarrow prints a traceback of bytes that are not UTF-8 there, besides its error: it is dropped. A signal whose
    handler ran there would have no effect: it is sent again, a moment later.
    """
    before = sys.unraisablehook

    def handled(given: Any) -> None:
        error = given.exc_value
        if isinstance(error, KeyboardInterrupt | _Terminated):
            number = signal.SIGINT if isinstance(error, KeyboardInterrupt) else error.number
            threading.Timer(_AGAIN, os.kill, (os.getpid(), number)).start()
        elif not isinstance(error, UnicodeDecodeError):
            before(given)

    sys.unraisablehook = handled
    try:
        yield
    finally:
        sys.unraisablehook = before


@contextlib.contextmanager
def errors_as_lines() -> Iterator[None]:
    """Print each error and warning as one line on stderr, and turn errors into exit codes."""
    try:
        with warnings.catch_warnings(), _signals_as_exceptions(), _ignored_exceptions_handled():
            warnings.showwarning = lambda message, *details: say(message)
            yield
            flush_stdout()
    except (typer.Exit, typer.Abort):
        raise
    except IsthmusError as error:
        say(error)
        raise typer.Exit(1 if isinstance(error, _FAILURES) else 2) from error
    except KeyboardInterrupt as error:
        say("interrupted")
        raise typer.Exit(130) from error
    except _Terminated as error:
        say(f"ended by {signal.Signals(error.number).name}")
        raise typer.Exit(128 + error.number) from error
    except BrokenPipeError as error:
        abandon_stdout()
        raise typer.Exit(141) from error
    except Exception as error:
        if os.environ.get("ISTHMUS_DEBUG"):
            traceback.print_exc()
        say(_described(error))
        raise typer.Exit(1) from error


def flush_stdout() -> None:
    """Write what is buffered for stdout; raise UnwritableError if its disk is full."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        abandon_stdout()
        raise UnwritableError(f"cannot write to stdout: {described(error)}") from error


def abandon_stdout() -> None:
    """Discard what stdout still buffers: the interpreter flushes it again when it exits."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def _described(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.errno is not None:
        place = "" if error.filename is None else f"{error.filename}: "
        if not place and error.errno == errno.ENOSPC:
            abandon_stdout()
            place = "cannot write to stdout: "
        return f"{place}{described(error)}"
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in text:
        return "out of memory; use fewer rows at once (--batch-size, --max-memory), or a smaller network"
    return f"{type(error).__name__}: {text} (unexpected; set ISTHMUS_DEBUG=1 for a traceback)"


def _code_of(error: typer.Exit | SystemExit) -> int:
    code = error.exit_code if isinstance(error, typer.Exit) else error.code
    return code if isinstance(code, int) else 1


def register(run: Callable[..., None]) -> None:
    """Add a function as the command of the same name."""

    @functools.wraps(run)
    def command(*args: Any, **options: Any) -> None:
        try:
            with errors_as_lines():
                run(*args, **options)
        except (typer.Exit, SystemExit) as error:
            logs.stop(_code_of(error))
            # Imported only if this process joined a distributed run.
            if processes := sys.modules.get("isthmus.core.processes"):
                processes.exit_process(_code_of(error))
            raise
        logs.stop(0)

    app.command(cls=Command)(command)


@contextlib.contextmanager
def progress_of(name: str, quiet: bool) -> Iterator[Progress | None]:
    """Yield a callback for finished rows: a progress bar on a terminal, else a line every few seconds."""
    logged = _ProgressLines(name, logs.record) if logs.is_active() else None
    if quiet:
        yield logged
    elif sys.stderr is not None and sys.stderr.isatty():
        from isthmus.estimators.fit.reporting import rich_bar

        with rich_bar() as bar:
            task = bar.add_task(name, total=None, loss="")

            def update(done: int, total: int | None) -> None:
                bar.update(task, completed=done, total=total)
                if logged is not None:
                    logged(done, total)

            yield update
    else:
        yield _ProgressLines(name, say)


class _ProgressLines:
    """Prints or logs a line every few seconds."""

    def __init__(self, name: str, write: Callable[[str], None]) -> None:
        self.name, self.write = name, write
        self.start = self.last_line = time.monotonic()

    def __call__(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        if now - self.last_line < _SECONDS_BETWEEN_LINES:
            return
        self.last_line = now
        speed = done / (now - self.start)
        remaining = "" if total is None else f" of {total:,}, {(total - done) / speed:.0f} s left"
        self.write(f"{self.name}: {done:,} rows{remaining}, {speed:,.0f} rows/s")


def takes_stdout(output: str | None, *, as_json: bool) -> bool:
    """Whether an output goes to stdout, so that no summary is printed there; refuse --json, which is printed there."""
    if output is None or not is_stdout(output):
        return False
    if as_json:
        raise InvalidParameterError(f"--json and -o {output} both write to stdout; choose one")
    return True


def print_result(facts: dict[str, Any], text: str, *, as_json: bool, quiet: bool = False) -> None:
    """Print a result as one JSON object, or as text unless `quiet`, and log it."""
    logs.record(text, "result", facts)
    if sys.stdout is None and (as_json or not quiet):
        raise UnwritableError("cannot write to stdout: it is closed")
    if as_json:
        # JSON has no NaN.
        plain = {name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in facts.items()}
        print(json.dumps(plain, allow_nan=False))
    elif not quiet:
        print(text)
