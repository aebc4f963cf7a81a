"""``isthmus score`` and ``inspect``: evaluate and describe a model."""

from __future__ import annotations

import contextlib
import math
from operator import mul
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from isthmus.cli.app import print_result, progress_of, say
from isthmus.cli.options import DATA_HELP, Data, Json, Model, Quiet, Reading, load_model, reads_rows, rows_of
from isthmus.core.errors import InvalidParameterError, IsthmusError

if TYPE_CHECKING:
    from isthmus.estimators.autoencoder import Autoencoder

_MAX_NAMES = 12
_AS_CONFIG = "Print the options that repeat the fit as a TOML file, for fit --config."


@reads_rows
def score(
    model: Model,
    data: Data,
    reading: Reading,
    weights: Annotated[str | None, Option(metavar="NAME", help="A column of weights of the rows, each >= 0.")] = None,
    as_json: Json = False,
) -> None:
    """Print the explained variance of the reconstruction.

    It is at most 1; below 0 the column means would be a better reconstruction.
    """
    with rows_of(data, reading) as rows:
        explained = load_model(model).score(rows, sample_weight=weights)
    print_result({"explained_variance": explained}, f"explained variance: {explained:.6f}", as_json=as_json)


@reads_rows
def inspect(
    model: Annotated[str, Argument(metavar="MODEL", help="A model file written by fit, or a table.")],
    reading: Reading,
    data: Annotated[
        str | None, Option("--data", metavar="DATA", help="Rows to encode for a report on their codes. " + DATA_HELP)
    ] = None,
    as_config: Annotated[bool, Option("--as-config", help=_AS_CONFIG)] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Describe a model file, or the columns of a table.

    With --data, also report on the model's codes of these rows: active units and reconstruction error. Of a table, list
    the kind of each column, its levels or range, and the missing cells.
    """
    if as_config:
        _print_config(model, data, as_json=as_json)
        return
    if data is None and _is_table(model):
        _inspect_table(model, reading, as_json=as_json)
        return
    loaded = load_model(model)
    facts = facts_of(loaded)
    if data is None:
        print_result(facts, facts_table(facts), as_json=as_json)
        return
    with rows_of(data, reading) as rows, progress_of("inspect", quiet or as_json) as progress:
        report = loaded.code_statistics(rows, progress=progress)
    print_result({**facts, **report.facts()}, f"{facts_table(facts)}\n\n{report}", as_json=as_json)


def _print_config(model: str, data: str | None, *, as_json: bool) -> None:
    from isthmus.cli.as_config import as_config

    for other, given in (("--data", data is not None), ("--json", as_json)):
        if given:
            raise InvalidParameterError(f"--as-config prints a TOML file and cannot be combined with {other}")
    text, doubts = as_config(load_model(model))
    for doubt in doubts:
        say(f"{model}: {doubt}")
    print(text, end="")


def _is_table(path: str) -> bool:
    """Whether a path is that of a table, and of no model that has the name of one."""
    from isthmus.core.persistence import read_header
    from isthmus.data.sources.opening import source_kind
    from isthmus.data.sources.tables import TableSource

    try:
        kind = source_kind(path)
    except IsthmusError:
        return False
    if not (isinstance(kind, type) and issubclass(kind, TableSource)):
        return False
    with contextlib.suppress(IsthmusError):
        read_header(path)
        return False
    return True


def _inspect_table(path: str, reading: Reading, *, as_json: bool) -> None:
    from isthmus.data.encoding.summary import line_of, summarize
    from isthmus.data.sources import CsvSource, open_source

    source: Any = open_source(path, kinds={}, **reading.selection(path))
    integers = source.integers if isinstance(source, CsvSource) else ()
    n_rows, columns = summarize((frame for frame, _ in source.frames()), integers)
    facts = {"kind": "table", "rows": n_rows, "columns": columns}
    width = max([17, *(len(column["name"]) for column in columns)])
    lines = [("rows", f"{n_rows:,}"), ("columns", str(len(columns))), ("", "")]
    lines += [(column["name"], line_of(column)) for column in columns]
    print_result(facts, "\n".join(f"{name:{width}} {text}".rstrip() for name, text in lines), as_json=as_json)


def facts_of(model: Autoencoder) -> dict[str, Any]:
    """Return the structure, the settings and the training results of a model."""
    import jax

    network, history, best = model.network_, model.history_, model.best_iter_
    validation = history.get("validation_loss", [])
    names = getattr(model, "feature_names_in_", None)
    waiting = None  # the fraction of the training time spent waiting for rows
    if history.get("waiting"):
        waiting = sum(map(mul, history["waiting"], history["seconds"])) / sum(history["seconds"])
    return {
        "kind": type(model).__name__,
        "features": model.n_features_in_,
        "components": model.n_components_,
        "encoder": list(network.encoder_widths) or None,
        "decoder": list(network.decoder_widths) or None,
        "activation": None if network.activation is None else str(network.activation),
        "code_activation": str(network.code_activation),
        "output_activation": str(network.output_activation),
        "linear_path": network.linear_path,
        "weights": sum(leaf.size for leaf in jax.tree.leaves(model.params_)),
        "scaling": model.scaler_.kind,
        "extreme_values": _extreme_values(model.scaler_, names),
        "image_shape": model.image_shape_,
        "epochs": model.n_iter_,
        "best_epoch": best,
        "loss": model.loss_,
        "validation_loss": validation[best - 1] if 0 < best <= len(validation) else None,
        "waiting": waiting,
        "seed": model.seed_,
        "feature_names": None if names is None else [str(name) for name in names],
        "columns": _columns(model),
        **_facts_of_variational(model),
        **_facts_of_codebook(model),
    }


def _facts_of_variational(model: Any) -> dict[str, Any]:
    """Return what a variational autoencoder has besides; nothing of others."""
    if not hasattr(model, "n_active_units_"):
        return {}
    likelihood = model.likelihood if isinstance(model.likelihood, str) else repr(model.likelihood)
    return {"likelihood": likelihood, "elbo": model.elbo_, "active_units": model.n_active_units_}


def _facts_of_codebook(model: Any) -> dict[str, Any]:
    """Return what a vector-quantised autoencoder has besides; nothing of others."""
    if not hasattr(model, "usage_"):
        return {}
    groups, n_codes = model.usage_.shape
    facts = {"groups": groups, "entries": n_codes, "bits": groups * math.log2(n_codes)}
    return {**facts, "perplexity": float(model.perplexity_.mean()), "unused_entries": model.n_unused_codes_}


def _columns(model: Autoencoder) -> list[dict[str, Any]] | None:
    """Return the kinds of the columns of a model of a table of mixed columns."""
    from isthmus.data.encoding.summary import facts_of_column
    from isthmus.estimators.inputs import mixed_encoding

    encoding = mixed_encoding(model)
    return None if encoding is None else [facts_of_column(column) for column in encoding.columns]


def _extreme_values(scaler: Any, names: Any) -> dict[str, float] | None:
    """Return the columns that are scaled by median and quartiles, and how far their deviation is from these."""
    extreme = getattr(scaler, "extreme", None)
    if extreme is None:
        return None
    return {str(place if names is None else names[place]): float(extreme[place]) for place in extreme.nonzero()[0]}


def facts_table(facts: dict[str, Any]) -> str:
    """Return facts as lines of text, omitting None."""
    from isthmus.data.encoding.summary import line_of

    facts = {name: value for name, value in facts.items() if value is not None}
    columns = facts.pop("columns", [])
    width = max([17, *(len(column["name"]) for column in columns)])
    lines = [f"{name.replace('_', ' '):18}{_cell(value)}" for name, value in facts.items()]
    lines += [f"\n{columns[0]['name']:{width}} {line_of(columns[0])}"] if columns else []
    return "\n".join([*lines, *(f"{column['name']:{width}} {line_of(column)}" for column in columns[1:])])


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        listed = _cell([f"{name} ({ratio:.3g} x)" for name, ratio in value.items()])
        return f"{listed}: a few cells are far out, scaled by median and quartiles (deviation as a multiple of theirs)"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        more = f", … {len(value) - _MAX_NAMES} more" if len(value) > _MAX_NAMES else ""
        return ", ".join(value[:_MAX_NAMES]) + more
    if isinstance(value, list | tuple):
        return (" -> " if isinstance(value, list) else " x ").join(map(str, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)
