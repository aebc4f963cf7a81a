"""``isthmus impute``: fill the missing cells of a table."""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from isthmus.cli.app import print_result, say
from isthmus.cli.options import Json, Quiet, names_of
from isthmus.core.errors import InvalidParameterError, ModelFileError

if TYPE_CHECKING:
    from isthmus.estimators.imputation import AutoencoderImputer

_Columns = Annotated[
    list[str] | None, Option(metavar="A,B", help="Columns to learn from and to fill; the others are copied.")
]
_Drop = Annotated[
    list[str] | None, Option(metavar="A,B", help="Columns to ignore and copy, such as row numbers or names.")
]
_Epochs = Annotated[
    int | None, Option(metavar="N", help="Maximum number of epochs; 0 fills by a Gaussian model. [default: 100]")
]
_Model = Annotated[
    str | None, Option(metavar="MODEL", help="Fill with an imputer written by --save, without training.")
]


def impute(
    table: Annotated[str, Argument(metavar="TABLE", help="A .csv, .parquet or .feather file with missing cells.")],
    output: Annotated[str, Option("--output", "-o", metavar="TABLE", help="Output file: .csv, .parquet or .feather.")],
    columns: _Columns = None,
    drop: _Drop = None,
    epochs: _Epochs = None,
    seed: Annotated[int | None, Option(metavar="N", help="Seed of training; equal seeds give equal results.")] = None,
    model: _Model = None,
    save: Annotated[str | None, Option(metavar="MODEL", help="Write the fitted imputer to this file.")] = None,
    force: Annotated[bool, Option("--force", help="Overwrite existing output files, TABLE itself included.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Fill the missing cells of a table.

    Columns, types and all observed cells are kept.
    """
    from isthmus.core.files import check_writable
    from isthmus.data.tables import check_target, read_table, write_table

    start = time.perf_counter()
    full = read_table(table)
    # With --force, a table may be filled in place: it is in memory, and the result is written atomically.
    check_target(output, overwrite=force, reads=() if force else [table])
    if save is not None:
        check_writable(save, overwrite=force, reads=[table])
    if model is not None:
        imputer = _load_imputer(model)
        used = full.select(_existing(full, [column.name for column in imputer.columns_]))
    else:
        used = full.select(_columns_to_fill(full, columns, drop))
        imputer = _fit_imputer(used, epochs, seed)
    if save is not None:
        imputer.save(save, overwrite=force)
    filled = imputer.transform(used)
    write_table(_with_columns(full, filled), output, overwrite=force)
    facts = _facts_of(full, used, filled, imputer) | {"seconds": time.perf_counter() - start}
    empty = [column["name"] for column in facts["columns"] if column["kind"] == "empty"]
    if empty:
        say(f"no observed values in {', '.join(map(repr, empty))}; left empty")
    if facts["copied"]:
        say(f"copied without change: {', '.join(facts['copied'])}")
    width = max(len(column["name"]) for column in facts["columns"])
    lines = [f"{c['name']:{width}}  {c['kind']:8}  {c['missing']:,} missing" for c in facts["columns"]]
    lines.append(f"{facts['filled']:,} cells of {facts['rows']:,} rows filled in {facts['seconds']:.1f} s")
    print_result(facts, "\n".join(lines), as_json=as_json, quiet=quiet)


def _with_columns(table: Any, filled: Any) -> Any:
    """Return a table with the columns of another one in place of its own."""
    for name in filled.column_names:
        index = table.schema.get_field_index(name)
        table = table.set_column(index, table.schema.field(index), filled[name])
    return table


def _facts_of(full: Any, used: Any, filled: Any, imputer: AutoencoderImputer) -> dict[str, Any]:
    from isthmus.data.columns import cells_of, describe

    kinds = {column.name: column.kind for column in imputer.columns_}
    missing = {name: int(cells_of(used.select([name]), describe(used.select([name])))[1].sum()) for name in kinds}
    return {
        "rows": full.num_rows,
        "columns": [
            {"name": name, "kind": kind if name in filled.column_names else "empty", "missing": missing[name]}
            for name, kind in kinds.items()
        ],
        "copied": [name for name in full.column_names if name not in kinds],
        "filled": sum(missing[name] for name in filled.column_names),
    }


def _columns_to_fill(table: Any, columns: list[str] | None, drop: list[str] | None) -> list[str]:
    """Return the columns to fill: the requested ones, or all that contain numbers or categories."""
    from isthmus.data.columns import column_kind, frame_of

    frame = frame_of(table)
    assert frame is not None
    requested = _existing(table, names_of(columns)) or list(table.column_names)
    dropped = _existing(table, names_of(drop))
    kept = [name for name in requested if name not in dropped]
    if not columns:
        kept = [name for name in kept if column_kind(frame, name) is not None]
    if not kept:
        raise InvalidParameterError("there is no column of numbers or categories to fill; select others with --columns")
    return kept


def _existing(table: Any, names: list[str]) -> list[str]:
    for name in names:
        if name not in table.column_names:
            raise InvalidParameterError(
                f"the table has no column {name!r}; its columns are {', '.join(table.column_names)}"
            )
    return names


def _fit_imputer(used: Any, epochs: int | None, seed: int | None) -> AutoencoderImputer:
    from isthmus.estimators.imputation import AutoencoderImputer

    options: dict[str, Any] = {} if epochs is None else {"max_epochs": epochs}
    with warnings.catch_warnings():
        # Empty columns are listed at the end, and stay in the table.
        warnings.filterwarnings("ignore", message="no value was observed")
        return AutoencoderImputer(random_state=seed, **options).fit(used)


def _load_imputer(model: str) -> AutoencoderImputer:
    import isthmus

    imputer = isthmus.load(model)
    if not isinstance(imputer, isthmus.AutoencoderImputer):
        raise ModelFileError(
            f"{model} holds a {type(imputer).__name__}, which cannot fill tables; pass a file written by impute --save"
        )
    imputer.set_params(keep_empty_features=False)
    return imputer
