"""Arguments that several commands share, and functions to open the rows and models they name."""

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
    "files, or a URL (s3://, gs://); - reads CSV from stdin."
)
Model = Annotated[str, typer.Argument(metavar="MODEL", help="A model file written by fit.")]
Data = Annotated[str, typer.Argument(metavar="DATA", help=DATA_HELP)]
Columns = Annotated[str | None, typer.Option(metavar="A,B", help="Columns of a table to read, in this order.")]
Drop = Annotated[str | None, typer.Option(metavar="A,B", help="Columns of a table to ignore.")]
Key = Annotated[str | None, typer.Option(metavar="NAME", help="Name of the array of a .npz archive to read.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only errors and requested results.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
Output = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Output file: .parquet, .feather, .csv, .csv.gz, .npy, or a URL; - writes CSV to stdout.",
    ),
]


@contextlib.contextmanager
def rows_of(data: str, columns: str | None = None, drop: str | None = None, key: str | None = None) -> Iterator[Any]:
    """Yield what the library reads: a path, or a source if options select a part of it."""
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
    """Yield the path of a temporary CSV copy of stdin: training reads its rows many times."""
    with tempfile.TemporaryDirectory(prefix="isthmus-") as folder:
        path = str(Path(folder, "stdin.csv"))
        with Path(path).open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        try:
            yield path
        except IsthmusError as error:
            raise type(error)(str(error).replace(path, "stdin")) from error


def load_model(model: str) -> Autoencoder:
    """Load a model file as the estimator that it names."""
    import isthmus

    return isthmus.load(model)  # type: ignore[no-any-return]
