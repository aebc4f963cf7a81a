"""``isthmus denoise``: pictures to clean pictures."""

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

_Tell = Callable[[str | None], None]  # told of each picture that is done: its line, or None


def denoise(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="IN...", help='Pictures, folders, zips of pictures, or patterns such as "**/*.jpg".'),
    ],
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", metavar="OUT", help="A file for one picture; a folder or a .zip for any number of them."
        ),
    ],
    noise: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER",
            help="Deviation of the noise on the scale from 0 to 255, whatever a file's depth. [default: estimated]",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="A model of pictures to clean with. [default: the one that isthmus ships]"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over files that exist, IN among them.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Clean pictures of noise; names, sizes, depths and what else a file says are kept.

    Broken pictures are passed over and named at the end; the exit code is then 1.
    """
    from isthmus.images.cleaning import clean_files

    began = time.perf_counter()
    estimator = None if model is None else load_model(model)
    cleaning = clean_files(inputs, output, noise=noise, model=estimator, force=force)
    results = []
    with _progress(len(cleaning), quiet or as_json) as tell:
        for done in cleaning:
            results.append(done)
            tell(None if done.error or quiet or as_json else _line(done, errors_as_lines=noise is not None))
    failed = [done.error for done in results if done.error]
    seconds = time.perf_counter() - began
    facts = {
        "cleaned": len(results) - len(failed),
        "failed": len(failed),
        "seconds": seconds,
        "pictures": [done._asdict() for done in results],
    }
    count = f"{len(results)} picture{'s' * (len(results) > 1)} in {seconds:.1f} s"
    print_result(facts, count, as_json=as_json, quiet=quiet or bool(failed) or len(results) == 1)
    if failed:
        _sum_up(failed, len(results))
        raise typer.Exit(1)


def _line(done: Cleaned, errors_as_lines: bool) -> str:
    return f"{done.out}: noise {done.noise:.1f}{'' if errors_as_lines else ' (estimated)'}, {done.seconds:.1f} s"


def _sum_up(failed: list[str], n_pictures: int) -> None:
    if n_pictures > 1:
        say(f"{len(failed)} of {n_pictures} pictures could not be cleaned:")
    for error in failed:
        say(error)


@contextlib.contextmanager
def _progress(n_pictures: int, quiet: bool) -> Iterator[_Tell]:
    """Give what is told of each picture: it prints the line, and on a terminal moves a bar on."""
    if quiet or not sys.stderr.isatty():
        yield lambda line: None if line is None else print(line, flush=True)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    bar = Progress(
        *("denoise", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,  # it would go to stderr
        redirect_stderr=False,
    )
    task = bar.add_task("denoise", total=n_pictures)

    def tell(line: str | None) -> None:
        if line is not None:
            bar.stop()
            print(line, flush=True)
            bar.start()
        bar.advance(task)

    with bar:
        yield tell
