"""``isthmus encode``, ``decode`` and ``reconstruct``: rows to codes, codes to rows, rows to rows."""

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
    str | None, typer.Option("--keep", metavar="A,B", help="Columns of a table that travel along, before the result.")
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
        bool, typer.Option("--ray", help="Encode Parquet files with Ray, into a folder of Parquet files.")
    ] = False,
    concurrency: Annotated[
        int | None, typer.Option(metavar="N", help="With --ray, how many processes encode; one core has to read.")
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write the codes of rows. A table may have more columns than the model was fitted on."""
    if ray:
        if drop or key:
            raise InvalidParameterError("--drop and --key do not go with --ray; name the columns with --columns")
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
    from isthmus.export.ray import encode, of_actors

    folder = Path(output)
    taken = not is_url(output) and folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    if output == STANDARD or taken:
        raise InvalidParameterError(f"-o {output}: Ray writes many files; name a folder that is empty or new")
    began = time.perf_counter()
    names = columns.split(",") if columns else None
    with of_actors():
        codes = encode(data, model, columns=names, keep=keep.split(",") if keep else (), concurrency=concurrency)
        codes.write_parquet(output)
    from pyarrow import dataset

    _tell(output, dataset.dataset(output).count_rows(), time.perf_counter() - began, as_json=as_json, quiet=quiet)


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
    keep: Keep = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write rows rebuilt from their codes."""
    with rows_of(data, columns, drop, key) as rows:
        _stream(load_model(model).reconstruct_to, rows, output, keep, quiet=quiet, as_json=as_json)


def _stream(
    write: Callable[..., int], rows: Any, output: str, keep: str | None = None, *, quiet: bool, as_json: bool
) -> None:
    if as_json and output == STANDARD:
        raise InvalidParameterError("--json and -o - both write to stdout; choose one")
    began = time.perf_counter()
    with progress_of(write.__name__.removesuffix("_to").replace("inverse_transform", "decode"), quiet) as progress:
        kept = {"keep": keep.split(",")} if keep else {}
        n_rows = write(rows, output, progress=progress, **kept)
    seconds = time.perf_counter() - began
    _tell(output, n_rows, seconds, as_json=as_json, quiet=quiet or output == STANDARD)


def _tell(output: str, n_rows: int, seconds: float, *, as_json: bool, quiet: bool) -> None:
    """Print what was written where, without the keys that a URL may have in it."""
    from isthmus.data.sources.places import is_url, public_url

    where = public_url(output) if is_url(output) else output
    facts = {"output": where, "rows": n_rows, "seconds": seconds}
    print_result(facts, f"{where}: {n_rows:,} rows in {seconds:.1f} s", as_json=as_json, quiet=quiet)
