"""``isthmus denoise``: remove noise from pictures."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Annotated

import typer
from typer import Argument, Option

from isthmus.cli.app import print_result, say
from isthmus.cli.options import Json, Quiet, load_model

_OnPicture = Callable[[str | None], None]  # called after each picture with the line to print, or None

_Inputs = Annotated[
    list[str], Argument(metavar="IN...", help='Pictures, folders, zips of pictures, or patterns such as "**/*.jpg".')
]
_Output = Annotated[
    str, Option("--output", "-o", metavar="OUT", help="A file for one picture; a folder or a .zip for several.")
]
_NOISE_HELP = "Standard deviation of the noise on a scale of 0 to 255, for any bit depth. [default: estimated]"
_Noise = Annotated[float | None, Option(metavar="NUMBER", help=_NOISE_HELP)]
_Model = Annotated[
    str | None, Option(metavar="MODEL", help="A model that denoises pictures. [default: the one included in isthmus]")
]


def denoise(
    inputs: _Inputs,
    output: _Output,
    noise: _Noise = None,
    model: _Model = None,
    force: Annotated[bool, Option("--force", help="Overwrite existing files, including IN.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Remove noise from pictures.

    Names, sizes, bit depths and metadata are kept. Pictures that cannot be read are skipped and listed at the end; the
    exit code is then 1.
    """
    from isthmus.images.cleaning import clean_files

    start = time.perf_counter()
    estimator = None if model is None else load_model(model)
    cleaning = clean_files(inputs, output, noise=noise, model=estimator, force=force)
    results = []
    with _progress(len(cleaning), quiet or as_json) as on_picture:
        for done in cleaning:
            results.append(done)
            if done.error or quiet or as_json:
                on_picture(None)
            else:
                level = f"{done.noise:.1f}{' (estimated)' if noise is None else ''}"
                on_picture(f"{done.out}: noise {level}, {done.seconds:.1f} s")
    failed = [done.error for done in results if done.error]
    seconds = time.perf_counter() - start
    facts = {
        "cleaned": len(results) - len(failed),
        "failed": len(failed),
        "seconds": seconds,
        "pictures": [done._asdict() for done in results],
    }
    count = f"{len(results)} picture{'s' * (len(results) > 1)} in {seconds:.1f} s"
    print_result(facts, count, as_json=as_json, quiet=quiet or bool(failed) or len(results) == 1)
    if len(results) > 1 and failed:
        say(f"{len(failed)} of {len(results)} pictures could not be cleaned:")
    for error in failed:
        say(error)
    if failed:
        raise typer.Exit(1)


@contextlib.contextmanager
def _progress(n_pictures: int, quiet: bool) -> Iterator[_OnPicture]:
    """Yield a callback that prints a picture's line and, on a terminal, advances a progress bar."""
    if quiet or not sys.stderr.isatty():
        yield lambda line: None if line is None else print(line, flush=True)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    bar = Progress(
        *("denoise", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,  # rich would print stdout on stderr
        redirect_stderr=False,
    )
    task = bar.add_task("denoise", total=n_pictures)

    def on_picture(line: str | None) -> None:
        if line is not None:
            bar.stop()
            print(line, flush=True)
            bar.start()
        bar.advance(task)

    with bar:
        yield on_picture
