"""``isthmus impute``: fill the missing cells of a table."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from isthmus.cli import options
from isthmus.cli.app import print_result, say, takes_stdout
from isthmus.cli.logs import writes_log
from isthmus.cli.options import Json, Quiet, Reading
from isthmus.core.errors import InvalidParameterError

if TYPE_CHECKING:
    from isthmus.data.columns import ColumnOfTable
    from isthmus.estimators.imputation import AutoencoderImputer

_Epochs = Annotated[
    int | None, Option(metavar="N", help="Maximum number of epochs; 0 fills by a Gaussian model. [default: 100]")
]
_Model = Annotated[
    str | None, Option(metavar="MODEL", help="Fill with an imputer written by --save, without training.")
]


@writes_log
@options.reads_text
def impute(
    table: Annotated[
        str,
        Argument(metavar="TABLE", help="A .csv, .tsv, .parquet or .feather file with missing cells; - reads stdin."),
    ],
    output: Annotated[
        str, Option("--output", "-o", metavar="TABLE", help="Output: .csv, .tsv, .parquet or .feather; - is stdout.")
    ],
    reading: Reading,
    epochs: _Epochs = None,
    seed: Annotated[int | None, Option(metavar="N", help="Seed of training; equal seeds give equal results.")] = None,
    model: _Model = None,
    save: Annotated[str | None, Option(metavar="MODEL", help="Write the fitted imputer to this file.")] = None,
    force: Annotated[bool, Option("--force", help="Overwrite existing output files, TABLE itself included.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Fill the missing cells of a table.

    Text is written as it was read, to the byte, except for the cells that are filled. In a column of numbers, NA, NaN
    and the like are missing; in a column of text only the empty cell is.
    """
    is_stdout = takes_stdout(output, as_json=as_json)
    with options.local_file(table) as path:
        facts = _impute(path, output, reading, epochs, seed, model, save, force=force)
    empty = [column["name"] for column in facts["columns"] if column["kind"] == "empty"]
    if empty:
        say(f"no observed values in {', '.join(map(repr, empty))}; left empty")
    if not facts["filled"] and model is None and save is None:
        say("no cell to fill; the table is written as it was, and nothing is trained")
    if facts["copied"]:
        say(f"copied without change: {', '.join(facts['copied'])}")
    width = max(len(column["name"]) for column in facts["columns"])
    lines = [f"{c['name']:{width}}  {c['kind']:8}  {c['missing']:,} missing" for c in facts["columns"]]
    lines.append(f"{facts['filled']:,} cells of {facts['rows']:,} rows filled in {facts['seconds']:.1f} s")
    print_result(facts, "\n".join(lines), as_json=as_json, quiet=quiet or is_stdout)


def _impute(
    path: str,
    output: str,
    reading: Reading,
    epochs: int | None,
    seed: int | None,
    model: str | None,
    save: str | None,
    *,
    force: bool,
) -> dict[str, Any]:
    """Fill a table, and return what to print."""
    from isthmus.core.files import check_writable, is_stdout
    from isthmus.data.columns import describe
    from isthmus.data.tables import check_target, open_table, write_filled

    start = time.perf_counter()
    whole = open_table(path, **reading.layout)
    # With --force, a table may be filled in place: it is in memory, and the result is written atomically.
    check_target(output, overwrite=force, reads=() if force else [path])
    options.refuse_output_over_model(model, output)
    if save is not None:
        if is_stdout(save):
            raise InvalidParameterError(f"--save {save}: a model cannot be written to stdout; give the path of a file")
        check_writable(save, overwrite=force, reads=[path, *([] if model is None else [model])])
        if os.path.realpath(save) == os.path.realpath(output) and output != options.STANDARD:
            raise InvalidParameterError(f"--output and --save are both {output}; give each its own file")
    if model is not None:
        imputer = _load_imputer(model)
        kinds = {column.name: column.kind for column in imputer.columns_}
        used = whole.typed(_existing(whole, list(kinds)), kinds)
    else:
        names = _columns_to_fill(whole, reading)
        whole.refuse_bad_numbers(names)
        used = whole.typed(names)
        if save is None and (complete := _without_empty(used)) is not None:
            write_filled(whole, used, complete, output, overwrite=force)
            return _facts_of(whole, used, complete, describe(used)) | {"seconds": time.perf_counter() - start}
        imputer = _fit_imputer(used, epochs, seed)
    if save is not None:
        imputer.save(save, overwrite=force)
    filled = imputer.transform(used)
    write_filled(whole, used, filled, output, overwrite=force)
    return _facts_of(whole, used, filled, imputer.columns_) | {"seconds": time.perf_counter() - start}


def _without_empty(used: Any) -> Any:
    """Return the columns that have values, where none of their cells is missing; None where there is one to fill."""
    from isthmus.data.columns import cells_of, describe

    columns = describe(used)
    holes = cells_of(used, columns)[1]
    kept = [place for place, column in enumerate(columns) if not column.empty]
    return None if not kept or holes[:, kept].any() else used.select([columns[place].name for place in kept])


def _facts_of(whole: Any, used: Any, filled: Any, columns: Iterable[ColumnOfTable]) -> dict[str, Any]:
    from isthmus.data.columns import cells_of, describe

    kinds = {column.name: column.kind for column in columns}
    missing = {name: int(cells_of(used.select([name]), describe(used.select([name])))[1].sum()) for name in kinds}
    return {
        "rows": whole.n_rows,
        "columns": [
            {"name": name, "kind": kind if name in filled.column_names else "empty", "missing": missing[name]}
            for name, kind in kinds.items()
        ],
        "copied": [name for name in whole.names if name not in kinds],
        "filled": sum(missing[name] for name in filled.column_names),
    }


def _columns_to_fill(whole: Any, reading: Reading) -> list[str]:
    """Return the columns to fill: the requested ones, or all that contain numbers or categories."""
    from isthmus.data.columns import column_kind, frame_of

    requested = _existing(whole, options.names_of(reading.columns, lambda: whole.names))
    dropped = _existing(whole, options.names_of(reading.drop, lambda: whole.names))
    kept = [name for name in requested or whole.default_names if name not in dropped]
    if not requested and kept:
        frame = frame_of(whole.typed(kept))
        assert frame is not None
        kept = [name for name in kept if column_kind(frame, name) is not None]
    if not kept:
        raise InvalidParameterError("there is no column of numbers or categories to fill; select others with --columns")
    return kept


def _existing(whole: Any, names: list[str]) -> list[str]:
    for name in names:
        if name not in whole.names:
            raise InvalidParameterError(f"the table has no column {name!r}; its columns are {', '.join(whole.names)}")
    return names


def _fit_imputer(used: Any, epochs: int | None, seed: int | None) -> AutoencoderImputer:
    from isthmus.estimators.imputation import AutoencoderImputer

    given: dict[str, Any] = {} if epochs is None else {"max_epochs": epochs}
    with warnings.catch_warnings():
        # Empty columns are listed at the end, and stay in the table.
        warnings.filterwarnings("ignore", message="no value was observed")
        return AutoencoderImputer(random_state=seed, **given).fit(used)


def _load_imputer(model: str) -> AutoencoderImputer:
    imputer: AutoencoderImputer = options.load_of(model, "AutoencoderImputer", "cannot fill tables", "impute")
    imputer.set_params(keep_empty_features=False)
    return imputer
