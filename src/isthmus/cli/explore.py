"""``isthmus explore``: a local web page that shows the codes of rows, and decodes them."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from isthmus.cli.app import progress_of, say
from isthmus.cli.options import Data, Model, Quiet, Reading, load_model, reads_rows, rows_of
from isthmus.cli.report import ImageShape, shape_of
from isthmus.core.errors import InvalidParameterError

if TYPE_CHECKING:
    from isthmus.explore.explored import Explored

_NEEDED = ("starlette", "uvicorn")
_ColorBy = Annotated[
    str | None,
    Option(
        metavar="NAME",
        help="What points are coloured by at first: a column of the table, also one that is no feature, or a file with "
        "one label for each row. [default: the reconstruction error]",
    ),
]
_Host = Annotated[
    str,
    Option(
        metavar="ADDRESS",
        help="The address to listen at. Where other machines reach it, the page needs a token, which is printed.",
    ),
]
_Sample = Annotated[
    int | None,
    Option(
        metavar="N",
        min=1,
        help="Show a random sample of so many rows. [default: all, or a million]",
        show_default=False,
    ),
]


@reads_rows
def explore(
    model: Model,
    data: Data,
    reading: Reading,
    color_by: _ColorBy = None,
    sample: _Sample = None,
    image_shape: ImageShape = None,
    host: _Host = "127.0.0.1",
    port: Annotated[int, Option(metavar="N", min=0, max=65535, help="The port; 0 is a free one.")] = 0,
    browser: Annotated[bool, Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
    quiet: Quiet = False,
) -> None:
    """Look at the codes of rows in the browser, and decode them.

    The page is a map of the codes: point at a row to see it and its reconstruction, drag over the plane to see what the
    model decodes there, draw around rows to see what sets them apart and to save their codes. It is answered by this
    process, for this machine alone unless --host says otherwise, and needs no internet. Ctrl-C ends it.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise InvalidParameterError(
            f'isthmus explore needs {" and ".join(missing)}, which is not installed; run pip install "isthmus[explore]"'
        )
    from pathlib import Path
    from threading import Thread

    from isthmus.explore import explorer, serving

    shape = shape_of(image_shape)
    listener = serving.listening(host, port)
    with listener, rows_of(data, reading) as rows:
        explored, others, first = _explored(model, rows, color_by, sample, shape, quiet)
        port = listener.getsockname()[1]
        access = serving.access_of(host, port)
        app = explorer(
            explored, title=f"{Path(model).name} · {Path(data).name}", others=others, color_by=first, access=access
        )
        address = serving.address_of(host, port, access)
        shown = f"{explored.n_rows:,} rows" + (
            f", a sample of {explored.n_all:,}" if explored.n_rows < explored.n_all else ""
        )

        def opened() -> None:
            if browser:
                serving.open_browser(address)
            explored.warm()

        def started() -> None:
            print(f"{address}   ({shown}; Ctrl-C ends)", flush=True)
            Thread(target=opened, daemon=True).start()

        serving.serve(app, listener, started=started)
        explored.end()


def _explored(
    model: str, rows: Any, color_by: str | None, sample: int | None, shape: tuple[int, ...] | None, quiet: bool
) -> tuple[Explored, dict[str, Any], str | None]:
    """Return the rows with their codes, their further columns, and the name that they are coloured by at first."""
    from pathlib import Path

    from isthmus.explore import Explored
    from isthmus.explore.others import labels_file, other_columns

    with progress_of("encode", quiet) as progress:
        explored = Explored(load_model(model), rows, sample=sample, image_shape=shape, progress=progress)
    others = other_columns(explored, rows)
    if color_by is not None and color_by not in others and color_by not in explored.names and Path(color_by).exists():
        name = Path(color_by).stem
        others = {name: labels_file(explored, color_by), **others}
        color_by = name
    if explored.n_rows < explored.n_all and sample is None and not quiet:
        say(f"showing a random sample of {explored.n_rows:,} of {explored.n_all:,} rows; --sample shows more or fewer")
    return explored, others, color_by
