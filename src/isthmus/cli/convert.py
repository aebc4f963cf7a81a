"""``isthmus encode``, ``decode`` and ``reconstruct``."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.cli.app import print_result, progress_of
from isthmus.cli.arguments import STANDARD, Columns, Data, Drop, Json, Key, Model, Output, Quiet, load_model, rows_of
from isthmus.core.errors import InvalidParameterError

Keep = Annotated[
    str | None,
    typer.Option("--keep", metavar="A,B", help="Columns of a table to copy to the output, before the result."),
]


def encode(
    model: Model,
    data: Data,
    output: Output,
    columns: Columns = None,
    drop: Drop = None,
    key: Key = None,
    keep: Keep = None,
    ray: Annotated[
        bool, typer.Option("--ray", help="Encode Parquet files with Ray into a folder of Parquet files.")
    ] = False,
    concurrency: Annotated[
        int | None,
        typer.Option(metavar="N", help="With --ray, the number of encoding processes; leave one core for reading."),
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write the codes of rows. A table may have columns that the model was not fitted on."""
    if ray:
        if drop or key:
            raise InvalidParameterError("--drop and --key cannot be combined with --ray; select columns with --columns")
        _encode_with_ray(model, data, output, columns, keep, concurrency, quiet=quiet, as_json=as_json)
        return
    with rows_of(data, columns, drop, key) as rows:
        _stream(load_model(model).transform_to, rows, output, keep, quiet=quiet, as_json=as_json)


def _encode_with_ray(
    model: str,
    data: str,
    output: str,
    columns: str | None,
    keep: str | None,
    concurrency: int | None,
    *,
    quiet: bool,
    as_json: bool,
) -> None:
    from isthmus.data.sources.places import is_url
    from isthmus.export.ray import actor_errors, encode

    folder = Path(output)
    in_use = not is_url(output) and folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    if output == STANDARD or in_use:
        raise InvalidParameterError(f"-o {output}: Ray writes many files; pass an empty or new folder")
    start = time.perf_counter()
    names = columns.split(",") if columns else None
    with actor_errors():
        codes = encode(data, model, columns=names, keep=keep.split(",") if keep else (), concurrency=concurrency)
        codes.write_parquet(output)
    from pyarrow import dataset

    _print_summary(
        output, dataset.dataset(output).count_rows(), time.perf_counter() - start, as_json=as_json, quiet=quiet
    )


def decode(
    model: Model,
    codes: Annotated[str, typer.Argument(metavar="CODES", help="Codes, in any format of DATA.")],
    output: Output,
    columns: Columns = None,
    drop: Drop = None,
    key: Key = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write the rows decoded from codes."""
    with rows_of(codes, columns, drop, key) as rows:
        _stream(load_model(model).inverse_transform_to, rows, output, quiet=quiet, as_json=as_json)


def reconstruct(
    model: Model,
    data: Data,
    output: Output,
    columns: Columns = None,
    drop: Drop = None,
    key: Key = None,
    keep: Keep = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write the reconstructions of rows."""
    with rows_of(data, columns, drop, key) as rows:
        _stream(load_model(model).reconstruct_to, rows, output, keep, quiet=quiet, as_json=as_json)


def _stream(
    write: Callable[..., int], rows: Any, output: str, keep: str | None = None, *, quiet: bool, as_json: bool
) -> None:
    if as_json and output == STANDARD:
        raise InvalidParameterError("--json and -o - both write to stdout; choose one")
    start = time.perf_counter()
    with progress_of(write.__name__.removesuffix("_to").replace("inverse_transform", "decode"), quiet) as progress:
        options = {"keep": keep.split(",")} if keep else {}
        n_rows = write(rows, output, progress=progress, **options)
    seconds = time.perf_counter() - start
    _print_summary(output, n_rows, seconds, as_json=as_json, quiet=quiet or output == STANDARD)


def _print_summary(output: str, n_rows: int, seconds: float, *, as_json: bool, quiet: bool) -> None:
    """Print the output path, without credentials that a URL may contain, and the number of rows."""
    from isthmus.data.sources.places import is_url, public_url

    path = public_url(output) if is_url(output) else output
    facts = {"output": path, "rows": n_rows, "seconds": seconds}
    print_result(facts, f"{path}: {n_rows:,} rows in {seconds:.1f} s", as_json=as_json, quiet=quiet)
