"""The command line: parse, call the library, print.

Results go to stdout and everything else to stderr. Exit codes: 0, 1 (it failed), 2 (asked wrongly), 130 (Ctrl-C) and
141 (whoever read stdout went away). Commands import the library when they run, so that ``isthmus --help`` is quick.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isthmus import __version__
from isthmus.errors import (
    DivergedError,
    InterruptedFitWarning,
    InvalidParameterError,
    IsthmusError,
    IsthmusWarning,
    ModelFileError,
    UnwritableError,
)
from isthmus.options import value_of, with_parameters
from isthmus.parameters import PARAMETERS

if TYPE_CHECKING:
    from isthmus.estimators.autoencoder import Autoencoder
    from isthmus.estimators.results import Progress

STANDARD = "-"  # stdin for rows, stdout for results
_SECONDS_BETWEEN_LINES = 5.0
_FAILURES = (DivergedError, UnwritableError)
_LISTED_NAMES = 12

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


# What every command does alike ------------------------------------------------------------------------------------


def _say(text: object) -> None:
    print(f"isthmus: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Turn errors into one line and an exit code."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *place: _say(message)
            yield
            sys.stdout.flush()
    except (typer.Exit, typer.Abort):
        raise
    except IsthmusError as error:
        _say(error)
        raise typer.Exit(1 if isinstance(error, _FAILURES) else 2) from error
    except KeyboardInterrupt as error:
        _say("interrupted")
        raise typer.Exit(130) from error
    except BrokenPipeError as error:
        # The interpreter flushes stdout once more as it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(141) from error
    except Exception as error:
        if os.environ.get("ISTHMUS_DEBUG"):
            traceback.print_exc()
        _say(f"{type(error).__name__}: {' '.join(str(error).split())} (unexpected; ISTHMUS_DEBUG=1 shows where)")
        raise typer.Exit(1) from error


def _command(run: Callable[..., None]) -> Callable[..., None]:
    """Register a function as the command of its name."""

    @functools.wraps(run)
    def guarded(*args: Any, **options: Any) -> None:
        with _told():
            run(*args, **options)

    app.command()(guarded)
    return run


@contextlib.contextmanager
def _rows(data: str, columns: str | None = None, drop: str | None = None, key: str | None = None) -> Iterator[Any]:
    """Give what the library reads: a path, or a source where options choose from what is in it."""
    from isthmus.sources import open_source

    options: dict[str, Any] = {
        "columns": columns.split(",") if columns else None,
        "drop": drop.split(",") if drop else None,
        "key": key,
    }
    with _standard_input() if data == STANDARD else contextlib.nullcontext(data) as path:
        yield open_source(path, **options) if any(options.values()) else path


@contextlib.contextmanager
def _standard_input() -> Iterator[str]:
    """Give the path of a copy of what comes in on stdin, as CSV: a fit walks through its rows many times."""
    with tempfile.TemporaryDirectory(prefix="isthmus-") as folder:
        path = str(Path(folder, "stdin.csv"))
        with Path(path).open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        try:
            yield path
        except IsthmusError as error:
            raise type(error)(str(error).replace(path, "stdin")) from error


@contextlib.contextmanager
def _progress(what: str, quiet: bool) -> Iterator[Progress | None]:
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
        _say(f"{self.what}: {done:,} rows{left}, {speed:,.0f} rows/s")


def _print(facts: dict[str, Any], text: str, *, as_json: bool, quiet: bool = False) -> None:
    """Print a result: as one JSON object, or as text unless nobody is to be told."""
    if as_json:
        # JSON knows no NaN.
        plain = {name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in facts.items()}
        print(json.dumps(plain, allow_nan=False))
    elif not quiet:
        print(text)


def _load(model: str) -> Autoencoder:
    """Read a model file with the estimator, of those isthmus makes public, that its header names."""
    import isthmus
    from isthmus.model_file import read_header

    name = read_header(model).get("class")
    kind: Any = getattr(isthmus, name) if name in isthmus.__all__ else None
    if not isinstance(kind, type):
        raise ModelFileError(f"{model} holds a {name}, which this isthmus has not; upgrade isthmus")
    return kind.load(model)  # type: ignore[attr-defined, no-any-return]


# Commands ---------------------------------------------------------------------------------------------------------

_DATA = "Rows: .npy, .npz, .csv, .parquet, .feather, IDX, or a folder or zip of pictures; - is CSV on stdin."
Model = Annotated[str, typer.Argument(metavar="MODEL", help="A model file that fit wrote.")]
Data = Annotated[str, typer.Argument(metavar="DATA", help=_DATA)]
Columns = Annotated[str | None, typer.Option(metavar="A,B", help="Columns of a table to read, in that order.")]
Drop = Annotated[str | None, typer.Option(metavar="A,B", help="Columns of a table to leave out.")]
Key = Annotated[str | None, typer.Option(metavar="NAME", help="Which array of a .npz archive to read.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors and asked-for results.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
Output = Annotated[
    str,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Where to: .parquet, .feather, .csv, .csv.gz, .npy; - is CSV on stdout."
    ),
]


@_command
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where results go.")] = Path(
        "runs/demo"
    ),
    quick: Annotated[bool, typer.Option("--quick", help="Fewer rows and epochs.")] = False,
    data_home: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where MNIST's IDX files are.")] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train the founding network, our defaults and PCA on handwritten digits, and draw them side by side."""
    from isthmus.demo import run

    silent = quiet or as_json
    metrics = run(output, quick=quick, data_home=data_home, say=(lambda text: None) if silent else print)
    if as_json:
        print(json.dumps(metrics))


@_command
@with_parameters
def fit(
    data: Data,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="MODEL", help="Where to write the model.")
    ] = None,
    columns: Columns = None,
    drop: Drop = None,
    key: Key = None,
    validation: Annotated[
        str | None, typer.Option(metavar="DATA", help="Rows that decide when to stop, instead of a share of DATA.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Estimate time and memory, train nothing, write nothing.")
    ] = False,
    epochs_as_lines: Annotated[
        bool, typer.Option("--epochs-as-lines", help="Print each epoch's cost on stdout; the same as --verbose 2.")
    ] = False,
    show: Annotated[bool, typer.Option("--show", help="Open a window with the codes of DATA.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
    **given: Any,
) -> None:
    """Train a model on rows and write it to a file.

    With --sparsity it is a SparseAutoencoder, whose defaults are a code of 64 units and no hidden layers.

    Ctrl-C ends training after the running chunk of rows; what was learned is written, and the exit code is 130.
    """
    values = {name: value_of(PARAMETERS[name], text) for name, text in given.items() if text is not None}
    if epochs_as_lines and as_json:
        raise InvalidParameterError("--epochs-as-lines and --json both write to stdout; choose one")
    values.setdefault("verbose", 2 if epochs_as_lines else 0 if quiet or as_json else 1)
    target = _model_target(output, data, dry_run)
    with contextlib.ExitStack() as stack:
        rows = stack.enter_context(_rows(data, columns, drop, key))
        judges = stack.enter_context(_rows(validation, columns, drop, key)) if validation else None
        model = _model(values, target)
        if dry_run:
            estimate = model.estimate_fit(rows, validation_data=judges)
            _print(estimate._asdict(), str(estimate), as_json=as_json)
            return
        began = time.perf_counter()
        interrupted = _trained(model, rows, judges)
        model.save(target)
        facts = {"model": target, **_facts(model), "seconds": time.perf_counter() - began}
        _print(facts, _fit_text(facts), as_json=as_json, quiet=quiet)
        if show:
            _show(model.transform(rows))
    if interrupted:
        raise typer.Exit(130)


@_command
def encode(
    model: Model,
    data: Data,
    output: Output,
    columns: Columns = None,
    drop: Drop = None,
    key: Key = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write the codes of rows. A table may have more columns than the model was fitted on."""
    with _rows(data, columns, drop, key) as rows:
        _stream(_load(model).transform_to, rows, output, quiet=quiet, as_json=as_json)


@_command
def decode(
    model: Model,
    codes: Annotated[str, typer.Argument(metavar="CODES", help="Codes, in a format that DATA may have.")],
    output: Output,
    columns: Columns = None,
    drop: Drop = None,
    key: Key = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write the rows that codes stand for."""
    with _rows(codes, columns, drop, key) as rows:
        _stream(_load(model).inverse_transform_to, rows, output, quiet=quiet, as_json=as_json)


@_command
def reconstruct(
    model: Model,
    data: Data,
    output: Output,
    columns: Columns = None,
    drop: Drop = None,
    key: Key = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write rows rebuilt from their codes."""
    with _rows(data, columns, drop, key) as rows:
        _stream(_load(model).reconstruct_to, rows, output, quiet=quiet, as_json=as_json)


@_command
def score(
    model: Model,
    data: Data,
    columns: Columns = None,
    drop: Drop = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Print the share of the rows' variance that is rebuilt: 1 is all of it, below 0 is worse than the mean."""
    with _rows(data, columns, drop, key) as rows:
        share = _load(model).score(rows)
    _print({"explained_variance": share}, f"explained variance: {share:.6f}", as_json=as_json)


@_command
def inspect(
    model: Model,
    data: Annotated[
        str | None, typer.Option("--data", metavar="DATA", help="Rows whose codes to look at. " + _DATA)
    ] = None,
    columns: Columns = None,
    drop: Drop = None,
    key: Key = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Print what a model file holds and, with --data, what its codes of rows are like and how close these come back."""
    loaded = _load(model)
    facts = _facts(loaded)
    if data is None:
        _print(facts, _table(facts), as_json=as_json)
        return
    with _rows(data, columns, drop, key) as rows, _progress("inspect", quiet or as_json) as progress:
        report = loaded.code_statistics(rows, progress=progress)
    _print({**facts, **report.facts()}, f"{_table(facts)}\n\n{report}", as_json=as_json)


# What commands are made of ----------------------------------------------------------------------------------------


def _model_target(output: str | None, data: str, dry_run: bool) -> str:
    """Return the path of the model file; refuse one that could not be written now rather than after the fit."""
    from isthmus.files import check_writable

    if dry_run:
        return output or ""
    if output is None:
        raise InvalidParameterError("where should the model go? give -o MODEL, or --dry-run to try without one")
    if output == STANDARD:
        raise InvalidParameterError("-o -: a model is not text; give the path of a file")
    if Path(output).exists() and Path(data).exists() and Path(output).samefile(data):
        raise InvalidParameterError(f"-o {output} would write the model over the rows; give another path")
    check_writable(output)
    return output


def _model(values: dict[str, Any], target: str) -> Autoencoder:
    """Return the estimator to train: the file's, where a warm start is asked for and there is one."""
    from isthmus.estimators.autoencoder import Autoencoder
    from isthmus.estimators.presets import SparseAutoencoder

    if values.get("warm_start") and Path(target).exists():
        return _load(target).set_params(**values)  # type: ignore[no-any-return]
    return Autoencoder(**values) if values.get("sparsity") is None else SparseAutoencoder(**values)


def _trained(model: Autoencoder, rows: Any, judges: Any) -> bool:
    """Train, tell the warnings, and return whether Ctrl-C ended it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", IsthmusWarning)
        model.fit(rows, validation_data=judges)
    for warning in caught:
        _say(warning.message)
    return any(issubclass(warning.category, InterruptedFitWarning) for warning in caught)


def _stream(write: Callable[..., int], rows: Any, output: str, *, quiet: bool, as_json: bool) -> None:
    if as_json and output == STANDARD:
        raise InvalidParameterError("--json and -o - both write to stdout; choose one")
    began = time.perf_counter()
    with _progress(write.__name__.removesuffix("_to").replace("inverse_transform", "decode"), quiet) as progress:
        n_rows = write(rows, output, progress=progress)
    seconds = time.perf_counter() - began
    text = f"{output}: {n_rows:,} rows in {seconds:.1f} s"
    _print(
        {"output": output, "rows": n_rows, "seconds": seconds},
        text,
        as_json=as_json,
        quiet=quiet or output == STANDARD,
    )


def _facts(model: Autoencoder) -> dict[str, Any]:
    """Return what a model is and how it came to be."""
    import jax

    network, history, best = model.network_, model.history_, model.best_iter_
    validation = history.get("validation_loss", [])
    names = getattr(model, "feature_names_in_", None)
    return {
        "kind": type(model).__name__,
        "features": model.n_features_in_,
        "components": model.n_components_,
        "encoder": list(getattr(network, "encoder_widths", ())) or None,
        "decoder": list(getattr(network, "decoder_widths", ())) or None,
        "activation": getattr(network, "activation", None),
        "code_activation": network.code_activation,
        "output_activation": network.output_activation,
        "linear_path": getattr(network, "linear_path", None),
        "weights": sum(leaf.size for leaf in jax.tree.leaves(model.params_)),
        "scaling": model.scaler_.kind,
        "image_shape": model.image_shape_,
        "epochs": model.n_iter_,
        "best_epoch": best,
        "loss": model.loss_,
        "validation_loss": validation[best - 1] if 0 < best <= len(validation) else None,
        "seed": model.seed_,
        "feature_names": None if names is None else [str(name) for name in names],
    }


def _fit_text(facts: dict[str, Any]) -> str:
    judged = "" if facts["validation_loss"] is None else f", validation loss {facts['validation_loss']:.6g}"
    return (
        f"{facts['model']}: {facts['features']} -> {facts['components']}, {facts['epochs']} epochs (best "
        f"{facts['best_epoch']}), loss {facts['loss']:.6g}{judged}, {facts['seconds']:.1f} s"
    )


def _table(facts: dict[str, Any]) -> str:
    return "\n".join(f"{name.replace('_', ' '):18}{_cell(value)}" for name, value in facts.items() if value is not None)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        more = f", … {len(value) - _LISTED_NAMES} more" if len(value) > _LISTED_NAMES else ""
        return ", ".join(value[:_LISTED_NAMES]) + more
    if isinstance(value, list | tuple):
        return (" -> " if isinstance(value, list) else " x ").join(map(str, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _show(codes: Any) -> None:
    """Open a figure of codes in a window, or say that there is none to open it in."""
    from matplotlib import pyplot

    from isthmus import plots

    if not _has_display():
        _say("there is no display to show the codes on; draw them into a file with isthmus.plots")
        return
    # The figure is of the first two units, of codes that may be sparse.
    figure = plots.codes(codes[:, :2].toarray() if hasattr(codes, "toarray") else codes)
    # Our figures are not pyplot's, which gives windows only to its own: this one moves into the window of an empty one.
    manager = pyplot.figure().canvas.manager
    assert manager is not None
    manager.canvas.figure = figure
    figure.set_canvas(manager.canvas)
    pyplot.show()


def _has_display() -> bool:
    import matplotlib as mpl
    from matplotlib.backends.registry import BackendFilter, backend_registry

    try:
        interactive = backend_registry.list_builtin(BackendFilter.INTERACTIVE)  # type: ignore[no-untyped-call]
        return mpl.get_backend().lower() in interactive
    except ImportError:  # MPLBACKEND names a toolkit that is not here or finds no screen
        return False
