"""``--csv-log FILE`` and ``--tensorboard FOLDER``: where `fit` writes the figures of each epoch."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, get_type_hints

from typer import Option

from isthmus.core.errors import InvalidParameterError

_CsvLog = Annotated[
    str | None,
    Option(
        metavar="FILE", help="Write the figures of each epoch to this CSV file, a line each.", rich_help_panel="output"
    ),
]
_TensorBoard = Annotated[
    str | None,
    Option(
        metavar="FOLDER",
        help="Write the figures of each epoch there for TensorBoard. Needs isthmus[tensorboard].",
        rich_help_panel="output",
    ),
]


@dataclass(frozen=True)
class EpochLogs:
    """The options that say where the figures of epochs are written."""

    csv_log: _CsvLog = None
    tensorboard: _TensorBoard = None

    def callbacks(self, overwrite: bool, output: str, reads: Sequence[str | None]) -> list[Any]:
        """Return the callbacks that the options ask for.

        Parameters
        ----------
        overwrite : bool
            Whether logs of other fits are replaced.
        output : str
            The model file.
        reads : sequence of str or None
            The rows that are read.

        Raises
        ------
        InvalidParameterError
            Where a path is no local one, or is that of another file of the command.
        """
        for option, path in (("--csv-log", self.csv_log), ("--tensorboard", self.tensorboard)):
            if path is not None and (path in ("", "-") or "://" in path):
                raise InvalidParameterError(f"{option} {path!r} must be a path on a disk of this machine")
        found: list[Any] = []
        if self.csv_log is not None:
            from isthmus.core.files import check_overwriting
            from isthmus.data.sources.places import local_files
            from isthmus.estimators.callbacks import CSVLogger

            if os.path.realpath(self.csv_log) == os.path.realpath(output):
                raise InvalidParameterError(f"--csv-log {self.csv_log} is the model file; give another name")
            files = [file for one in reads if one for file in local_files(one)]
            check_overwriting(self.csv_log, overwrite=True, reads=files)
            found.append(CSVLogger(self.csv_log, overwrite=overwrite))
        if self.tensorboard is not None:
            from isthmus.estimators.callbacks import TensorBoard

            found.append(TensorBoard(self.tensorboard, overwrite=overwrite))
        return found


def logs_epochs(run: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `EpochLogs` in place of its argument ``epoch_logs``."""
    signature = inspect.signature(run, eval_str=True)
    hints = get_type_hints(EpochLogs, include_extras=True)
    names = [field.name for field in fields(EpochLogs)]

    @functools.wraps(run)
    def command(**given: Any) -> None:
        run(epoch_logs=EpochLogs(**{name: given.pop(name, None) for name in names}), **given)

    made = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hints[name]) for name in names
    ]
    own = [one for one in signature.parameters.values() if one.name != "epoch_logs"]
    place = next((i for i, one in enumerate(own) if one.kind is one.VAR_KEYWORD), len(own))
    command.__signature__ = signature.replace(parameters=[*own[:place], *made, *own[place:]])  # type: ignore[attr-defined]
    return command
