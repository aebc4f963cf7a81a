"""``isthmus compare``: PCA, an autoencoder and a map of the same rows, in one table and one figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from isthmus.cli import options
from isthmus.cli.app import print_result, say
from isthmus.cli.logs import writes_log
from isthmus.cli.options import Data, Force, Json, Quiet, Reading, rows_of
from isthmus.core.errors import InvalidParameterError
from isthmus.estimators.method_parameters import ALL

if TYPE_CHECKING:
    from isthmus.estimators.comparing import Comparison

PARAMETERS = {name: ALL[name] for name in ("hidden_layer_sizes", "max_epochs", "batch_size", "scaling", "device")}
_Labels = Annotated[
    str | None,
    Option(
        metavar="NAME",
        help="Classes of the rows: a column of the table, which is then no feature, or a file with one for each row.",
    ),
]
_Figure = Annotated[
    str | None, Option("--output", "-o", metavar="FILE", help="Draw the codes side by side: .png, .svg or .pdf.")
]


@writes_log
@options.with_parameters_of(PARAMETERS)
@options.reads_rows
def compare(
    data: Data,
    reading: Reading,
    output: _Figure = None,
    labels: _Labels = None,
    components: Annotated[int, Option(metavar="N", min=1, help="Width of the codes.")] = 2,
    max_rows: Annotated[int, Option(metavar="N", min=20, help="Compare on a random sample of so many rows.")] = 10_000,
    seed: Annotated[int, Option(metavar="N", min=0, help="Seed of the sample and of training.")] = 0,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
    **given: Any,
) -> None:
    """Compare PCA, an autoencoder and a map of rows.

    All learn from the same four fifths of the rows and are evaluated on the others: the mean squared error of their
    reconstructions in scaled units, the share of the variance that these explain, the 5-NN accuracy of their codes,
    where --labels names classes, and trustworthiness: whether neighbours among the codes are neighbours among the rows.
    """
    from isthmus.estimators import comparing
    from isthmus.estimators.labelling import divided

    values = options.values_of(PARAMETERS, given)
    _check_target(output, [data, labels], overwrite=force)
    with options.local_file(data) as path, rows_of(path, reading.without([labels])) as rows:
        features, classes = (rows, None) if labels is None else divided(rows, labels)
        found = comparing.compare(
            features,
            classes,
            n_components=components,
            max_rows=max_rows,
            seed=seed,
            settings=values,
            say=(lambda name: None) if quiet or as_json else lambda name: say(f"fitting {name}"),
        )
    if output is not None:
        _draw(found, labels, output, overwrite=force)
    facts = _facts(found) | {"figure": output}
    print_result(facts, _text(facts, data), as_json=as_json, quiet=quiet)


def _check_target(output: str | None, reads: list[str | None], *, overwrite: bool) -> None:
    """Refuse a figure that cannot be written before the fits rather than after them."""
    from pathlib import Path

    from isthmus.core.files import check_writable
    from isthmus.data.sources.places import local_files

    if output is None:
        return
    suffixes = (".png", ".svg", ".pdf")
    if Path(output).suffix.lower() not in suffixes:
        raise InvalidParameterError(f"--output {output} must end in one of {', '.join(suffixes)}")
    files: list[Any] = [file for one in reads if one is not None for file in local_files(one)]
    check_writable(output, overwrite=overwrite, reads=files)


def _draw(found: Comparison, labels: str | None, output: str, *, overwrite: bool) -> None:
    from isthmus.evaluation import plots

    sets = {}
    for name, one in found.methods.items():
        accuracy = "" if one.accuracy is None else f"{found.n_neighbors}-NN {one.accuracy:.3f}, "
        sets[f"{name}\n{accuracy}trustworthiness {one.trustworthiness:.3f}"] = one.codes
    plots.save(plots.codes(sets, found.test_labels, label_name=labels), output, overwrite=overwrite)


def _facts(found: Comparison) -> dict[str, Any]:
    names = ("error", "explained", "accuracy", "trustworthiness", "seconds")
    return {
        "rows": found.n_rows,
        "features": found.n_features,
        "train_rows": found.n_train,
        "test_rows": found.n_test,
        "n_neighbors": found.n_neighbors,
        "models": {name: {key: getattr(one, key) for key in names} for name, one in found.methods.items()},
    }


def _text(facts: dict[str, Any], data: str) -> str:
    near = f"{facts['n_neighbors']}-NN accuracy"
    lines = [
        f"{data}: {facts['rows']:,} rows of {facts['features']:,} columns, {facts['train_rows']:,} for training and "
        f"{facts['test_rows']:,} for evaluation",
        f"{'':12}{'error':>10}{'explained':>11}{near:>15}{'trustworthiness':>17}{'seconds':>9}",
    ]
    for name, one in facts["models"].items():
        accuracy = "-" if one["accuracy"] is None else f"{one['accuracy']:.3f}"
        lines.append(
            f"{name:12}{one['error']:>10.4g}{one['explained']:>11.3f}{accuracy:>15}{one['trustworthiness']:>17.3f}"
            f"{one['seconds']:>9.1f}"
        )
    return "\n".join(lines if facts["figure"] is None else [*lines, f"The codes are drawn in {facts['figure']}"])
