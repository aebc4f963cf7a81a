"""``isthmus denoise``: remove noise from pictures."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from isthmus.cli.app import print_result, say
from isthmus.cli.logs import writes_log
from isthmus.cli.options import Json, Quiet, refuse_output_over_model
from isthmus.data.sources.walking import printable

if TYPE_CHECKING:
    from isthmus.images.cleaning import Cleaned
    from isthmus.images.finding import PassedOver

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


@writes_log
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

    Names, sizes, bit depths and metadata are kept. A picture without noise is copied. Pictures that cannot be read are
    skipped and listed at the end; the exit code is then 1. Files that are no pictures are listed too.
    """
    import isthmus
    from isthmus.images.cleaning import clean_files

    start = time.perf_counter()
    refuse_output_over_model(model, output)
    estimator = None if model is None else isthmus.load(model)
    cleaning = clean_files(inputs, output, noise=noise, model=estimator, force=force)
    results = []
    with _progress(len(cleaning), quiet or as_json) as on_picture:
        for done in cleaning:
            results.append(done)
            if done.error or quiet or as_json:
                on_picture(None)
            else:
                on_picture(_line(done, is_estimated=noise is None))
    failed = [done.error for done in results if done.error]
    seconds = time.perf_counter() - start
    facts = {
        "cleaned": len(results) - len(failed),
        "failed": len(failed),
        "seconds": seconds,
        "pictures": [done._asdict() for done in results],
        "passed_over": [other._asdict() for other in cleaning.passed_over],
    }
    count = f"{len(results)} picture{'s' * (len(results) > 1)} in {seconds:.1f} s"
    print_result(facts, count, as_json=as_json, quiet=quiet or bool(failed) or len(results) == 1)
    if not quiet:
        _say_what_is_uncertain(results, cleaning.passed_over, as_json)
    if len(results) > 1 and failed:
        say(f"{len(failed)} of {len(results)} pictures could not be cleaned:")
    for error in failed:
        say(error)
    if failed:
        raise typer.Exit(1)


def _line(done: Cleaned, *, is_estimated: bool) -> str:
    notes = ["estimated"] * is_estimated + ["copied"] * done.copied
    details = f" ({', '.join(notes)})" if notes else ""
    return f"{printable(done.out)}: noise {done.noise:.1f}{details}, {done.seconds:.1f} s"


def _say_what_is_uncertain(results: list[Cleaned], passed_over: list[PassedOver], as_json: bool) -> None:
    for done in results:
        if done.doubt:
            say(f"{printable(done.path)}: {done.doubt}; --noise gives the deviation to remove")
    if passed_over and not as_json:
        say(f"{len(passed_over)} passed over:")
        for other in passed_over:
            say(f"{printable(other.path)}: {other.reason}")


@contextlib.contextmanager
def _progress(n_pictures: int, quiet: bool) -> Iterator[_OnPicture]:
    """Yield a callback that prints a picture's line and, on a terminal, advances a progress bar."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
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
