"""``isthmus denoise``: remove noise from pictures."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from isthmus.cli.app import print_result, say
from isthmus.cli.arguments import Json, Quiet, load_model

if TYPE_CHECKING:
    from isthmus.images.cleaning import Cleaned

_OnPicture = Callable[[str | None], None]  # called after each picture with the line to print, or None


def denoise(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="IN...", help='Pictures, folders, zips of pictures, or patterns such as "**/*.jpg".'),
    ],
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="OUT", help="A file for one picture; a folder or a .zip for several."),
    ],
    noise: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER",
            help="Standard deviation of the noise on a scale of 0 to 255, for any bit depth. [default: estimated]",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="A model that denoises pictures. [default: the one included in isthmus]"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files, including IN.")] = False,
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
            on_picture(None if done.error or quiet or as_json else _line(done, estimated=noise is None))
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
    if failed:
        _print_failures(failed, len(results))
        raise typer.Exit(1)


def _line(done: Cleaned, estimated: bool) -> str:
    return f"{done.out}: noise {done.noise:.1f}{' (estimated)' if estimated else ''}, {done.seconds:.1f} s"


def _print_failures(failed: list[str], n_pictures: int) -> None:
    if n_pictures > 1:
        say(f"{len(failed)} of {n_pictures} pictures could not be cleaned:")
    for error in failed:
        say(error)


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
