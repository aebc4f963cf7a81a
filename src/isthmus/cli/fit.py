"""``isthmus fit``: rows to a model file."""

from __future__ import annotations

import contextlib
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Option

from isthmus.cli import options
from isthmus.cli.app import print_result, say, takes_stdout
from isthmus.cli.callbacks import EpochLogs, logs_epochs
from isthmus.cli.config import reads_config
from isthmus.cli.inspect import facts_of
from isthmus.cli.logs import writes_log
from isthmus.cli.options import STANDARD, Data, Force, Json, Quiet, Reading, load_model, rows_of
from isthmus.core.errors import (
    ExistingFileError,
    InterruptedFitWarning,
    InvalidParameterError,
    IsthmusError,
    IsthmusWarning,
    UnwritableError,
)
from isthmus.core.files import is_stdout
from isthmus.core.parameters import Name, Parameter, parameters_of
from isthmus.estimators import AUTOENCODERS
from isthmus.estimators.method_parameters import ALL
from isthmus.estimators.neighbor_parameters import NeighborParameters
from isthmus.estimators.quantized_parameters import VectorQuantizedParameters
from isthmus.estimators.variational_parameters import VariationalParameters

if TYPE_CHECKING:
    from isthmus.estimators.autoencoder import Autoencoder

_Validation = Annotated[
    str | None,
    Option(metavar="DATA", help="Rows that decide when to stop, instead of a share of DATA.", rich_help_panel="data"),
]
_ValidationBy = Annotated[
    str | None,
    Option(
        metavar="NAME",
        help="Hold back whole groups by this column, or, with 'last', the last rows.",
        rich_help_panel="data",
    ),
]
_Weights = Annotated[
    str | None,
    Option(
        metavar="NAME",
        help="A column of weights of the rows, each >= 0, which is then no feature.",
        rich_help_panel="data",
    ),
]
_Groups = Annotated[
    str | None,
    Option(
        metavar="NAME",
        help="A column of groups, such as persons, which is then no feature: hold back whole groups.",
        rich_help_panel="data",
    ),
]
_EpochsAsLines = Annotated[
    bool,
    Option(
        "--epochs-as-lines",
        help="Print each epoch's cost on stdout; the same as --verbose 2.",
        rich_help_panel="output",
    ),
]
_Checkpoint = Annotated[
    str | None,
    Option(
        metavar="FOLDER",
        help="Write checkpoints there; the same command again continues from them.",
        rich_help_panel="training",
    ),
]
_CheckpointEvery = Annotated[
    float, Option(metavar="SECONDS", help="Seconds between two checkpoints.", rich_help_panel="training")
]
_Show = Annotated[bool, Option("--show", help="Open a window with the codes of DATA.", rich_help_panel="output")]
_Output = Annotated[str | None, Option("--output", "-o", metavar="MODEL", help="Where to write the model.")]
_DryRun = Annotated[bool, Option("--dry-run", help="Estimate time and memory; train and write nothing.")]
_MaxMemory = Annotated[
    str | None,
    Option(
        metavar="SIZE",
        help="Such as 500MB: for rows and training, on top of Python and JAX.",
        rich_help_panel="training",
    ),
]
_Distributed = Annotated[
    bool,
    Option(
        "--distributed",
        help="Train with the other processes that this command was started as.",
        rich_help_panel="training",
    ),
]

# Suffixes of other formats of models: a model file has one format, whatever its name is.
_OTHER_FORMATS = {
    *(".pkl", ".pickle", ".joblib", ".dill", ".skops", ".pt", ".pth", ".ckpt", ".bin", ".onnx", ".tflite", ".pb"),
    *(".keras", ".h5", ".hdf5", ".npz", ".npy", ".json", ".gguf", ".msgpack", ".zip"),
}


# The parameters of all autoencoders, and those that a map and codes of other kinds have besides.
_OF_MAPS, _OF_VARIATIONAL, _OF_CODEBOOKS = (
    {name: one for name, one in parameters_of(cls).items() if name not in ALL}
    for cls in (NeighborParameters, VariationalParameters, VectorQuantizedParameters)
)
PARAMETERS = ALL | _OF_MAPS | _OF_VARIATIONAL | _OF_CODEBOOKS
_MAP_CLASS, _VARIATIONAL_CLASS = "NeighborAutoencoder", "VariationalAutoencoder"
_Map = Annotated[
    bool,
    Option(
        "--map", help="Train a NeighborAutoencoder: a map that keeps neighbours and is decoded.", rich_help_panel="map"
    ),
]
_Variational = Annotated[
    bool,
    Option(
        "--variational",
        help="Train a VariationalAutoencoder: a code with a distribution, to draw rows from.",
        rich_help_panel="variational",
    ),
]


_ESTIMATOR = Parameter("estimator", None, "", (Name(AUTOENCODERS),), optional=True, option="estimator")
_Estimator = Annotated[
    str | None,
    Option(
        metavar="NAME",
        help=f"Class to train ({_ESTIMATOR.as_option().words}). [default: as the other options say, see above]",
        autocompletion=lambda: list(AUTOENCODERS),
        rich_help_panel="model",
    ),
]


@reads_config(PARAMETERS)
@writes_log
@options.with_parameters_of(PARAMETERS)
@logs_epochs
@options.reads_rows
def fit(
    data: Data,
    reading: Reading,
    epoch_logs: EpochLogs,
    output: _Output = None,
    estimator: _Estimator = None,
    as_map: _Map = False,
    variational: _Variational = False,
    validation: _Validation = None,
    validation_by: _ValidationBy = None,
    weights: _Weights = None,
    groups: _Groups = None,
    dry_run: _DryRun = False,
    epochs_as_lines: _EpochsAsLines = False,
    checkpoint: _Checkpoint = None,
    checkpoint_every: _CheckpointEvery = 60.0,
    max_memory: _MaxMemory = None,
    distributed: _Distributed = False,
    force: Force = False,
    show: _Show = False,
    quiet: Quiet = False,
    as_json: Json = False,
    **given: Any,
) -> None:
    """Train a model on rows and write it to a file.

    With --map it is a NeighborAutoencoder and with --variational a VariationalAutoencoder, whose default is a code of 2
    units; else, with --code, a VectorQuantizedAutoencoder, whose default is a code of 32 units; else, with --channels
    or --image-shape, a ConvolutionalAutoencoder; else, with --sparsity, a SparseAutoencoder, whose defaults are a code
    of 64 units and no hidden layers; else, with --corruption, a DenoisingAutoencoder, whose default is a code of 64
    units.

    Ctrl-C ends training after the current chunk of rows; what was learned is written, and the exit code is 130. With
    --checkpoint, SIGTERM writes a checkpoint, and the exit code is 143.
    """
    _join_processes(distributed)
    values = {"verbose": _verbosity(epochs_as_lines, quiet, as_json), **options.values_of(PARAMETERS, given)}
    name = _class_of(estimator, as_map, variational)
    reading = reading.without([weights, groups])
    chosen: Any = {"validation_by": validation_by, "sample_weight": weights, "groups": groups, "max_memory": max_memory}
    chosen = _for_class(name, values, chosen, validation=validation, dry_run=dry_run, distributed=distributed)
    replaces = force or _continues(values, output, checkpoint)
    target = "" if dry_run else _model_target(output, [data, validation], as_json=as_json, overwrite=replaces)
    with contextlib.ExitStack() as stack:
        rows = stack.enter_context(rows_of(data, reading))
        if validation is not None:
            chosen["validation_data"] = stack.enter_context(rows_of(validation, reading))
        model = _model(values, target, name)
        if dry_run:
            _print_estimate(model.estimate_fit(rows, **chosen), as_json=as_json)
            return
        model.set_callbacks(*epoch_logs.callbacks(force, target, [data, validation]))
        interrupted, seconds = _trained(model, rows, **chosen, checkpoint=checkpoint, checkpoint_every=checkpoint_every)
        if distributed and not _is_main_process():
            return
        target = _save(model, target, overwrite=replaces)
        _report(model, target, seconds, as_json=as_json, quiet=quiet)
        if show:
            _show(model.transform(rows))
    if interrupted:
        raise typer.Exit(130)


def _verbosity(epochs_as_lines: bool, quiet: bool, as_json: bool) -> int:
    if epochs_as_lines and as_json:
        raise InvalidParameterError("--epochs-as-lines and --json both write to stdout; choose one")
    return 2 if epochs_as_lines else 0 if quiet or as_json else 1


def _class_of(estimator: str | None, as_map: bool, variational: bool) -> str | None:
    """Return the name of the class that --estimator, --map or --variational asks for; None where others choose it."""
    if as_map and variational:
        raise InvalidParameterError("--map cannot be combined with --variational; leave one out")
    switched = _MAP_CLASS if as_map else _VARIATIONAL_CLASS if variational else None
    if estimator is None:
        return switched
    name: str | None = options.value_of(_ESTIMATOR, estimator)
    if switched not in (None, name):
        option = "--map" if as_map else "--variational"
        raise InvalidParameterError(f"{option} trains a {switched}; leave out {option} or --estimator {name}")
    return name


def _join_processes(distributed: bool) -> None:
    if distributed:
        from isthmus.core import processes

        processes.join()


def _is_main_process() -> bool:
    from isthmus.core import processes

    return processes.is_main_process()


def _for_class(name: str | None, values: dict[str, Any], chosen: dict[str, Any], **others: Any) -> dict[str, Any]:
    """Return what the fit of a class is given; refuse parameters and options that it does not have."""
    for option, cls, own in (
        ("--map", _MAP_CLASS, _OF_MAPS),
        ("--variational", _VARIATIONAL_CLASS, _OF_VARIATIONAL),
    ):
        for parameter in values if name != cls else ():
            if parameter in own:
                raise InvalidParameterError(f"--{PARAMETERS[parameter].option} needs {option}")
    return _for_a_map(chosen, others) if name == _MAP_CLASS else chosen


def _for_a_map(chosen: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    """Return what the fit of a map is given; refuse options that it does not have."""
    for name, value in {**others, **chosen}.items():
        if value and name != "sample_weight":
            raise InvalidParameterError(f"--{name.replace('_', '-')} cannot be combined with --map; leave it out")
    return {"sample_weight": chosen["sample_weight"]}


def _print_estimate(estimate: Any, *, as_json: bool) -> None:
    print_result(estimate._asdict(), str(estimate), as_json=as_json)


def _continues(values: dict[str, Any], output: str | None, checkpoint: str | None) -> bool:
    """Return whether the model file is one that the run continues, by a warm start or from its checkpoints."""
    from isthmus.core.persistence import read_header

    if values.get("warm_start"):
        return True
    # A map's checkpoints are in the folder of each stage.
    if checkpoint is None or not any(any(Path(checkpoint).glob(f"{at}checkpoint-*")) for at in ("", "*/")):
        return False
    with contextlib.suppress(IsthmusError):
        return output is not None and bool(read_header(output))
    return False


def _save(model: Autoencoder, target: str, *, overwrite: bool) -> str:
    """Write the model and return its path: another one if the file was written by another process meanwhile."""
    for number in range(2, 100):
        try:
            model.save(target, overwrite=overwrite)
            return target
        except ExistingFileError:
            path = Path(target)
            target = str(path.with_name(f"{path.stem}-{number}{path.suffix}"))
            say(f"{path} was written by another process meanwhile; the model is written to {target}")
    raise UnwritableError(f"cannot write {target}: so many files exist already")


def _model_target(output: str | None, rows: list[str | None], *, as_json: bool, overwrite: bool) -> str:
    """Return the path of the model file; refuse one that cannot be written before the fit rather than after it."""
    from isthmus.core.files import check_writable
    from isthmus.data.sources.places import local_files

    if output is None:
        raise InvalidParameterError("give -o MODEL, the path of the model file, or --dry-run to write none")
    if output == STANDARD:
        raise InvalidParameterError("-o -: a model cannot be written to stdout; give the path of a file")
    takes_stdout(output, as_json=as_json)
    check_writable(output, overwrite=overwrite, reads=[file for one in rows if one for file in local_files(one)])
    if Path(output).suffix.lower() in _OTHER_FORMATS:
        say(f"{output} is written in the safetensors format, which isthmus.load and all commands read under any name")
    return output


def _model(values: dict[str, Any], target: str, name: str | None) -> Autoencoder:
    """Return the estimator to train: that of the file, where a warm start is asked for and the file exists."""
    from isthmus.estimators.choosing import estimator_of, parameters_for

    if values.get("warm_start") and Path(target).exists():
        model = load_model(target)
        if name not in (None, type(model).__name__):
            raise InvalidParameterError(f"{target} has a model of class {type(model).__name__}; leave out --estimator")
        return model.set_params(**parameters_for(type(model), values))  # type: ignore[no-any-return]
    return estimator_of(values, name)  # type: ignore[no-any-return]


def _trained(model: Autoencoder, rows: Any, **arguments: Any) -> tuple[bool, float]:
    """Train, print the warnings, and return whether Ctrl-C ended it, and the seconds."""
    began = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", IsthmusWarning)
        try:
            model.fit(rows, **arguments)
        finally:
            for message in dict.fromkeys(str(warning.message) for warning in caught):
                say(message)
    interrupted = any(issubclass(warning.category, InterruptedFitWarning) for warning in caught)
    return interrupted, time.perf_counter() - began


def _report(model: Autoencoder, target: str, seconds: float, *, as_json: bool, quiet: bool) -> None:
    facts = {"model": target, **facts_of(model), "seconds": seconds}
    print_result(facts, _fit_text(facts), as_json=as_json, quiet=quiet or is_stdout(target))


def _fit_text(facts: dict[str, Any]) -> str:
    validation = "" if facts["validation_loss"] is None else f", validation loss {facts['validation_loss']:.6g}"
    return (
        f"{facts['model']}: {facts['features']} -> {facts['components']}, {facts['epochs']} epochs (best "
        f"{facts['best_epoch']}), loss {facts['loss']:.6g}{validation}, {facts['seconds']:.1f} s"
    )


def _show(codes: Any) -> None:
    """Open a figure of codes in a window; print a line where there is no display."""
    from matplotlib import pyplot

    from isthmus.evaluation import plots

    if not _has_display():
        say("there is no display to show the codes on; draw them into a file with isthmus.evaluation.plots")
        return
    # The figure shows the first two units; codes may be sparse.
    figure = plots.codes(codes[:, :2].toarray() if hasattr(codes, "toarray") else codes)
    # pyplot opens windows for its own figures only: this figure moves into the window of an empty one.
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
    except ImportError:  # MPLBACKEND names a toolkit that is not installed, or there is no screen
        return False
