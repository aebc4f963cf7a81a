"""``isthmus demo``: the founding experiment on handwritten digits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from typer import Option

from isthmus.cli.options import Force, Json, Quiet


def demo(
    output: Annotated[Path, Option("--output", "-o", metavar="FOLDER", help="Folder for the results.")] = Path(
        "runs/demo"
    ),
    quick: Annotated[bool, Option("--quick", help="Use fewer rows and epochs.")] = False,
    data_home: Annotated[Path | None, Option(metavar="FOLDER", help="Folder with MNIST's IDX files.")] = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Compare autoencoders with PCA on handwritten digits.

    Trains the founding network, a network with the default parameters, PCA and a map; writes figures, codes and models.
    """
    from isthmus.cli.founding import run

    silent = quiet or as_json
    metrics = run(
        output, quick=quick, data_home=data_home, overwrite=force, say=(lambda text: None) if silent else print
    )
    if as_json:
        print(json.dumps(metrics))
