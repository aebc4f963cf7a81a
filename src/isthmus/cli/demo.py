"""``isthmus demo``: the founding experiment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli.arguments import Json, Quiet


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where results go.")] = Path(
        "runs/demo"
    ),
    quick: Annotated[bool, typer.Option("--quick", help="Fewer rows and epochs.")] = False,
    data_home: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where MNIST's IDX files are.")] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train the founding network, our defaults and PCA on handwritten digits, and draw them side by side."""
    from isthmus.cli.founding import run

    silent = quiet or as_json
    metrics = run(output, quick=quick, data_home=data_home, say=(lambda text: None) if silent else print)
    if as_json:
        print(json.dumps(metrics))
