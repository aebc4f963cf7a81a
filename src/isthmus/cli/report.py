"""``isthmus report``: a model and rows to one HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from typer import Option

from isthmus.cli.app import print_result, progress_of, takes_stdout
from isthmus.cli.options import Data, Force, Json, Model, Quiet, Reading, load_model, local_file, reads_rows, rows_of
from isthmus.core.errors import InvalidParameterError

_Output = Annotated[str, Option("--output", "-o", metavar="FILE", help="The file to write, such as report.html.")]
Color = Annotated[
    str | None,
    Option(
        metavar="NAME",
        help="What colours the map at first: a column of the table, which may be none of the model's, or a file with "
        "one label for each row.",
    ),
]
ImageShape = Annotated[
    str | None,
    Option(metavar="H,W", help="Height and width of rows that are pictures. [default: what the model knows]"),
]


@reads_rows
def report(
    model: Model,
    data: Data,
    reading: Reading,
    output: _Output = "report.html",
    color_by: Color = None,
    image_shape: ImageShape = None,
    max_rows: Annotated[int, Option(metavar="N", min=2, help="Of more rows, read a random sample.")] = 1_000_000,
    language: Annotated[str, Option(metavar="NAME", help="Language of the page: en or zh.")] = "en",
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write a report on a model and rows: one HTML file, which opens without a network and can be printed.

    It has the settings and how to repeat the fit, an interactive map of the codes with the decoder inside the page, the
    reconstruction next to PCA's, learning curves, distributions of the codes, the units of a sparse code, the error of
    a denoiser against noise, and possible problems of the rows.
    """
    from isthmus.estimators.report.collecting import check_suffix, name_of
    from isthmus.estimators.report.collecting import report as report_on
    from isthmus.evaluation.report.texts import LANGUAGES

    if language not in LANGUAGES:
        raise InvalidParameterError(f"--language {language} must be one of {', '.join(LANGUAGES)}")
    if output == "-":
        raise InvalidParameterError("-o -: a report cannot be written to stdout; give the path of a file")
    is_stdout = takes_stdout(output, as_json=as_json)
    check_target(output, (model, data, color_by), overwrite=force)
    check_suffix(output)
    shape, loaded = shape_of(image_shape), load_model(model)
    with local_file(data) as path, rows_of(path, reading.without([color_by])) as rows:
        with progress_of("report", quiet or as_json) as progress:
            made = report_on(
                loaded,
                rows,
                color=color_by,
                name=name_of(data),
                image_shape=shape,
                max_rows=max_rows,
                language=language,
                progress=progress,
            )
        made.save(output, overwrite=force)
    n_rows, size = made.facts.about.rows, len(made.html.encode("utf-8"))
    facts, text = {"report": output, "rows": n_rows, "bytes": size}, f"{output}: {n_rows:,} rows, {size / 1e6:.1f} MB"
    print_result(facts, text, as_json=as_json, quiet=quiet or is_stdout)


def check_target(output: str, reads: Sequence[str | None], *, overwrite: bool) -> None:
    """Refuse a file that cannot be written, or that is read, before the work rather than after it."""
    from isthmus.core.files import check_writable
    from isthmus.data.sources.places import local_files

    files: list[Any] = [file for one in reads if one is not None for file in local_files(one)]
    check_writable(output, overwrite=overwrite, reads=files)


def shape_of(text: str | None) -> tuple[int, ...] | None:
    """Return the shape of a picture that an option gives as text."""
    if text is None:
        return None
    try:
        return tuple(int(side) for side in text.replace("x", ",").split(","))
    except ValueError:
        raise InvalidParameterError(f"--image-shape {text} must be H,W or H,W,CHANNELS, such as 28,28") from None
