"""``isthmus impute``: a table with holes to one without."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isthmus.cli.app import print_result, say
from isthmus.cli.arguments import Json, Quiet
from isthmus.core.errors import InvalidParameterError, ModelFileError

if TYPE_CHECKING:
    from isthmus.estimators.imputation import AutoencoderImputer


def impute(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="A .csv, .parquet or .feather file with holes.")],
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="TABLE", help="Where to: .csv, .parquet or .feather, of any of them."),
    ],
    columns: Annotated[
        str | None, typer.Option(metavar="A,B", help="Columns to learn from and to fill; the others stay as they are.")
    ] = None,
    drop: Annotated[
        str | None, typer.Option(metavar="A,B", help="Columns to pass over, such as a row's number or name.")
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(metavar="N", help="Epochs at most; 0 leaves it to a Gaussian. [default: 100]"),
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Seed of training; the same seed fills alike.")] = None,
    model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Fill with an imputer that --save wrote; nothing is learned.")
    ] = None,
    save: Annotated[str | None, typer.Option(metavar="MODEL", help="Keep what was learned, for other tables.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over TABLE, where OUT is the same file.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Fill a table's holes; its columns, their types and every cell that is there stay as they are."""
    from isthmus.core.files import check_writable
    from isthmus.data.columns import cells_of, describe
    from isthmus.data.tables import check_target, read_table, write_table

    began = time.perf_counter()
    whole = read_table(table)
    if not force and Path(output).exists() and Path(output).samefile(table):
        raise InvalidParameterError(f"{output} is the table itself; name another file, or write over it with --force")
    check_target(output)
    if save is not None:
        check_writable(save)
    if model is not None:
        imputer = _loaded(model)
        used = whole.select(_present(whole, [column.name for column in imputer.columns_]))
    else:
        used = whole.select(_chosen(whole, columns, drop))
        imputer = _learned(used, epochs, seed)
    if save is not None:
        imputer.save(save)
    filled = imputer.transform(used)
    for name in filled.column_names:
        place = whole.schema.get_field_index(name)
        whole = whole.set_column(place, whole.schema.field(place), filled[name])
    write_table(whole, output)
    kinds = {column.name: column.kind for column in imputer.columns_}
    holes = {name: int(cells_of(used.select([name]), describe(used.select([name])))[1].sum()) for name in kinds}
    facts: dict[str, Any] = {
        "rows": whole.num_rows,
        "columns": [
            {"name": name, "kind": kind if name in filled.column_names else "empty", "holes": holes[name]}
            for name, kind in kinds.items()
        ],
        "passed_over": [name for name in whole.column_names if name not in kinds],
        "filled": sum(holes[name] for name in filled.column_names),
        "seconds": time.perf_counter() - began,
    }
    _tell(facts)
    print_result(facts, _text(facts), as_json=as_json, quiet=quiet)


def _chosen(table: Any, columns: str | None, drop: str | None) -> list[str]:
    """Return the columns to fill: those asked for, or all that hold numbers or categories."""
    from isthmus.data.columns import column_kind, frame_of

    frame = frame_of(table)
    assert frame is not None
    asked = _present(table, columns.split(",")) if columns else list(table.column_names)
    left_out = _present(table, drop.split(",")) if drop else []
    kept = [name for name in asked if name not in left_out]
    if not columns:
        kept = [name for name in kept if column_kind(frame, name) is not None]
    if not kept:
        raise InvalidParameterError("no column of numbers or categories is left to fill")
    return kept


def _present(table: Any, names: list[str]) -> list[str]:
    for name in names:
        if name not in table.column_names:
            raise InvalidParameterError(f"the table has no column {name!r}; it has {', '.join(table.column_names)}")
    return names


def _learned(used: Any, epochs: int | None, seed: int | None) -> AutoencoderImputer:
    from isthmus.estimators.imputation import AutoencoderImputer

    options: dict[str, Any] = {} if epochs is None else {"max_epochs": epochs}
    with warnings.catch_warnings():
        # Empty columns are said at the end, and stay in the table.
        warnings.filterwarnings("ignore", message="nothing was observed")
        return AutoencoderImputer(random_state=seed, **options).fit(used)


def _loaded(model: str) -> AutoencoderImputer:
    import isthmus

    imputer = isthmus.load(model)
    if not isinstance(imputer, isthmus.AutoencoderImputer):
        raise ModelFileError(f"{model} holds a {type(imputer).__name__}, which fills no tables; --save of impute does")
    imputer.set_params(keep_empty_features=False)
    return imputer


def _tell(facts: dict[str, Any]) -> None:
    empty = [column["name"] for column in facts["columns"] if column["kind"] == "empty"]
    if empty:
        named = ", ".join(map(repr, empty))
        say(f"nothing was observed in {named}; left as it is")
    if facts["passed_over"]:
        say(f"passed over: {', '.join(facts['passed_over'])}")


def _text(facts: dict[str, Any]) -> str:
    width = max(len(column["name"]) for column in facts["columns"])
    lines = [f"{c['name']:{width}}  {c['kind']:8}  {c['holes']:,} holes" for c in facts["columns"]]
    total = f"{facts['filled']:,} cells of {facts['rows']:,} rows filled in {facts['seconds']:.1f} s"
    return "\n".join([*lines, total])
