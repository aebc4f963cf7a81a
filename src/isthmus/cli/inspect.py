"""``isthmus score`` and ``inspect``: how good a model is and what it holds."""

from __future__ import annotations

from typing import Annotated

import typer

from isthmus.cli.app import print_result, progress_of
from isthmus.cli.arguments import DATA_HELP, Columns, Data, Drop, Json, Key, Model, Quiet, load_model, rows_of
from isthmus.cli.facts import facts_of, facts_table


def score(
    model: Model,
    data: Data,
    columns: Columns = None,
    drop: Drop = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Print the share of the rows' variance that is rebuilt: 1 is all of it, below 0 is worse than the mean."""
    with rows_of(data, columns, drop, key) as rows:
        share = load_model(model).score(rows)
    print_result({"explained_variance": share}, f"explained variance: {share:.6f}", as_json=as_json)


def inspect(
    model: Model,
    data: Annotated[
        str | None, typer.Option("--data", metavar="DATA", help="Rows whose codes to look at. " + DATA_HELP)
    ] = None,
    columns: Columns = None,
    drop: Drop = None,
    key: Key = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Print what a model file holds and, with --data, what its codes of rows are like and how close these come back."""
    loaded = load_model(model)
    facts = facts_of(loaded)
    if data is None:
        print_result(facts, facts_table(facts), as_json=as_json)
        return
    with rows_of(data, columns, drop, key) as rows, progress_of("inspect", quiet or as_json) as progress:
        report = loaded.code_statistics(rows, progress=progress)
    print_result({**facts, **report.facts()}, f"{facts_table(facts)}\n\n{report}", as_json=as_json)
