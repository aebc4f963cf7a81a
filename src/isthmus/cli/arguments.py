"""The arguments that commands share, and what they stand for: rows to read, a model to load."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isthmus.core.errors import IsthmusError

if TYPE_CHECKING:
    from isthmus.estimators.autoencoder import Autoencoder

STANDARD = "-"  # stdin for rows, stdout for results

DATA_HELP = (
    "Rows: .npy, .npz, .csv, .parquet, .feather, IDX, or a folder or zip of pictures; a quoted pattern of such "
    "files, or a URL (s3://, gs://); - is CSV on stdin."
)
Model = Annotated[str, typer.Argument(metavar="MODEL", help="A model file that fit wrote.")]
Data = Annotated[str, typer.Argument(metavar="DATA", help=DATA_HELP)]
Columns = Annotated[str | None, typer.Option(metavar="A,B", help="Columns of a table to read, in that order.")]
Drop = Annotated[str | None, typer.Option(metavar="A,B", help="Columns of a table to leave out.")]
Key = Annotated[str | None, typer.Option(metavar="NAME", help="Which array of a .npz archive to read.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors and asked-for results.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
Output = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Where to: .parquet, .feather, .csv, .csv.gz, .npy, or a URL; - is CSV on stdout.",
    ),
]


@contextlib.contextmanager
def rows_of(data: str, columns: str | None = None, drop: str | None = None, key: str | None = None) -> Iterator[Any]:
    """Give what the library reads: a path, or a source where options choose from what is in it."""
    from isthmus.data.sources import open_source

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


def load_model(model: str) -> Autoencoder:
    """Read a model file with the estimator that it names."""
    import isthmus

    return isthmus.load(model)  # type: ignore[no-any-return]
