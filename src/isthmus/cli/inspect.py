"""``isthmus score`` and ``inspect``: evaluate and describe a model."""

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
    """Print the explained variance of the reconstruction.

    It is at most 1; below 0 the column means would be a better reconstruction.
    """
    with rows_of(data, columns, drop, key) as rows:
        explained = load_model(model).score(rows)
    print_result({"explained_variance": explained}, f"explained variance: {explained:.6f}", as_json=as_json)


def inspect(
    model: Model,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="DATA", help="Rows to encode for a report on their codes. " + DATA_HELP),
    ] = None,
    columns: Columns = None,
    drop: Drop = None,
    key: Key = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Describe a model file.

    With --data, also report on its codes of these rows: active units and reconstruction error.
    """
    loaded = load_model(model)
    facts = facts_of(loaded)
    if data is None:
        print_result(facts, facts_table(facts), as_json=as_json)
        return
    with rows_of(data, columns, drop, key) as rows, progress_of("inspect", quiet or as_json) as progress:
        report = loaded.code_statistics(rows, progress=progress)
    print_result({**facts, **report.facts()}, f"{facts_table(facts)}\n\n{report}", as_json=as_json)
