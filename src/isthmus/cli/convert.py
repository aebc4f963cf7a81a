"""``isthmus encode``, ``decode`` and ``reconstruct``: rows to codes, codes to rows, rows to rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Any

import typer

from isthmus.cli.app import print_result, progress_of
from isthmus.cli.arguments import STANDARD, Columns, Data, Drop, Json, Key, Model, Output, Quiet, load_model, rows_of
from isthmus.errors import InvalidParameterError


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
    with rows_of(data, columns, drop, key) as rows:
        _stream(load_model(model).transform_to, rows, output, quiet=quiet, as_json=as_json)


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
    with rows_of(codes, columns, drop, key) as rows:
        _stream(load_model(model).inverse_transform_to, rows, output, quiet=quiet, as_json=as_json)


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
    with rows_of(data, columns, drop, key) as rows:
        _stream(load_model(model).reconstruct_to, rows, output, quiet=quiet, as_json=as_json)


def _stream(write: Callable[..., int], rows: Any, output: str, *, quiet: bool, as_json: bool) -> None:
    if as_json and output == STANDARD:
        raise InvalidParameterError("--json and -o - both write to stdout; choose one")
    began = time.perf_counter()
    with progress_of(write.__name__.removesuffix("_to").replace("inverse_transform", "decode"), quiet) as progress:
        n_rows = write(rows, output, progress=progress)
    seconds = time.perf_counter() - began
    text = f"{output}: {n_rows:,} rows in {seconds:.1f} s"
    print_result(
        {"output": output, "rows": n_rows, "seconds": seconds},
        text,
        as_json=as_json,
        quiet=quiet or output == STANDARD,
    )
