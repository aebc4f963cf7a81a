"""Parameters that mean the same in all figures, described once."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

SHARED = {
    "image_shape": (
        "sequence of int or None",
        "(height, width) or (height, width, channels) of a row; may be None if `rows` has the shape of pictures.",
    ),
    "names": (
        "sequence of str or None",
        'Names of the units; None uses the column names of a frame, or "code 0", "code 1", ….',
    ),
    "label_name": ("str or None", "Name of the labels; None uses the name of a Series."),
    "title": ("str or None", "Title of the figure."),
    "dark": ("bool", "Draw for a dark background."),
}


def documented(figure: F) -> F:
    """Add to a figure's docstring the parameters that `SHARED` describes, in the order of the signature."""
    if figure.__doc__ is None:  # python -OO
        return figure
    before, heading, after = inspect.cleandoc(figure.__doc__).partition("Parameters\n----------\n")
    own, _, sections = after.partition("\n\n")
    entries = {re.match(r"\w*", entry)[0]: entry for entry in re.split(r"\n(?=\S)", own)}  # type: ignore[index]
    order = list(inspect.signature(figure).parameters)
    for name in order:
        if name in SHARED and name not in entries:
            kind, text = SHARED[name]
            entries[name] = f"{name} : {kind}\n    {text}"
    listed = "\n".join(entries[name] for name in sorted(entries, key=order.index))
    figure.__doc__ = f"{before}{heading}{listed}\n\n{sections}"
    return figure
