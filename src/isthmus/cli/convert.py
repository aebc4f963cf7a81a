"""``isthmus encode``, ``decode`` and ``reconstruct``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from isthmus.cli import options
from isthmus.cli.app import print_result, progress_of, takes_stdout
from isthmus.cli.logs import writes_log
from isthmus.cli.options import Data, Force, Json, Keep, Model, Output, Quiet, Reading
from isthmus.core.errors import InvalidParameterError


@writes_log
@options.reads_rows
def encode(
    model: Model,
    data: Data,
    output: Output,
    reading: Reading,
    keep: Keep = None,
    ray: Annotated[bool, Option("--ray", help="Encode Parquet files with Ray into a folder of Parquet files.")] = False,
    concurrency: Annotated[
        int | None,
        Option(metavar="N", help="With --ray, the number of encoding processes; leave one core for reading."),
    ] = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write the codes of rows. A table may have columns that the model was not fitted on."""
    if not ray:
        _stream("transform_to", model, data, reading, output, keep, force=force, quiet=quiet, as_json=as_json)
        return
    given = [name for name in ("drop", "key") if getattr(reading, name)] + list(reading.layout)
    if given:
        raise InvalidParameterError(
            f"--{given[0].replace('_', '-')} cannot be combined with --ray; only --columns and --keep can"
        )
    start = time.perf_counter()
    n_rows = _encode_with_ray(
        model, data, output, reading.names(reading.columns, data), reading.names(keep, data), concurrency
    )
    _print_summary(output, n_rows, start, as_json=as_json, quiet=quiet)


def _encode_with_ray(
    model: str, data: str, output: str, columns: list[str], keep: list[str], concurrency: int | None
) -> int:
    from isthmus.data.sources.places import is_url
    from isthmus.export.ray import actor_errors, encode

    folder = Path(output)
    in_use = not is_url(output) and folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    if output == options.STANDARD or in_use:
        raise InvalidParameterError(f"-o {output}: Ray writes many files; pass an empty or new folder")
    with actor_errors():
        encode(data, model, columns=columns, keep=keep, concurrency=concurrency).write_parquet(output)
    from pyarrow import dataset

    return int(dataset.dataset(output).count_rows())


@writes_log
@options.reads_rows
def decode(
    model: Model,
    codes: Annotated[str, Argument(metavar="CODES", help="Codes, in any format of DATA.")],
    output: Output,
    reading: Reading,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write the rows decoded from codes."""
    _stream("inverse_transform_to", model, codes, reading, output, force=force, quiet=quiet, as_json=as_json)


@writes_log
@options.reads_rows
def reconstruct(
    model: Model,
    data: Data,
    output: Output,
    reading: Reading,
    keep: Keep = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write the reconstructions of rows."""
    _stream("reconstruct_to", model, data, reading, output, keep, force=force, quiet=quiet, as_json=as_json)


def _stream(
    method: str,
    model: str,
    data: str,
    reading: Reading,
    output: str,
    keep: Keep = None,
    *,
    force: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Call a model's method that writes a file, and print a summary."""
    is_stdout = takes_stdout(output, as_json=as_json)
    options.refuse_output_over_model(model, output)
    with options.rows_of(data, reading) as rows:
        write = getattr(options.load_model(model), method)
        names = reading.names(keep, rows)
        start = time.perf_counter()
        with progress_of(method.removesuffix("_to").replace("inverse_transform", "decode"), quiet) as progress:
            n_rows = write(rows, output, progress=progress, overwrite=force, **({"keep": names} if names else {}))
    _print_summary(output, n_rows, start, as_json=as_json, quiet=quiet or is_stdout)


def _print_summary(output: str, n_rows: int, start: float, *, as_json: bool, quiet: bool) -> None:
    """Print the output path, without credentials that a URL may contain, and the number of rows."""
    from isthmus.data.sources.places import is_url, public_url

    path, seconds = public_url(output) if is_url(output) else output, time.perf_counter() - start
    facts = {"output": path, "rows": n_rows, "seconds": seconds}
    print_result(facts, f"{path}: {n_rows:,} rows in {seconds:.1f} s", as_json=as_json, quiet=quiet)
