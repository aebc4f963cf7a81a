"""``isthmus plot``: a figure of a model and rows."""

from __future__ import annotations

from typing import Annotated, Any

from typer import Argument, Option

from isthmus.cli.app import print_result
from isthmus.cli.options import Data, Force, Json, Model, Quiet, Reading, load_model, local_file, reads_rows, rows_of
from isthmus.cli.report import Color, ImageShape, check_target, shape_of
from isthmus.core.errors import InvalidParameterError, suggest

# The kinds of `isthmus.estimators.plotting.PLOTS`, whose import would slow --help down.
KINDS = (
    *("codes", "atlas", "manifold", "reconstructions", "error_maps", "history", "weights", "code_histograms"),
    *("correlations", "atoms", "density", "activation_against_target", "top_rows", "parts", "gallery", "tradeoffs"),
    *("outliers", "morph"),
)
_SUFFIXES = (".png", ".svg", ".pdf")
_Kind = Annotated[str, Argument(metavar="KIND", help=f"One of {', '.join(KINDS)}.", autocompletion=lambda: list(KINDS))]
_Units = Annotated[str | None, Option(metavar="N,N", help="Units of the code to draw, such as 0,1.")]
_Number = Annotated[int | None, Option("--number", "-n", metavar="N", min=1, help="How many rows or units to draw.")]


@reads_rows
def plot(
    model: Model,
    data: Data,
    kind: _Kind,
    reading: Reading,
    output: Annotated[str, Option("--output", "-o", metavar="FILE", help="A file: .png, .svg or .pdf.")] = "",
    color_by: Color = None,
    units: _Units = None,
    number: _Number = None,
    image_shape: ImageShape = None,
    title: Annotated[str | None, Option(metavar="TEXT", help="Title of the figure.")] = None,
    dark: Annotated[bool, Option("--dark", help="Draw for a dark background.")] = False,
    max_rows: Annotated[int, Option(metavar="N", min=2, help="Of more rows, draw a random sample.")] = 10_000,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Draw a figure of a model and rows into a file.

    Each kind is a figure of isthmus.plots. Codes, atlas and manifold can be coloured by --color-by; those that draw
    pictures need rows whose shape the model knows, or --image-shape; outliers needs a model that isthmus outliers
    --save wrote.
    """
    if kind not in KINDS:
        raise InvalidParameterError(f"KIND {kind} must be one of {', '.join(KINDS)}{suggest(kind, KINDS)}")
    target = output or f"{kind}.png"
    if not target.lower().endswith(_SUFFIXES):
        raise InvalidParameterError(f"--output {target} must end in one of {', '.join(_SUFFIXES)}")
    check_target(target, (model, data, color_by), overwrite=force)
    options: dict[str, Any] = {"color": color_by, "units": _units(units), "n": number}
    options |= {"image_shape": shape_of(image_shape), "title": title, "dark": dark, "max_rows": max_rows}
    from isthmus.estimators.plotting import plot as figure_of
    from isthmus.evaluation.plots import save

    loaded = _load(model, kind)
    with local_file(data) as path, rows_of(path, reading.without([color_by])) as rows:
        save(figure_of(loaded, rows, kind, **options), target, overwrite=force)
    print_result({"figure": target, "kind": kind}, target, as_json=as_json, quiet=quiet)


def _load(model: str, kind: str) -> Any:
    import isthmus

    return isthmus.load(model) if kind == "outliers" else load_model(model)


def _units(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(unit) for unit in text.split(",")]
    except ValueError:
        raise InvalidParameterError(f"--units {text} must be numbers of units, such as 0,1") from None
