"""``isthmus cache``: compiled programs on disk."""

from __future__ import annotations

import os
from typing import Annotated

from typer import Option

from isthmus.cli.app import print_result
from isthmus.cli.options import Json


def cache(
    clear: Annotated[bool, Option("--clear", help="Remove all compiled programs.")] = False, as_json: Json = False
) -> None:
    """Show or clear the cache of compiled programs.

    Later processes load programs from it instead of compiling them again. Set the environment variable ISTHMUS_CACHE
    to use another folder, or to "off" to use no cache.
    """
    from isthmus.core import compilation

    folder = compilation.cache_folder()
    if folder is None:
        is_off = os.environ.get(compilation.VARIABLE, "").lower() == compilation.OFF
        why = "ISTHMUS_CACHE=off" if is_off else "no home folder is known; set HOME, or ISTHMUS_CACHE to a whole path"
        print_result({"folder": None}, f"off: {why}", as_json=as_json)
        return
    if clear:
        files, n_bytes = compilation.clear()
        text = f"{folder}: removed {files} programs, {n_bytes / 1e6:.1f} MB"
    else:
        sizes = [stat.st_size for _, stat in compilation.entries(folder)]
        files, n_bytes = len(sizes), sum(sizes)
        text = f"{folder}: {files} programs, {n_bytes / 1e6:.1f} MB of at most {compilation.MAX_BYTES / 1e6:.0f} MB"
    facts = {"folder": str(folder), "files": files, "bytes": n_bytes, "cleared": clear}
    print_result(facts, text, as_json=as_json)
