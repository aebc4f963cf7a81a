"""``isthmus export``: a model as a file of other runtimes."""

from __future__ import annotations

from typing import Annotated, Any

from typer import Argument, Option

from isthmus.cli.app import print_result
from isthmus.cli.options import Force, Json, Quiet
from isthmus.core.errors import InvalidParameterError, unknown_name

_DENOISER = "denoiser"
PARTS = ("encoder", "decoder", "whole")
_Model = Annotated[
    str,
    Argument(metavar="MODEL", help=f'A model file written by fit, or "{_DENOISER}", the denoiser included in isthmus.'),
]
_Output = Annotated[str, Option("--output", "-o", metavar="FILE", help="The file to write, such as model.onnx.")]
_Part = Annotated[
    str,
    Option(
        metavar="PART",
        help="encoder (rows to codes), decoder (codes to rows) or whole (rows to codes and reconstructions).",
        autocompletion=lambda: list(PARTS),
    ),
]


def export(
    model: _Model,
    output: _Output = "",
    part: _Part = "whole",
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write a model to an ONNX file, which onnxruntime and others compute without isthmus.

    Scaling, missing masks and the encoding of a table's columns are part of the file. Needs isthmus[onnx].
    """
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
    inputs, outputs = [_of(proto.graph.input), _of(proto.graph.output)]
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


def _of(values: Any) -> list[str]:
    return [value.name for value in values]


def _listed(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"
