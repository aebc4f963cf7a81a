"""``isthmus outliers``: which rows of a table are outliers, and which columns make them so."""

from __future__ import annotations

import dataclasses
import os
import time
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from isthmus.cli import options
from isthmus.cli.app import print_result, progress_of, takes_stdout
from isthmus.cli.logs import writes_log
from isthmus.cli.options import Data, Force, Json, Keep, Quiet, Reading, rows_of
from isthmus.core.errors import InvalidParameterError
from isthmus.core.parameters import parameters_of
from isthmus.estimators.outlier_parameters import OutlierParameters

if TYPE_CHECKING:
    from isthmus.estimators.outliers import AutoencoderOutlierDetector

_LISTED = 3  # columns of a row that are printed
_PRINTED_BY_FIT = ("warm_start", "verbose", "display_step")
PARAMETERS = {
    name: declared for name, declared in parameters_of(OutlierParameters).items() if name not in _PRINTED_BY_FIT
}
_Output = Annotated[
    str | None,
    Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Scores, percentiles and outliers (1 or 0) of all rows: .csv, .csv.gz, .parquet, .feather, .npy or a URL; "
        "- writes CSV to stdout.",
    ),
]
_Model = Annotated[
    str | None, Option(metavar="MODEL", help="Score with a detector written by --save, without training.")
]


@writes_log
@options.with_parameters_of(PARAMETERS)
@options.reads_rows
def outliers(
    data: Data,
    reading: Reading,
    output: _Output = None,
    model: _Model = None,
    save: Annotated[str | None, Option(metavar="MODEL", help="Write the fitted detector to this file.")] = None,
    top: Annotated[int, Option(metavar="N", min=0, help="Print so many of the rows with the largest scores.")] = 10,
    keep: Keep = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
    **given: Any,
) -> None:
    """Find rows that are unlike the others, and the columns that make them so.

    The detector learns from DATA without labels, or is read with --model. Scores are 1 for the median row that it
    learned from, and larger for outliers. Rows are numbered from 0. Columns named by --keep are not learned from.
    """
    is_stdout = takes_stdout(output, as_json=as_json)
    values = options.values_of(PARAMETERS, given)
    if model is not None and (values or save):
        named = "save" if save else PARAMETERS[next(iter(values))].option
        raise InvalidParameterError(f"--{named} cannot be combined with --model, which is fitted already")
    start = time.perf_counter()
    with options.local_file(data) as path:
        _check_targets(path, output, save, model, overwrite=force)
        detector: AutoencoderOutlierDetector
        if model is None:
            detector = _fitted(path, reading, keep, values)
        else:
            detector = options.load_of(model, "AutoencoderOutlierDetector", "is no outlier detector", "outliers")
        if save is not None:
            detector.save(save, overwrite=force)
        whole = dataclasses.replace(reading, columns=None, drop=None) if keep else reading
        with rows_of(path, whole) as rows, progress_of("outliers", quiet) as progress:
            names = whole.names(keep, rows) or None
            found = detector.anomaly_score_to(
                rows, output, keep=names, progress=progress, overwrite=force, top=max(top, 0)
            )
    facts = _facts(detector, found, output) | {"seconds": time.perf_counter() - start}
    print_result(facts, _text(facts), as_json=as_json, quiet=quiet or is_stdout)


def _check_targets(data: str, output: str | None, save: str | None, model: str | None, *, overwrite: bool) -> None:
    """Refuse files that cannot be written before the fit rather than after it."""
    from isthmus.core.files import check_writable, is_stdout
    from isthmus.data.sources.places import is_url, local_files

    reads: list[Any] = [*local_files(data), *([] if model is None else [model])]
    for target in (output, save):
        if target is not None and target != options.STANDARD and not is_url(target):
            check_writable(target, overwrite=overwrite, reads=reads)
    if save is not None and is_stdout(save):
        raise InvalidParameterError(f"--save {save}: a model cannot be written to stdout; give the path of a file")
    if save is not None and output is not None and os.path.realpath(save) == os.path.realpath(output):
        raise InvalidParameterError(f"--output and --save are both {output}; give each its own file")


def _fitted(path: str, reading: Reading, keep: list[str] | None, values: dict[str, Any]) -> AutoencoderOutlierDetector:
    from isthmus.estimators.outliers import AutoencoderOutlierDetector

    without = (
        reading if not keep or reading.columns else dataclasses.replace(reading, drop=[*(reading.drop or ()), *keep])
    )
    with rows_of(path, without) as rows:
        return AutoencoderOutlierDetector(**values).fit(rows)


def _facts(detector: AutoencoderOutlierDetector, found: Any, output: str | None) -> dict[str, Any]:
    names = [str(name) for name in getattr(detector, "feature_names_in_", range(detector.n_features_in_))]
    rows = zip(found.rows, found.scores, found.percentiles, found.contributions, strict=True)
    top = [
        {"row": int(row), "score": float(score), "percentile": float(percentile), "columns": _shares(names, parts)}
        for row, score, percentile, parts in rows
    ]
    return {
        "output": output,
        "rows": found.n_rows,
        "outliers": found.n_outliers,
        "threshold": detector.threshold_,
        "top": top,
    }


def _shares(names: list[str], parts: Any) -> dict[str, float]:
    """Return the shares of a score by column, the largest first, of columns that have any."""
    order = (-parts).argsort(kind="stable")
    return {names[place]: float(parts[place] / parts.sum()) for place in order if parts[place] > 0}


def _text(facts: dict[str, Any]) -> str:
    where = "" if facts["output"] is None else f"{facts['output']}: "
    lines = [
        f"{where}{facts['rows']:,} rows, {facts['outliers']:,} outliers (score > {facts['threshold']:.4g}), "
        f"{facts['seconds']:.1f} s"
    ]
    if facts["top"]:
        lines += ["", f"{'row':>10}  {'score':>10}  {'percentile':>10}  largest contributions"]
    for row in facts["top"]:
        listed = ", ".join(f"{name} {share:.0%}" for name, share in [*row["columns"].items()][:_LISTED])
        lines.append(f"{row['row']:>10,}  {row['score']:>10.4g}  {row['percentile']:>10.3f}  {listed}")
    return "\n".join(lines)
