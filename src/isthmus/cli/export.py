"""``isthmus export``: a model as a file of other runtimes, or its codes for TensorBoard's projector."""

from __future__ import annotations

from typing import Annotated, Any

from typer import Argument, Option

from isthmus.cli.app import print_result
from isthmus.cli.options import DATA_HELP, Force, Json, Quiet, Reading, load_model, local_file, reads_rows, rows_of
from isthmus.cli.report import ImageShape, shape_of
from isthmus.core.errors import InvalidParameterError, unknown_name

_DENOISER = "denoiser"
PARTS = ("encoder", "decoder", "whole")
_Model = Annotated[
    str,
    Argument(metavar="MODEL", help=f'A model file written by fit, or "{_DENOISER}", the denoiser included in isthmus.'),
]
_Part = Annotated[
    str,
    Option(
        metavar="PART",
        help="encoder (rows to codes), decoder (codes to rows) or whole (rows to codes and reconstructions).",
        autocompletion=lambda: list(PARTS),
    ),
]
_Color = Annotated[
    str | None,
    Option(
        "--color-by",
        metavar="NAME",
        help="With --projector, what points are labelled and coloured by: a column of the table, which may be none of "
        "the model's, or a file with one label for each row.",
    ),
]
_PROJECTOR = "Write the codes of --data to a folder for TensorBoard's Embedding Projector instead."


@reads_rows
def export(
    model: _Model,
    reading: Reading,
    output: Annotated[
        str | None,
        Option("--output", "-o", metavar="FILE", help="The ONNX file. [default: the part, such as whole.onnx]"),
    ] = None,
    part: _Part = "whole",
    projector: Annotated[str | None, Option(metavar="FOLDER", help=_PROJECTOR)] = None,
    data: Annotated[str | None, Option(metavar="DATA", help="With --projector, the rows. " + DATA_HELP)] = None,
    color_by: _Color = None,
    image_shape: ImageShape = None,
    max_rows: Annotated[
        int, Option(metavar="N", min=2, help="With --projector, of more rows, a random sample is written.")
    ] = 10_000,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write a model to an ONNX file, which onnxruntime and others compute without isthmus.

    Scaling, missing masks and the encoding of a table's columns are part of the file. Needs isthmus[onnx].
    """
    if (projector is None) != (data is None):
        raise InvalidParameterError("--projector FOLDER and --data DATA need each other: it shows the codes of rows")
    if projector is None:
        if color_by is not None or image_shape is not None:
            raise InvalidParameterError("--color-by and --image-shape are for --projector")
        _write_onnx(model, output, part, force=force, quiet=quiet, as_json=as_json)
        return
    if output is not None:
        raise InvalidParameterError("-o is for an ONNX file and cannot be combined with --projector")
    from isthmus.export.projector import to_projector

    shape, loaded = shape_of(image_shape), load_model(model)
    with local_file(str(data)) as path, rows_of(path, reading.without([color_by])) as rows:
        options: dict[str, Any] = {"color": color_by, "image_shape": shape, "max_rows": max_rows, "overwrite": force}
        found = to_projector(loaded, rows, projector, **options)
    text = (
        f"{projector}: {found.n_rows:,} rows in {', '.join(found.files)}; tensorboard --logdir {projector} shows them"
    )
    facts = {"output": projector, "rows": found.n_rows, "files": list(found.files)}
    print_result(facts, text, as_json=as_json, quiet=quiet)


def _write_onnx(model: str, output: str | None, part: str, *, force: bool, quiet: bool, as_json: bool) -> None:
    from isthmus.core.files import check_writable
    from isthmus.export.onnx import to_onnx

    if part not in PARTS:
        raise unknown_name("--part", part, PARTS)
    if output == "-":
        raise InvalidParameterError("-o -: a model cannot be written to stdout; give the path of a file")
    target = output or f"{part}.onnx"
    if not target.lower().endswith(".onnx"):
        raise InvalidParameterError(f"-o {target} must end in .onnx")
    check_writable(target, overwrite=force, reads=[model])
    proto = to_onnx(_loaded(model), target, part, overwrite=force)
    inputs, outputs = _names(proto.graph.input), _names(proto.graph.output)
    facts = {"output": target, "part": part, "inputs": inputs, "outputs": outputs, "bytes": proto.ByteSize()}
    text = f"{target}: {_listed(inputs)} to {_listed(outputs)}, {proto.ByteSize() / 1e6:.2f} MB"
    print_result(facts, text, as_json=as_json, quiet=quiet)


def _loaded(model: str) -> Any:
    from pathlib import Path

    import isthmus

    if model == _DENOISER and not Path(model).exists():
        from isthmus.images.denoiser import Denoiser

        return Denoiser.shipped()
    return isthmus.load(model)


def _names(values: Any) -> list[str]:
    return [value.name for value in values]


def _listed(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"
